//! Settings of a role out of a file, laid under flags and environment variables.
//!
//! Must not know: what a setting does. Invariant: a flag wins over its environment variable, that over the file, that over the default;
//! values are never logged.

use anyhow::{Context, Result, bail};
use touriga::Settings;

/// Commands that take settings.
const ROLES: &[&str] = &[
    "start-all",
    "start-controller",
    "start-broker",
    "start-server",
    "quickstart",
];

/// A flag, and Pinot's names of the same thing.
const NAMES: &[(&str, &[&str])] = &[
    ("controller-port", &["controller.port"]),
    (
        "broker-port",
        &["pinot.broker.client.queryPort", "pinot.broker.http.port"],
    ),
    ("server-port", &["pinot.server.netty.port"]),
    ("server-admin-port", &["pinot.server.adminapi.port"]),
    (
        "host",
        &[
            "controller.host",
            "pinot.broker.hostname",
            "pinot.server.netty.host",
        ],
    ),
    (
        "cluster-name",
        &["controller.helix.cluster.name", "pinot.cluster.name"],
    ),
    (
        "data-dir",
        &["controller.data.dir", "pinot.server.instance.dataDir"],
    ),
    ("controller", &["controller.url"]),
    (
        "deep-store",
        &["pinot.deep.store.uri", "controller.deep.store.uri"],
    ),
    ("postgres-port", &["postgres.port"]),
    ("flight-port", &["flight.port"]),
    ("grpc-port", &["pinot.broker.grpc.port"]),
    ("etcd", &[]),
    ("kafka", &[]),
    ("auth-token", &["auth.token"]),
    ("log-level", &["logging.level"]),
];

/// Beginnings of names that roles read themselves, or that Pinot has and this product has no use for.
const KNOWN: &[&str] = &[
    "controller.",
    "pinot.",
    "access.control.",
    "auth.",
    "tls.",
    "etcd.",
    "query.",
    "dynamic.env.config",
];

/// The settings of a command line, and the command line with those that are flags put in.
pub(crate) fn laid_under(arguments: Vec<String>) -> Result<(Vec<String>, Settings)> {
    with(arguments, |name| std::env::var(name).ok())
}

fn with(
    mut arguments: Vec<String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Vec<String>, Settings)> {
    let mut settings = Settings::default();
    if !arguments
        .get(1)
        .is_some_and(|command| ROLES.contains(&command.as_str()))
    {
        return Ok((arguments, settings));
    }
    if let Some(file) = values(&arguments, "--config")
        .pop()
        .or_else(|| variable("TOURIGA_CONFIG"))
    {
        settings = Settings::read(std::path::Path::new(&file))?;
    }
    for pair in values(&arguments, "--set") {
        let (name, value) = pair
            .split_once('=')
            .with_context(|| format!("--set `{pair}`: expected NAME=VALUE"))?;
        settings.set(name.trim(), value.trim());
    }
    for (flag, value) in flags(&settings)? {
        let given = arguments
            .iter()
            .any(|a| *a == format!("--{flag}") || a.starts_with(&format!("--{flag}=")));
        let named = variable(&environment(&flag)).is_some();
        if !given && !named {
            arguments.push(format!("--{flag}={value}"));
        }
    }
    Ok((arguments, settings))
}

/// Values of a flag on the command line.
fn values(arguments: &[String], flag: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == flag {
            out.extend(rest.next().cloned());
        } else if let Some(value) = argument
            .strip_prefix(flag)
            .and_then(|r| r.strip_prefix('='))
        {
            out.push(value.to_owned());
        }
    }
    out
}

fn environment(flag: &str) -> String {
    if flag == "etcd" {
        return "TOURIGA_ETCD_MEMBERS".to_owned();
    }
    format!("TOURIGA_{}", flag.replace('-', "_").to_uppercase())
}

/// `controller_port`, `TOURIGA_CONTROLLER_PORT` and `controller.port` as `controller-port`; `None` where a name is no flag.
fn flag_of(name: &str) -> Option<&'static str> {
    let plain = name.to_lowercase().replace('_', "-");
    let plain = plain.strip_prefix("touriga-").unwrap_or(&plain);
    NAMES
        .iter()
        .find(|(flag, names)| *flag == plain || names.contains(&name))
        .map(|(flag, _)| *flag)
}

fn flags(settings: &Settings) -> Result<Vec<(String, String)>> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut unknown = Vec::new();
    for (name, value) in settings.iter() {
        match flag_of(name) {
            // Pinot keeps the deep store's address and the controller's folder under one name.
            Some("data-dir") if value.contains("://") => {
                out.push(("deep-store".to_owned(), value.to_owned()))
            }
            Some(flag) => match out.iter().find(|(known, _)| known == flag) {
                Some((_, other)) if other != value && flag != "data-dir" && flag != "host" => {
                    bail!(
                        "the settings name `--{flag}` twice, by `{name}` and otherwise, with different values"
                    )
                }
                Some(_) => {}
                None => out.push((flag.to_owned(), value.to_owned())),
            },
            None if KNOWN.iter().any(|known| name.starts_with(known)) => {}
            None => unknown.push(name),
        }
    }
    if !unknown.is_empty() {
        bail!(
            "unknown settings: {}; expected names of flags, or of Pinot's config",
            unknown.join(", ")
        );
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::with;

    fn arguments(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_file_is_laid_under_flags_and_environment() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("pinot-controller.conf");
        std::fs::write(
            &file,
            "controller.port=9001\npinot.server.netty.port=8001\npinot.broker.client.queryPort=8002\ncontroller.data.dir=/d\n\
             controller.zk.str=zk:2181\ncluster_name=c\n",
        )?;
        let line = arguments(&format!(
            "touriga start-all --server-port 7 --config {}",
            file.display()
        ));
        let (line, settings) = with(line, |name| {
            (name == "TOURIGA_BROKER_PORT").then(|| "8".to_owned())
        })?;
        let has = |argument: &str| line.iter().any(|a| a == argument);
        assert!(has("--controller-port=9001") && has("--data-dir=/d") && has("--cluster-name=c"));
        assert!(
            !line
                .iter()
                .any(|a| a.starts_with("--server-port=") || a.starts_with("--broker-port="))
        );
        assert_eq!(settings.get("controller.zk.str"), Some("zk:2181"));
        Ok(())
    }

    #[test]
    fn what_nobody_reads_is_refused() {
        let none = |_: &str| None;
        assert!(with(arguments("touriga start-all --set controler.port=1"), none).is_err());
        assert!(with(arguments("touriga start-all --set port"), none).is_err());
        assert!(
            with(
                arguments(
                    "touriga start-all --set controller.port=1 --set TOURIGA_CONTROLLER_PORT=2"
                ),
                none
            )
            .is_err()
        );
        assert!(with(arguments("touriga sql --set x=1"), none).is_ok());
    }
}

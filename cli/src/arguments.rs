//! The command line: our words, and Pinot's mapped onto them.
//!
//! Must not know: what a command does. Invariant: a flag wins over its environment variable, that over the settings file, that over the
//! default.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// How long to look whether one of several addresses takes connections.
const LOOK: Duration = Duration::from_millis(500);

/// Touriga: a real-time OLAP database that Apache Pinot's users pick up unchanged.
#[derive(Debug, Parser)]
#[command(name = "touriga", version)]
pub(crate) struct Arguments {
    /// What to log: error, warn, info, debug, trace, or a filter by module.
    #[arg(long, global = true, default_value = "info", env = "TOURIGA_LOG_LEVEL")]
    pub(crate) log_level: String,
    /// Log as JSON lines.
    #[arg(long, global = true, env = "TOURIGA_LOG_JSON")]
    pub(crate) log_json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts controller, server and broker in one process.
    StartAll(RoleOptions),
    /// Starts a controller.
    StartController(RoleOptions),
    /// Starts a broker.
    StartBroker(RoleOptions),
    /// Starts a server.
    StartServer(RoleOptions),
    /// Starts the small stream of the quickstart by itself: Kafka's protocol, one node.
    StartStream(StreamOptions),
    /// Starts everything with live data, and shows it.
    Quickstart(QuickstartOptions),
    /// Posts a schema file.
    AddSchema(FileOptions),
    /// Posts a table config file, and a schema file before it where one is given.
    AddTable(FileOptions),
    /// Removes a table.
    DeleteTable(NamedOptions),
    /// Removes a schema.
    DeleteSchema(NamedOptions),
    /// Asks a query and prints the answer as a table.
    PostQuery(QueryOptions),
    /// Asks queries as they are typed.
    Sql(ShellOptions),
    /// Puts the files that a job spec names into an OFFLINE table.
    #[command(alias = "run-ingestion-job")]
    LaunchDataIngestionJob(JobOptions),
}

/// Options of the roles.
#[derive(Debug, Clone, Args)]
pub(crate) struct RoleOptions {
    /// File of settings: TOML, YAML or properties, with the names of these flags or of Pinot's config.
    #[arg(long, env = "TOURIGA_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// A setting, NAME=VALUE; wins over the file.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Folder of everything that lasts.
    #[arg(long, default_value = "data", env = "TOURIGA_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Host under which the others and clients reach this process.
    #[arg(long, default_value = "127.0.0.1", env = "TOURIGA_HOST")]
    pub(crate) host: String,
    /// The controller, where it runs in another process; several with commas between.
    #[arg(long, env = "TOURIGA_CONTROLLER")]
    pub(crate) controller: Option<String>,
    /// Port of the controller: REST, console and gRPC.
    #[arg(long, default_value_t = 9000, env = "TOURIGA_CONTROLLER_PORT")]
    pub(crate) controller_port: u16,
    /// Port of the broker: queries.
    #[arg(long, default_value_t = 8099, env = "TOURIGA_BROKER_PORT")]
    pub(crate) broker_port: u16,
    /// Port of the server: queries from brokers.
    #[arg(long, default_value_t = 8098, env = "TOURIGA_SERVER_PORT")]
    pub(crate) server_port: u16,
    /// Port of the server: health, metrics, administration; one below the server's port where not given.
    #[arg(long, env = "TOURIGA_SERVER_ADMIN_PORT")]
    pub(crate) server_admin_port: Option<u16>,
    /// Where committed segments go; a folder of the controller's where not given.
    #[arg(long, env = "TOURIGA_DEEP_STORE")]
    pub(crate) deep_store: Option<String>,
    /// Members of the etcd that several controllers share, HOST:PORT or https://HOST:PORT with commas between; needs --deep-store.
    #[arg(long, env = "TOURIGA_ETCD_MEMBERS")]
    pub(crate) etcd: Option<String>,
    /// A Kafka that tables may use; checked and logged at the start.
    #[arg(long, env = "TOURIGA_KAFKA")]
    pub(crate) kafka: Option<String>,
    /// Port of the broker for the Postgres protocol: psql, drivers; closed where none is given.
    #[arg(long, env = "TOURIGA_POSTGRES_PORT")]
    pub(crate) postgres_port: Option<u16>,
    /// Port of the broker for Arrow Flight SQL: ADBC, JDBC; closed where none is given.
    #[arg(long, env = "TOURIGA_FLIGHT_PORT")]
    pub(crate) flight_port: Option<u16>,
    /// Port of the broker for Pinot's gRPC: Go, Java; closed where none is given.
    #[arg(long, alias = "broker-grpc-port", env = "TOURIGA_GRPC_PORT")]
    pub(crate) grpc_port: Option<u16>,
    /// Name of the cluster.
    #[arg(long, env = "TOURIGA_CLUSTER_NAME")]
    pub(crate) cluster_name: Option<String>,
    /// The `Authorization` header that this process shows to the others, where they ask for one.
    #[arg(long, env = "TOURIGA_AUTH_TOKEN", hide_env_values = true)]
    pub(crate) auth_token: Option<String>,
}

/// Options of the stream by itself.
#[derive(Debug, Clone, Args)]
pub(crate) struct StreamOptions {
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:9092", env = "TOURIGA_STREAM_LISTEN")]
    pub(crate) listen: std::net::SocketAddr,
    /// Folder of topics and offsets; in memory where not given.
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Partitions of a topic that comes into being when a client first names it.
    #[arg(long, default_value_t = 1)]
    pub(crate) partitions: i32,
    /// Bytes kept of each partition.
    #[arg(long, default_value_t = 1 << 30)]
    pub(crate) retention_bytes: u64,
}

/// Options of the quickstart.
#[derive(Debug, Clone, Args)]
pub(crate) struct QuickstartOptions {
    /// Roles and ports.
    #[command(flatten)]
    pub(crate) roles: RoleOptions,
    /// Events a second.
    #[arg(long, default_value_t = 2000)]
    pub(crate) rate: u32,
    /// Ends by itself after so many seconds.
    #[arg(long)]
    pub(crate) seconds: Option<u64>,
}

/// Where a running cluster is, and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The controller.
    #[arg(long, env = "TOURIGA_CONTROLLER")]
    pub(crate) controller: Option<String>,
    /// The broker.
    #[arg(long, env = "TOURIGA_BROKER")]
    pub(crate) broker: Option<String>,
    /// Host of both, where no address is given.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port of the controller, where no address is given.
    #[arg(long, default_value_t = 9000)]
    pub(crate) controller_port: u16,
    /// Port of the broker, where no address is given.
    #[arg(long, default_value_t = 8099)]
    pub(crate) broker_port: u16,
    /// `http` or `https`, where no address is given.
    #[arg(
        long,
        alias = "controller-protocol",
        alias = "broker-protocol",
        default_value = "http"
    )]
    pub(crate) protocol: String,
    /// Who asks.
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// The password.
    #[arg(long, env = "TOURIGA_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// An `Authorization` header in place of user and password.
    #[arg(long, env = "TOURIGA_AUTH_TOKEN", hide_env_values = true)]
    pub(crate) auth_token: Option<String>,
}

impl Target {
    /// URL of the controller.
    pub(crate) fn controller_url(&self) -> String {
        self.url(self.controller.as_deref(), self.controller_port)
    }

    /// URL of the broker.
    pub(crate) fn broker_url(&self) -> String {
        self.url(self.broker.as_deref(), self.broker_port)
    }

    fn url(&self, given: Option<&str>, port: u16) -> String {
        match given.map(one_of) {
            Some(url) if url.contains("://") => url.trim_end_matches('/').to_owned(),
            Some(address) => format!("{}://{address}", self.protocol),
            None => format!("{}://{}:{port}", self.protocol, self.host),
        }
    }
}

/// One of several addresses with commas between: the first that takes connections.
fn one_of(addresses: &str) -> &str {
    let each = || {
        addresses
            .split(',')
            .map(str::trim)
            .filter(|a| !a.is_empty())
    };
    let answers = |address: &&str| {
        let authority = address.split_once("://").map_or(*address, |(_, rest)| rest);
        let found = authority.trim_end_matches('/').to_socket_addrs();
        let mut found = found.into_iter().flatten();
        found.any(|at| TcpStream::connect_timeout(&at, LOOK).is_ok())
    };
    if each().nth(1).is_none() {
        return addresses;
    }
    each()
        .find(answers)
        .or_else(|| each().next())
        .unwrap_or(addresses)
}

/// Options of commands that post files.
#[derive(Debug, Clone, Args)]
pub(crate) struct FileOptions {
    /// Schema file.
    #[arg(long)]
    pub(crate) schema_file: Option<PathBuf>,
    /// Table config file.
    #[arg(long, alias = "table-config-json-file", alias = "file-path")]
    pub(crate) table_config_file: Option<PathBuf>,
    /// Config file of a REALTIME table.
    #[arg(long)]
    pub(crate) realtime_table_config_file: Option<PathBuf>,
    /// Config file of an OFFLINE table.
    #[arg(long)]
    pub(crate) offline_table_config_file: Option<PathBuf>,
    /// Changes the table where it is there already.
    #[arg(long)]
    pub(crate) update: bool,
    /// Where to.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Options of commands about one table or schema.
#[derive(Debug, Clone, Args)]
pub(crate) struct NamedOptions {
    /// Its name.
    #[arg(long, alias = "table-name", alias = "schema-name")]
    pub(crate) name: String,
    /// OFFLINE or REALTIME; both where not given.
    #[arg(long, alias = "table-type")]
    pub(crate) r#type: Option<String>,
    /// How long its segments stay in the deep store: `7d`, `0d` removes them at once.
    #[arg(long)]
    pub(crate) retention: Option<String>,
    /// Where.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Options of a query.
#[derive(Debug, Clone, Args)]
pub(crate) struct QueryOptions {
    /// SQL.
    #[arg(long)]
    pub(crate) query: String,
    /// Where to.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Options of the shell.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShellOptions {
    /// A query to ask in place of those that are typed; may be given several times.
    #[arg(long, short)]
    pub(crate) execute: Vec<String>,
    /// table, csv, tsv or json.
    #[arg(long, default_value = "table")]
    pub(crate) format: String,
    /// Where to.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Options of an ingestion job.
#[derive(Debug, Clone, Args)]
pub(crate) struct JobOptions {
    /// The job spec, YAML, in Pinot's form.
    #[arg(long, alias = "ingestion-job-spec-file")]
    pub(crate) job_spec_file: PathBuf,
    /// Values of `${name}` in the spec: name=value.
    #[arg(long, num_args = 1..)]
    pub(crate) values: Vec<String>,
    /// Where to, where the spec does not say.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Pinot's words and ours, where they differ by more than capitals and dashes.
const WORDS: &[(&str, &str)] = &[
    ("StartServiceManager", "start-all"),
    ("QuickStart", "quickstart"),
    ("-configFileName", "--config"),
    ("-configFile", "--config"),
    ("-controllerHost", "--host"),
    ("-brokerHost", "--host"),
    ("-serverHost", "--host"),
    ("-controllerAddress", "--controller"),
    ("-serverAdminPort", "--server-admin-port"),
];

/// Pinot's flags that mean nothing here, and whether a value follows.
const IGNORED: &[(&str, bool)] = &[
    ("-zkAddress", true),
    ("-zkTimeout", true),
    ("-segmentDir", true),
    ("-controllerMode", true),
    ("-controllerProtocol", true),
    ("-queryType", true),
    ("-serverGrpcPort", true),
    ("-serverMultiStageServerPort", true),
    ("-serverMultiStageRunnerPort", true),
    ("-brokerMultiStageRunnerPort", true),
    ("-exec", false),
    ("-force", false),
];

/// Flags with a value that mean nothing in one command: Pinot's quickstart has many types, ours shows everything at once;
/// its service manager has a port of its own.
const IGNORED_OF: &[(&str, &str)] = &[
    ("quickstart", "-type"),
    ("quickstart", "-tmpDir"),
    ("start-all", "-port"),
];

/// `-schemaFile` as `--schema-file`, `AddTable` as `add-table`; anything else as it is.
fn dashed(word: &str) -> Option<String> {
    let name = word.strip_prefix('-').unwrap_or(word);
    let flag = word.len() > 2 && word.starts_with('-') && !word.starts_with("--");
    let command = word.starts_with(|c: char| c.is_ascii_uppercase());
    if !(flag || command)
        || !name.chars().all(|c| c.is_ascii_alphanumeric())
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let mut out = String::from(if flag { "--" } else { "" });
    for (at, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && at > 0 {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    Some(out)
}

/// Rewrites Pinot's words and flags into ours.
pub(crate) fn modern(arguments: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(arguments.len());
    let mut rest = arguments.into_iter();
    out.extend(rest.next());
    let mut is_value = false;
    while let Some(argument) = rest.next() {
        let of_command = out.get(1).is_some_and(|command| {
            let mut flags = IGNORED_OF.iter();
            flags.any(|(of, flag)| of == command && *flag == argument)
        });
        let ignored = IGNORED.iter().find(|(word, _)| *word == argument);
        if let Some(valued) = ignored
            .map(|(_, valued)| *valued)
            .or_else(|| of_command.then_some(true))
        {
            if valued {
                rest.next();
            }
            is_value = false;
            continue;
        }
        // Only the first word is a command; what follows a flag is its value.
        let is_command = out.len() == 1 || (!is_value && !argument.starts_with('-'));
        let known = WORDS
            .iter()
            .find(|(word, _)| *word == argument)
            .map(|(_, ours)| (*ours).to_owned());
        let looked_at = argument.starts_with('-') || is_command;
        is_value = argument.starts_with('-');
        out.push(if looked_at {
            known.or_else(|| dashed(&argument)).unwrap_or(argument)
        } else {
            argument
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(modern(words.split(' ').map(str::to_owned).collect()))
    }

    #[test]
    fn pinots_words_are_understood() -> Result<(), clap::Error> {
        let server = parsed(
            "touriga StartServer -zkAddress zk:2181 -clusterName c -serverPort 8098 -dataDir /tmp/d -configFileName a.conf",
        )?;
        assert!(
            matches!(server.command, Command::StartServer(o) if o.server_port == 8098 && o.config == Some("a.conf".into())
                && o.cluster_name.as_deref() == Some("c"))
        );
        let table = parsed(
            "touriga AddTable -schemaFile S.json -tableConfigFile T.json -controllerHost h -controllerPort 1 -exec",
        )?;
        assert!(
            matches!(table.command, Command::AddTable(o) if o.target.controller_url() == "http://h:1" && o.schema_file == Some("S.json".into()))
        );
        let query = parsed(
            "touriga PostQuery -brokerHost b -brokerPort 2 -queryType sql -user u -password P -query SELECT",
        )?;
        assert!(
            matches!(query.command, Command::PostQuery(o) if o.target.broker_url() == "http://b:2" && o.query == "SELECT"
                && o.target.password.as_deref() == Some("P"))
        );
        assert!(matches!(
            parsed("touriga QuickStart -type hybrid")?.command,
            Command::Quickstart(_)
        ));
        assert!(matches!(
            parsed("touriga StartServiceManager -zkAddress zk:2181 -clusterName c -port -1")?.command,
            Command::StartAll(o) if o.cluster_name.as_deref() == Some("c")
        ));
        assert!(matches!(
            parsed("touriga StartServer -serverGrpcPort 8090 -serverMultiStageServerPort 7321 -serverPort 1")?.command,
            Command::StartServer(o) if o.server_port == 1
        ));
        assert!(matches!(
            parsed("touriga LaunchDataIngestionJob -jobSpecFile j.yaml -values a=b")?.command,
            Command::LaunchDataIngestionJob(_)
        ));
        Ok(())
    }

    #[test]
    fn an_address_wins_over_host_and_port() -> Result<(), clap::Error> {
        let shell = parsed("touriga sql --broker https://b:8443/")?;
        assert!(
            matches!(shell.command, Command::Sql(o) if o.target.broker_url() == "https://b:8443")
        );
        Ok(())
    }
}

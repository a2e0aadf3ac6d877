//! The command line: our words, and Pinot's mapped onto them.
//!
//! Must not know: what a command does. Invariant: a flag wins over its environment variable, that over the default.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Starts everything with live data, and shows it.
    Quickstart(QuickstartOptions),
    /// Posts a schema file.
    AddSchema(FileOptions),
    /// Posts a table config file, and a schema file before it where one is given.
    AddTable(FileOptions),
    /// Asks a query and prints the answer as a table.
    PostQuery(QueryOptions),
}

/// Options of the roles.
#[derive(Debug, Clone, Args)]
pub(crate) struct RoleOptions {
    /// Folder of everything that lasts.
    #[arg(long, default_value = "data", env = "TOURIGA_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// Host under which the others and clients reach this process.
    #[arg(long, default_value = "127.0.0.1", env = "TOURIGA_HOST")]
    pub(crate) host: String,
    /// The controller, where it runs in another process.
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
    /// A Kafka that tables may use; checked and logged at the start.
    #[arg(long, env = "TOURIGA_KAFKA")]
    pub(crate) kafka: Option<String>,
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

/// Options of commands that post files.
#[derive(Debug, Clone, Args)]
pub(crate) struct FileOptions {
    /// Schema file.
    #[arg(long)]
    pub(crate) schema_file: Option<PathBuf>,
    /// Table config file.
    #[arg(long)]
    pub(crate) table_config_file: Option<PathBuf>,
    /// The controller.
    #[arg(long, default_value = "http://127.0.0.1:9000")]
    pub(crate) controller: String,
}

/// Options of a query.
#[derive(Debug, Clone, Args)]
pub(crate) struct QueryOptions {
    /// SQL.
    #[arg(long)]
    pub(crate) query: String,
    /// The broker.
    #[arg(long, default_value = "http://127.0.0.1:8099")]
    pub(crate) broker: String,
}

/// Pinot's words and ours.
const WORDS: &[(&str, &str)] = &[
    ("StartController", "start-controller"),
    ("StartBroker", "start-broker"),
    ("StartServer", "start-server"),
    ("StartServiceManager", "start-all"),
    ("QuickStart", "quickstart"),
    ("AddSchema", "add-schema"),
    ("AddTable", "add-table"),
    ("PostQuery", "post-query"),
    ("-dataDir", "--data-dir"),
    ("-controllerPort", "--controller-port"),
    ("-brokerPort", "--broker-port"),
    ("-serverPort", "--server-port"),
    ("-serverAdminPort", "--server-admin-port"),
    ("-controllerHost", "--host"),
    ("-brokerHost", "--host"),
    ("-serverHost", "--host"),
    ("-schemaFile", "--schema-file"),
    ("-tableConfigFile", "--table-config-file"),
    ("-query", "--query"),
];

/// Pinot's flags that mean nothing here, and whether a value follows.
const IGNORED: &[(&str, bool)] = &[
    ("-zkAddress", true),
    ("-clusterName", true),
    ("-configFileName", true),
    ("-segmentDir", true),
    ("-type", true),
    ("-exec", false),
];

/// Rewrites Pinot's words and flags into ours.
pub(crate) fn modern(arguments: Vec<String>) -> Vec<String> {
    let mut out = Vec::with_capacity(arguments.len());
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        if let Some((_, valued)) = IGNORED.iter().find(|(word, _)| *word == argument) {
            if *valued {
                rest.next();
            }
        } else if let Some((_, ours)) = WORDS.iter().find(|(word, _)| *word == argument) {
            out.push((*ours).to_owned());
        } else {
            out.push(argument);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinots_words_are_understood() {
        let words = "touriga StartServer -zkAddress zk:2181 -serverPort 8098 -dataDir /tmp/d";
        let arguments = modern(words.split(' ').map(str::to_owned).collect());
        let parsed = Arguments::try_parse_from(arguments);
        assert!(
            matches!(parsed, Ok(Arguments { command: Command::StartServer(o), .. }) if o.server_port == 8098)
        );
    }
}

//! The binary `touriga`: argument parsing only.
//!
//! Must not know: how a role works. Invariant: a failure is logged once, and the exit code tells it.

mod arguments;
mod client;
mod ingestion_job;
mod quickstart;
mod roles;
mod settings;
mod shell;
mod stream_alone;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use touriga::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let given = arguments::modern(std::env::args().collect());
    let (given, settings) = match settings::laid_under(given) {
        Ok(laid) => laid,
        Err(error) => {
            // There is no log yet.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let arguments = arguments::Arguments::parse_from(given);
    log(&arguments);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(arguments.command, settings)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: arguments::Command, settings: Settings) -> anyhow::Result<()> {
    use arguments::Command;
    use touriga::Role;
    let role = async |options, role| roles::run(&options, &[role], settings.clone()).await;
    match command {
        Command::StartAll(options) => {
            let all = [Role::Controller, Role::Server, Role::Broker];
            roles::run(&options, &all, settings).await
        }
        Command::StartController(options) => role(options, Role::Controller).await,
        Command::StartBroker(options) => role(options, Role::Broker).await,
        Command::StartServer(options) => role(options, Role::Server).await,
        Command::StartStream(options) => stream_alone::run(&options).await,
        Command::Quickstart(options) => quickstart::run(&options, settings).await,
        Command::AddSchema(options) => client::add_schema(&options).await,
        Command::AddTable(options) => client::add_table(&options).await,
        Command::DeleteTable(options) => client::delete_table(&options).await,
        Command::DeleteSchema(options) => client::delete_schema(&options).await,
        Command::PostQuery(options) => client::post_query(&options).await,
        Command::Sql(options) => shell::run(&options).await,
        Command::LaunchDataIngestionJob(options) => ingestion_job::run(&options).await,
    }
}

fn log(arguments: &arguments::Arguments) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TOURIGA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(&arguments.log_level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if arguments.log_json {
        builder.json().init();
    } else {
        builder.init();
    }
}

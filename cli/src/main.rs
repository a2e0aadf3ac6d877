//! The binary `touriga`: argument parsing only.
//!
//! Must not know: how a role works. Invariant: a failure is logged once, and the exit code tells it.

mod arguments;
mod client;
mod quickstart;
mod roles;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse_from(arguments::modern(std::env::args().collect()));
    log(&arguments);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(arguments.command)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: arguments::Command) -> anyhow::Result<()> {
    use arguments::Command;
    use touriga::Role;
    match command {
        Command::StartAll(options) => {
            roles::run(&options, &[Role::Controller, Role::Server, Role::Broker]).await
        }
        Command::StartController(options) => roles::run(&options, &[Role::Controller]).await,
        Command::StartBroker(options) => roles::run(&options, &[Role::Broker]).await,
        Command::StartServer(options) => roles::run(&options, &[Role::Server]).await,
        Command::Quickstart(options) => quickstart::run(&options).await,
        Command::AddSchema(options) => client::add_schema(&options).await,
        Command::AddTable(options) => client::add_table(&options).await,
        Command::PostQuery(options) => client::post_query(&options).await,
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

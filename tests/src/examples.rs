//! The pipelines of `examples/`, each run as a user runs it, with little data.
//!
//! Must not know: what a pipeline does. Invariant: what is not run says so.

use std::io::Write;
use std::process::Command;

use anyhow::{Result, bail};

use crate::processes::binary;

/// The exit code of `examples/test` where Python's packages cannot be had.
const NOT_INSTALLED: i32 = 75;

fn run(name: &str) -> Result<()> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/test");
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|p| p.status.success()) {
        // Past the capture of the test's output: a skip must be seen.
        writeln!(
            std::io::stderr(),
            "\nNOT RUN: the example `{name}` needs python3, which is not here\n"
        )?;
        return Ok(());
    }
    let output = Command::new("python3")
        .arg(script)
        .args(["--only", name, "--binary"])
        .arg(binary()?)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Ok(()),
        Some(NOT_INSTALLED) => {
            writeln!(
                std::io::stderr(),
                "\nNOT RUN: the example `{name}`: {text}\n"
            )?;
            Ok(())
        }
        code => bail!(
            "`{name}` ended with {code:?}:\n{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

#[test]
fn sales_in_real_time() -> Result<()> {
    run("sales-realtime")
}

#[test]
fn clients_and_transactions_from_files() -> Result<()> {
    run("clients-transactions")
}

#[test]
fn an_e_commerce_file_as_a_stream() -> Result<()> {
    run("ecommerce-replay")
}

#[test]
fn what_kafka_connect_writes_is_read_back() -> Result<()> {
    run("kafka-connect-s3")
}

#[test]
fn change_data_capture_in_three_layers() -> Result<()> {
    run("change-data-capture")
}

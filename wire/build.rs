//! Compiles `broker.proto` without an installed protoc.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile([Path::new("broker.proto")], ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=broker.proto");
    Ok(())
}

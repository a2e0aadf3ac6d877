//! Compiles `touriga.proto` without an installed protoc.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = Path::new("touriga.proto");
    let descriptors = protox::compile([source], ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=touriga.proto");
    Ok(())
}

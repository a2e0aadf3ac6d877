//! Compiles `touriga.proto` and `etcd.proto` without an installed protoc.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for name in ["touriga.proto", "etcd.proto"] {
        let descriptors = protox::compile([Path::new(name)], ["."])?;
        tonic_prost_build::configure().compile_fds(descriptors)?;
        println!("cargo:rerun-if-changed={name}");
    }
    Ok(())
}

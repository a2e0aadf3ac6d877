//! The binary `touriga`: argument parsing only.
fn main() {}

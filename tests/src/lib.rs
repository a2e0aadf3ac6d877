//! Tests that cross crates.
//!
//! Must not know: internals of any crate. Invariant: what is asserted here is what a user sees.

pub mod ports;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod several_servers;

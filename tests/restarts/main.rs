//! Several controllers, brokers and servers as real processes: stopped in turn, and killed, under load.
//!
//! Must not know: internals of a role. Invariant: every process of a test ends with it. `TOURIGA_ETCD` names the binary of etcd's
//! server; without it what needs one says loudly that it did not run.

mod failover;
mod processes;
mod rolling;

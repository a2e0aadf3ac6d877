//! Touriga as a library: the roles of a cluster inside one process.

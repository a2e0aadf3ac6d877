//! SQL beyond one scan: joins, windows, set operations and subqueries, planned and run by DataFusion over leaf stages.
//!
//! Must not know: how a leaf is routed and scattered (the broker does). Invariant: the same kernels as the
//! single-stage engine, so that a function has one meaning.

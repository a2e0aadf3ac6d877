//! Columnar segments, mutable and sealed, with their indexes.

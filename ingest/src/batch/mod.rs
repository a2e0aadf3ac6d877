//! Files as rows.

//! Pinot's SQL: parse, resolve, rewrite, plan.

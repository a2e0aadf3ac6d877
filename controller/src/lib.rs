//! The controller: schemas, tables, segments, assignment and segment completion, over REST.

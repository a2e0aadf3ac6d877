//! Metadata store, ideal state, external view, instances, deep store, task group.

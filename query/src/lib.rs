//! Single-stage execution over segments: prune, filter, project, aggregate, merge, reduce.

//! The broker: parse, route, scatter, merge, answer.

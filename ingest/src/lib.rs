//! Streams, decoders, transforms and batch readers.

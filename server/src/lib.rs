//! The server: consumes streams, holds segments, executes queries over them.

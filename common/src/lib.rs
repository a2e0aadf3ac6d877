//! What every part of the system agrees on: Pinot's schema and table config, data types, values, blocks, names, errors.
//!
//! Must not know: I/O, time of day (except behind [`clock::Clock`]), SQL, segments.
//! Invariant: everything here is plain data; equal JSON in gives equal structures and equal JSON out.

pub mod block;
pub mod cast;
pub mod clock;
pub mod data_type;
pub mod error_code;
pub mod ids;
mod java_calendar;
mod java_digits;
pub mod java_text;
pub mod json_text;
pub mod partition;
pub mod schema;
pub mod table_config;
pub mod time_format;
pub mod timestamp_index;
pub mod value;

pub use bigdecimal::BigDecimal;
pub use block::{ArrayVec, Block, BytesVec, TextVec, Values};
pub use cast::CastError;
pub use data_type::{ColumnType, DataType};
pub use error_code::{ErrorCode, QueryException};
pub use schema::{FieldRole, FieldSpec, Schema};
pub use table_config::{TableConfig, TableType};
pub use value::Value;

//! What is told of a statement before it runs: its columns and its parameters.
//!
//! Must not know: calls. Invariant: a parameter whose type nothing tells is text.

use arrow::datatypes::{DataType as Arrow, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow_flight::{IpcMessage, SchemaAsIpc};
use arrow_ipc::writer::IpcWriteOptions;

use crate::postgres::infer;
use crate::postgres::kind::Base;
use crate::postgres::parameters::sample;
use crate::source::Table;
use crate::syntax::{Mark, count, filled};

/// Types of the parameters of a statement.
pub(super) struct Parameters(Vec<Base>);

impl Parameters {
    /// Those that a statement's question marks stand for.
    pub(super) fn of(sql: &str, tables: &[Table]) -> Self {
        let places = count(sql, Mark::Question);
        let numbered = filled(sql, Mark::Question, |at| Some(format!("${}", at + 1)));
        let told = infer::kinds(&numbered, places, tables);
        Self(
            told.into_iter()
                .map(|kind| kind.map_or(Base::Text, |k| k.base))
                .collect(),
        )
    }

    /// The statement with values of these types.
    pub(super) fn sampled(&self, sql: &str) -> String {
        filled(sql, Mark::Question, |at| {
            let kind = crate::postgres::kind::Kind::of(*self.0.get(at)?);
            Some(sample(kind.oid()))
        })
    }

    /// As a schema.
    pub(super) fn schema(&self) -> Schema {
        let field = |(at, base): (usize, &Base)| {
            Field::new(format!("parameter_{}", at + 1), arrow(*base), true)
        };
        Schema::new(self.0.iter().enumerate().map(field).collect::<Vec<_>>())
    }
}

fn arrow(base: Base) -> Arrow {
    match base {
        Base::Bool => Arrow::Boolean,
        Base::Int2 => Arrow::Int16,
        Base::Int4 => Arrow::Int32,
        Base::Int8 | Base::Oid => Arrow::Int64,
        Base::Float4 => Arrow::Float32,
        Base::Float8 => Arrow::Float64,
        Base::Timestamp => Arrow::Timestamp(TimeUnit::Millisecond, None),
        Base::Bytes => Arrow::Binary,
        Base::Numeric | Base::Text | Base::Json => Arrow::Utf8,
    }
}

/// A schema as Flight SQL puts it into messages.
pub(super) fn packed(schema: &Schema) -> Result<bytes::Bytes, ArrowError> {
    let options = IpcWriteOptions::default();
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &options).try_into()?;
    Ok(bytes)
}

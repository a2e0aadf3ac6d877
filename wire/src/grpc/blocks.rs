//! The blocks of an answer: what is known of it, its schema, and so many rows at a time, each with its length in front.
//!
//! Must not know: who asks. Invariants: an answer without a table is one block; rows become text when their block is sent, not before.

use std::collections::HashMap;
use std::io::Error;

use super::compression::Compression;
use super::member;
use super::messages::BrokerResponse;
use crate::source::{Whole, Written};

/// Rows of a block where the request does not say.
const ROWS: usize = 10_000;
const COMPRESSION: &str = "ZSTD";
/// Rows are JSON whichever encoding a request names; every block says so, and clients read it by that.
const ENCODING: &str = "JSON";

/// How rows should come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    rows: usize,
    compression: Compression,
    /// Its name as the request has it.
    name: String,
}

impl Form {
    /// What a request asks for.
    ///
    /// # Errors
    /// With the text for the client, where it asks for what there is not.
    pub(super) fn of(metadata: &HashMap<String, String>) -> Result<Self, String> {
        let rows = match member(metadata, "blockRowSize") {
            None => ROWS,
            Some(text) => text.parse().ok().filter(|rows| *rows > 0).ok_or_else(|| {
                format!("blockRowSize is `{text}`, expected a number of rows from 1")
            })?,
        };
        let name = member(metadata, "compression").unwrap_or(COMPRESSION);
        let compression = Compression::parse(name).ok_or_else(|| {
            format!(
                "compression is `{name}`, expected one of ZSTD, LZ4, SNAPPY, GZIP, DEFLATE, NONE"
            )
        })?;
        Ok(Self {
            rows,
            compression,
            name: name.to_owned(),
        })
    }
}

/// The blocks, one after the other.
pub(super) struct Blocks {
    form: Form,
    about: Option<String>,
    schema: Option<Vec<u8>>,
    rows: Box<dyn Iterator<Item = String> + Send>,
}

impl Blocks {
    pub(super) fn new(answer: Whole, form: Form) -> Self {
        let (schema, rows) = match answer.table {
            Some(table) => (Some(schema(&table)), table.rows),
            None => (None, Box::new(std::iter::empty()) as Box<_>),
        };
        Self {
            form,
            about: Some(answer.about),
            schema,
            rows,
        }
    }

    fn of_rows(&mut self) -> Option<Result<BrokerResponse, Error>> {
        let (mut bytes, mut rows) = (Vec::new(), 0_usize);
        for row in self.rows.by_ref().take(self.form.rows) {
            put(&mut bytes, &row);
            rows += 1;
        }
        if rows == 0 {
            return None;
        }
        let original = bytes.len();
        let compressed = self.form.compression.of(bytes);
        Some(compressed.map(|payload| {
            let told = [
                ("originalSize", original.to_string()),
                ("compressedSize", payload.len().to_string()),
                ("rowSize", rows.to_string()),
                ("compression", self.form.name.clone()),
                ("encoding", ENCODING.to_owned()),
            ];
            BrokerResponse {
                metadata: told.map(|(n, v)| (n.to_owned(), v)).into(),
                payload,
            }
        }))
    }
}

impl Iterator for Blocks {
    type Item = Result<BrokerResponse, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.about.take().map(String::into_bytes);
        match head.or_else(|| self.schema.take()) {
            Some(payload) => Some(Ok(BrokerResponse {
                metadata: HashMap::new(),
                payload,
            })),
            None => self.of_rows(),
        }
    }
}

/// Pinot's bytes of a schema: how many columns, their names, their types; lengths and numbers with the highest byte first.
fn schema(table: &Written) -> Vec<u8> {
    let mut bytes = (table.names.len() as u32).to_be_bytes().to_vec();
    for text in table.names.iter().chain(&table.types) {
        put(&mut bytes, text);
    }
    bytes
}

/// A text behind its length.
fn put(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(members: &[(&str, &str)]) -> Result<Form, String> {
        let members = members
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Form::of(&members.collect())
    }

    #[test]
    fn rows_come_in_blocks_of_the_wanted_size() -> Result<(), Box<dyn std::error::Error>> {
        let answer = Whole {
            about: "{}".to_owned(),
            table: Some(Written {
                names: vec!["a".to_owned()],
                types: vec!["INT".to_owned()],
                rows: Box::new((0..5).map(|n| format!("[{n}]"))),
            }),
        };
        let form = form(&[("blockRowSize", "2"), ("compression", "none")])?;
        let blocks: Result<Vec<_>, _> = Blocks::new(answer, form).collect();
        let blocks = blocks?;
        assert_eq!(blocks.len(), 5);
        assert_eq!(blocks[0].payload, b"{}");
        assert_eq!(blocks[1].payload, b"\0\0\0\x01\0\0\0\x01a\0\0\0\x03INT");
        assert_eq!(blocks[2].payload, b"\0\0\0\x03[0]\0\0\0\x03[1]");
        assert_eq!(blocks[4].payload, b"\0\0\0\x03[4]");
        assert_eq!(blocks[4].metadata["rowSize"], "1");
        assert_eq!(blocks[4].metadata["compression"], "none");
        Ok(())
    }

    #[test]
    fn what_there_is_not_is_said() {
        assert!(form(&[("blockRowSize", "0")]).is_err_and(|e| e.contains("from 1")));
        assert!(form(&[("compression", "BROTLI")]).is_err_and(|e| e.contains("`BROTLI`")));
        assert!(form(&[]).is_ok_and(|f| f.name == "ZSTD" && f.rows == ROWS));
    }
}

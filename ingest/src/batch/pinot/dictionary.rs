//! Dictionaries: sorted values, of one width with padding or one behind the other.
//!
//! Must not know: rows. Invariant: it has as many values as the metadata says.

use common::DataType;

use super::{About, Fallible, fixed_width, size, slice, value};
use crate::record::Field;

/// How a dictionary of values of varying length begins.
const VARYING: &[u8] = b".vl;";

/// A dictionary.
pub(super) struct Dictionary(Vec<Field>);

impl Dictionary {
    pub(super) fn read(bytes: &[u8], about: &About, padding: &str) -> Fallible<Self> {
        let mut values = Vec::new();
        if bytes.starts_with(VARYING) && bytes.len() >= 20 {
            let count = size(bytes, 8)?;
            let start = size(bytes, 12)?;
            for number in 0..count {
                let at = start + number * 4;
                let (from, to) = (size(bytes, at)?, size(bytes, at + 4)?);
                let length = to.checked_sub(from).ok_or("values that overlap")?;
                values.push(value(slice(bytes, from, length)?, about.data_type)?);
            }
            return Ok(Self(values));
        }
        let width = fixed_width(about.data_type).unwrap_or(about.width);
        if width == 0 {
            // Only the empty text has no bytes.
            return Ok(Self(vec![value(&[], about.data_type)?; about.cardinality]));
        }
        let padded = !matches!(
            about.data_type.stored(),
            DataType::Bytes | DataType::BigDecimal
        ) && fixed_width(about.data_type).is_none();
        let pad = if padding.starts_with('%') { b'%' } else { 0 };
        for number in 0..about.cardinality {
            let mut one = slice(bytes, number * width, width)?;
            while padded
                && let [rest @ .., last] = one
                && *last == pad
            {
                one = rest;
            }
            values.push(value(one, about.data_type)?);
        }
        Ok(Self(values))
    }

    /// The value of an id.
    pub(super) fn get(&self, id: u32) -> Fallible<Field> {
        let found = self.0.get(id as usize).cloned();
        found.ok_or_else(|| format!("dictionary id {id} of {}", self.0.len()))
    }
}

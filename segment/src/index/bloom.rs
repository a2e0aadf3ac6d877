//! The bloom filter: tells that a value surely does not occur.
//!
//! | part | content |
//! |---|---|
//! | head | hash functions `u32`, zero `u32`, words `u64` |
//! | bits | words of 64 bits |
//!
//! Must not know: rows. Invariant: a value that occurs is never denied.

use std::sync::Arc;

use common::{DataType, FieldSpec, TableConfig, Value, Values};
use roaring::RoaringBitmap;
use serde_json::{Value as Json, json};
use xxhash_rust::xxh3::xxh3_64;

use super::{ColumnContext, ColumnSource, IndexType, wanted};
use crate::buffer::map::Region;
use crate::number::{Number, with_number};
use crate::var::{self, VarKind};
use crate::{Answer, IndexReader, Predicate};

/// The kind.
pub(crate) struct Bloom;

const HEAD: usize = 16;
/// False positives where the config says nothing.
const USUAL_FPP: f64 = 0.05;
/// Most hash functions.
const MAX_HASHES: u32 = 30;

impl IndexType for Bloom {
    fn id(&self) -> &'static str {
        "bloom_filter"
    }

    fn configure(&self, table: &TableConfig, field: &FieldSpec, _raw: bool) -> Option<Json> {
        if matches!(field.data_type, DataType::Boolean | DataType::Map) {
            return None;
        }
        let indexing = &table.table_index_config;
        let by_column = indexing
            .extra
            .get("bloomFilterConfigs")
            .and_then(|configs| configs.get(&field.name));
        let by_field = table
            .field_config(&field.name)
            .and_then(|config| config.indexes.get("bloom"));
        let list = &indexing.bloom_filter_columns;
        if by_column.is_none() && !wanted(list, table, field, "bloom") {
            return None;
        }
        let setting = |key: &str| by_field.or(by_column).and_then(|s| s.get(key)?.as_f64());
        Some(json!({
            "fpp": setting("fpp").filter(|fpp| (1e-9..1.0).contains(fpp)).unwrap_or(USUAL_FPP),
            "maxSizeInBytes": setting("maxSizeInBytes").unwrap_or(0.0),
        }))
    }

    fn build(&self, column: &ColumnSource<'_>, settings: &Json, out: &mut Vec<u8>) -> bool {
        let mut hashes = hashes(column.values);
        hashes.sort_unstable();
        hashes.dedup();
        let setting = |key: &str| settings.get(key).and_then(Json::as_f64).unwrap_or(0.0);
        let count = hashes.len().max(1) as f64;
        let ln2 = std::f64::consts::LN_2;
        let mut bits = (-count * setting("fpp").ln() / (ln2 * ln2)).max(64.0);
        if setting("maxSizeInBytes") >= 8.0 {
            bits = bits.min(setting("maxSizeInBytes") * 8.0);
        }
        let words = (bits / 64.0).ceil() as u64;
        let functions = ((bits / count * ln2).round() as u32).clamp(1, MAX_HASHES);
        let mut filter = vec![0_u64; words as usize];
        for hash in hashes {
            for bit in positions(hash, functions, words * 64) {
                filter[(bit / 64) as usize] |= 1 << (bit % 64);
            }
        }
        out.extend(functions.to_le_bytes());
        out.extend([0; 4]);
        out.extend(words.to_le_bytes());
        out.extend(filter.iter().flat_map(|word| word.to_le_bytes()));
        true
    }

    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String> {
        let functions = bytes
            .first_chunk::<4>()
            .map_or(0, |c| u32::from_le_bytes(*c));
        let rest = (bytes.len() as u64).saturating_sub(HEAD as u64);
        if !(1..=MAX_HASHES).contains(&functions) || rest < 8 || !rest.is_multiple_of(8) {
            return Err(format!("{functions} hash functions over {rest} bytes"));
        }
        Ok(Arc::new(BloomReader {
            functions,
            bits: bytes.part(HEAD as u64, rest).unwrap_or_else(Region::empty),
            data_type: column.data_type,
        }))
    }
}

/// Bits of a hash, by double hashing.
fn positions(hash: u64, functions: u32, bits: u64) -> impl Iterator<Item = u64> {
    let step = (hash >> 32) | 1;
    (0..u64::from(functions)).map(move |i| hash.wrapping_add(i.wrapping_mul(step)) % bits)
}

fn number_hash<T: Number>(value: T) -> u64 {
    xxh3_64(&value.bits().to_le_bytes())
}

fn hashes(values: &Values) -> Vec<u64> {
    match values {
        Values::Int(v) => v.iter().map(|x| number_hash(*x)).collect(),
        Values::Long(v) => v.iter().map(|x| number_hash(*x)).collect(),
        Values::Float(v) => v.iter().map(|x| number_hash(*x)).collect(),
        Values::Double(v) => v.iter().map(|x| number_hash(*x)).collect(),
        values => {
            let kind = match values {
                Values::BigDecimal(_) => VarKind::Decimal,
                _ => VarKind::Bytes,
            };
            let mut out = Vec::with_capacity(values.len());
            var::for_each(values, |bytes| out.push(kind.hash(bytes)));
            out
        }
    }
}

struct BloomReader {
    functions: u32,
    bits: Region,
    data_type: DataType,
}

impl BloomReader {
    /// False where the value surely does not occur; true for a value of another type, which is not judged.
    fn may_hold(&self, value: &Value) -> bool {
        let hash = with_number!(self.data_type.stored(),
        T => T::from_value(value).map(number_hash),
        _ => var::bytes_of(value).map(|bytes| match VarKind::of(self.data_type) {
            VarKind::Decimal => VarKind::Decimal.hash(&bytes),
            _ => VarKind::Bytes.hash(&bytes),
        }));
        let Some(hash) = hash else {
            return true;
        };
        positions(hash, self.functions, self.bits.len() as u64 * 8).all(|bit| {
            let byte = self.bits.get((bit / 8) as usize);
            byte.is_none_or(|byte| byte >> (bit % 8) & 1 == 1)
        })
    }

    fn denies(&self, predicate: &Predicate) -> bool {
        match predicate {
            Predicate::Eq(value) => !self.may_hold(value),
            Predicate::In(values) => !values.iter().any(|value| self.may_hold(value)),
            _ => false,
        }
    }
}

impl IndexReader for BloomReader {
    fn id(&self) -> &'static str {
        Bloom.id()
    }

    fn estimate(&self, predicate: &Predicate) -> Option<u32> {
        self.denies(predicate).then_some(0)
    }

    fn matching(&self, predicate: &Predicate) -> Option<Answer> {
        self.denies(predicate)
            .then(|| Answer::Exact(RoaringBitmap::new()))
    }
}

//! Id sets: what ID_SET answers, as Base64, and IN_ID_SET looks values up in.
//!
//! Must not know: queries. Invariant: the bytes are Pinot's: a type byte, then a roaring bitmap for INT, Java's
//! `Roaring64NavigableMap` for LONG, Guava's Bloom filter for everything else. A Bloom filter may say yes wrongly, never no.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{DataType, Value};
use roaring::{RoaringBitmap, RoaringTreemap};

/// Sets above this size become Bloom filters when they are merged.
pub const DEFAULT_SIZE_THRESHOLD: usize = 8 * 1024 * 1024;
/// Insertions that a Bloom filter is made for.
pub const DEFAULT_EXPECTED_INSERTIONS: u64 = 5_000_000;
/// Share of wrong answers that a full Bloom filter gives.
pub const DEFAULT_FALSE_POSITIVES: f64 = 0.03;

/// A set of ids.
#[derive(Debug, Clone, PartialEq)]
pub enum IdSet {
    /// Nothing.
    Empty,
    /// INT values.
    Ints(RoaringBitmap),
    /// LONG values.
    Longs(RoaringTreemap),
    /// Values of any type.
    Bloom(BloomFilter),
}

/// Text or bytes that are no id set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id set: {0}")]
pub struct IdSetError(String);

/// Guava's Bloom filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BloomFilter {
    /// 0 INT and FLOAT, 1 LONG and DOUBLE, 2 STRING, 3 BYTES.
    funnel: u8,
    hashes: u8,
    words: Vec<u64>,
}

impl IdSet {
    /// An empty set for values of a type: exact for INT and LONG, else a Bloom filter.
    #[must_use]
    pub fn create(data_type: DataType) -> Self {
        match data_type.stored() {
            DataType::Int => Self::Ints(RoaringBitmap::new()),
            DataType::Long => Self::Longs(RoaringTreemap::new()),
            other => Self::bloom(other, DEFAULT_EXPECTED_INSERTIONS, DEFAULT_FALSE_POSITIVES),
        }
    }

    /// An empty Bloom filter of a size.
    #[must_use]
    pub fn bloom(data_type: DataType, expected_insertions: u64, false_positives: f64) -> Self {
        let funnel = match data_type.stored() {
            DataType::Int | DataType::Float => 0,
            DataType::Long | DataType::Double => 1,
            DataType::Bytes => 3,
            _ => 2,
        };
        let (n, ln2) = (expected_insertions.max(1) as f64, std::f64::consts::LN_2);
        let bits = (-n * false_positives.clamp(1e-9, 0.999).ln() / (ln2 * ln2)) as u64;
        let hashes = (bits as f64 / n * ln2).round().clamp(1.0, 255.0) as u8;
        // 1 GiB is the most that one filter takes.
        let words = bits.div_ceil(64).clamp(1, 1 << 27) as usize;
        Self::Bloom(BloomFilter {
            funnel,
            hashes,
            words: vec![0; words],
        })
    }

    /// Adds a value of the set's type; others are left out of exact sets.
    pub fn add(&mut self, value: &Value) {
        match self {
            Self::Empty => {}
            Self::Ints(set) => {
                if let Some(id) = value.as_i64().and_then(|id| i32::try_from(id).ok()) {
                    set.insert(id as u32);
                }
            }
            Self::Longs(set) => {
                if let Some(id) = value.as_i64() {
                    set.insert(id as u64);
                }
            }
            Self::Bloom(filter) => {
                if let Some(hash) = filter.hash(value) {
                    filter.positions(hash).for_each(|bit| {
                        filter.words[bit / 64] |= 1 << (bit % 64);
                    });
                }
            }
        }
    }

    /// True where the value is (for Bloom filters: may be) in the set.
    #[must_use]
    pub fn contains(&self, value: &Value) -> bool {
        match self {
            Self::Empty => false,
            Self::Ints(set) => value
                .as_i64()
                .and_then(|id| i32::try_from(id).ok())
                .is_some_and(|id| set.contains(id as u32)),
            Self::Longs(set) => value.as_i64().is_some_and(|id| set.contains(id as u64)),
            Self::Bloom(filter) => filter.hash(value).is_some_and(|hash| {
                filter
                    .positions(hash)
                    .all(|bit| filter.words[bit / 64] >> (bit % 64) & 1 == 1)
            }),
        }
    }

    /// The integers of an exact set, in the order of their bits; `None` for a Bloom filter.
    #[must_use]
    pub fn integers(&self) -> Option<Box<dyn Iterator<Item = i64> + '_>> {
        match self {
            Self::Empty => Some(Box::new(std::iter::empty())),
            Self::Ints(set) => Some(Box::new(set.iter().map(|id| i64::from(id as i32)))),
            Self::Longs(set) => Some(Box::new(set.iter().map(|id| id as i64))),
            Self::Bloom(_) => None,
        }
    }

    /// Joins two sets. An exact set above `size_threshold` bytes, or one joined with a Bloom filter, becomes one.
    #[must_use]
    pub fn merge(self, other: Self, size_threshold: usize) -> Self {
        let merged = match (self, other) {
            (Self::Empty, set) | (set, Self::Empty) => return set,
            (Self::Ints(a), Self::Ints(b)) => Self::Ints(a | b),
            (Self::Longs(a), Self::Longs(b)) => Self::Longs(a | b),
            (Self::Bloom(mut a), Self::Bloom(b)) => {
                a.words.iter_mut().zip(&b.words).for_each(|(x, y)| *x |= y);
                Self::Bloom(a)
            }
            (bloom @ Self::Bloom(_), exact) | (exact, bloom) => return exact.poured_into(bloom),
        };
        let (size, data_type) = match &merged {
            Self::Ints(set) => (set.serialized_size(), DataType::Int),
            Self::Longs(set) => (set.serialized_size(), DataType::Long),
            _ => return merged,
        };
        if size < size_threshold {
            return merged;
        }
        let bloom = Self::bloom(
            data_type,
            DEFAULT_EXPECTED_INSERTIONS,
            DEFAULT_FALSE_POSITIVES,
        );
        merged.poured_into(bloom)
    }

    fn poured_into(self, mut bloom: Self) -> Self {
        match self {
            Self::Ints(set) => set.iter().for_each(|id| bloom.add(&Value::Int(id as i32))),
            Self::Longs(set) => set.iter().for_each(|id| bloom.add(&Value::Long(id as i64))),
            _ => {}
        }
        bloom
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to a vector does not fail.
        match self {
            Self::Empty => vec![0],
            Self::Ints(set) => {
                let mut out = vec![1];
                let _ = set.serialize_into(&mut out);
                out
            }
            Self::Longs(set) => {
                let mut out = vec![2, 0];
                out.extend_from_slice(&(set.bitmaps().count() as u32).to_be_bytes());
                for (high, bitmap) in set.bitmaps() {
                    out.extend_from_slice(&high.to_be_bytes());
                    let _ = bitmap.serialize_into(&mut out);
                }
                out
            }
            Self::Bloom(filter) => {
                let mut out = vec![3, filter.funnel, 1, filter.hashes];
                out.extend_from_slice(&(filter.words.len() as u32).to_be_bytes());
                filter
                    .words
                    .iter()
                    .for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
                out
            }
        }
    }

    /// The bytes as Base64: the value of ID_SET.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_bytes())
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// Where they are no id set.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdSetError> {
        let broken = |error: std::io::Error| IdSetError(error.to_string());
        match bytes.split_first() {
            Some((0, _)) => Ok(Self::Empty),
            Some((1, rest)) => RoaringBitmap::deserialize_from(rest)
                .map(Self::Ints)
                .map_err(broken),
            Some((2, rest)) => read_longs(rest),
            Some((3, rest)) => read_bloom(rest),
            Some((kind, _)) => Err(IdSetError(format!("type `{kind}` is none of 0 to 3"))),
            None => Err(IdSetError("no bytes".to_owned())),
        }
    }

    /// Reads Base64.
    ///
    /// # Errors
    /// Where the text is no Base64 of an id set.
    pub fn from_base64(text: &str) -> Result<Self, IdSetError> {
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| IdSetError(error.to_string()))?;
        Self::from_bytes(&bytes)
    }
}

fn short() -> IdSetError {
    IdSetError("the bytes end too early".to_owned())
}

fn read_longs(bytes: &[u8]) -> Result<IdSet, IdSetError> {
    // A byte that says whether longs are signed, which is not needed to look values up.
    let (count, mut rest) = bytes
        .get(1..)
        .unwrap_or_default()
        .split_first_chunk()
        .ok_or_else(short)?;
    let mut bitmaps = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (high, bitmap) = rest.split_first_chunk().ok_or_else(short)?;
        rest = bitmap;
        let bitmap =
            RoaringBitmap::deserialize_from(&mut rest).map_err(|e| IdSetError(e.to_string()))?;
        bitmaps.push((u32::from_be_bytes(*high), bitmap));
    }
    Ok(IdSet::Longs(RoaringTreemap::from_bitmaps(bitmaps)))
}

fn read_bloom(bytes: &[u8]) -> Result<IdSet, IdSetError> {
    let ([funnel, strategy, hashes], rest) = bytes.split_first_chunk().ok_or_else(short)?;
    let (count, rest) = rest.split_first_chunk().ok_or_else(short)?;
    if *funnel > 3 || *strategy != 1 {
        return Err(IdSetError(format!(
            "Bloom filter of funnel `{funnel}` and strategy `{strategy}`"
        )));
    }
    let count = u32::from_be_bytes(*count) as usize;
    if count == 0 || count.saturating_mul(8) > rest.len() {
        return Err(short());
    }
    let (words, _) = rest.as_chunks::<8>();
    Ok(IdSet::Bloom(BloomFilter {
        funnel: *funnel,
        hashes: *hashes,
        words: words
            .iter()
            .take(count)
            .map(|w| u64::from_be_bytes(*w))
            .collect(),
    }))
}

impl BloomFilter {
    fn hash(&self, value: &Value) -> Option<(u64, u64)> {
        let bytes = match (self.funnel, value) {
            (0, Value::Float(v)) => v.to_bits().to_le_bytes().to_vec(),
            (0, v) => (v.as_i64()? as i32).to_le_bytes().to_vec(),
            (1, Value::Double(v)) => v.to_bits().to_le_bytes().to_vec(),
            (1, v) => v.as_i64()?.to_le_bytes().to_vec(),
            (2, v) => v
                .to_text()
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
            (_, Value::Bytes(v)) => v.clone(),
            _ => return None,
        };
        Some(murmur3_x64_128(&bytes))
    }

    fn positions(&self, (first, second): (u64, u64)) -> impl Iterator<Item = usize> + use<> {
        let bits = self.words.len() as u64 * 64;
        (0..u64::from(self.hashes)).map(move |i| {
            let combined = first.wrapping_add(second.wrapping_mul(i));
            ((combined & (u64::MAX >> 1)) % bits) as usize
        })
    }
}

/// MurmurHash3, x64, 128 bits, seed 0.
fn murmur3_x64_128(data: &[u8]) -> (u64, u64) {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let finish = |mut h: u64| {
        h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ (h >> 33)
    };
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let (blocks, tail) = data.as_chunks::<16>();
    let halves = |block: &[u8; 16]| {
        let whole = u128::from_le_bytes(*block);
        (whole as u64, (whole >> 64) as u64)
    };
    for block in blocks {
        let (k1, k2) = halves(block);
        h1 = (h1 ^ mix1(k1)).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(k2)).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let mut last = [0; 16];
    last[..tail.len()].copy_from_slice(tail);
    let (k1, k2) = halves(&last);
    h1 ^= mix1(k1) ^ data.len() as u64;
    h2 ^= mix2(k2) ^ data.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2) = (finish(h1), finish(h2));
    h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_read_back_and_find_their_values() {
        let text = |t: &str| Value::String(t.to_owned());
        for (data_type, inside, outside) in [
            (DataType::Int, Value::Int(-5), Value::Int(6)),
            (DataType::Long, Value::Long(-5_000_000_000), Value::Long(6)),
            (DataType::Double, Value::Double(1.5), Value::Double(2.5)),
            (DataType::Float, Value::Float(1.5), Value::Float(2.5)),
            (DataType::String, text("á"), text("b")),
            (
                DataType::Bytes,
                Value::Bytes(vec![1]),
                Value::Bytes(vec![2]),
            ),
        ] {
            let mut set = IdSet::create(data_type);
            set.add(&inside);
            let again = IdSet::from_base64(&set.to_base64());
            assert_eq!(again.as_ref(), Ok(&set));
            assert!(
                set.contains(&inside) && !set.contains(&outside),
                "{data_type}"
            );
            let merged = set.merge(IdSet::Empty, DEFAULT_SIZE_THRESHOLD);
            assert!(merged.contains(&inside));
        }
        for bytes in [
            &[][..],
            &[9],
            &[2, 0, 0, 0, 0, 9],
            &[3, 0, 1, 5, 255, 255, 255, 255],
            &[1, 2],
        ] {
            assert!(IdSet::from_bytes(bytes).is_err());
        }
    }

    #[test]
    fn murmur_gives_the_published_hash() {
        assert_eq!(murmur3_x64_128(b""), (0, 0));
        assert_eq!(
            murmur3_x64_128(b"hello"),
            (0xcbd8_a7b3_41bd_9b02, 0x5b1e_906a_48ae_1d19)
        );
    }
}

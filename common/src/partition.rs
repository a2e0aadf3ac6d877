//! Pinot's partition functions: from the text of a value to the number of its partition.
//!
//! Must not know: columns, streams. Invariant: the numbers are Pinot's, so that segments and predicates meet.

use serde_json::Value as Json;

/// A configured partition function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionFunction {
    kind: Kind,
    count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Murmur,
    Murmur3 {
        seed: u32,
        x64: bool,
        raw_bytes: bool,
    },
    Modulo,
    HashCode,
    ByteArray,
    Bounded(Vec<String>),
}

impl PartitionFunction {
    /// The function of a `columnPartitionMap` entry; `None` where the name is unknown or there are no partitions.
    #[must_use]
    pub fn new(name: &str, count: u32, config: &Json) -> Option<Self> {
        let text = |key: &str| {
            config.get(key).map(|value| match value {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        let kind = match name.to_ascii_lowercase().as_str() {
            "murmur" | "murmur2" => Kind::Murmur,
            "murmur3" => Kind::Murmur3 {
                seed: text("seed")
                    .and_then(|seed| seed.parse::<i32>().ok())
                    .unwrap_or(0) as u32,
                x64: text("variant").is_some_and(|variant| variant == "x64_32"),
                raw_bytes: text("useRawBytes").is_some_and(|raw| raw.eq_ignore_ascii_case("true")),
            },
            "modulo" => Kind::Modulo,
            "hashcode" => Kind::HashCode,
            "bytearray" => Kind::ByteArray,
            "boundedcolumnvalue" => {
                let delimiter = text("columnValuesDelimiter").filter(|d| !d.is_empty())?;
                let values = text("columnValues")?;
                Kind::Bounded(values.split(&*delimiter).map(str::to_owned).collect())
            }
            _ => return None,
        };
        (count > 0).then_some(Self { kind, count })
    }

    /// Number of partitions.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The partition of a value by its text; `None` where it has none (MODULO of what is no number).
    #[must_use]
    pub fn partition(&self, text: &str) -> Option<u32> {
        let masked = |hash: u32| (hash & 0x7FFF_FFFF) % self.count;
        let absolute = |hash: i32| hash.checked_abs().unwrap_or(0) as u32 % self.count;
        Some(match &self.kind {
            Kind::Murmur => masked(murmur2(text.as_bytes())),
            Kind::Murmur3 {
                seed,
                x64,
                raw_bytes,
            } => {
                let decoded = raw_bytes.then(|| hex::decode(text).ok()).flatten();
                let bytes = decoded.as_deref().unwrap_or(text.as_bytes());
                masked(if *x64 {
                    murmur3_x64_32(bytes, *seed)
                } else {
                    murmur3_x86_32(bytes, *seed)
                })
            }
            Kind::Modulo => text.parse::<i64>().ok()?.rem_euclid(i64::from(self.count)) as u32,
            Kind::HashCode => absolute(text.encode_utf16().fold(0_i32, |h, unit| {
                h.wrapping_mul(31).wrapping_add(i32::from(unit))
            })),
            Kind::ByteArray => absolute(text.bytes().fold(1_i32, |h, byte| {
                h.wrapping_mul(31).wrapping_add(i32::from(byte as i8))
            })),
            Kind::Bounded(values) => values
                .iter()
                .position(|value| value.eq_ignore_ascii_case(text))
                .map_or(0, |at| at as u32 + 1),
        })
    }
}

/// MurmurHash2 as Kafka's default partitioner has it.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (at, byte) in tail.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * at);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// MurmurHash3, 32 bits, for 32-bit machines.
#[must_use]
pub fn murmur3_x86_32(data: &[u8], seed: u32) -> u32 {
    let mix = |k: u32| {
        k.wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593)
    };
    let mut h = seed;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        h = (h ^ mix(u32::from_le_bytes(*word))).rotate_left(13);
        h = h.wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let last = tail
        .iter()
        .rev()
        .fold(0_u32, |k, byte| k << 8 | u32::from(*byte));
    if !tail.is_empty() {
        h ^= mix(last);
    }
    h ^= data.len() as u32;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// The upper half of the first 64 bits of MurmurHash3 with 128 bits for 64-bit machines.
#[must_use]
pub fn murmur3_x64_32(data: &[u8], seed: u32) -> u32 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let first = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let second = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (mut h1, mut h2) = (u64::from(seed), u64::from(seed));
    let half = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0_u64, |k, byte| k << 8 | u64::from(*byte))
    };
    let (blocks, tail) = data.as_chunks::<16>();
    for block in blocks {
        h1 = (h1 ^ first(half(&block[..8])))
            .rotate_left(27)
            .wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ second(half(&block[8..])))
            .rotate_left(31)
            .wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    if tail.len() > 8 {
        h2 ^= second(half(&tail[8..]));
    }
    if !tail.is_empty() {
        h1 ^= first(half(&tail[..tail.len().min(8)]));
    }
    let finish = |mut k: u64| {
        k = (k ^ (k >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        k = (k ^ (k >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        k ^ (k >> 33)
    };
    h1 ^= data.len() as u64;
    h2 ^= data.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2) = (finish(h1), finish(h2));
    h1 = h1.wrapping_add(h2);
    // Pinot keeps the upper 32 bits.
    (h1 >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_known_ones() {
        // Kafka's own test values.
        assert_eq!(murmur2(b"21") as i32, -973_932_308);
        assert_eq!(murmur2(b"foobar") as i32, -790_332_482);
        assert_eq!(murmur2(b"a-little-bit-long-string") as i32, -985_981_536);
        assert_eq!(murmur3_x86_32(b"hello", 0), 0x248b_fa47);
        assert_eq!(murmur3_x86_32(b"", 0), 0);
    }

    #[test]
    fn functions_follow_java() {
        let of = |name: &str, count, text: &str| {
            PartitionFunction::new(name, count, &Json::Null).and_then(|f| f.partition(text))
        };
        assert_eq!(of("Modulo", 4, "-3"), Some(1));
        assert_eq!(of("modulo", 4, "x"), None);
        assert_eq!(of("HashCode", 5, "hello"), Some(99_162_322 % 5));
        assert_eq!(of("ByteArray", 7, ""), Some(1));
        assert_eq!(of("nothing", 4, "1"), None);
        let config =
            serde_json::json!({"columnValues": "Maths|english", "columnValuesDelimiter": "|"});
        let bounded = PartitionFunction::new("BoundedColumnValue", 3, &config);
        assert_eq!(bounded.and_then(|f| f.partition("English")), Some(2));
    }
}

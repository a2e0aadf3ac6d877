//! The 64-bit hash "wyhash final 4" with its usual secret, over values as hash4j writes them into a stream.
//!
//! Must not know: sketches. Invariant: little endian numbers, text as UTF-16 followed by the number of its units.

use super::Item;

const SECRET: [u64; 4] = [
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
    0x5899_65cc_7537_4cc3,
];

/// Bytes of a text that are hashed without asking for memory.
const ON_STACK: usize = 512;

fn product(a: u64, b: u64) -> (u64, u64) {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64, (wide >> 64) as u64)
}

fn mix(a: u64, b: u64) -> u64 {
    let (low, high) = product(a, b);
    low ^ high
}

/// Hash of bytes.
#[must_use]
pub fn hash(data: &[u8]) -> u64 {
    let four = |at: usize| {
        let bytes = data.get(at..at + 4).and_then(|b| b.try_into().ok());
        u64::from(bytes.map_or(0, u32::from_le_bytes))
    };
    let len = data.len();
    let seed = mix(SECRET[0], SECRET[1]);
    let (a, b, seed) = match len {
        0 => (0, 0, seed),
        1..4 => {
            let at = |i: usize| u64::from(data[i]);
            (at(0) << 16 | at(len >> 1) << 8 | at(len - 1), 0, seed)
        }
        4..=16 => {
            let step = (len >> 3) << 2;
            (
                four(0) << 32 | four(step),
                four(len - 4) << 32 | four(len - 4 - step),
                seed,
            )
        }
        _ => long_tail(data, seed),
    };
    let (low, high) = product(a ^ SECRET[1], b ^ seed);
    mix(low ^ SECRET[0] ^ len as u64, high ^ SECRET[1])
}

/// The last sixteen bytes of more than sixteen, and what the ones before make of the seed.
fn long_tail(data: &[u8], seed: u64) -> (u64, u64, u64) {
    let eight = |at: usize| {
        let bytes = data.get(at..at + 8).and_then(|b| b.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    let mut lanes = [seed; 3];
    let (mut left, mut at) = (data.len(), 0);
    while left > 48 {
        for (lane, see) in lanes.iter_mut().enumerate() {
            let from = at + lane * 16;
            *see = mix(eight(from) ^ SECRET[lane + 1], eight(from + 8) ^ *see);
        }
        at += 48;
        left -= 48;
    }
    let mut see = lanes[0] ^ lanes[1] ^ lanes[2];
    while left > 16 {
        see = mix(eight(at) ^ SECRET[1], eight(at + 8) ^ see);
        at += 16;
        left -= 16;
    }
    (eight(data.len() - 16), eight(data.len() - 8), see)
}

/// Hash of a value.
#[must_use]
pub fn hash_item(item: Item<'_>) -> u64 {
    match item {
        Item::Int(v) => hash(&v.to_le_bytes()),
        Item::Long(v) => hash(&v.to_le_bytes()),
        Item::Float(v) => hash(&v.to_bits().to_le_bytes()),
        Item::Double(v) => hash(&v.to_bits().to_le_bytes()),
        Item::Bytes(v) => hash(v),
        Item::Text(v) => hash_text(v),
    }
}

fn hash_text(text: &str) -> u64 {
    // Never more units than bytes.
    if text.len() * 2 + 4 <= ON_STACK {
        let mut buffer = [0; ON_STACK];
        let mut len = 0;
        for unit in text.encode_utf16() {
            buffer[len..len + 2].copy_from_slice(&unit.to_le_bytes());
            len += 2;
        }
        let units = (len / 2) as u32;
        buffer[len..len + 4].copy_from_slice(&units.to_le_bytes());
        return hash(&buffer[..len + 4]);
    }
    let mut buffer: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let units = (buffer.len() / 2) as u32;
    buffer.extend(units.to_le_bytes());
    hash(&buffer)
}

//! The order in which Java's hash sets hand out the series of GAPFILL, which shows in filled rows.
//!
//! Must not know: times. Invariant: every series comes once.

use common::Value;

/// Positions of the keys, which are given in the order of their appearance.
pub(super) fn of(keys: &[Vec<Value>]) -> Vec<usize> {
    let hashes: Vec<u32> = keys.iter().map(|key| spread(hash(key))).collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    // The set grows when it is three quarters full; its copy has room from the start.
    let grown = room(keys.len() * 4 / 3);
    order.sort_by_key(|at| hashes[*at] & (grown - 1));
    let copied = room(keys.len() * 4 / 3 + 1);
    order.sort_by_key(|at| hashes[*at] & (copied - 1));
    order
}

fn room(wanted: usize) -> u32 {
    wanted.max(16).next_power_of_two() as u32
}

fn spread(hash: i32) -> u32 {
    let hash = hash as u32;
    hash ^ (hash >> 16)
}

fn hash(key: &[Value]) -> i32 {
    key.iter().fold(1_i32, |all, value| {
        all.wrapping_mul(31).wrapping_add(hash_of(value))
    })
}

fn hash_of(value: &Value) -> i32 {
    let wide = |bits: u64| (bits ^ (bits >> 32)) as i32;
    match value {
        Value::Null => 0,
        Value::Int(v) => *v,
        Value::Long(v) | Value::Timestamp(v) => wide(*v as u64),
        Value::Float(v) => v.to_bits() as i32,
        Value::Double(v) => wide(v.to_bits()),
        Value::Boolean(true) => 1231,
        Value::Boolean(false) => 1237,
        other => other.to_text().encode_utf16().fold(0_i32, |all, unit| {
            all.wrapping_mul(31).wrapping_add(i32::from(unit))
        }),
    }
}

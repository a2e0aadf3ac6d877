//! Arithmetic over the ids of many rows, for the widest vectors that a compiler makes of it.
//!
//! Must not know: what ids stand for. Invariant: every level gives the same numbers.

/// Puts `largest` in the place of every greater number.
pub fn limit(values: &mut [u32], largest: u32) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just been asked for AVX2.
        return unsafe { limit_wide(values, largest) };
    }
    limit_each(values, largest);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn limit_wide(values: &mut [u32], largest: u32) {
    limit_each(values, largest);
}

#[inline(always)]
fn limit_each(values: &mut [u32], largest: u32) {
    for value in values {
        *value = (*value).min(largest);
    }
}

/// Adds each id, `largest` at the most, times a stride to the place of its row.
pub fn add_strides(places: &mut [u32], ids: &[u32], largest: u32, stride: u32) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just been asked for AVX2.
        return unsafe { add_wide(places, ids, largest, stride) };
    }
    add_each(places, ids, largest, stride);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_wide(places: &mut [u32], ids: &[u32], largest: u32, stride: u32) {
    add_each(places, ids, largest, stride);
}

#[inline(always)]
fn add_each(places: &mut [u32], ids: &[u32], largest: u32, stride: u32) {
    for (place, id) in places.iter_mut().zip(ids) {
        *place = place.wrapping_add((*id).min(largest).wrapping_mul(stride));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_limited() {
        let mut values: Vec<u32> = (0..99).chain([u32::MAX, 1 << 31]).collect();
        limit(&mut values, 50);
        let expected = (0..99).map(|v: u32| v.min(50)).chain([50, 50]);
        assert!(values.iter().copied().eq(expected));
    }

    #[test]
    fn strides_add_up() {
        let ids: Vec<u32> = (0..99).chain([u32::MAX]).collect();
        let mut places = vec![7; 100];
        add_strides(&mut places, &ids, 60, 1 << 10);
        let expected = ids.iter().map(|id| 7 + ((*id).min(60) << 10));
        assert!(places.iter().copied().eq(expected));
    }
}

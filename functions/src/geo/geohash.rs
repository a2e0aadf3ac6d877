//! Geohashes: base-32 interleaved halvings of longitude and latitude.
//!
//! Must not know: geometries. Invariant: encoding and decoding never fail; what is no digit counts as all bits set.

const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// The geohash of a position with `precision` digits.
#[must_use]
pub fn geohash_of(latitude: f64, longitude: f64, precision: usize) -> String {
    let mut ranges = [(-180.0, 180.0), (-90.0, 90.0)];
    let wanted = [longitude, latitude];
    let mut turn = 0;
    (0..precision)
        .map(|_| {
            let mut digit = 0;
            for _ in 0..5 {
                let (low, high) = &mut ranges[turn];
                let middle = (*low + *high) / 2.0;
                digit <<= 1;
                if wanted[turn] >= middle {
                    digit |= 1;
                    *low = middle;
                } else {
                    *high = middle;
                }
                turn ^= 1;
            }
            char::from(DIGITS[digit])
        })
        .collect()
}

/// The middle of a geohash's cell: latitude and longitude.
#[must_use]
pub fn geohash_center(hash: &str) -> (f64, f64) {
    let mut ranges = [(-180.0, 180.0), (-90.0, 90.0)];
    let mut turn = 0;
    for c in hash.chars() {
        let digit = DIGITS
            .iter()
            .position(|digit| char::from(*digit) == c)
            .unwrap_or(31);
        for bit in (0..5).rev() {
            let (low, high) = &mut ranges[turn];
            let middle = (*low + *high) / 2.0;
            if digit >> bit & 1 == 1 {
                *low = middle;
            } else {
                *high = middle;
            }
            turn ^= 1;
        }
    }
    let middle = |(low, high): (f64, f64)| (low + high) / 2.0;
    (middle(ranges[1]), middle(ranges[0]))
}

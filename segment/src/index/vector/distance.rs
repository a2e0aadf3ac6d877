//! How far vectors are apart, and vectors side by side in bytes.
//!
//! Must not know: graphs. Invariant: a vector that is not there reads as NaN, and so does every distance to it.

/// How far two vectors are apart; smaller is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distance {
    Cosine,
    InnerProduct,
    Euclidean,
}

impl Distance {
    pub(super) fn of(name: &str) -> Self {
        match name.to_ascii_uppercase().as_str() {
            "INNER_PRODUCT" | "DOT_PRODUCT" => Self::InnerProduct,
            "EUCLIDEAN" | "L2" => Self::Euclidean,
            _ => Self::Cosine,
        }
    }

    pub(super) fn code(self) -> u32 {
        match self {
            Self::Cosine => 0,
            Self::InnerProduct => 1,
            Self::Euclidean => 2,
        }
    }

    pub(super) fn from_code(code: u32) -> Self {
        match code {
            1 => Self::InnerProduct,
            2 => Self::Euclidean,
            _ => Self::Cosine,
        }
    }

    /// The distance by which rows are ranked in the end.
    pub(super) fn between(self, pairs: impl Iterator<Item = (f32, f32)>) -> f64 {
        let (mut product, mut a, mut b, mut squares) = (0.0, 0.0, 0.0, 0.0);
        for (x, y) in pairs {
            let (x, y) = (f64::from(x), f64::from(y));
            product += x * y;
            a += x * x;
            b += y * y;
            squares += (x - y) * (x - y);
        }
        match self {
            Self::Cosine => 1.0 - product / (a.sqrt() * b.sqrt()),
            Self::InnerProduct => -product,
            Self::Euclidean => squares,
        }
    }
}

/// Numbers that are added at a time.
const LANES: usize = 8;

/// A target with its length.
pub(super) struct Aim<'a> {
    numbers: &'a [f32],
    length: f32,
}

/// The vectors of all rows.
#[derive(Clone, Copy)]
pub(super) struct Vectors<'a> {
    bytes: &'a [u8],
    width: usize,
    distance: Distance,
}

impl<'a> Vectors<'a> {
    pub(super) fn new(bytes: &'a [u8], width: usize, distance: Distance) -> Self {
        Self {
            bytes,
            width,
            distance,
        }
    }

    pub(super) fn rows(&self) -> u32 {
        (self.bytes.len() / (self.width * 4).max(1)) as u32
    }

    fn at(&self, row: u32) -> &'a [[u8; 4]] {
        let start = row as usize * self.width * 4;
        let bytes = self.bytes.get(start..start + self.width * 4);
        bytes.unwrap_or(&[]).as_chunks::<4>().0
    }

    pub(super) fn read(&self, row: u32, out: &mut Vec<f32>) {
        out.clear();
        out.extend(self.at(row).iter().map(|bytes| f32::from_le_bytes(*bytes)));
        out.resize(self.width, f32::NAN);
    }

    pub(super) fn aim<'t>(&self, numbers: &'t [f32]) -> Aim<'t> {
        let squares: f32 = numbers.iter().map(|x| x * x).sum();
        Aim {
            numbers,
            length: squares.sqrt(),
        }
    }

    /// The distance by which a graph is walked.
    pub(super) fn between(&self, aim: &Aim<'_>, row: u32) -> f32 {
        let vector = self.at(row);
        if vector.len() != aim.numbers.len() {
            return f32::NAN;
        }
        match self.distance {
            Distance::Euclidean => sum(vector, aim.numbers, |a, b| (a - b) * (a - b)),
            Distance::InnerProduct => -sum(vector, aim.numbers, |a, b| a * b),
            Distance::Cosine => {
                let product = sum(vector, aim.numbers, |a, b| a * b);
                let squares = sum(vector, aim.numbers, |a, _| a * a);
                1.0 - product / (aim.length * squares.sqrt())
            }
        }
    }
}

/// A sum over pairs, several at a time.
#[inline]
fn sum(a: &[[u8; 4]], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (left, left_rest) = a.as_chunks::<LANES>();
    let (right, right_rest) = b.as_chunks::<LANES>();
    for (x, y) in left.iter().zip(right) {
        for lane in 0..LANES {
            lanes[lane] += f(f32::from_le_bytes(x[lane]), y[lane]);
        }
    }
    let rest = left_rest.iter().zip(right_rest);
    let rest: f32 = rest.map(|(x, y)| f(f32::from_le_bytes(*x), *y)).sum();
    lanes.iter().sum::<f32>() + rest
}

//! Pinot's serialised geometry: a type byte (its sign is the geography flag), then big-endian counts and coordinates.
//!
//! Must not know: text forms. Invariant: shells are written clockwise and holes counter-clockwise, which is how a reader
//! tells where the next polygon starts.

use super::{GeoError, Geometry, Line, Position, Rings, Shape, checked_line};

const GEOGRAPHY: u8 = 0x80;
const MAX_DEPTH: usize = 50;

impl Geometry {
    /// The serialised form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        let flag = if self.geography { GEOGRAPHY } else { 0 };
        match &self.shape {
            Shape::Point(point) => {
                out.push(flag);
                put(out, point.unwrap_or((f64::NAN, f64::NAN)));
            }
            Shape::MultiPoint(points) => {
                out.push(flag | 1);
                count(out, points.len());
                points.iter().for_each(|p| put(out, *p));
            }
            Shape::Line(line) => {
                out.push(flag | 2);
                let lines = if line.is_empty() {
                    &[][..]
                } else {
                    std::slice::from_ref(line)
                };
                write_parts(out, lines);
            }
            Shape::MultiLine(lines) => {
                out.push(flag | 3);
                write_parts(out, lines);
            }
            Shape::Polygon(rings) => {
                out.push(flag | 4);
                write_parts(out, &canonical(rings));
            }
            Shape::MultiPolygon(polygons) => {
                out.push(flag | 5);
                let parts: Vec<Line> = polygons.iter().flat_map(canonical).collect();
                write_parts(out, &parts);
            }
            Shape::Collection(parts) => {
                out.push(flag | 6);
                parts.iter().for_each(|part| part.write(out));
            }
        }
    }

    /// Reads the serialised form.
    ///
    /// # Errors
    /// Where the bytes are no geometry.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GeoError> {
        Reader { rest: bytes }.geometry(0)
    }
}

fn put(out: &mut Vec<u8>, (x, y): Position) {
    out.extend_from_slice(&x.to_be_bytes());
    out.extend_from_slice(&y.to_be_bytes());
}

fn count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_be_bytes());
}

fn write_parts(out: &mut Vec<u8>, parts: &[Line]) {
    count(out, parts.len());
    count(out, parts.iter().map(Vec::len).sum());
    let mut start = 0;
    for part in parts {
        count(out, start);
        start += part.len();
    }
    parts.iter().flatten().for_each(|p| put(out, *p));
}

/// Rings with the shell clockwise and holes counter-clockwise.
fn canonical(rings: &Rings) -> Vec<Line> {
    rings
        .iter()
        .enumerate()
        .map(|(i, ring)| {
            let mut ring = ring.clone();
            if is_clockwise(&ring) != (i == 0) {
                ring.reverse();
            }
            ring
        })
        .collect()
}

fn is_clockwise(ring: &[Position]) -> bool {
    let (Some(first), Some(last)) = (ring.first(), ring.last()) else {
        return false;
    };
    let edge = |(x1, y1): Position, (x2, y2): Position| (x2 - x1) * (y2 + y1);
    let sum: f64 = ring.windows(2).map(|pair| edge(pair[0], pair[1])).sum();
    sum + edge(*last, *first) > 0.0
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], GeoError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| GeoError::new("a serialised geometry ends too early"))?;
        self.rest = rest;
        Ok(*head)
    }

    fn position(&mut self) -> Result<Position, GeoError> {
        Ok((
            f64::from_be_bytes(self.take()?),
            f64::from_be_bytes(self.take()?),
        ))
    }

    /// A count of things that take `size` bytes each; refused where so many bytes are not there.
    fn count(&mut self, size: usize) -> Result<usize, GeoError> {
        let count = u32::from_be_bytes(self.take()?) as usize;
        if count.saturating_mul(size) > self.rest.len() {
            return Err(GeoError::new(format!(
                "a serialised geometry announces {count} parts and ends too early"
            )));
        }
        Ok(count)
    }

    fn line(&mut self, length: usize) -> Result<Line, GeoError> {
        if length.saturating_mul(16) > self.rest.len() {
            return Err(GeoError::new("a serialised geometry ends too early"));
        }
        (0..length).map(|_| self.position()).collect()
    }

    fn parts(&mut self) -> Result<Vec<Line>, GeoError> {
        let parts = self.count(4)?;
        let points = u32::from_be_bytes(self.take()?) as usize;
        let starts = (0..parts)
            .map(|_| Ok(u32::from_be_bytes(self.take()?) as usize))
            .collect::<Result<Vec<usize>, GeoError>>()?;
        let ends = starts.iter().skip(1).copied().chain([points]);
        starts
            .iter()
            .zip(ends)
            .map(|(start, end)| match end.checked_sub(*start) {
                Some(length) if length > 0 => checked_line(self.line(length)?),
                _ => Err(GeoError::new("Count shall be positive")),
            })
            .collect()
    }

    fn geometry(&mut self, depth: usize) -> Result<Geometry, GeoError> {
        if depth > MAX_DEPTH {
            return Err(GeoError::new("geometry collections nest too deep"));
        }
        let [kind] = self.take()?;
        let shape = match kind & !GEOGRAPHY {
            0 => {
                let (x, y) = self.position()?;
                Shape::Point((!x.is_nan() && !y.is_nan()).then_some((x, y)))
            }
            1 => {
                let points = self.count(16)?;
                Shape::MultiPoint(self.line(points)?)
            }
            2 => Shape::Line(self.parts()?.into_iter().next().unwrap_or_default()),
            3 => Shape::MultiLine(self.parts()?),
            4 => Shape::Polygon(self.parts()?),
            5 => Shape::MultiPolygon(polygons(self.parts()?)),
            6 => {
                let mut parts = Vec::new();
                while !self.rest.is_empty() {
                    parts.push(self.geometry(depth + 1)?);
                }
                Shape::Collection(parts)
            }
            other => return Err(GeoError::new(format!("Invalid type id: {other}"))),
        };
        Ok(Geometry {
            shape,
            geography: kind & GEOGRAPHY != 0,
        })
    }
}

/// A clockwise ring starts the next polygon.
fn polygons(rings: Vec<Line>) -> Vec<Rings> {
    let mut polygons: Vec<Rings> = Vec::new();
    for ring in rings {
        match polygons.last_mut() {
            Some(polygon) if !is_clockwise(&ring) => polygon.push(ring),
            _ => polygons.push(vec![ring]),
        }
    }
    polygons
}

//! Well-known binary: reads both byte orders, writes big-endian.
//!
//! Must not know: the serialised form of columns. Invariant: two dimensions; further ones are read and dropped.

use super::{GeoError, Geometry, Line, Position, Rings, Shape, checked_line};

const MAX_DEPTH: usize = 50;

impl Geometry {
    /// The big-endian WKB.
    #[must_use]
    pub fn to_wkb(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write(&self.shape, &mut out);
        out
    }

    /// Reads WKB, with or without a spatial reference number.
    ///
    /// # Errors
    /// Where the bytes are no WKB.
    pub fn from_wkb(bytes: &[u8], geography: bool) -> Result<Self, GeoError> {
        let shape = Reader {
            rest: bytes,
            little: false,
            dimensions: 2,
        }
        .shape(0, geography)?;
        Ok(Self { shape, geography })
    }
}

fn head(out: &mut Vec<u8>, kind: u32) {
    out.push(0);
    out.extend_from_slice(&kind.to_be_bytes());
}

fn line(out: &mut Vec<u8>, positions: &[Position]) {
    out.extend_from_slice(&(positions.len() as u32).to_be_bytes());
    positions.iter().for_each(|p| point(out, *p));
}

fn point(out: &mut Vec<u8>, (x, y): Position) {
    out.extend_from_slice(&x.to_be_bytes());
    out.extend_from_slice(&y.to_be_bytes());
}

fn many<T>(out: &mut Vec<u8>, kind: u32, items: &[T], each: impl Fn(&mut Vec<u8>, &T)) {
    head(out, kind);
    out.extend_from_slice(&(items.len() as u32).to_be_bytes());
    items.iter().for_each(|item| each(out, item));
}

fn write(shape: &Shape, out: &mut Vec<u8>) {
    let polygon =
        |out: &mut Vec<u8>, rings: &Rings| many(out, 3, rings, |out, ring| line(out, ring));
    let single_line = |out: &mut Vec<u8>, positions: &Line| {
        head(out, 2);
        line(out, positions);
    };
    match shape {
        Shape::Point(position) => {
            head(out, 1);
            point(out, position.unwrap_or((f64::NAN, f64::NAN)));
        }
        Shape::Line(positions) => single_line(out, positions),
        Shape::Polygon(rings) => polygon(out, rings),
        Shape::MultiPoint(points) => many(out, 4, points, |out, p| {
            head(out, 1);
            point(out, *p);
        }),
        Shape::MultiLine(lines) => many(out, 5, lines, single_line),
        Shape::MultiPolygon(polygons) => many(out, 6, polygons, polygon),
        Shape::Collection(parts) => many(out, 7, parts, |out, part| write(&part.shape, out)),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    little: bool,
    dimensions: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], GeoError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| GeoError::new("WKB ends too early"))?;
        self.rest = rest;
        let mut head = *head;
        if self.little {
            head.reverse();
        }
        Ok(head)
    }

    fn count(&mut self, size: usize) -> Result<usize, GeoError> {
        let count = u32::from_be_bytes(self.take()?) as usize;
        if count.saturating_mul(size) > self.rest.len() {
            return Err(GeoError::new(format!(
                "WKB announces {count} parts and ends too early"
            )));
        }
        Ok(count)
    }

    fn position(&mut self) -> Result<Position, GeoError> {
        let x = f64::from_be_bytes(self.take()?);
        let y = f64::from_be_bytes(self.take()?);
        for _ in 2..self.dimensions {
            self.take::<8>()?;
        }
        Ok((x, y))
    }

    fn line(&mut self) -> Result<Line, GeoError> {
        let count = self.count(16)?;
        let line = (0..count).map(|_| self.position());
        checked_line(line.collect::<Result<_, _>>()?)
    }

    fn rings(&mut self) -> Result<Rings, GeoError> {
        let count = self.count(4)?;
        (0..count).map(|_| self.line()).collect()
    }

    fn parts(&mut self, depth: usize, geography: bool) -> Result<Vec<Shape>, GeoError> {
        let count = self.count(5)?;
        (0..count)
            .map(|_| self.shape(depth + 1, geography))
            .collect()
    }

    fn shape(&mut self, depth: usize, geography: bool) -> Result<Shape, GeoError> {
        if depth > MAX_DEPTH {
            return Err(GeoError::new("WKB collections nest too deep"));
        }
        let [order] = self.take()?;
        self.little = match order {
            0 => false,
            1 => true,
            _ => return Err(GeoError::new(format!("Unknown byte order {order} in WKB"))),
        };
        let kind = u32::from_be_bytes(self.take()?);
        let iso = (kind & 0xFFFF) / 1000;
        let extra = usize::from(kind & 0x8000_0000 != 0) + usize::from(kind & 0x4000_0000 != 0);
        self.dimensions = 2 + extra.max(match iso {
            0 => 0,
            3 => 2,
            _ => 1,
        });
        if kind & 0x2000_0000 != 0 {
            self.take::<4>()?;
        }
        let mixed = || GeoError::new("a WKB collection holds a part of another type");
        Ok(match (kind & 0xFFFF) % 1000 {
            1 => {
                let (x, y) = self.position()?;
                Shape::Point((!x.is_nan() && !y.is_nan()).then_some((x, y)))
            }
            2 => Shape::Line(self.line()?),
            3 => Shape::Polygon(self.rings()?),
            4 => Shape::MultiPoint(
                self.parts(depth, geography)?
                    .into_iter()
                    .map(|part| match part {
                        Shape::Point(Some(point)) => Ok(point),
                        _ => Err(mixed()),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            5 => Shape::MultiLine(
                self.parts(depth, geography)?
                    .into_iter()
                    .map(|part| match part {
                        Shape::Line(line) => Ok(line),
                        _ => Err(mixed()),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            6 => Shape::MultiPolygon(
                self.parts(depth, geography)?
                    .into_iter()
                    .map(|part| match part {
                        Shape::Polygon(rings) => Ok(rings),
                        _ => Err(mixed()),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            7 => Shape::Collection(
                self.parts(depth, geography)?
                    .into_iter()
                    .map(|shape| Geometry { shape, geography })
                    .collect(),
            ),
            other => return Err(GeoError::new(format!("Unknown WKB type {other}"))),
        })
    }
}

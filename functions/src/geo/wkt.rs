//! Well-known text.
//!
//! Must not know: bytes. Invariant: numbers print without exponent and without trailing zeros, as JTS does.

use super::{GeoError, Geometry, Line, Position, Rings, Shape, checked_line};

const MAX_DEPTH: usize = 50;

impl Geometry {
    /// The well-known text.
    #[must_use]
    pub fn to_wkt(&self) -> String {
        let mut out = String::new();
        write(&self.shape, &mut out);
        out
    }

    /// Reads well-known text, any case.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn from_wkt(text: &str, geography: bool) -> Result<Self, GeoError> {
        let mut reader = Reader { text, at: 0 };
        let shape = reader.shape(geography, 0)?;
        reader.skip_blank();
        if reader.at < text.len() {
            return Err(reader.expected("end of text"));
        }
        Ok(Self { shape, geography })
    }
}

fn list<T>(out: &mut String, items: &[T], mut each: impl FnMut(&mut String, &T)) {
    if items.is_empty() {
        return out.push_str("EMPTY");
    }
    out.push('(');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        each(out, item);
    }
    out.push(')');
}

fn position(out: &mut String, (x, y): &Position) {
    ordinate(out, *x);
    out.push(' ');
    ordinate(out, *y);
}

/// A number with sixteen decimals at most, the nearest to its exact value. A negative one that rounds to nothing keeps its sign.
fn ordinate(out: &mut String, value: f64) {
    const DECIMALS: usize = 16;
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Inf" } else { "-Inf" });
    }
    if let Some(whole) = whole_text(value) {
        return out.push_str(&whole);
    }
    let shortest = format!("{value}");
    let decimals = shortest
        .split_once('.')
        .map_or(0, |(_, digits)| digits.len());
    if decimals <= DECIMALS {
        return out.push_str(&shortest);
    }
    let rounded = format!("{value:.DECIMALS$}");
    out.push_str(rounded.trim_end_matches('0').trim_end_matches('.'));
}

/// A large whole number that a 64 bit one holds, as Java's formats write it: the digits that its bits leave open are rounded off.
fn whole_text(value: f64) -> Option<String> {
    const EXPONENT_OF_ONE: u64 = 1023;
    let exponent = (value.to_bits() >> 52) & 0x7FF;
    let power = exponent.checked_sub(EXPONENT_OF_ONE)?;
    if !(54..63).contains(&power) {
        return None;
    }
    let open = ((power - 54) as f64 * std::f64::consts::LOG10_2) as u32;
    let unit = 10_u64.pow(open);
    let exact = value.abs() as u64;
    let rounded = (exact + unit / 2) / unit * unit;
    let sign = if value < 0.0 { "-" } else { "" };
    Some(format!("{sign}{rounded}"))
}

fn line(out: &mut String, positions: &Line) {
    list(out, positions, position);
}

fn rings(out: &mut String, rings: &Rings) {
    list(out, rings, line);
}

fn write(shape: &Shape, out: &mut String) {
    out.push_str(&shape.name().to_uppercase());
    out.push(' ');
    match shape {
        Shape::Point(point) => list(out, point.as_slice(), position),
        Shape::MultiPoint(points) => list(out, points, |out, point| {
            list(out, std::slice::from_ref(point), position);
        }),
        Shape::Line(positions) => line(out, positions),
        Shape::MultiLine(lines) => list(out, lines, line),
        Shape::Polygon(polygon) => rings(out, polygon),
        Shape::MultiPolygon(polygons) => list(out, polygons, rings),
        Shape::Collection(parts) => list(out, parts, |out, part| write(&part.shape, out)),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn skip_blank(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// The next word, number or sign.
    fn peek(&mut self) -> &'a str {
        self.skip_blank();
        let rest = &self.text[self.at..];
        match rest.chars().next() {
            None => "",
            Some(sign @ ('(' | ')' | ',')) => &rest[..sign.len_utf8()],
            Some(_) => {
                let end = rest.find(|c: char| c.is_whitespace() || "(),".contains(c));
                &rest[..end.unwrap_or(rest.len())]
            }
        }
    }

    fn expected(&mut self, expected: &str) -> GeoError {
        let line = self.text[..self.at].matches('\n').count() + 1;
        let found = match self.peek() {
            "" => "End-of-Stream".to_owned(),
            token => format!("'{token}'"),
        };
        GeoError(format!(
            "Expected {expected} but found {found} (line {line})"
        ))
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.peek().eq_ignore_ascii_case(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn number(&mut self) -> Result<f64, GeoError> {
        let token = self.peek();
        match token.parse::<f64>() {
            Ok(number) => {
                self.at += token.len();
                Ok(number)
            }
            Err(_) => Err(self.expected("number")),
        }
    }

    fn position(&mut self) -> Result<Position, GeoError> {
        let position = (self.number()?, self.number()?);
        while self.peek().parse::<f64>().is_ok() {
            self.number()?;
        }
        Ok(position)
    }

    /// `EMPTY`, or items in brackets.
    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, GeoError>,
    ) -> Result<Vec<T>, GeoError> {
        if self.eat("EMPTY") {
            return Ok(Vec::new());
        }
        if !self.eat("(") {
            return Err(self.expected("'EMPTY' or '('"));
        }
        let mut items = vec![item(self)?];
        while self.eat(",") {
            items.push(item(self)?);
        }
        if !self.eat(")") {
            return Err(self.expected("',' or ')'"));
        }
        Ok(items)
    }

    fn line(&mut self) -> Result<Line, GeoError> {
        checked_line(self.list(Self::position)?)
    }

    fn ring(&mut self) -> Result<Line, GeoError> {
        let ring = self.list(Self::position)?;
        if ring.first() != ring.last() {
            return Err(GeoError::new(
                "Points of LinearRing do not form a closed linestring",
            ));
        }
        if !ring.is_empty() && ring.len() < 4 {
            return Err(GeoError(format!(
                "Invalid number of points in LinearRing (found {} - must be 0 or >= 4)",
                ring.len()
            )));
        }
        Ok(ring)
    }

    fn rings(&mut self) -> Result<Rings, GeoError> {
        self.list(Self::ring)
    }

    fn multi_position(&mut self) -> Result<Position, GeoError> {
        if !self.eat("(") {
            return self.position();
        }
        let position = self.position()?;
        if !self.eat(")") {
            return Err(self.expected("')'"));
        }
        Ok(position)
    }

    fn shape(&mut self, geography: bool, depth: usize) -> Result<Shape, GeoError> {
        if depth > MAX_DEPTH {
            return Err(GeoError::new("geometry collections nest too deep"));
        }
        let word = self.peek().to_uppercase();
        let start = self.at;
        self.at += self.peek().len();
        for dimension in ["Z", "M", "ZM"] {
            self.eat(dimension);
        }
        Ok(match word.as_str() {
            "POINT" => {
                let points = self.list(Self::position)?;
                Shape::Point(points.first().copied())
            }
            "MULTIPOINT" => Shape::MultiPoint(self.list(Self::multi_position)?),
            "LINESTRING" | "LINEARRING" => Shape::Line(self.line()?),
            "MULTILINESTRING" => Shape::MultiLine(self.list(Self::line)?),
            "POLYGON" => Shape::Polygon(self.rings()?),
            "MULTIPOLYGON" => Shape::MultiPolygon(self.list(Self::rings)?),
            "GEOMETRYCOLLECTION" => {
                let parts = self.list(|reader| reader.shape(geography, depth + 1))?;
                let part = |shape| Geometry { shape, geography };
                Shape::Collection(parts.into_iter().map(part).collect())
            }
            _ => {
                self.at = start;
                return Err(self.expected("a geometry type"));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_whole_numbers_lose_the_digits_that_their_bits_leave_open() {
        let text = |value: f64| {
            let mut out = String::new();
            ordinate(&mut out, value);
            out
        };
        assert_eq!(text(5_899_995_362_565_345_280.0), "5899995362565345300");
        assert_eq!(text(-2_363_919_734_114_673_152.0), "-2363919734114673200");
        assert_eq!(text(9_007_199_254_740_992.0), "9007199254740992");
        assert_eq!(text(1e19), "10000000000000000000");
        // The largest below a power of two has the digits of the powers below.
        assert_eq!(text(2.0_f64.powi(58).next_down()), "288230376151711712");
        assert_eq!(text(2.0_f64.powi(58)), "288230376151711740");
    }

    #[test]
    fn a_line_has_no_position_or_two() {
        let read = |text: &str| Geometry::from_wkt(text, false);
        for text in [
            "LINESTRING (1 1)",
            "LINESTRING (1 1 0)",
            "MULTILINESTRING ((0 0, 1 1), (2 2))",
            "POLYGON ((1 1))",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.starts_with("Invalid number of points in Line"),
                "{error}"
            );
        }
        assert!(read("LINESTRING EMPTY").is_ok());
        assert!(read("LINESTRING (1 1, 1 1)").is_ok());
    }

    #[test]
    fn ordinates_have_sixteen_decimals_of_the_exact_value() {
        let text = |x: f64| {
            let shape = Shape::Point(Some((x, 1.0)));
            let geography = false;
            Geometry { shape, geography }.to_wkt()
        };
        // A tie by its shortest digits alone: the number lies below the one and above the other.
        assert_eq!(text(0.00911717990691075), "POINT (0.0091171799069107 1)");
        assert_eq!(text(-0.20280492734851485), "POINT (-0.2028049273485149 1)");
        assert_eq!(text(-0.0), "POINT (-0 1)");
        assert_eq!(text(0.0), "POINT (0 1)");
        assert_eq!(text(-2.5), "POINT (-2.5 1)");
    }
}

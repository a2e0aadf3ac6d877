//! GeoJSON.
//!
//! Must not know: bytes. Invariant: written with a `crs` that names the surface, as Pinot does.

use std::fmt::Write as _;

use common::java_text::double_text;

use super::{GeoError, Geometry, Line, Position, Rings, Shape, checked_line};
use crate::json::Json;

impl Geometry {
    /// The GeoJSON text.
    #[must_use]
    pub fn to_geojson(&self) -> String {
        let mut out = String::new();
        write(&self.shape, &mut out);
        out.pop();
        let srid = if self.geography { 4326 } else { 0 };
        // Writing to a String does not fail.
        let _ = write!(
            out,
            ",\"crs\":{{\"type\":\"name\",\"properties\":{{\"name\":\"EPSG:{srid}\"}}}}}}"
        );
        out
    }

    /// Reads GeoJSON.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn from_geojson(text: &str, geography: bool) -> Result<Self, GeoError> {
        let json = Json::parse(text).map_err(|e| GeoError::new(e.to_string()))?;
        let shape = shape(&json, geography)?;
        Ok(Self { shape, geography })
    }
}

/// JTS rounds to eight decimals, prints whole numbers without a point, and 0 as `0.0`.
fn ordinate(value: f64) -> String {
    if value > -1e7 && value.abs() >= 1e-3 && value < 1e7 {
        let rounded = (value * 1e8 + 0.5).floor() / 1e8;
        if rounded == rounded.trunc() {
            return format!("{}", rounded as i64);
        }
        return double_text(rounded);
    }
    double_text(value)
}

fn list<T>(out: &mut String, items: &[T], mut each: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}

fn position(out: &mut String, (x, y): &Position) {
    list(out, &[*x, *y], |out, value| out.push_str(&ordinate(*value)));
}

fn line(out: &mut String, positions: &Line) {
    list(out, positions, position);
}

fn rings(out: &mut String, rings: &Rings) {
    list(out, rings, line);
}

fn write(shape: &Shape, out: &mut String) {
    let field = if matches!(shape, Shape::Collection(_)) {
        "geometries"
    } else {
        "coordinates"
    };
    let _ = write!(out, "{{\"type\":\"{}\",\"{field}\":", shape.name());
    match shape {
        Shape::Point(None) => out.push_str("[]"),
        Shape::Point(Some(point)) => position(out, point),
        Shape::MultiPoint(points) => line(out, points),
        Shape::Line(positions) => line(out, positions),
        Shape::MultiLine(lines) => rings(out, lines),
        Shape::Polygon(polygon) => rings(out, polygon),
        Shape::MultiPolygon(polygons) => list(out, polygons, rings),
        Shape::Collection(parts) => list(out, parts, |out, part| write(&part.shape, out)),
    }
    out.push('}');
}

fn items<'a, 'j>(json: &'a Json<'j>) -> Result<&'a [Json<'j>], GeoError> {
    match json {
        Json::Array(items) => Ok(items),
        _ => Err(GeoError::new("GeoJSON coordinates are no array")),
    }
}

fn read_position(json: &Json<'_>) -> Result<Position, GeoError> {
    match items(json)? {
        [x, y, ..] => match (x.as_f64(), y.as_f64()) {
            (Some(x), Some(y)) => Ok((x, y)),
            _ => Err(GeoError::new("GeoJSON coordinates are no numbers")),
        },
        _ => Err(GeoError::new(
            "a GeoJSON position has fewer than two numbers",
        )),
    }
}

fn read_positions(json: &Json<'_>) -> Result<Line, GeoError> {
    items(json)?.iter().map(read_position).collect()
}

fn read_line(json: &Json<'_>) -> Result<Line, GeoError> {
    checked_line(read_positions(json)?)
}

fn read_rings(json: &Json<'_>) -> Result<Rings, GeoError> {
    items(json)?.iter().map(read_line).collect()
}

fn shape(json: &Json<'_>, geography: bool) -> Result<Shape, GeoError> {
    let missing = |field: &str| {
        GeoError(format!(
            "Could not parse Geometry from Json string. No '{field}' found."
        ))
    };
    let Some(Json::Text(kind)) = json.field("type") else {
        return Err(missing("type"));
    };
    if kind == "GeometryCollection" {
        let parts = json
            .field("geometries")
            .ok_or_else(|| missing("geometries"))?;
        let part = |json| {
            Ok(Geometry {
                shape: shape(json, geography)?,
                geography,
            })
        };
        return Ok(Shape::Collection(
            items(parts)?.iter().map(part).collect::<Result<_, _>>()?,
        ));
    }
    let coordinates = json
        .field("coordinates")
        .ok_or_else(|| missing("coordinates"))?;
    Ok(match kind.as_ref() {
        "Point" if items(coordinates)?.is_empty() => Shape::Point(None),
        "Point" => Shape::Point(Some(read_position(coordinates)?)),
        "MultiPoint" => Shape::MultiPoint(read_positions(coordinates)?),
        "LineString" => Shape::Line(read_line(coordinates)?),
        "MultiLineString" => Shape::MultiLine(read_rings(coordinates)?),
        "Polygon" => Shape::Polygon(read_rings(coordinates)?),
        "MultiPolygon" => Shape::MultiPolygon(
            items(coordinates)?
                .iter()
                .map(read_rings)
                .collect::<Result<_, _>>()?,
        ),
        other => {
            return Err(GeoError(format!(
                "Could not parse Geometry from GeoJson string.  Unsupported 'type':{other}"
            )));
        }
    })
}

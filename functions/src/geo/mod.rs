//! Geometries: the model, its byte, text and JSON forms, and measures and relations between two of them.
//!
//! Must not know: columns, indexes.
//! Invariant: coordinates are x (longitude) then y (latitude); no input makes a reader panic or allocate more than its size.

mod bytes;
mod geohash;
mod json;
mod measure;
mod wkb;
mod wkt;

pub use geohash::{geohash_center, geohash_of};
pub use measure::{Relation, area, distance, relates};

/// A position: x and y.
pub type Position = (f64, f64);
/// Positions of a line, or of a closed ring.
pub type Line = Vec<Position>;
/// Rings: the shell, then holes. Empty for an empty polygon.
pub type Rings = Vec<Line>;

/// A shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A point, or none.
    Point(Option<Position>),
    /// Points.
    MultiPoint(Vec<Position>),
    /// A line.
    Line(Line),
    /// Lines.
    MultiLine(Vec<Line>),
    /// A polygon.
    Polygon(Rings),
    /// Polygons.
    MultiPolygon(Vec<Rings>),
    /// Anything.
    Collection(Vec<Geometry>),
}

/// A shape on the plane (geometry) or on the sphere (geography).
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// The shape.
    pub shape: Shape,
    /// True on the sphere.
    pub geography: bool,
}

/// What is wrong with a geometry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GeoError(pub String);

impl GeoError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// A line with no position, or with two at least.
pub(crate) fn checked_line(line: Line) -> Result<Line, GeoError> {
    match line.len() {
        1 => Err(GeoError::new(
            "Invalid number of points in LineString (found 1 - must be 0 or >= 2)",
        )),
        _ => Ok(line),
    }
}

impl Shape {
    /// The name that ST_GeometryType answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Point(_) => "Point",
            Self::MultiPoint(_) => "MultiPoint",
            Self::Line(_) => "LineString",
            Self::MultiLine(_) => "MultiLineString",
            Self::Polygon(_) => "Polygon",
            Self::MultiPolygon(_) => "MultiPolygon",
            Self::Collection(_) => "GeometryCollection",
        }
    }
}

impl Geometry {
    /// A point.
    #[must_use]
    pub fn point(x: f64, y: f64, geography: bool) -> Self {
        Self {
            shape: Shape::Point(Some((x, y))),
            geography,
        }
    }

    /// The same shape on the other surface, parts of a collection included.
    #[must_use]
    pub fn on_sphere(mut self, geography: bool) -> Self {
        self.geography = geography;
        if let Shape::Collection(parts) = &mut self.shape {
            for part in std::mem::take(parts) {
                parts.push(part.on_sphere(geography));
            }
        }
        self
    }
}

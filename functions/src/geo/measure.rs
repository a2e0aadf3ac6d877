//! Distance, area, and relations.
//!
//! Must not know: serialised forms. Invariant: two geometries are only compared on the same surface.

use geo::line_measures::{Distance, Euclidean};
use geo::{Relate, coord};

use super::{GeoError, Geometry, Line, Position, Rings, Shape};

/// Mean radius of the earth in metres.
const EARTH_RADIUS_M: f64 = 6_371_010.0;

/// A relation of two geometries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The first contains the second.
    Contains,
    /// The first lies within the second.
    Within,
    /// Both are the same set of points.
    Equals,
}

fn to_line(line: &Line) -> geo::LineString {
    line.iter().map(|(x, y)| coord! { x: *x, y: *y }).collect()
}

fn to_polygon(rings: &Rings) -> geo::Polygon {
    let mut rings = rings.iter().map(to_line);
    let shell = rings
        .next()
        .unwrap_or_else(|| geo::LineString::new(Vec::new()));
    geo::Polygon::new(shell, rings.collect())
}

impl Geometry {
    /// The geometry in the form that the relations are computed on.
    fn planar(&self) -> geo::Geometry {
        match &self.shape {
            Shape::Point(Some((x, y))) => geo::Point::new(*x, *y).into(),
            Shape::Point(None) => geo::MultiPoint::new(Vec::new()).into(),
            Shape::MultiPoint(points) => {
                let points = points.iter().map(|(x, y)| geo::Point::new(*x, *y));
                geo::MultiPoint::new(points.collect()).into()
            }
            Shape::Line(line) => to_line(line).into(),
            Shape::MultiLine(lines) => {
                geo::MultiLineString::new(lines.iter().map(to_line).collect()).into()
            }
            Shape::Polygon(rings) => to_polygon(rings).into(),
            Shape::MultiPolygon(polygons) => {
                geo::MultiPolygon::new(polygons.iter().map(to_polygon).collect()).into()
            }
            Shape::Collection(parts) => geo::Geometry::GeometryCollection(geo::GeometryCollection(
                parts.iter().map(Self::planar).collect(),
            )),
        }
    }

    fn is_empty(&self) -> bool {
        match &self.shape {
            Shape::Point(point) => point.is_none(),
            Shape::MultiPoint(items) | Shape::Line(items) => items.is_empty(),
            Shape::MultiLine(items) | Shape::Polygon(items) => items.iter().all(Vec::is_empty),
            Shape::MultiPolygon(items) => items.iter().flatten().all(Vec::is_empty),
            Shape::Collection(parts) => parts.iter().all(Self::is_empty),
        }
    }

    /// Coordinates without NaN and infinities; relations are not defined on others.
    fn is_finite(&self) -> bool {
        let all = |line: &Line| line.iter().all(|(x, y)| x.is_finite() && y.is_finite());
        match &self.shape {
            Shape::Point(point) => point.is_none_or(|(x, y)| x.is_finite() && y.is_finite()),
            Shape::MultiPoint(items) | Shape::Line(items) => all(items),
            Shape::MultiLine(items) | Shape::Polygon(items) => items.iter().all(all),
            Shape::MultiPolygon(items) => items.iter().flatten().all(all),
            Shape::Collection(parts) => parts.iter().all(Self::is_finite),
        }
    }
}

fn same_surface(a: &Geometry, b: &Geometry) -> Result<(), GeoError> {
    if a.geography == b.geography {
        return Ok(());
    }
    Err(GeoError::new(
        "The first and second arguments shall either all be geometry or all geography",
    ))
}

/// Whether the relation holds. Geography is taken as if it were on the plane, as Pinot does.
///
/// # Errors
/// Where the two lie on different surfaces.
pub fn relates(a: &Geometry, relation: Relation, b: &Geometry) -> Result<bool, GeoError> {
    same_surface(a, b)?;
    if let (Shape::Point(a), Shape::Point(b)) = (&a.shape, &b.shape) {
        return Ok(a.is_some() && a == b);
    }
    if !a.is_finite() || !b.is_finite() {
        return Ok(false);
    }
    let point_inside = match (relation, &a.shape, &b.shape) {
        (Relation::Contains, Shape::Polygon(rings), Shape::Point(Some(point)))
        | (Relation::Within, Shape::Point(Some(point)), Shape::Polygon(rings)) => {
            Some(inside(rings, *point))
        }
        _ => None,
    };
    if let Some(answer) = point_inside {
        return Ok(answer);
    }
    let matrix = a.planar().relate(&b.planar());
    Ok(match relation {
        Relation::Contains => matrix.is_contains(),
        Relation::Within => matrix.is_within(),
        Relation::Equals => matrix.is_equal_topo(),
    })
}

/// True in the interior; a position on a ring is not inside.
fn inside(rings: &Rings, point: Position) -> bool {
    let mut inside = false;
    for ring in rings {
        for edge in ring.windows(2) {
            let ((x1, y1), (x2, y2)) = (edge[0], edge[1]);
            let cross = (x2 - x1) * (point.1 - y1) - (point.0 - x1) * (y2 - y1);
            let within = |a: f64, b: f64, v: f64| v >= a.min(b) && v <= a.max(b);
            if cross == 0.0 && within(x1, x2, point.0) && within(y1, y2, point.1) {
                return false;
            }
            if (y1 > point.1) != (y2 > point.1) && (cross > 0.0) == (y2 > y1) {
                inside = !inside;
            }
        }
    }
    inside
}

/// The smallest distance: on the plane in its units, on the sphere (points only) in metres; NaN where one is empty.
///
/// # Errors
/// Where the two lie on different surfaces, or are no points on the sphere.
pub fn distance(a: &Geometry, b: &Geometry) -> Result<f64, GeoError> {
    same_surface(a, b)?;
    if a.geography {
        let point = |geometry: &Geometry, side: &str| match geometry.shape {
            Shape::Point(Some(point)) => Ok(point),
            _ => Err(GeoError(format!("The {side} argument must be a point"))),
        };
        return great_circle(point(a, "left")?, point(b, "right")?);
    }
    if a.is_empty() || b.is_empty() {
        return Ok(f64::NAN);
    }
    if let (Shape::Point(Some(a)), Shape::Point(Some(b))) = (&a.shape, &b.shape) {
        // Squares of large numbers overflow where the distance does not.
        return Ok(libm::hypot(a.0 - b.0, a.1 - b.1));
    }
    if !a.is_finite() || !b.is_finite() {
        return Ok(f64::NAN);
    }
    Ok(Euclidean.distance(&a.planar(), &b.planar()))
}

fn great_circle(a: Position, b: Position) -> Result<f64, GeoError> {
    for (longitude, latitude) in [a, b] {
        if !(-90.0..=90.0).contains(&latitude) {
            return Err(GeoError::new("Latitude must be between -90 and 90"));
        }
        if !(-180.0..=180.0).contains(&longitude) {
            return Err(GeoError::new("Longitude must be between -180 and 180"));
        }
    }
    let (sin1, cos1) = (radians(a.1).sin(), radians(a.1).cos());
    let (sin2, cos2) = (radians(b.1).sin(), radians(b.1).cos());
    let delta = radians(a.0) - radians(b.0);
    let t1 = cos2 * delta.sin();
    let t2 = cos1 * sin2 - sin1 * cos2 * delta.cos();
    let t3 = sin1 * sin2 + cos1 * cos2 * delta.cos();
    Ok((t1 * t1 + t2 * t2).sqrt().atan2(t3) * EARTH_RADIUS_M)
}

/// `Math.toRadians`.
fn radians(degrees: f64) -> f64 {
    degrees * 0.017_453_292_519_943_295
}

/// The area: on the plane in its units, on the sphere (polygons) in square metres.
///
/// # Errors
/// On the sphere for anything but a polygon, and for rings without area.
pub fn area(geometry: &Geometry) -> Result<f64, GeoError> {
    if !geometry.geography {
        return Ok(planar_area(geometry));
    }
    let polygons = match &geometry.shape {
        Shape::Polygon(rings) => std::slice::from_ref(rings),
        Shape::MultiPolygon(polygons) => polygons.as_slice(),
        other => {
            return Err(GeoError(format!(
                "the area of a {} on the sphere is not defined",
                other.name()
            )));
        }
    };
    let mut excess = 0.0;
    for rings in polygons {
        for (i, ring) in rings.iter().enumerate() {
            let ring = spherical_excess(ring)?.abs();
            excess += if i == 0 { ring } else { -ring };
        }
    }
    Ok((excess * EARTH_RADIUS_M * EARTH_RADIUS_M).abs())
}

fn planar_area(geometry: &Geometry) -> f64 {
    let ring_area = |ring: &Line| {
        let Some((x0, _)) = ring.first() else {
            return 0.0;
        };
        let twice: f64 = ring
            .windows(3)
            .map(|w| (w[1].0 - x0) * (w[0].1 - w[2].1))
            .sum();
        (twice / 2.0).abs()
    };
    let polygon_area = |rings: &Rings| {
        let mut areas = rings.iter().map(ring_area);
        let shell = areas.next().unwrap_or(0.0);
        areas.fold(shell, |sum, hole| sum - hole)
    };
    match &geometry.shape {
        Shape::Polygon(rings) => polygon_area(rings),
        Shape::MultiPolygon(polygons) => polygons.iter().map(polygon_area).sum(),
        Shape::Collection(parts) => parts.iter().map(planar_area).sum(),
        _ => 0.0,
    }
}

/// The spherical excess of a closed ring; a ring around a pole is corrected by the turn that it makes.
fn spherical_excess(ring: &Line) -> Result<f64, GeoError> {
    use std::f64::consts::{PI, TAU};
    if ring.len() < 3 {
        return Err(GeoError::new(
            "Polygon is not valid: a loop contains less then 3 vertices.",
        ));
    }
    let turn = |from: f64, to: f64| (to - from + 3.0 * PI) % TAU - PI;
    let (mut excess, mut course) = (0.0, 0.0);
    let mut first_bearing = None;
    let mut last_bearing = 0.0;
    for edge in ring.windows(2) {
        let ((lon1, lat1), (lon2, lat2)) = (edge[0], edge[1]);
        let (phi1, phi2) = (radians(lat1), radians(lat2));
        let delta = radians(lon2) - radians(lon1);
        if delta == 0.0 && phi1 == phi2 {
            return Err(GeoError::new(
                "Polygon is not valid: it has two identical consecutive vertices",
            ));
        }
        let (tan1, tan2) = ((phi1 / 2.0).tan(), (phi2 / 2.0).tan());
        excess += 2.0 * ((delta / 2.0).tan() * (tan1 + tan2)).atan2(1.0 + tan1 * tan2);
        let initial = ((delta.sin() * phi2.cos())
            .atan2(phi1.cos() * phi2.sin() - phi1.sin() * phi2.cos() * delta.cos())
            + TAU)
            % TAU;
        let arriving = ((-delta.sin() * phi1.cos())
            .atan2(phi1.sin() * phi2.cos() - phi1.cos() * phi2.sin() * delta.cos())
            + PI)
            % TAU;
        match first_bearing {
            None => first_bearing = Some(initial),
            Some(_) => course += turn(last_bearing, initial),
        }
        course += turn(initial, arriving);
        last_bearing = arriving;
    }
    course += turn(last_bearing, first_bearing.unwrap_or(last_bearing));
    if f64::abs(course) < PI / 4.0 {
        excess = f64::abs(excess) - TAU;
    }
    Ok(excess)
}

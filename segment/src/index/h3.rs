//! The geo index: points grouped by their H3 cells, each group with what its points lie within.
//!
//! | part | content |
//! |---|---|
//! | head | groups `u32`, zero `u32` |
//! | groups | per group ten `f64`: surface (1 sphere, 0 plane), centre x y z on the unit sphere, largest angle to it, least and largest longitude and latitude, zero |
//! | ends | end of each bitmap `u64`, those of the groups and then that of the other rows |
//! | bitmaps | Roaring portable format |
//!
//! Must not know: the columns beside. Invariant: bounds are those of the points themselves, so that a row that is called sure
//! matches and one that is left out does not; rows that hold no point are always to be checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{DataType, FieldSpec, TableConfig, Values};
use functions::geo::{Geometry, Shape};
use h3o::{LatLng, Resolution};
use roaring::RoaringBitmap;
use serde_json::Value as Json;

use super::inverted::{read_bitmap, write_bitmap};
use super::{ColumnContext, ColumnSource, IndexType, wanted};
use crate::buffer::map::Region;
use crate::{Answer, IndexReader, Predicate};

/// The kind.
pub(crate) struct H3Index;

const HEAD: u64 = 8;
const GROUP: u64 = 80;
/// Resolution where the config has none.
const USUAL: u64 = 5;
/// Radius of the earth in metres, as distances are computed.
const EARTH_RADIUS_M: f64 = 6_371_010.0;
/// Beyond what rounding can change: of angles, also of those across the whole earth, and relative on the plane.
const ANGLE_MARGIN: f64 = 1e-7;
const MARGIN: f64 = 1e-9;

impl IndexType for H3Index {
    fn id(&self) -> &'static str {
        "h3_index"
    }

    fn configure(&self, table: &TableConfig, field: &FieldSpec, _raw: bool) -> Option<Json> {
        let fits = field.data_type == DataType::Bytes && field.single_value_field;
        (fits && wanted(&[], table, field, "h3")).then(|| resolution(table, field).into())
    }

    fn build(&self, column: &ColumnSource<'_>, settings: &Json, out: &mut Vec<u8>) -> bool {
        let Values::Bytes(values) = column.values else {
            return false;
        };
        let resolution = settings.as_u64().unwrap_or(USUAL);
        let resolution = u8::try_from(resolution).unwrap_or(15);
        let resolution = Resolution::try_from(resolution).unwrap_or(Resolution::Five);
        let mut groups: BTreeMap<(bool, u64), Group> = BTreeMap::new();
        let mut others = Vec::new();
        let places: Vec<Option<Place>> = values.iter().map(|v| Place::of(v, resolution)).collect();
        let mut add = |row: u32, value: usize| match &places[value] {
            Some(place) => groups
                .entry((place.sphere, place.cell))
                .or_insert_with(|| Group::new(place))
                .add(row, place),
            None => others.push(row),
        };
        match column.ids {
            Some(ids) => (0..).zip(ids).for_each(|(row, id)| add(row, *id as usize)),
            None => (0..values.len()).for_each(|at| add(at as u32, at)),
        }
        write(&groups, &others, out);
        true
    }

    fn open(&self, bytes: Region, column: &ColumnContext) -> Result<Arc<dyn IndexReader>, String> {
        let count = bytes.first_chunk::<4>().map(|c| u32::from_le_bytes(*c));
        let count = u64::from(count.ok_or("its head is cut off")?);
        let ends = HEAD + count * GROUP;
        let bitmaps = ends + (count + 1) * 8;
        let part = |from: u64, to: u64| bytes.part(from, to.checked_sub(from)?);
        let cut = || format!("{} bytes do not hold {count} groups", bytes.len());
        Ok(Arc::new(H3Reader {
            count: count as usize,
            groups: part(HEAD, ends).ok_or_else(cut)?,
            ends: part(ends, bitmaps).ok_or_else(cut)?,
            bitmaps: part(bitmaps, bytes.len() as u64).ok_or_else(cut)?,
            rows: column.rows,
        }))
    }
}

/// The coarsest of the configured resolutions.
fn resolution(table: &TableConfig, field: &FieldSpec) -> u64 {
    let config = table.field_config(&field.name);
    let newer = config.and_then(|config| config.indexes.get("h3"));
    let newer = newer.and_then(|h3| h3.get("resolution").or_else(|| h3.get("resolutions")));
    let numbers: Vec<u64> = match newer {
        Some(Json::Array(list)) => list.iter().filter_map(Json::as_u64).collect(),
        Some(other) => other.as_u64().into_iter().collect(),
        None => {
            let properties = config.and_then(|config| config.properties.as_ref());
            let text = properties.and_then(|p| p.get("resolutions"));
            let parts = text.into_iter().flat_map(|text| text.split(','));
            parts.filter_map(|part| part.trim().parse().ok()).collect()
        }
    };
    numbers
        .into_iter()
        .filter(|r| *r <= 15)
        .min()
        .unwrap_or(USUAL)
}

/// A point with its cell.
struct Place {
    sphere: bool,
    cell: u64,
    /// The middle of the cell.
    centre: [f64; 3],
    longitude: f64,
    latitude: f64,
}

impl Place {
    fn of(bytes: &[u8], resolution: Resolution) -> Option<Self> {
        let geometry = Geometry::from_bytes(bytes).ok()?;
        let Shape::Point(Some((longitude, latitude))) = geometry.shape else {
            return None;
        };
        let on_earth = longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
        let at = LatLng::new(latitude, longitude).ok().filter(|_| on_earth)?;
        let cell = at.to_cell(resolution);
        let middle = LatLng::from(cell);
        Some(Self {
            sphere: geometry.geography,
            cell: cell.into(),
            centre: direction(middle.lng(), middle.lat()),
            longitude,
            latitude,
        })
    }

    fn direction(&self) -> [f64; 3] {
        direction(self.longitude, self.latitude)
    }
}

fn direction(longitude: f64, latitude: f64) -> [f64; 3] {
    let (x, y) = (longitude.to_radians(), latitude.to_radians());
    [y.cos() * x.cos(), y.cos() * x.sin(), y.sin()]
}

/// The angle between two directions, exact for small ones too.
fn angle(a: [f64; 3], b: [f64; 3]) -> f64 {
    let squares = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b));
    let chord = squares.sum::<f64>().sqrt();
    2.0 * (chord / 2.0).min(1.0).asin()
}

struct Group {
    centre: [f64; 3],
    radius: f64,
    /// Least and largest longitude, least and largest latitude.
    bounds: [f64; 4],
    rows: Vec<u32>,
}

impl Group {
    fn new(place: &Place) -> Self {
        Self {
            centre: place.centre,
            radius: 0.0,
            bounds: [
                place.longitude,
                place.longitude,
                place.latitude,
                place.latitude,
            ],
            rows: Vec::new(),
        }
    }

    fn add(&mut self, row: u32, place: &Place) {
        self.rows.push(row);
        self.radius = self.radius.max(angle(self.centre, place.direction()));
        let [west, east, south, north] = &mut self.bounds;
        *west = west.min(place.longitude);
        *east = east.max(place.longitude);
        *south = south.min(place.latitude);
        *north = north.max(place.latitude);
    }
}

fn write(groups: &BTreeMap<(bool, u64), Group>, others: &[u32], out: &mut Vec<u8>) {
    out.extend((groups.len() as u32).to_le_bytes());
    out.extend([0; 4]);
    for ((sphere, _), group) in groups {
        let surface = [f64::from(u8::from(*sphere))];
        let numbers = surface.iter().chain(&group.centre);
        let numbers = numbers.chain(std::slice::from_ref(&group.radius));
        let numbers = numbers.chain(&group.bounds).chain(&[0.0]);
        numbers.for_each(|number| out.extend(number.to_le_bytes()));
    }
    let (mut ends, mut bitmaps) = (Vec::new(), Vec::new());
    for rows in groups.values().map(|g| g.rows.as_slice()).chain([others]) {
        write_bitmap(rows, &mut bitmaps);
        ends.extend((bitmaps.len() as u64).to_le_bytes());
    }
    out.append(&mut ends);
    out.append(&mut bitmaps);
}

struct H3Reader {
    count: usize,
    groups: Region,
    ends: Region,
    bitmaps: Region,
    rows: u32,
}

/// What is known of the points of a group.
struct Bounds {
    sphere: bool,
    centre: [f64; 3],
    radius: f64,
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// Whether the rows of a group match.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    All,
    None,
    Open,
}

impl H3Reader {
    fn bounds(&self, group: usize) -> Bounds {
        let number = |at: usize| {
            let start = group * GROUP as usize + at * 8;
            let chunk = self.groups.get(start..).and_then(|b| b.first_chunk::<8>());
            chunk.map_or(f64::NAN, |chunk| f64::from_le_bytes(*chunk))
        };
        Bounds {
            sphere: number(0) != 0.0,
            centre: [number(1), number(2), number(3)],
            radius: number(4),
            west: number(5),
            east: number(6),
            south: number(7),
            north: number(8),
        }
    }

    fn add(&self, group: usize, out: &mut RoaringBitmap) {
        let end = |at: usize| {
            let chunk = self.ends.get(at * 8..).and_then(|b| b.first_chunk::<8>());
            chunk.map_or(0, |chunk| u64::from_le_bytes(*chunk)) as usize
        };
        let start = if group == 0 { 0 } else { end(group - 1) };
        let bytes = self.bitmaps.get(start..end(group)).unwrap_or(&[]);
        read_bitmap(bytes, &mut |row| {
            if row < self.rows {
                out.insert(row);
            }
        });
    }

    fn decide(&self, verdict: impl Fn(&Bounds) -> Verdict) -> Answer {
        let (mut sure, mut open) = (RoaringBitmap::new(), RoaringBitmap::new());
        for group in 0..self.count {
            match verdict(&self.bounds(group)) {
                Verdict::All => self.add(group, &mut sure),
                Verdict::Open => self.add(group, &mut open),
                Verdict::None => {}
            }
        }
        self.add(self.count, &mut open);
        open -= &sure;
        Answer::Between { sure, open }
    }

    fn distance(&self, from: &[u8], low: f64, high: f64) -> Option<Answer> {
        let from = Geometry::from_bytes(from).ok()?;
        let Shape::Point(Some((x, y))) = from.shape else {
            return None;
        };
        let on_earth = x.abs() <= 180.0 && y.abs() <= 90.0;
        if !on_earth {
            return None;
        }
        let at = direction(x, y);
        Some(self.decide(|bounds| {
            if bounds.sphere != from.geography {
                return Verdict::Open;
            }
            let (least, most) = if bounds.sphere {
                let centre = angle(bounds.centre, at);
                let least = (centre - bounds.radius - ANGLE_MARGIN).max(0.0);
                let most = centre + bounds.radius + ANGLE_MARGIN;
                (least * EARTH_RADIUS_M, most * EARTH_RADIUS_M)
            } else {
                bounds.planar(x, y)
            };
            if least > high || most < low {
                Verdict::None
            } else if low < least && most < high {
                Verdict::All
            } else {
                Verdict::Open
            }
        }))
    }

    fn within(&self, shape: &[u8]) -> Option<Answer> {
        let shape = Geometry::from_bytes(shape).ok()?;
        let Shape::Polygon(rings) = &shape.shape else {
            return None;
        };
        let mut corners = rings.iter().flatten();
        if corners.clone().next().is_none() || !corners.all(|(x, y)| x.is_finite() && y.is_finite())
        {
            return None;
        }
        let all = |(w, e, s, n): (f64, f64, f64, f64), (x, y): &(f64, f64)| {
            (w.min(*x), e.max(*x), s.min(*y), n.max(*y))
        };
        let none = (f64::MAX, f64::MIN, f64::MAX, f64::MIN);
        let (west, east, south, north) = rings.iter().flatten().fold(none, all);
        Some(self.decide(|bounds| {
            let apart = bounds.west > east
                || bounds.east < west
                || bounds.south > north
                || bounds.north < south;
            if bounds.sphere == shape.geography && apart {
                Verdict::None
            } else {
                Verdict::Open
            }
        }))
    }
}

impl Bounds {
    /// Least and largest distance on the plane.
    fn planar(&self, x: f64, y: f64) -> (f64, f64) {
        let apart = |low: f64, high: f64, at: f64| (low - at).max(at - high).max(0.0);
        let far = |low: f64, high: f64, at: f64| (at - low).abs().max((high - at).abs());
        let least = apart(self.west, self.east, x).hypot(apart(self.south, self.north, y));
        let most = far(self.west, self.east, x).hypot(far(self.south, self.north, y));
        (least * (1.0 - MARGIN), most * (1.0 + MARGIN) + MARGIN)
    }
}

impl IndexReader for H3Reader {
    fn id(&self) -> &'static str {
        H3Index.id()
    }

    fn estimate(&self, predicate: &Predicate) -> Option<u32> {
        let known = matches!(
            predicate,
            Predicate::Distance { .. } | Predicate::Within { .. }
        );
        known.then_some(self.rows)
    }

    fn matching(&self, predicate: &Predicate) -> Option<Answer> {
        match predicate {
            Predicate::Distance { from, low, high } => self.distance(from, *low, *high),
            Predicate::Within { shape } => self.within(shape),
            _ => None,
        }
    }
}

//! Geospatial functions.
//!
//! Must not know: geospatial indexes. Invariant: geometries travel as BYTES in Pinot's serialised form; a constant
//! geometry is read once per block.

use common::{ArrayVec, Block, BytesVec, ColumnType, DataType, TextVec, Value, Values};
use h3o::{CellIndex, LatLng, Resolution};

use super::lift::{Bytes, Double, Int, Long, Rows, Text, binary, ternary, unary};
use super::{Argument, Family, Param, Params, ROW, Returns, ScalarFunction, param};
use crate::FunctionError;
use crate::geo::{
    GeoError, Geometry, Relation, Shape, area, distance, geohash_center, geohash_of, relates,
};

type Fallible<T> = Result<T, FunctionError>;

const ONE_TEXT: Params = Params::Fixed(&[param::TEXT]);
const ONE_BYTES: Params = Params::Fixed(&[param::BYTES]);
const TWO_BYTES: Params = Params::Fixed(&[param::BYTES, param::BYTES]);
const BYTES: Returns = Returns::Is(ColumnType::sv(DataType::Bytes));
const STRING: Returns = Returns::Is(ColumnType::sv(DataType::String));
const INT: Returns = Returns::Is(ColumnType::sv(DataType::Int));
const LONG: Returns = Returns::Is(ColumnType::sv(DataType::Long));
const DOUBLE: Returns = Returns::Is(ColumnType::sv(DataType::Double));

/// A column that is no BYTES holds no geometries.
fn geometries(arguments: &[Argument]) -> Result<(), FunctionError> {
    let wrong = |a: &Argument| {
        a.literal.is_none()
            && !matches!(a.column_type.data_type, DataType::Bytes | DataType::Unknown)
    };
    if arguments.iter().any(wrong) {
        return Err(FunctionError::Argument(
            "The argument must be of bytes type".to_owned(),
        ));
    }
    Ok(())
}

impl From<GeoError> for FunctionError {
    fn from(error: GeoError) -> Self {
        Self::Evaluation(error.to_string())
    }
}

/// The functions of this file.
pub(crate) static FAMILY: Family = Family {
    title: "Geospatial",
    functions: &[
        ScalarFunction {
            names: &["stpoint"],
            params: Params::Fixed(&[param::DOUBLE, param::DOUBLE]),
            returns: BYTES,
            doc: "The point at x (longitude) and y (latitude).",
            example: ("ST_AsText(ST_Point(1.5, -2))", "POINT (1.5 -2)"),
            eval: |args, _| {
                binary::<Double, Double, BytesVec, _>(args, DataType::Bytes, |x, y| {
                    Ok(Geometry::point(x, y, false).to_bytes())
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["stpoint"],
            params: Params::Fixed(&[param::DOUBLE, param::DOUBLE, Param::Any]),
            returns: BYTES,
            doc: "The same, on the sphere where the third argument is 1 or true.",
            example: ("ST_Point(1, 2, 1)", "803ff00000000000004000000000000000"),
            eval: |args, _| {
                let (x, y) = (Rows::<Double>::of(&args[0])?, Rows::<Double>::of(&args[1])?);
                let mut out = BytesVec::with_capacity(args[0].rows(), args[0].rows() * 17);
                for row in 0..args[0].rows() {
                    let geography = match args[2].value(row).cast(DataType::Boolean)? {
                        Value::Boolean(flag) => flag,
                        _ => false,
                    };
                    out.push(&Geometry::point(x.get(row), y.get(row), geography).to_bytes());
                }
                Ok(Block::new(DataType::Bytes, Values::Bytes(out)))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["stgeomfromtext"],
            params: ONE_TEXT,
            returns: BYTES,
            doc: "The geometry that well-known text describes.",
            example: (
                "ST_GeomFromText('POINT (1 2)')",
                "003ff00000000000004000000000000000",
            ),
            eval: |args, _| from_text(args, |text| Geometry::from_wkt(text, false)),
            ..ROW
        },
        ScalarFunction {
            names: &["stgeogfromtext"],
            params: ONE_TEXT,
            returns: BYTES,
            doc: "The same on the sphere.",
            example: (
                "ST_GeogFromText('POINT (1 2)')",
                "803ff00000000000004000000000000000",
            ),
            eval: |args, _| from_text(args, |text| Geometry::from_wkt(text, true)),
            ..ROW
        },
        ScalarFunction {
            names: &["stgeomfromgeojson"],
            params: ONE_TEXT,
            returns: BYTES,
            doc: "The geometry that GeoJSON describes.",
            example: (
                r#"ST_AsText(ST_GeomFromGeoJSON('{"type":"Point","coordinates":[1.5,2]}'))"#,
                "POINT (1.5 2)",
            ),
            eval: |args, _| from_text(args, |text| Geometry::from_geojson(text, false)),
            ..ROW
        },
        ScalarFunction {
            names: &["stgeogfromgeojson"],
            params: ONE_TEXT,
            returns: BYTES,
            doc: "The same on the sphere.",
            example: (
                r#"ST_GeogFromGeoJSON('{"type":"Point","coordinates":[1.5,2]}')"#,
                "803ff80000000000004000000000000000",
            ),
            eval: |args, _| from_text(args, |text| Geometry::from_geojson(text, true)),
            ..ROW
        },
        ScalarFunction {
            names: &["stgeomfromwkb"],
            params: ONE_BYTES,
            check: geometries,
            returns: BYTES,
            doc: "The geometry that well-known binary describes.",
            example: (
                "ST_GeomFromWKB(hexToBytes('00000000013ff00000000000004000000000000000'))",
                "003ff00000000000004000000000000000",
            ),
            eval: |args, _| {
                unary::<Bytes, BytesVec, _>(args, DataType::Bytes, |wkb| {
                    Ok(Geometry::from_wkb(wkb, false)?.to_bytes())
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["stgeogfromwkb"],
            params: ONE_BYTES,
            check: geometries,
            returns: BYTES,
            doc: "The same on the sphere.",
            example: (
                "ST_GeogFromWKB(hexToBytes('00000000013ff00000000000004000000000000000'))",
                "803ff00000000000004000000000000000",
            ),
            eval: |args, _| {
                unary::<Bytes, BytesVec, _>(args, DataType::Bytes, |wkb| {
                    Ok(Geometry::from_wkb(wkb, true)?.to_bytes())
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["stpolygon"],
            params: ONE_TEXT,
            returns: BYTES,
            doc: "The polygon that well-known text describes; anything else is an error.",
            example: (
                "ST_AsText(ST_Polygon('POLYGON ((0 0, 0 1, 1 1, 0 0))'))",
                "POLYGON ((0 0, 0 1, 1 1, 0 0))",
            ),
            eval: |args, _| {
                from_text(args, |text| match Geometry::from_wkt(text, false)? {
                    polygon @ Geometry {
                        shape: Shape::Polygon(_),
                        ..
                    } => Ok(polygon),
                    _ => Err(GeoError::new("The geometry object must be polygon")),
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["stastext"],
            params: ONE_BYTES,
            check: geometries,
            returns: STRING,
            doc: "A geometry as well-known text.",
            example: ("ST_AsText(ST_Point(10, 20))", "POINT (10 20)"),
            eval: |args, _| to_text(args, Geometry::to_wkt),
            ..ROW
        },
        ScalarFunction {
            names: &["stasgeojson"],
            params: ONE_BYTES,
            check: geometries,
            returns: STRING,
            doc: "A geometry as GeoJSON.",
            example: (
                "ST_AsGeoJSON(ST_Point(10, 20))",
                r#"{"type":"Point","coordinates":[10,20],"crs":{"type":"name","properties":{"name":"EPSG:0"}}}"#,
            ),
            eval: |args, _| to_text(args, Geometry::to_geojson),
            ..ROW
        },
        ScalarFunction {
            names: &["stasbinary"],
            params: ONE_BYTES,
            check: geometries,
            returns: BYTES,
            doc: "A geometry as well-known binary.",
            example: (
                "ST_AsBinary(ST_Point(1, 2))",
                "00000000013ff00000000000004000000000000000",
            ),
            eval: |args, _| to_bytes(args, |geometry| geometry.to_wkb()),
            ..ROW
        },
        ScalarFunction {
            names: &["tosphericalgeography"],
            params: ONE_BYTES,
            returns: BYTES,
            doc: "The same shape on the sphere.",
            example: (
                "toSphericalGeography(ST_Point(1, 2))",
                "803ff00000000000004000000000000000",
            ),
            eval: |args, _| to_bytes(args, |geometry| geometry.on_sphere(true).to_bytes()),
            ..ROW
        },
        ScalarFunction {
            names: &["togeometry"],
            params: ONE_BYTES,
            returns: BYTES,
            doc: "The same shape on the plane.",
            example: (
                "toGeometry(ST_Point(1, 2, 1))",
                "003ff00000000000004000000000000000",
            ),
            eval: |args, _| to_bytes(args, |geometry| geometry.on_sphere(false).to_bytes()),
            ..ROW
        },
        ScalarFunction {
            names: &["stdistance"],
            params: TWO_BYTES,
            check: geometries,
            returns: DOUBLE,
            doc: "The smallest distance; on the sphere between points and in metres.",
            example: ("ST_Distance(ST_Point(0, 0), ST_Point(3, 4))", "5.0"),
            eval: |args, _| {
                let mut pairs = Pairs::of(args)?;
                let distances = (0..args[0].rows())
                    .map(|row| pairs.with(row, distance))
                    .collect::<Fallible<_>>()?;
                Ok(Block::new(DataType::Double, Values::Double(distances)))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["starea"],
            params: ONE_BYTES,
            check: geometries,
            returns: DOUBLE,
            doc: "The area; on the sphere in square metres.",
            example: (
                "ST_Area(ST_GeomFromText('POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0))'))",
                "16.0",
            ),
            eval: |args, _| {
                unary::<Bytes, Vec<f64>, f64>(args, DataType::Double, |bytes| {
                    Ok(area(&Geometry::from_bytes(bytes)?)?)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["stgeometrytype"],
            params: ONE_BYTES,
            check: geometries,
            returns: STRING,
            doc: "The type of a geometry.",
            example: ("ST_GeometryType(ST_Point(1, 2))", "Point"),
            eval: |args, _| {
                unary::<Bytes, TextVec, _>(args, DataType::String, |bytes| {
                    Ok(Geometry::from_bytes(bytes)?.shape.name())
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["stcontains"],
            params: TWO_BYTES,
            check: geometries,
            returns: INT,
            doc: "1 where the first contains the second, else 0; the border is not inside.",
            example: (
                "ST_Contains(ST_GeomFromText('POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0))'), ST_Point(1, 1))",
                "1",
            ),
            eval: |args, _| relation(args, Relation::Contains),
            ..ROW
        },
        ScalarFunction {
            names: &["stwithin"],
            params: TWO_BYTES,
            check: geometries,
            returns: INT,
            doc: "1 where the first lies within the second, else 0.",
            example: ("ST_Within(ST_Point(1, 1), ST_Point(1, 1))", "1"),
            eval: |args, _| relation(args, Relation::Within),
            ..ROW
        },
        ScalarFunction {
            names: &["stequals"],
            params: TWO_BYTES,
            check: geometries,
            returns: INT,
            doc: "1 where both are the same set of points, else 0.",
            example: ("ST_Equals(ST_Point(1, 2), ST_Point(1, 2))", "1"),
            eval: |args, _| relation(args, Relation::Equals),
            ..ROW
        },
        ScalarFunction {
            names: &["geotoh3"],
            params: Params::Fixed(&[param::DOUBLE, param::DOUBLE, param::INT]),
            returns: LONG,
            doc: "The H3 cell of a longitude and latitude at a resolution (0 to 15).",
            example: ("geoToH3(-46.63, -23.55, 6)", "606438940190179327"),
            eval: |args, _| {
                ternary::<Double, Double, Int, Vec<i64>, i64>(args, DataType::Long, cell)
            },
            ..ROW
        },
        ScalarFunction {
            names: &["geotoh3"],
            params: Params::Fixed(&[param::BYTES, param::INT]),
            returns: LONG,
            doc: "The H3 cell of a point at a resolution.",
            example: (
                "geoToH3(ST_Point(-46.63, -23.55, 1), 6)",
                "606438940190179327",
            ),
            eval: |args, _| {
                binary::<Bytes, Int, Vec<i64>, i64>(args, DataType::Long, |bytes, resolution| {
                    match Geometry::from_bytes(bytes)?.shape {
                        Shape::Point(Some((x, y))) => cell(x, y, resolution),
                        other => Err(FunctionError::Evaluation(format!(
                            "geoToH3 takes a point, got a {}",
                            other.name()
                        ))),
                    }
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["griddistance"],
            params: Params::Fixed(&[param::LONG, param::LONG]),
            returns: LONG,
            doc: "The number of steps between two H3 cells.",
            example: ("gridDistance(599119489002373119, 599119491149856767)", "1"),
            eval: |args, _| {
                binary::<Long, Long, Vec<i64>, i64>(args, DataType::Long, |a, b| {
                    let steps = h3(a)?.grid_distance(h3(b)?);
                    steps
                        .map(i64::from)
                        .map_err(|e| FunctionError::Evaluation(e.to_string()))
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["griddisk"],
            params: Params::Fixed(&[param::LONG, param::INT]),
            returns: Returns::Is(ColumnType::mv(DataType::Long)),
            doc: "The H3 cells within a number of steps.",
            example: ("gridDisk(599119489002373119, 0)", "[599119489002373119]"),
            eval: |args, _| grid_disk(args),
            ..ROW
        },
        ScalarFunction {
            names: &["encodegeohash"],
            params: Params::Fixed(&[param::DOUBLE, param::DOUBLE, param::LONG]),
            returns: STRING,
            doc: "The geohash of a latitude and longitude with a number of digits.",
            example: ("encodeGeoHash(-23.55, -46.63, 8)", "6gyf4bv5"),
            eval: |args, _| {
                ternary::<Double, Double, Long, TextVec, _>(
                    args,
                    DataType::String,
                    |lat, lon, digits| {
                        // Doubles are exhausted long before 64 digits.
                        Ok(geohash_of(lat, lon, digits.clamp(0, 64) as usize))
                    },
                )
            },
            ..ROW
        },
        ScalarFunction {
            names: &["decodegeohash"],
            params: ONE_TEXT,
            returns: Returns::Is(ColumnType::mv(DataType::Double)),
            doc: "Latitude and longitude of the middle of a geohash.",
            example: ("decodeGeoHash('s')", "[22.5,22.5]"),
            eval: |args, _| {
                let hashes = Rows::<Text>::of(&args[0])?;
                let mut items = Vec::with_capacity(args[0].rows() * 2);
                for row in 0..args[0].rows() {
                    let (latitude, longitude) = geohash_center(hashes.get(row));
                    items.extend([latitude, longitude]);
                }
                let array = ArrayVec {
                    offsets: (0..=args[0].rows() as u32).map(|row| row * 2).collect(),
                    items: Box::new(Values::Double(items)),
                };
                Ok(Block::new(
                    ColumnType::mv(DataType::Double),
                    Values::Array(array),
                ))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["decodegeohashlatitude", "decodegeohashlat"],
            params: ONE_TEXT,
            returns: DOUBLE,
            doc: "Latitude of the middle of a geohash.",
            example: ("decodeGeoHashLatitude('6gyf4bf8m')", "-23.550503253936768"),
            eval: |args, _| {
                unary::<Text, Vec<f64>, f64>(args, DataType::Double, |hash| {
                    Ok(geohash_center(hash).0)
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["decodegeohashlongitude", "decodegeohashlon"],
            params: ONE_TEXT,
            returns: DOUBLE,
            doc: "Longitude of the middle of a geohash.",
            example: ("decodeGeoHashLongitude('6gyf4bf8m')", "-46.63329362869263"),
            eval: |args, _| {
                unary::<Text, Vec<f64>, f64>(args, DataType::Double, |hash| {
                    Ok(geohash_center(hash).1)
                })
            },
            ..ROW
        },
    ],
};

fn from_text(args: &[Block], read: impl Fn(&str) -> Result<Geometry, GeoError>) -> Fallible<Block> {
    unary::<Text, BytesVec, _>(args, DataType::Bytes, |text| Ok(read(text)?.to_bytes()))
}

fn to_text(args: &[Block], write: impl Fn(&Geometry) -> String) -> Fallible<Block> {
    unary::<Bytes, TextVec, _>(args, DataType::String, |bytes| {
        Ok(write(&Geometry::from_bytes(bytes)?))
    })
}

fn to_bytes(args: &[Block], change: impl Fn(Geometry) -> Vec<u8>) -> Fallible<Block> {
    unary::<Bytes, BytesVec, _>(args, DataType::Bytes, |bytes| {
        Ok(change(Geometry::from_bytes(bytes)?))
    })
}

/// Two columns of geometries; a constant one is read once.
struct Pairs<'a> {
    sides: [Rows<'a, Bytes>; 2],
    constants: [Option<Geometry>; 2],
}

impl<'a> Pairs<'a> {
    fn of(args: &'a [Block]) -> Fallible<Self> {
        let sides = [Rows::<Bytes>::of(&args[0])?, Rows::<Bytes>::of(&args[1])?];
        let constant = |side: usize| match args[side].is_constant() && args[side].rows() > 0 {
            true => Geometry::from_bytes(sides[side].get(0)).map(Some),
            false => Ok(None),
        };
        let constants = [constant(0)?, constant(1)?];
        Ok(Self { sides, constants })
    }

    fn with<T>(
        &mut self,
        row: usize,
        use_them: impl Fn(&Geometry, &Geometry) -> Result<T, GeoError>,
    ) -> Fallible<T> {
        let read = |side: usize| match &self.constants[side] {
            Some(_) => Ok(None),
            None => Geometry::from_bytes(self.sides[side].get(row)).map(Some),
        };
        let (a, b) = (read(0)?, read(1)?);
        match (
            a.as_ref().or(self.constants[0].as_ref()),
            b.as_ref().or(self.constants[1].as_ref()),
        ) {
            (Some(a), Some(b)) => Ok(use_them(a, b)?),
            _ => Err(FunctionError::Evaluation(
                "a geometry is missing".to_owned(),
            )),
        }
    }
}

fn relation(args: &[Block], relation: Relation) -> Fallible<Block> {
    let mut pairs = Pairs::of(args)?;
    let answers = (0..args[0].rows())
        .map(|row| {
            pairs
                .with(row, |a, b| relates(a, relation, b))
                .map(i32::from)
        })
        .collect::<Fallible<_>>()?;
    Ok(Block::new(DataType::Int, Values::Int(answers)))
}

fn cell(longitude: f64, latitude: f64, resolution: i32) -> Fallible<i64> {
    let resolution = u8::try_from(resolution)
        .ok()
        .and_then(|number| Resolution::try_from(number).ok())
        .ok_or_else(|| {
            FunctionError::Evaluation(format!(
                "resolution {resolution} is out of range (must be 0 <= res <= 15)"
            ))
        })?;
    let position = LatLng::new(latitude, longitude).map_err(|e| {
        FunctionError::Evaluation(format!("no H3 cell at ({longitude}, {latitude}): {e}"))
    })?;
    Ok(u64::from(position.to_cell(resolution)) as i64)
}

fn h3(cell: i64) -> Fallible<CellIndex> {
    CellIndex::try_from(cell as u64)
        .map_err(|e| FunctionError::Evaluation(format!("`{cell}` is no H3 cell: {e}")))
}

/// A disk of 1000 steps has three million cells; more is refused.
const MAX_STEPS: i32 = 1000;

fn grid_disk(args: &[Block]) -> Fallible<Block> {
    let (cells, steps) = (Rows::<Long>::of(&args[0])?, Rows::<Int>::of(&args[1])?);
    let mut out = ArrayVec::empty(DataType::Long);
    for row in 0..args[0].rows() {
        let steps = steps.get(row);
        if !(0..=MAX_STEPS).contains(&steps) {
            return Err(FunctionError::Evaluation(format!(
                "gridDisk takes 0 to {MAX_STEPS} steps, got `{steps}`"
            )));
        }
        match steps {
            // Around itself alone anything is its own disk, also what is no cell.
            0 => out.items.push(&Value::Long(cells.get(row))),
            _ => {
                for cell in h3(cells.get(row))?.grid_disk::<Vec<_>>(steps as u32) {
                    out.items.push(&Value::Long(u64::from(cell) as i64));
                }
            }
        }
        out.end_row();
    }
    Ok(Block::new(
        ColumnType::mv(DataType::Long),
        Values::Array(out),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::{call, text};
    use super::*;

    const BOX: &str = "POLYGON ((-60 -30, -40 -30, -40 0, -60 0, -60 -30))";

    fn point(x: f64, y: f64, geography: i32) -> Fallible<Value> {
        call(
            "ST_Point",
            &[Value::Double(x), Value::Double(y), Value::Int(geography)],
        )
    }

    #[test]
    fn geometries_convert_as_recorded() -> Fallible<()> {
        let hex = |value: Value| value.to_text();
        assert_eq!(
            hex(point(-59.7047, -24.12147, 1)?),
            "80c04dda339c0ebee0c0381f18a86d71f3"
        );
        let polygon = call("ST_Polygon", &[text(BOX)])?;
        assert_eq!(
            hex(polygon.clone()),
            "04000000010000000500000000c04e000000000000c03e000000000000c04e0000000000000000000000000000c044000000000000\
             0000000000000000c044000000000000c03e000000000000c04e000000000000c03e000000000000"
        );
        assert_eq!(
            call("ST_AsText", std::slice::from_ref(&polygon))?,
            text("POLYGON ((-60 -30, -60 0, -40 0, -40 -30, -60 -30))")
        );
        assert_eq!(
            call("ST_AsGeoJSON", std::slice::from_ref(&polygon))?,
            text(
                "{\"type\":\"Polygon\",\"coordinates\":[[[-60,-30],[-60,0.0],[-40,0.0],[-40,-30],[-60,-30]]],\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\"EPSG:0\"}}}"
            )
        );
        assert_eq!(
            hex(call("ST_AsBinary", &[polygon])?).get(..26),
            Some("00000000030000000100000005")
        );
        for wkt in [
            "POINT EMPTY",
            "LINESTRING (1 2, 3 4)",
            "MULTIPOINT ((1 2), (3 4))",
            "MULTILINESTRING ((1 2, 3 4), (5 6, 7 8))",
            "MULTIPOLYGON (((0 0, 0 1, 1 1, 0 0)), ((5 5, 5 6, 6 6, 5 5)))",
            "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (1 2, 3 4))",
            "POLYGON EMPTY",
        ] {
            let bytes = call("ST_GeomFromText", &[text(wkt)])?;
            assert_eq!(call("ST_AsText", std::slice::from_ref(&bytes))?, text(wkt));
            let wkb = call("ST_AsBinary", &[bytes])?;
            let again = call("ST_GeomFromWKB", &[wkb])?;
            assert_eq!(call("ST_AsText", &[again])?, text(wkt));
        }
        assert_eq!(
            call(
                "ST_AsText",
                &[call("ST_GeomFromText", &[text("MULTIPOINT (1 2, 3 4)")])?]
            )?,
            text("MULTIPOINT ((1 2), (3 4))")
        );
        let little =
            Value::Bytes(hex::decode("0101000000000000000000F03F0000000000000040").unwrap());
        assert_eq!(
            call("ST_AsText", &[call("ST_GeomFromWKB", &[little])?])?,
            text("POINT (1 2)")
        );
        assert!(call("ST_GeomFromText", &[text("nada")]).is_err());
        Ok(())
    }

    #[test]
    fn measures_answer_as_recorded() -> Fallible<()> {
        let distance = |a: Value, b: Value| call("ST_Distance", &[a, b]);
        let polygon = call("ST_GeomFromText", &[text(BOX)])?;
        assert_eq!(
            distance(point(0.0, 0.0, 0)?, point(3.0, 4.0, 0)?)?,
            Value::Double(5.0)
        );
        assert_eq!(
            distance(point(0.0, 0.0, 1)?, point(1.0, 0.0, 1)?)?,
            Value::Double(111_195.101_177_483_93)
        );
        assert_eq!(
            distance(polygon.clone(), point(0.0, 0.0, 0)?)?,
            Value::Double(40.0)
        );
        assert!(distance(point(0.0, 0.0, 0)?, point(1.0, 0.0, 1)?).is_err());
        let sphere = call("ST_GeogFromText", &[text(BOX)])?;
        let Value::Double(area) = call("ST_Area", &[sphere])? else {
            return Err(FunctionError::Evaluation("no double".into()));
        };
        assert!((area / 7_138_613_819_767.081 - 1.0).abs() < 1e-12, "{area}");
        assert_eq!(call("ST_Area", &[polygon])?, Value::Double(600.0));
        let holed = "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))";
        assert_eq!(
            call("ST_Area", &[call("ST_Polygon", &[text(holed)])?])?,
            Value::Double(15.0)
        );
        Ok(())
    }

    #[test]
    fn relations_answer_as_recorded() -> Fallible<()> {
        let polygon = call("ST_GeomFromText", &[text(BOX)])?;
        for ((x, y), expected) in [((-50.0, -10.0), 1), ((-60.0, -10.0), 0), ((0.0, 0.0), 0)] {
            let p = point(x, y, 0)?;
            assert_eq!(
                call("ST_Contains", &[polygon.clone(), p.clone()])?,
                Value::Int(expected)
            );
            assert_eq!(
                call("stWithin", &[p, polygon.clone()])?,
                Value::Int(expected)
            );
        }
        let line = |wkt: &str| call("ST_GeomFromText", &[text(wkt)]);
        assert_eq!(
            call(
                "ST_Equals",
                &[
                    line("LINESTRING (0 0, 1 1)")?,
                    line("LINESTRING (1 1, 0 0)")?
                ]
            )?,
            Value::Int(1)
        );
        assert_eq!(
            call("ST_Within", &[point(1.0, 1.0, 0)?, point(1.0, 1.0, 0)?])?,
            Value::Int(1)
        );
        Ok(())
    }

    #[test]
    fn cells_answer_as_recorded() -> Fallible<()> {
        let h3 = |x: f64, y: f64, res: i32| {
            call(
                "geoToH3",
                &[Value::Double(x), Value::Double(y), Value::Int(res)],
            )
        };
        assert_eq!(h3(-46.63, -23.55, 6)?, Value::Long(606_438_940_190_179_327));
        assert_eq!(h3(0.0, 0.0, 0)?, Value::Long(578_536_630_256_664_575));
        assert_eq!(
            h3(0.0, 0.0, 16).map_err(|e| e.to_string()),
            Err("resolution 16 is out of range (must be 0 <= res <= 15)".into())
        );
        let disk = call("gridDisk", &[h3(-46.63, -23.55, 5)?, Value::Int(1)])?;
        assert_eq!(
            disk.to_text(),
            "[601935341502332927,601935340428591103,601935368345878527,601935369419620351,601935353313492991,\
             601935339354849279,601935338281107455]"
        );
        let hash = [Value::Double(-23.55), Value::Double(-46.63), Value::Int(8)];
        assert_eq!(call("encodeGeoHash", &hash)?, text("6gyf4bv5"));
        let corner = [Value::Int(90), Value::Int(180), Value::Int(12)];
        assert_eq!(call("encodeGeoHash", &corner)?, text("zzzzzzzzzzzz"));
        assert_eq!(
            call("decodeGeoHash", &[text("s")])?.to_text(),
            "[22.5,22.5]"
        );
        assert_eq!(
            call("decodeGeoHashLongitude", &[text("A")])?,
            Value::Double(157.5)
        );
        assert_eq!(
            call("decodeGeoHashLatitude", &[text("")])?,
            Value::Double(0.0)
        );
        Ok(())
    }
}

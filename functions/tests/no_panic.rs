//! No text and no bytes make a reader panic.

use functions::geo::Geometry;
use functions::id_set::IdSet;
use functions::json::{Json, JsonMatch, JsonPath, flatten, java_object_text, search_key};
use proptest::prelude::*;

/// Text out of the pieces that the grammars are made of.
fn pieces(alphabet: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(alphabet), 0..24).prop_map(|parts| parts.concat())
}

const JSON: &[&str] = &[
    "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "1", "-", "0.5e3", "null", "true", "\\", "\\u00e",
    "\\ud83d", "é", " ",
];
const PATH: &[&str] = &[
    "$", ".", "..", "*", "[", "]", "'a'", "'", "a", "1", "-1", ":", ",", "?(", "@", ")", "==",
    "&&", "||", "!", "/", "=~", "in ", "length()", "é", " ",
];
const MATCH: &[&str] = &[
    "\"$.a\"",
    "\"",
    "'",
    "'x'",
    "=",
    "<>",
    ">",
    "1",
    "-",
    ".5",
    "1e",
    "(",
    ")",
    ",",
    " AND ",
    " OR ",
    " NOT ",
    " IN ",
    " IS ",
    " NULL",
    " LIKE ",
    " BETWEEN ",
    "REGEXP_LIKE(",
    "a[0]",
    "é",
    " ",
];
const WKT: &[&str] = &[
    "POINT",
    "POLYGON",
    "MULTIPOLYGON",
    "GEOMETRYCOLLECTION",
    "LINESTRING",
    "MULTIPOINT",
    " EMPTY",
    "(",
    ")",
    ",",
    " ",
    "1",
    "-2.5",
    "NaN",
    "Z",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn json_texts(text in pieces(JSON), path in pieces(PATH)) {
        let _ = java_object_text(&text);
        let _ = flatten(&text);
        let _ = search_key(&path);
        if let Ok(path) = JsonPath::parse(&path) {
            for document in [text.as_str(), "{\"a\":[1,{\"b\":\"x\"},[2,3]],\"c\":null}", "{\"a\":[[1],[2,{\"b\":1,\"b\":[]}]],\"a\":{\"a\":[0]}}"] {
                let evaluated = Json::parse(document).map(|json| path.evaluate(&json));
                prop_assert_eq!(path.find(document), evaluated);
            }
        }
    }

    #[test]
    fn match_filters(filter in pieces(MATCH), any in ".{0,40}") {
        for text in [filter, any] {
            if let Ok(filter) = JsonMatch::parse(&text) {
                let _ = filter.matches("{\"a\":[1,{\"b\":\"x\"}]}");
            }
        }
    }

    #[test]
    fn geometry_texts(text in pieces(WKT), json in pieces(JSON)) {
        if let Ok(geometry) = Geometry::from_wkt(&text, true) {
            let _ = Geometry::from_bytes(&geometry.to_bytes());
            let _ = geometry.to_wkt();
            let _ = geometry.to_geojson();
        }
        let _ = Geometry::from_geojson(&json, false);
    }

    #[test]
    fn bytes(bytes in prop::collection::vec(prop_oneof![0_u8..8, any::<u8>()], 0..80)) {
        let _ = Geometry::from_bytes(&bytes);
        let _ = Geometry::from_wkb(&bytes, false);
        let _ = IdSet::from_bytes(&bytes);
    }
}

//! ST_UNION of points.
//!
//! Must not know: lines and areas, they are refused. Invariant: points are answered once each, by x, then y.

use std::collections::BTreeSet;

use common::{Block, ColumnType, DataType, Value, Values};

use super::{
    Aggregate, AggregateCall, AggregateFunction, AggregateRow, Groups, arguments, erased, label,
    rows,
};
use crate::FunctionError;

pub(crate) static ROWS: &[AggregateRow] = &[AggregateRow {
    names: &["stunion"],
    numbered: false,
    doc: "Union of geometries (points).",
    bind,
}];

struct Union;

const POINT: u8 = 0;
const MULTI_POINT: u8 = 1;

/// The points by the bits of their coordinates in order, and the flag of a geography.
#[derive(Default)]
struct Points {
    points: BTreeSet<(u64, u64)>,
    geography: u8,
}

fn bind(call: &AggregateCall<'_>) -> Result<Box<dyn AggregateFunction>, FunctionError> {
    arguments::expect_count(call, 1..=1)?;
    if !matches!(
        arguments::data_type(call, 0),
        DataType::Bytes | DataType::Unknown
    ) {
        return Err(arguments::refused(call, "expects a geometry as BYTES"));
    }
    Ok(erased(Union))
}

/// Bits whose unsigned order is that of the numbers.
fn ordered(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | (1 << 63)
    }
}

fn plain(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 {
        bits ^ (1 << 63)
    } else {
        !bits
    })
}

impl Points {
    fn add(&mut self, geometry: &[u8]) -> Option<()> {
        let (kind, rest) = geometry.split_first()?;
        self.geography |= kind & 0x80;
        let coordinates = match kind & 0x7F {
            POINT => rest,
            MULTI_POINT => rest.get(4..)?,
            _ => return None,
        };
        let (pairs, left) = coordinates.as_chunks::<16>();
        for pair in pairs {
            let (x, y) = pair.split_at(8);
            let x = f64::from_be_bytes(x.try_into().ok()?);
            let y = f64::from_be_bytes(y.try_into().ok()?);
            if !x.is_nan() {
                self.points.insert((ordered(x), ordered(y)));
            }
        }
        left.is_empty().then_some(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.points.len() {
            0 => {
                out.push(self.geography | POINT);
                out.extend([f64::NAN, f64::NAN].iter().flat_map(|x| x.to_be_bytes()));
            }
            1 => out.push(self.geography | POINT),
            many => {
                out.push(self.geography | MULTI_POINT);
                out.extend((many as u32).to_be_bytes());
            }
        }
        for (x, y) in &self.points {
            out.extend(plain(*x).to_be_bytes());
            out.extend(plain(*y).to_be_bytes());
        }
        out
    }
}

fn refused() -> FunctionError {
    FunctionError::Evaluation("ST_UNION takes points, not other geometries".to_owned())
}

impl Aggregate for Union {
    type State = Points;

    fn returns(&self) -> ColumnType {
        DataType::Bytes.into()
    }

    fn inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn start(&self) -> Points {
        Points::default()
    }

    fn update(
        &self,
        states: &mut [Points],
        groups: Groups<'_>,
        inputs: &[Block],
    ) -> Result<(), FunctionError> {
        let Values::Bytes(v) = inputs[0].values() else {
            return Err(refused());
        };
        let mut added = Ok(());
        rows::each_row(&inputs[0], groups, |group, row| {
            if states[group].add(v.get(inputs[0].at(row))).is_none() {
                added = Err(refused());
            }
        });
        added
    }

    fn merge(&self, into: &mut Points, from: Points) -> Result<(), FunctionError> {
        into.points.extend(from.points);
        into.geography |= from.geography;
        Ok(())
    }

    fn save(&self, state: &Points, out: &mut Vec<u8>) {
        out.extend(state.to_bytes());
    }

    fn load(&self, bytes: &[u8]) -> Result<Points, FunctionError> {
        let mut points = Points::default();
        points.add(bytes).ok_or_else(refused)?;
        Ok(points)
    }

    fn finish(&self, state: &Points) -> Value {
        Value::Bytes(state.to_bytes())
    }

    fn label(&self, name: &str, arguments: &[String]) -> String {
        label::first(name, arguments)
    }

    fn heap_bytes(&self, state: &Points) -> usize {
        state.points.len() * 24
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_the_empty_point() {
        assert_eq!(
            hex::encode(Points::default().to_bytes()),
            "007ff80000000000007ff8000000000000"
        );
    }

    #[test]
    fn points_join_in_order() {
        let point =
            |x: f64, y: f64| [vec![0], x.to_be_bytes().to_vec(), y.to_be_bytes().to_vec()].concat();
        let mut union = Points::default();
        assert!(union.add(&point(-48.8763, 0.52321)).is_some());
        assert!(union.add(&point(-59.7047, -24.12147)).is_some());
        assert!(union.add(&point(-48.8763, 0.52321)).is_some());
        let bytes = union.to_bytes();
        assert!(hex::encode(&bytes).starts_with("0100000002c04dda339c0ebee0"));
        let mut again = Points::default();
        assert!(again.add(&bytes).is_some());
        assert_eq!(again.to_bytes(), bytes);
    }
}

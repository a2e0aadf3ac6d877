//! A server's answer as bytes: partial result and counters.
//!
//! | part | bytes |
//! |---|---|
//! | version | 1 |
//! | counters | u32 length, JSON |
//! | kind | 1: 0 rows, 1 groups |
//! | rows | u32 count, columns, keys; each list u32 length and blocks |
//! | groups | u32 count, key blocks, then per aggregation and group u32 length and state |
//!
//! A block: type, null flags if any, values. Little endian throughout.
//! Must not know: gRPC. Invariant: `decode(encode(x))` equals `x`; foreign bytes are an error, never a panic.

use std::str::FromStr;

use common::{ArrayVec, BigDecimal, Block, BytesVec, ColumnType, DataType, TextVec, Values};

use crate::QueryError;
use crate::execute::Executed;
use crate::group_by::GroupTable;
use crate::merge::Partial;
use crate::plan::{Plan, Shape};
use crate::stats::QueryStats;

const VERSION: u8 = 1;

/// Encodes an answer.
#[must_use]
pub fn encode(executed: &Executed) -> Vec<u8> {
    let mut out = vec![VERSION];
    let stats = serde_json::to_vec(&executed.stats).unwrap_or_default();
    put_bytes(&mut out, &stats);
    match &executed.partial {
        Partial::Rows {
            columns,
            keys,
            count,
        } => {
            out.push(0);
            put_len(&mut out, *count);
            put_blocks(&mut out, columns);
            put_blocks(&mut out, keys);
        }
        Partial::Groups(table) => {
            out.push(1);
            put_len(&mut out, table.len());
            put_blocks(&mut out, &table.key_blocks());
            let mut state = Vec::new();
            for states in &table.states {
                for group in 0..table.len() {
                    state.clear();
                    states.save(group, &mut state);
                    put_bytes(&mut out, &state);
                }
            }
        }
    }
    out
}

fn put_len(out: &mut Vec<u8>, length: usize) {
    out.extend((length as u32).to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_blocks(out: &mut Vec<u8>, blocks: &[Block]) {
    put_len(out, blocks.len());
    for block in blocks {
        let block = block.clone().flattened();
        let column_type = block.column_type();
        put_bytes(out, column_type.data_type.name().as_bytes());
        out.push(u8::from(column_type.multi));
        match block.nulls() {
            None => out.push(0),
            Some(nulls) => {
                out.push(1);
                put_len(out, nulls.len());
                out.extend(nulls.iter().map(|null| u8::from(*null)));
            }
        }
        put_values(out, block.values());
    }
}

fn put_values(out: &mut Vec<u8>, values: &Values) {
    put_len(out, values.len());
    match values {
        Values::Int(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
        Values::Long(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
        Values::Float(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
        Values::Double(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
        Values::BigDecimal(v) => v
            .iter()
            .for_each(|x| put_bytes(out, x.to_string().as_bytes())),
        Values::Text(v) => v.iter().for_each(|x| put_bytes(out, x.as_bytes())),
        Values::Bytes(v) => v.iter().for_each(|x| put_bytes(out, x)),
        Values::Array(v) => {
            v.offsets.iter().for_each(|o| out.extend(o.to_le_bytes()));
            put_values(out, &v.items);
        }
    }
}

struct Reader<'a>(&'a [u8]);

fn short() -> QueryError {
    QueryError::execution("a server's answer is damaged or of another version")
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], QueryError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], QueryError> {
        self.take(N)?.try_into().map_err(|_| short())
    }

    fn byte(&mut self) -> Result<u8, QueryError> {
        Ok(self.array::<1>()?[0])
    }

    fn len(&mut self) -> Result<usize, QueryError> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn bytes(&mut self) -> Result<&'a [u8], QueryError> {
        let length = self.len()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, QueryError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| short())
    }

    fn fixed<const N: usize, T>(
        &mut self,
        count: usize,
        read: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, QueryError> {
        let bytes = self.take(count.checked_mul(N).ok_or_else(short)?)?;
        Ok(bytes
            .chunks_exact(N)
            .filter_map(|c| c.try_into().ok())
            .map(read)
            .collect())
    }

    fn blocks(&mut self) -> Result<Vec<Block>, QueryError> {
        let count = self.len()?;
        (0..count).map(|_| self.block()).collect()
    }

    fn block(&mut self) -> Result<Block, QueryError> {
        let data_type = match self.text()? {
            "OBJECT" => DataType::Object,
            name => DataType::from_str(name).map_err(|_| short())?,
        };
        let column_type = ColumnType {
            data_type,
            multi: self.byte()? == 1,
        };
        let nulls = if self.byte()? == 1 {
            let count = self.len()?;
            Some(self.take(count)?.iter().map(|b| *b == 1).collect())
        } else {
            None
        };
        let values = self.values(column_type)?;
        Ok(Block::new(column_type, values).with_nulls(nulls))
    }

    fn values(&mut self, column_type: ColumnType) -> Result<Values, QueryError> {
        let count = self.len()?;
        if column_type.multi {
            let offsets = self.fixed(count + 1, u32::from_le_bytes)?;
            let items = self.values(ColumnType::sv(column_type.data_type))?;
            let ordered = offsets.windows(2).all(|w| w[0] <= w[1]);
            if !ordered
                || offsets
                    .last()
                    .is_none_or(|last| *last as usize != items.len())
            {
                return Err(short());
            }
            return Ok(Values::Array(ArrayVec {
                offsets,
                items: Box::new(items),
            }));
        }
        Ok(match column_type.data_type.stored() {
            DataType::Int => Values::Int(self.fixed(count, i32::from_le_bytes)?),
            DataType::Long => Values::Long(self.fixed(count, i64::from_le_bytes)?),
            DataType::Float => Values::Float(self.fixed(count, f32::from_le_bytes)?),
            DataType::Double => Values::Double(self.fixed(count, f64::from_le_bytes)?),
            DataType::BigDecimal => {
                let one = |r: &mut Self| BigDecimal::from_str(r.text()?).map_err(|_| short());
                Values::BigDecimal((0..count).map(|_| one(self)).collect::<Result<_, _>>()?)
            }
            DataType::Bytes => {
                let mut out = BytesVec::default();
                for _ in 0..count {
                    out.push(self.bytes()?);
                }
                Values::Bytes(out)
            }
            _ => {
                let mut out = TextVec::default();
                for _ in 0..count {
                    out.push(self.text()?);
                }
                Values::Text(out)
            }
        })
    }
}

/// Decodes an answer to a plan.
///
/// # Errors
/// Where the bytes are not an answer to this plan.
pub fn decode(plan: &Plan, bytes: &[u8]) -> Result<Executed, QueryError> {
    let mut reader = Reader(bytes);
    if reader.byte()? != VERSION {
        return Err(short());
    }
    let stats: QueryStats = serde_json::from_slice(reader.bytes()?).map_err(|_| short())?;
    let kind = reader.byte()?;
    let count = reader.len()?;
    if kind == 0 {
        let (columns, keys) = (reader.blocks()?, reader.blocks()?);
        if columns
            .iter()
            .chain(&keys)
            .any(|block| block.rows() != count)
        {
            return Err(short());
        }
        return Ok(Executed {
            partial: Partial::Rows {
                columns,
                keys,
                count,
            },
            stats,
        });
    }
    let keys = reader.blocks()?;
    if keys.iter().any(|block| block.rows() != count) {
        return Err(short());
    }
    let mut states = Vec::new();
    if let Shape::Aggregation { aggregations, .. } = &plan.shape {
        for aggregation in aggregations {
            let mut grouped = aggregation.function.grouped();
            grouped.grow(count);
            for group in 0..count {
                grouped.load(group, reader.bytes()?)?;
            }
            states.push(grouped);
        }
    }
    Ok(Executed {
        partial: Partial::Groups(GroupTable::from_distinct(keys, count, states)),
        stats,
    })
}

//! Writes the buffers of one column and tells what is known of it.
//!
//! Must not know: where entries came from. Invariant: what is written is exactly what `sealed` reads.

use common::partition::PartitionFunction;
use common::{DataType, Value, Values};

use super::column::{ColumnData, Entries, longest};
use crate::buffer::bits;
use crate::error::{Result, SegmentError};
use crate::format::codec::Codec;
use crate::format::footer::{ColumnMetadata, Encoding, Partitions, bound_text};
use crate::format::kind;
use crate::format::writer::FileWriter;
use crate::index::{self, ColumnSource};
use crate::mutable::column::extremes;
use crate::number::Number;
use crate::plan::SegmentPlan;
use crate::sealed::packed;
use crate::var;

/// Bytes that a compressed chunk aims at.
const CHUNK_BYTES: usize = 1 << 16;

/// A written column.
pub(crate) struct Written {
    pub(crate) metadata: ColumnMetadata,
    pub(crate) extremes: Option<(Value, Value)>,
}

pub(crate) fn write(
    data: &ColumnData<'_>,
    segment: &SegmentPlan,
    file: &mut FileWriter,
) -> Result<Written> {
    let plan = data.plan;
    let name = plan.name.as_str();
    let entries = match &data.entries {
        Entries::Dictionary { ids, .. } => ids.len(),
        Entries::Raw(values) => values.len(),
    };
    let mut metadata = ColumnMetadata {
        name: plan.name.clone(),
        data_type: plan.column_type.data_type,
        multi: plan.column_type.multi,
        role: plan.role.into(),
        encoding: Encoding::Raw,
        bits: 0,
        codec: match &data.entries {
            Entries::Raw(_) if !plan.raw => Codec::PassThrough,
            _ => plan.codec,
        },
        chunk_entries: 0,
        chunk_bytes: 0,
        cardinality: None,
        min: None,
        max: None,
        sum: None,
        sorted: false,
        entries: entries as u64,
        max_entries: u32::from(entries > 0),
        longest_bytes: 0,
        nulls: data.nulls.len(),
        partitions: None,
        indexes: Vec::new(),
    };
    let values = match &data.entries {
        Entries::Dictionary { values, ids } => {
            write_dictionary(values, name, file)?;
            metadata.cardinality = Some(values.len() as u32);
            write_ids(data, ids, values.len() as u32, &mut metadata, file)?;
            values
        }
        Entries::Raw(values) => {
            write_raw(values, &mut metadata, file)?;
            metadata.sorted = !metadata.multi && super::column::ranks_sorted(values);
            values
        }
    };
    metadata.longest_bytes = longest(values);
    if let Some(ends) = &data.row_ends {
        file.add(name, kind::ROW_ENDS, &u32_bytes(ends))?;
        let starts = std::iter::once(&0).chain(ends);
        metadata.max_entries = starts.zip(ends).map(|(a, b)| b - a).max().unwrap_or(0);
    }
    if !data.nulls.is_empty() {
        let mut bytes = Vec::with_capacity(data.nulls.serialized_size());
        data.nulls
            .serialize_into(&mut bytes)
            .map_err(|e| SegmentError::Config(format!("null bitmap of column `{name}`: {e}")))?;
        file.add(name, kind::NULLS, &bytes)?;
    }
    let data_type = plan.column_type.data_type;
    write_indexes(data, values, segment, &mut metadata, file)?;
    let extremes = extremes(values)
        .map(|(low, high)| (values.get(low, data_type), values.get(high, data_type)));
    if let Some((min, max)) = &extremes {
        (metadata.min, metadata.max) = (bound_text(min), bound_text(max));
    }
    Ok(Written { metadata, extremes })
}

fn write_indexes(
    data: &ColumnData<'_>,
    values: &Values,
    segment: &SegmentPlan,
    metadata: &mut ColumnMetadata,
    file: &mut FileWriter,
) -> Result<()> {
    let plan = data.plan;
    let source = ColumnSource {
        data_type: plan.column_type.data_type,
        values,
        ids: match &data.entries {
            Entries::Dictionary { ids, .. } => Some(ids),
            Entries::Raw(_) => None,
        },
        row_ends: data.row_ends.as_deref(),
    };
    let Some(field) = segment.schema.field(&plan.name) else {
        return Ok(());
    };
    let raw = source.ids.is_none();
    for kind in index::TYPES {
        let mut bytes = Vec::new();
        if let Some(settings) = kind.configure(&segment.table, field, raw)
            && kind.build(&source, &settings, &mut bytes)
        {
            file.add(&plan.name, kind.id(), &bytes)?;
            metadata.indexes.push(kind.id().to_owned());
        }
    }
    if let Some((function, config, count)) = &plan.partition {
        let present = partitions_present(function, config, *count, values, source.data_type);
        metadata.partitions = present.map(|present| Partitions {
            function: function.clone(),
            count: *count,
            present,
        });
    }
    Ok(())
}

/// Partitions of all values, ascending; `None` where the function is unknown.
fn partitions_present(
    function: &str,
    config: &serde_json::Value,
    count: u32,
    values: &Values,
    data_type: DataType,
) -> Option<Vec<u32>> {
    let function = PartitionFunction::new(function, count, config)?;
    let mut present = std::collections::BTreeSet::new();
    for at in 0..values.len() {
        present.insert(function.partition(&values.get(at, data_type.stored()).to_text())?);
    }
    Some(present.into_iter().collect())
}

pub(crate) fn u32_bytes(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn number_bytes<T: Number>(values: &[T]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * T::WIDTH);
    values.iter().for_each(|v| v.write(&mut out));
    out
}

/// Whole numbers, widened.
fn whole_numbers(values: &Values) -> Option<Vec<i64>> {
    Some(match values {
        Values::Int(v) => v.iter().map(|x| i64::from(*x)).collect(),
        Values::Long(v) => v.clone(),
        _ => return None,
    })
}

/// Little-endian bytes of a column of numbers; `None` for values of varying length.
fn fixed_bytes(values: &Values) -> Option<Vec<u8>> {
    Some(match values {
        Values::Int(v) => number_bytes(v),
        Values::Long(v) => number_bytes(v),
        Values::Float(v) => number_bytes(v),
        Values::Double(v) => number_bytes(v),
        _ => return None,
    })
}

fn write_dictionary(values: &Values, column: &str, file: &mut FileWriter) -> Result<()> {
    if let Some(bytes) = fixed_bytes(values) {
        return file.add(column, kind::DICTIONARY, &bytes);
    }
    let (mut bytes, mut ends, mut total) = (Vec::new(), Vec::with_capacity(values.len()), 0_u64);
    var::for_each(values, |value| {
        total += value.len() as u64;
        bytes.extend_from_slice(value);
        ends.push(total as u32);
    });
    if total > u64::from(u32::MAX) {
        return Err(SegmentError::Config(format!(
            "the distinct values of column `{column}` have {total} bytes, more than a dictionary holds; \
             store the column without dictionary"
        )));
    }
    file.add(column, kind::DICTIONARY, &bytes)?;
    file.add(column, kind::DICTIONARY_ENDS, &u32_bytes(&ends))
}

fn write_ids(
    data: &ColumnData<'_>,
    ids: &[u32],
    cardinality: u32,
    metadata: &mut ColumnMetadata,
    file: &mut FileWriter,
) -> Result<()> {
    let column = data.plan.name.as_str();
    metadata.bits = bits::width_for(cardinality);
    if data.row_ends.is_none() && ids.is_sorted() {
        metadata.encoding = Encoding::Sorted;
        metadata.sorted = true;
        let mut ends = vec![0_u32; cardinality as usize];
        for (end, id) in (1..).zip(ids) {
            ends[*id as usize] = end;
        }
        return file.add(column, kind::RUNS, &u32_bytes(&ends));
    }
    metadata.encoding = Encoding::Dictionary;
    let mut packed = Vec::new();
    bits::pack(ids, metadata.bits, &mut packed);
    file.add(column, kind::IDS, &packed)
}

fn write_raw(values: &Values, metadata: &mut ColumnMetadata, file: &mut FileWriter) -> Result<()> {
    let column = metadata.name.clone();
    if let (Some(numbers), Codec::PassThrough) = (whole_numbers(values), metadata.codec) {
        let (heads, bytes) = packed::pack(&numbers);
        metadata.encoding = Encoding::Packed;
        let sum: i128 = numbers.iter().map(|v| i128::from(*v)).sum();
        metadata.sum = Some(sum.to_string());
        file.add(&column, kind::PACKED_HEADS, &heads)?;
        return file.add(&column, kind::RAW, &bytes);
    }
    let fixed = fixed_bytes(values);
    if let (Some(bytes), Codec::PassThrough) = (&fixed, metadata.codec) {
        return file.add(&column, kind::RAW, bytes);
    }
    let count = values.len();
    let total = fixed.as_ref().map_or_else(
        || {
            let mut total = 0;
            var::for_each(values, |value| total += value.len() + 4);
            total
        },
        Vec::len,
    );
    let per_chunk = (CHUNK_BYTES / (total / count.max(1)).max(1))
        .clamp(16, 8192)
        .next_power_of_two();
    metadata.chunk_entries = per_chunk as u32;
    let mut chunks = Chunks {
        codec: metadata.codec,
        bytes: Vec::with_capacity(total / 2),
        ends: Vec::new(),
        largest: 0,
    };
    let width = total / count.max(1);
    match &fixed {
        Some(bytes) if width > 0 => {
            for chunk in bytes.chunks(per_chunk * width) {
                chunks.add(&column, chunk)?;
            }
        }
        _ => {
            let (mut ends, mut data) = (Vec::new(), Vec::new());
            let mut failed = Ok(());
            var::for_each(values, |value| {
                data.extend_from_slice(value);
                ends.push(data.len() as u32);
                if ends.len() == per_chunk && failed.is_ok() {
                    failed = chunks.add_var(&column, &mut ends, &mut data);
                }
            });
            failed?;
            if !ends.is_empty() {
                chunks.add_var(&column, &mut ends, &mut data)?;
            }
        }
    }
    metadata.chunk_bytes = chunks.largest;
    file.add(&column, kind::RAW, &chunks.bytes)?;
    let ends: Vec<u8> = chunks
        .ends
        .iter()
        .flat_map(|end| end.to_le_bytes())
        .collect();
    file.add(&column, kind::CHUNK_ENDS, &ends)
}

/// Compressed chunks, each after its length as a `u32`.
struct Chunks {
    codec: Codec,
    bytes: Vec<u8>,
    ends: Vec<u64>,
    largest: u32,
}

impl Chunks {
    fn add(&mut self, column: &str, chunk: &[u8]) -> Result<()> {
        let failed = || {
            SegmentError::Config(format!(
                "a chunk of {} bytes of column `{column}` cannot be compressed",
                chunk.len()
            ))
        };
        let len = u32::try_from(chunk.len()).map_err(|_| failed())?;
        self.largest = self.largest.max(len);
        self.bytes.extend_from_slice(&len.to_le_bytes());
        let compressed = self.codec.compress(chunk).ok_or_else(failed)?;
        self.bytes.extend_from_slice(&compressed);
        self.ends.push(self.bytes.len() as u64);
        Ok(())
    }

    fn add_var(&mut self, column: &str, ends: &mut Vec<u32>, data: &mut Vec<u8>) -> Result<()> {
        let mut chunk = u32_bytes(ends);
        chunk.append(data);
        ends.clear();
        self.add(column, &chunk)
    }
}

//! One growing column: encodes batches, keeps statistics, nulls and indexes.
//!
//! Must not know: other columns. Invariant: `publish` makes whole rows visible; readers see at most what was published.

use std::sync::Arc;

use common::{DataType, Value, Values};

use super::dictionary::DictionaryWriter;
use super::extremes::ExtremesWriter;
use super::postings::Postings;
use super::snapshot::{ColumnShared, Encoded, PublishedColumn};
use super::store::StoreWriter;
use super::terms::TermsWriter;
use crate::buffer::chunks::Appender;
use crate::plan::ColumnPlan;
use crate::rows::BatchColumn;

enum Encoding {
    Dictionary {
        dictionary: Box<DictionaryWriter>,
        ids: Appender<u32>,
        postings: Option<Arc<Postings>>,
    },
    Raw(StoreWriter),
}

/// The writer of a column.
pub(crate) struct ColumnWriter {
    encoding: Encoding,
    offsets: Option<Appender<u32>>,
    nulls: Option<Appender<u32>>,
    data_type: DataType,
    min_max: Option<(Value, Value)>,
    max_entries: u32,
    shared: Arc<ColumnShared>,
    terms: Vec<TermsWriter>,
    extremes: Option<ExtremesWriter>,
    scratch: Vec<u32>,
}

impl ColumnWriter {
    pub(crate) fn new(plan: &ColumnPlan) -> Self {
        let data_type = plan.column_type.data_type;
        let encoding = if plan.raw {
            Encoding::Raw(StoreWriter::new(data_type))
        } else {
            Encoding::Dictionary {
                dictionary: Box::new(DictionaryWriter::new(data_type)),
                ids: Appender::new(),
                postings: plan.inverted.then(|| Arc::new(Postings::new())),
            }
        };
        let offsets = plan.column_type.multi.then(Appender::new);
        let nulls = plan.nullable.then(Appender::new);
        let announced = plan.announced.iter();
        let terms: Vec<TermsWriter> = announced
            .filter_map(|(id, _)| TermsWriter::new(id))
            .collect();
        let extremes = ExtremesWriter::new(plan);
        let shared = ColumnShared {
            name: plan.name.clone(),
            column_type: plan.column_type,
            announced: plan.announced.clone(),
            terms: terms.iter().map(TermsWriter::shared).collect(),
            extremes: extremes.as_ref().map(ExtremesWriter::shared),
            encoded: match &encoding {
                Encoding::Dictionary {
                    dictionary,
                    ids,
                    postings,
                } => {
                    let (store, table) = dictionary.shared();
                    Encoded::Dictionary {
                        store,
                        table,
                        ids: ids.reader(),
                        postings: postings.clone(),
                    }
                }
                Encoding::Raw(store) => Encoded::Raw(store.reader()),
            },
            offsets: offsets.as_ref().map(Appender::reader),
            nulls: nulls.as_ref().map(Appender::reader),
        };
        Self {
            encoding,
            offsets,
            nulls,
            data_type,
            min_max: None,
            max_entries: 0,
            shared: Arc::new(shared),
            terms,
            extremes,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn shared(&self) -> Arc<ColumnShared> {
        Arc::clone(&self.shared)
    }

    /// True where a batch column has the form of this column.
    pub(crate) fn accepts(&self, column: &BatchColumn) -> bool {
        match (&column.values, self.offsets.is_some()) {
            (Values::Array(array), true) => same_form(&array.items, self.data_type),
            (Values::Array(_), false) | (_, true) => false,
            (values, false) => same_form(values, self.data_type),
        }
    }

    /// Values over all rows.
    pub(crate) fn entries(&self) -> usize {
        match &self.encoding {
            Encoding::Dictionary { ids, .. } => ids.len(),
            Encoding::Raw(store) => store.len(),
        }
    }

    /// Appends a batch that [`Self::accepts`] found fit; `first_row` is the number of rows before it.
    pub(crate) fn append(&mut self, column: &BatchColumn, first_row: u32) {
        if let Some(nulls) = &mut self.nulls {
            for row in &column.nulls {
                nulls.push(first_row + row);
            }
        }
        for terms in &mut self.terms {
            terms.append(&column.values, first_row);
        }
        if let Some(extremes) = &mut self.extremes {
            extremes.append(&column.values);
        }
        let before = self.entries();
        match (&column.values, &mut self.offsets) {
            (Values::Array(array), Some(offsets)) => {
                let mut longest = self.max_entries;
                for ends in array.offsets.windows(2) {
                    longest = longest.max(ends[1] - ends[0]);
                    offsets.push(before as u32 + ends[1]);
                }
                self.max_entries = longest;
                self.append_values(&array.items, before);
            }
            (values, _) => {
                self.max_entries = 1;
                self.append_values(values, before);
            }
        }
    }

    fn append_values(&mut self, values: &Values, before: usize) {
        match &mut self.encoding {
            Encoding::Dictionary {
                dictionary,
                ids,
                postings,
            } => {
                let known = dictionary.len();
                self.scratch.clear();
                dictionary.encode(values, &mut self.scratch);
                ids.extend(&self.scratch);
                if let Some(postings) = postings {
                    postings.extend(before as u32, &self.scratch);
                }
                if dictionary.len() > known {
                    widen(&mut self.min_max, values, self.data_type);
                }
            }
            Encoding::Raw(store) => {
                store.extend(values);
                widen(&mut self.min_max, values, self.data_type);
            }
        }
    }

    /// Makes the rows visible to later snapshots.
    pub(crate) fn publish(&mut self) -> PublishedColumn {
        let mut dictionary_len = 0;
        match &mut self.encoding {
            Encoding::Dictionary {
                dictionary, ids, ..
            } => {
                dictionary.publish();
                ids.publish();
                dictionary_len = dictionary.len() as u32;
            }
            Encoding::Raw(store) => store.publish(),
        }
        for appender in [&mut self.offsets, &mut self.nulls].into_iter().flatten() {
            appender.publish();
        }
        if let Some(extremes) = &mut self.extremes {
            extremes.publish();
        }
        PublishedColumn {
            dictionary_len,
            entries: self.entries() as u32,
            nulls: self.nulls.as_ref().map_or(0, Appender::len) as u32,
            max_entries: self.max_entries,
            min_max: self.min_max.clone(),
            terms: self.terms.iter_mut().map(TermsWriter::publish).collect(),
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let values = match &self.encoding {
            Encoding::Dictionary {
                dictionary,
                ids,
                postings,
            } => {
                let postings = postings
                    .as_ref()
                    .map_or(0, |_| ids.len() * 4 + dictionary.len() * 8);
                dictionary.memory_bytes() + ids.len() * 4 + postings
            }
            Encoding::Raw(store) => store.memory_bytes(),
        };
        let rows = self.offsets.as_ref().map_or(0, Appender::len)
            + self.nulls.as_ref().map_or(0, Appender::len);
        let terms: usize = self.terms.iter().map(TermsWriter::memory_bytes).sum();
        let extremes = self
            .extremes
            .as_ref()
            .map_or(0, ExtremesWriter::memory_bytes);
        values + rows * 4 + terms + extremes
    }
}

fn same_form(values: &Values, data_type: DataType) -> bool {
    matches!(
        (values, data_type.stored()),
        (Values::Int(_), DataType::Int)
            | (Values::Long(_), DataType::Long)
            | (Values::Float(_), DataType::Float)
            | (Values::Double(_), DataType::Double)
            | (Values::BigDecimal(_), DataType::BigDecimal)
            | (Values::Text(_), DataType::String)
            | (Values::Bytes(_), DataType::Bytes)
    )
}

/// Widens a range to hold all values of a batch.
pub(crate) fn widen(range: &mut Option<(Value, Value)>, values: &Values, data_type: DataType) {
    let Some((low, high)) = extremes(values) else {
        return;
    };
    let (low, high) = (values.get(low, data_type), values.get(high, data_type));
    match range {
        None => *range = Some((low, high)),
        Some((min, max)) => {
            if low.total_cmp(min).is_lt() {
                *min = low;
            }
            if high.total_cmp(max).is_gt() {
                *max = high;
            }
        }
    }
}

/// Positions of the smallest and the largest value.
pub(crate) fn extremes(values: &Values) -> Option<(usize, usize)> {
    use crate::number::Number;
    use crate::var::VarKind;

    fn numbers<T: Number>(values: &[T]) -> Option<(usize, usize)> {
        let first = values.first()?.rank();
        let ((mut low, mut at_low), (mut high, mut at_high)) = ((first, 0), (first, 0));
        for (at, value) in values.iter().enumerate() {
            let rank = value.rank();
            if rank < low {
                (low, at_low) = (rank, at);
            }
            if rank > high {
                (high, at_high) = (rank, at);
            }
        }
        Some((at_low, at_high))
    }
    fn bytes<'a>(
        mut values: impl Iterator<Item = &'a [u8]>,
        kind: VarKind,
    ) -> Option<(usize, usize)> {
        let first = values.next()?;
        let (mut low, mut high) = ((first, 0), (first, 0));
        for (at, value) in (1..).zip(values) {
            if kind.compare(value, low.0).is_lt() {
                low = (value, at);
            } else if kind.compare(value, high.0).is_gt() {
                high = (value, at);
            }
        }
        Some((low.1, high.1))
    }
    match values {
        Values::Int(v) => numbers(v),
        Values::Long(v) => numbers(v),
        Values::Float(v) => numbers(v),
        Values::Double(v) => numbers(v),
        Values::Text(v) => bytes(v.iter().map(str::as_bytes), VarKind::Text),
        Values::Bytes(v) => bytes(v.iter(), VarKind::Bytes),
        Values::BigDecimal(v) => {
            let low = (0..v.len()).min_by(|a, b| v[*a].cmp(&v[*b]))?;
            let high = (0..v.len()).max_by(|a, b| v[*a].cmp(&v[*b]))?;
            Some((low, high))
        }
        Values::Array(v) => extremes(&v.items),
    }
}

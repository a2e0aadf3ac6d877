//! The fast path: a JSON object parsed straight into the columns of a batch, one pass, no allocation a row.
//!
//! Field names are first compared with those of the message before, at the same position, which almost always hits.
//! Must not know: transforms, streams. Invariant: on any error the caller rolls the row back; the careful path (a record, then
//! conversion) then says what is wrong, so both paths accept the same messages and give the same rows.

use common::{DataType, Values};

use crate::convert::ColumnPlan;
use crate::decoder::json_text::{JsonCursor, Number};
use crate::record::Field;
use segment::RowBatch;
use segment::rows::BatchColumn;

/// The row must be tried on the careful path.
#[derive(Debug)]
pub(crate) struct Refused;

/// A field name at a position of the message, and its column.
#[derive(Debug)]
struct Slot {
    name: Box<[u8]>,
    column: Option<usize>,
}

/// Parser state that lives as long as the pipeline.
#[derive(Debug)]
pub(crate) struct JsonColumns {
    order: Vec<Slot>,
    columns: hashbrown::HashMap<Box<str>, usize, ahash::RandomState>,
    /// Columns whose numbers and text go straight in.
    plain: Vec<bool>,
}

impl JsonColumns {
    pub(crate) fn new(plans: &[ColumnPlan]) -> Self {
        Self {
            order: Vec::new(),
            columns: plans
                .iter()
                .enumerate()
                .map(|(index, plan)| (plan.name.as_str().into(), index))
                .collect(),
            plain: plans.iter().map(ColumnPlan::is_plain).collect(),
        }
    }

    /// Parses one message into row `row`, the one after the batch's last.
    pub(crate) fn append(
        &mut self,
        plans: &[ColumnPlan],
        payload: &[u8],
        batch: &mut RowBatch,
        row: usize,
        now_ms: i64,
    ) -> Result<(), Refused> {
        let written = self.fields(plans, payload, batch.columns_mut(), row, now_ms)?;
        if written < plans.len() {
            for (plan, column) in plans.iter().zip(batch.columns_mut()) {
                if column.values.len() == row {
                    plan.append_null(column, now_ms);
                }
            }
        }
        Ok(())
    }

    fn fields(
        &mut self,
        plans: &[ColumnPlan],
        payload: &[u8],
        columns: &mut [BatchColumn],
        row: usize,
        now_ms: i64,
    ) -> Result<usize, Refused> {
        let mut cursor = JsonCursor::new(payload, true);
        let cursor = &mut cursor;
        cursor.skip_blanks();
        if !cursor.eat(b'{') {
            return Err(Refused);
        }
        cursor.skip_blanks();
        if cursor.eat(b'}') {
            return Ok(0);
        }
        let mut written = 0;
        for position in 0.. {
            cursor.skip_blanks();
            let target = self.name(cursor, position)?;
            cursor.skip_blanks();
            if !cursor.eat(b':') {
                return Err(Refused);
            }
            cursor.skip_blanks();
            match target {
                Some(index) => {
                    let column = &mut columns[index];
                    // A name that comes twice is rare enough for the careful path.
                    if column.values.len() != row {
                        return Err(Refused);
                    }
                    append_value(&plans[index], self.plain[index], cursor, column, now_ms)?;
                    written += 1;
                }
                None => cursor.skip_value(1).map_err(|_| Refused)?,
            }
            cursor.skip_blanks();
            if cursor.eat(b',') {
                continue;
            }
            if cursor.eat(b'}') {
                break;
            }
            return Err(Refused);
        }
        Ok(written)
    }

    /// The column of the next field name.
    #[inline]
    fn name(
        &mut self,
        cursor: &mut JsonCursor<'_>,
        position: usize,
    ) -> Result<Option<usize>, Refused> {
        if !cursor.eat(b'"') {
            return Err(Refused);
        }
        if let Some(slot) = self.order.get(position)
            && cursor.eat_key(&slot.name)
        {
            return Ok(slot.column);
        }
        let name = cursor.string().map_err(|_| Refused)?;
        let column = self.columns.get(name.as_ref()).copied();
        // Names that need unescaping would never match the bytes, and a message with very many fields is not remembered.
        if matches!(name, std::borrow::Cow::Borrowed(_)) && position < 4096 {
            let slot = Slot {
                name: name.as_bytes().into(),
                column,
            };
            if position == self.order.len() {
                self.order.push(slot);
            } else if let Some(old) = self.order.get_mut(position) {
                *old = slot;
            }
        }
        Ok(column)
    }
}

#[inline]
fn append_value(
    plan: &ColumnPlan,
    plain: bool,
    cursor: &mut JsonCursor<'_>,
    column: &mut BatchColumn,
    now_ms: i64,
) -> Result<(), Refused> {
    if plain {
        match (cursor.peek(), &mut column.values) {
            (b'-' | b'0'..=b'9', values) if !matches!(values, Values::Text(_)) => {
                let number = cursor.number().map_err(|_| Refused)?;
                if append_number(plan, number, values) {
                    return Ok(());
                }
                return append_field(plan, &field_of(number), column, now_ms);
            }
            (b'"', Values::Text(texts)) if plan.data_type == DataType::String => {
                cursor.eat(b'"');
                let text = cursor.string().map_err(|_| Refused)?;
                let clean = matches!(text, std::borrow::Cow::Borrowed(_));
                if plan.text_passes(&text, clean) {
                    texts.push(&text);
                    return Ok(());
                }
                return append_field(plan, &Field::Text(text.into_owned()), column, now_ms);
            }
            (byte @ (b't' | b'f'), Values::Int(v)) if plan.data_type == DataType::Boolean => {
                let word = if byte == b't' { "true" } else { "false" };
                cursor.word(word).map_err(|_| Refused)?;
                v.push(i32::from(byte == b't'));
                return Ok(());
            }
            _ => {}
        }
    }
    let field = cursor.value(1).map_err(|_| Refused)?;
    append_field(plan, &field, column, now_ms)
}

/// The common pairs of a number and a column; false leaves the rest to the conversion rules.
#[inline]
fn append_number(plan: &ColumnPlan, number: Number<'_>, values: &mut Values) -> bool {
    match (values, number) {
        (Values::Long(v), Number::Integer(n)) if plan.data_type == DataType::Long => v.push(n),
        (Values::Int(v), Number::Integer(n)) if plan.data_type == DataType::Int => v.push(n as i32),
        (Values::Double(v), Number::Integer(n)) => v.push(n as f64),
        (Values::Double(v), Number::Double(n)) => v.push(n + 0.0),
        (Values::Float(v), Number::Integer(n)) => v.push(n as f32),
        (Values::Float(v), Number::Double(n)) => v.push(n as f32 + 0.0),
        _ => return false,
    }
    true
}

fn field_of(number: Number<'_>) -> Field {
    match number {
        Number::Integer(value) => Field::integer(value),
        Number::Double(value) => Field::Double(value),
        Number::Big(text) => text.parse().map_or(Field::Null, Field::BigInt),
    }
}

fn append_field(
    plan: &ColumnPlan,
    field: &Field,
    column: &mut BatchColumn,
    now_ms: i64,
) -> Result<(), Refused> {
    plan.append(column, field, now_ms).map_err(|_| Refused)
}

//! What the pipeline knows of one column, and the writing of a field into it.
//!
//! Must not know: decoders. Invariant: see [`super`].

use std::borrow::Cow;

use common::time_format::DateTimeFormat;
use common::{
    ArrayVec, BytesVec, DataType, FieldRole, FieldSpec, Schema, TableConfig, TextVec, Value, Values,
};

use super::limits::{Limit, Limited};
use super::scalar;
use super::time::{format_now, is_valid};
use crate::error::{ConfigError, ConvertError};
use crate::record::Field;
use segment::rows::BatchColumn;

/// One column as the pipeline writes it.
#[derive(Debug, Clone)]
pub struct ColumnPlan {
    /// Column name.
    pub name: String,
    /// Type of a value or element.
    pub data_type: DataType,
    /// True for a multi-value column.
    pub multi: bool,
    /// True where null rows are flagged.
    pub records_nulls: bool,
    /// What a null row holds; of a multi-value column its one element.
    default: Value,
    /// Set on the time column: its format, whether its default is no valid time (then the present stands in), and whether every
    /// value is checked.
    time: Option<TimeRule>,
    limit: Limit,
    keep_zeros: bool,
}

#[derive(Debug, Clone)]
struct TimeRule {
    format: DateTimeFormat,
    default_is_now: bool,
    check_rows: bool,
}

/// The plans of a schema's columns, in schema order.
///
/// # Errors
/// Where a default does not fit its column, or the time column's format is none.
pub fn column_plans(schema: &Schema, table: &TableConfig) -> Result<Vec<ColumnPlan>, ConfigError> {
    schema
        .fields
        .iter()
        .map(|(role, field)| ColumnPlan::new(schema, table, *role, field))
        .collect()
}

impl ColumnPlan {
    fn new(
        schema: &Schema,
        table: &TableConfig,
        role: FieldRole,
        field: &FieldSpec,
    ) -> Result<Self, ConfigError> {
        let invalid =
            |text: String| ConfigError::Invalid(format!("column `{}`: {text}", field.name));
        let default = match field.null_value(role).map_err(|e| invalid(e.to_string()))? {
            Value::BigDecimal(v) if !field.allow_trailing_zeros => {
                Value::BigDecimal(scalar::without_trailing_zeros(&v))
            }
            other => other,
        };
        let is_time = table.segments_config.time_column_name.as_deref() == Some(&field.name);
        let time = if is_time {
            let text = field.format.as_deref().unwrap_or("1:MILLISECONDS:EPOCH");
            let format = if field.data_type == DataType::Timestamp {
                DateTimeFormat::Timestamp
            } else {
                text.parse::<DateTimeFormat>()
                    .map_err(|e| invalid(e.to_string()))?
            };
            Some(TimeRule {
                default_is_now: !is_valid(&default, &format),
                check_rows: table
                    .ingestion_config
                    .as_ref()
                    .is_some_and(|i| i.row_time_value_check),
                format,
            })
        } else {
            None
        };
        Ok(Self {
            name: field.name.clone(),
            data_type: field.data_type,
            multi: !field.single_value_field,
            records_nulls: schema
                .records_nulls(field, table.table_index_config.null_handling_enabled),
            default,
            time,
            limit: Limit::of(field),
            keep_zeros: field.allow_trailing_zeros,
        })
    }

    /// True where a number or short text may be pushed without a look at this column's special rules.
    pub(crate) fn is_plain(&self) -> bool {
        !self.multi && !self.time.as_ref().is_some_and(|t| t.check_rows)
    }

    /// True where the text may be stored as it is; `clean` says that it holds no NUL.
    #[inline]
    pub(crate) fn text_passes(&self, text: &str, clean: bool) -> bool {
        self.limit.passes(text, clean)
    }

    /// Appends a null: the default, flagged where the table records nulls.
    pub fn append_null(&self, column: &mut BatchColumn, now_ms: i64) {
        let now;
        let default = match &self.time {
            Some(time) if time.default_is_now => {
                now = format_now(now_ms, &time.format, self.data_type);
                &now
            }
            _ => &self.default,
        };
        if self.records_nulls {
            column.nulls.push(column.values.len() as u32);
        }
        match &mut column.values {
            Values::Array(array) => {
                array.items.push(default);
                array.end_row();
            }
            values => values.push(default),
        }
    }

    /// Appends a field.
    ///
    /// # Errors
    /// Where the field has no form in the column's type; the column is then as before.
    pub fn append(
        &self,
        column: &mut BatchColumn,
        field: &Field,
        now_ms: i64,
    ) -> Result<(), ConvertError> {
        let done = match self.standard(field) {
            Ok(Standard::Null) => {
                self.append_null(column, now_ms);
                return Ok(());
            }
            Ok(Standard::One(field)) if self.multi => self.append_items(column, &[field]),
            Ok(Standard::One(field)) => self.append_single(&mut column.values, field),
            Ok(Standard::Many(fields)) => self.append_items(column, &fields),
            Err(message) => Err(message),
        };
        match done {
            Ok(Appended::Value) if self.out_of_range(&column.values) => {
                let rows = column.values.len() - 1;
                column.values.truncate(rows);
                self.append_null(column, now_ms);
                Ok(())
            }
            Ok(Appended::Value) => Ok(()),
            Ok(Appended::Null) => {
                self.append_null(column, now_ms);
                Ok(())
            }
            Err(message) => Err(ConvertError {
                column: self.name.clone(),
                message,
            }),
        }
    }

    /// True where rows are checked and the last value is a time outside 1971..2071.
    fn out_of_range(&self, values: &Values) -> bool {
        self.time.as_ref().is_some_and(|time| {
            time.check_rows
                && !is_valid(&values.get(values.len() - 1, self.data_type), &time.format)
        })
    }

    /// The field as one value or several: collections of one are that one, of none are null, objects count as their values.
    fn standard<'a>(&self, field: &'a Field) -> Result<Standard<'a>, String> {
        match self.data_type {
            DataType::Json | DataType::Map if !self.multi => Ok(match field {
                Field::Null => Standard::Null,
                other => Standard::One(other),
            }),
            _ => standard(field, !self.multi),
        }
    }

    fn append_single(&self, values: &mut Values, field: &Field) -> Result<Appended, String> {
        match values {
            Values::Int(v) if self.data_type == DataType::Boolean => {
                v.push(i32::from(scalar::to_boolean(field)?));
            }
            Values::Int(v) => v.push(scalar::to_int(field)?),
            Values::Long(v) if self.data_type == DataType::Timestamp => {
                v.push(scalar::to_timestamp(field)?);
            }
            Values::Long(v) => v.push(scalar::to_long(field)?),
            Values::Float(v) => match scalar::to_float(field)? {
                nan if nan.is_nan() => return Ok(Appended::Null),
                // Adding zero turns -0.0 into 0.0, which Pinot does not keep apart.
                value => v.push(value + 0.0),
            },
            Values::Double(v) => match scalar::to_double(field)? {
                nan if nan.is_nan() => return Ok(Appended::Null),
                value => v.push(value + 0.0),
            },
            Values::BigDecimal(v) => v.push(scalar::to_decimal(field, self.keep_zeros)?),
            Values::Text(v) => self.append_text(v, field)?,
            Values::Bytes(v) => self.append_bytes(v, field)?,
            Values::Array(_) => return Err("a multi-value column inside another".to_owned()),
        }
        Ok(Appended::Value)
    }

    fn append_text(&self, texts: &mut TextVec, field: &Field) -> Result<(), String> {
        let text = match (self.data_type, field) {
            (DataType::Json, _) => Cow::Owned(scalar::to_json(field)),
            (DataType::Map, Field::Map(_)) => Cow::Owned(field.to_json()),
            (DataType::Map, _) => Cow::Owned(scalar::to_json(field)),
            (_, Field::Text(text)) => Cow::Borrowed(text.as_str()),
            _ => Cow::Owned(field.to_text()),
        };
        match self.limit.text(&text)? {
            Limited::Text(text) => texts.push(&text),
            Limited::Default => texts.push(self.default.as_str().unwrap_or("null")),
        }
        Ok(())
    }

    fn append_bytes(&self, out: &mut BytesVec, field: &Field) -> Result<(), String> {
        let bytes = scalar::to_bytes(field)?;
        match (self.limit.bytes(&bytes)?, &self.default) {
            (Some(bytes), _) => out.push(bytes),
            (None, Value::Bytes(default)) => out.push(default),
            (None, _) => out.push(&[]),
        }
        Ok(())
    }

    /// Appends a row of several items; items that are NaN are left out, and none left is a null.
    fn append_items(
        &self,
        column: &mut BatchColumn,
        fields: &[&Field],
    ) -> Result<Appended, String> {
        let Values::Array(array) = &mut column.values else {
            return Err("several values in a single-value column".to_owned());
        };
        let before = array.items.len();
        // The first element names the type of all, as Pinot's arrays do.
        let text_first = matches!(fields.first(), Some(Field::Text(_)));
        for field in fields {
            if let Err(message) = self.append_item(array, field, text_first) {
                array.items.truncate(before);
                return Err(message);
            }
        }
        if array.items.len() == before {
            return Ok(Appended::Null);
        }
        array.end_row();
        Ok(Appended::Value)
    }

    fn append_item(
        &self,
        array: &mut ArrayVec,
        field: &Field,
        text_first: bool,
    ) -> Result<(), String> {
        let is_text = matches!(field, Field::Text(_));
        if text_first && !is_text {
            let text = Field::Text(field.to_text());
            return self.append_single(&mut array.items, &text).map(drop);
        }
        if is_text && !text_first && self.data_type != DataType::String {
            return Err(format!("text `{}` among numbers", field.to_text()));
        }
        self.append_single(&mut array.items, field).map(drop)
    }
}

enum Appended {
    Value,
    Null,
}

enum Standard<'a> {
    Null,
    One(&'a Field),
    Many(Vec<&'a Field>),
}

fn standard(field: &Field, single: bool) -> Result<Standard<'_>, String> {
    let items: Vec<&Field> = match field {
        Field::Null => return Ok(Standard::Null),
        Field::Array(items) => items.iter().collect(),
        Field::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
        other => return Ok(Standard::One(other)),
    };
    if let [only] = items.as_slice() {
        return standard(only, single);
    }
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        match standard(item, true)? {
            Standard::Null => {}
            Standard::One(item) => found.push(item),
            Standard::Many(_) => return Err("nested collections".to_owned()),
        }
    }
    match (found.as_slice(), single) {
        ([], _) => Ok(Standard::Null),
        ([only], _) => Ok(Standard::One(only)),
        (_, false) => Ok(Standard::Many(found)),
        (_, true) => Err(format!(
            "cannot read a single value from {} values",
            found.len()
        )),
    }
}

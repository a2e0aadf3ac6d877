//! The rows of a dimension table in memory, by primary key.
//!
//! Must not know: who asks. Invariant: of several rows with one key the last counts, in the order of the segments.

use std::collections::HashMap;
use std::sync::Arc;

use common::schema::default_null_value;
use common::{Block, ColumnType, Schema, Value, Values};
use functions::FunctionError;
use functions::scalar::lookup::DimensionTable;
use parking_lot::RwLock;
use segment::{Docs, Segment};

/// A dimension table.
pub struct DimensionRows {
    schema: Schema,
    segments: Vec<Arc<dyn Segment>>,
    keys: Vec<ColumnType>,
    rows: Rows,
    columns: RwLock<HashMap<String, Arc<Column>>>,
}

/// Where the row of a key is, counted over all segments.
enum Rows {
    /// One key column of whole numbers.
    Whole(HashMap<i64, u32>),
    /// Anything else: the keys' texts, each after its length.
    Text(HashMap<String, u32>),
}

/// A column in memory.
struct Column {
    values: Values,
    nulls: Vec<bool>,
    /// What stands for null.
    default: Value,
}

impl DimensionRows {
    /// Reads the keys of all rows; columns are read when they are asked for first.
    ///
    /// # Errors
    /// Where the table has no row, or its schema no key.
    pub fn load(schema: &Schema, segments: Vec<Arc<dyn Segment>>) -> Result<Self, FunctionError> {
        let refused = |message: String| FunctionError::Argument(message);
        if segments.is_empty() {
            return Err(refused(format!(
                "Dimension table is not populated: {}_OFFLINE",
                schema.name
            )));
        }
        let names = &schema.primary_key_columns;
        let keys: Option<Vec<ColumnType>> = names
            .iter()
            .map(|name| Some(schema.field(name)?.column_type()))
            .collect();
        let keys = keys
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| refused(format!("`{}` has no primary key columns", schema.name)))?;
        let mut table = Self {
            schema: schema.clone(),
            segments,
            rows: Rows::Text(HashMap::new()),
            keys,
            columns: RwLock::default(),
        };
        let mut blocks = Vec::with_capacity(names.len());
        for name in names {
            let column = table.read(name)?;
            let of = table.schema.field(name).map(common::FieldSpec::column_type);
            blocks.push(Block::new(
                of.unwrap_or_else(|| common::DataType::String.into()),
                column.values.clone(),
            ));
        }
        table.rows = located(&table.keys, &blocks)?;
        Ok(table)
    }

    /// A column of all rows.
    fn read(&self, name: &str) -> Result<Arc<Column>, FunctionError> {
        if let Some(column) = self.columns.read().get(name) {
            return Ok(Arc::clone(column));
        }
        let found = self.schema.field_with_role(name);
        let (role, field) = found.ok_or_else(|| {
            FunctionError::Argument(format!(
                "Column does not exist in dimension table: {}_OFFLINE:{name}",
                self.schema.name
            ))
        })?;
        let default = field
            .null_value(role)
            .unwrap_or_else(|_| default_null_value(field.data_type, role));
        let default = if field.single_value_field {
            default
        } else {
            Value::Array(field.data_type, vec![default])
        };
        let mut values = Values::empty_of(field.column_type());
        let mut nulls = Vec::new();
        for segment in &self.segments {
            let rows = segment.doc_count();
            match segment.column(name) {
                Some(stored) => {
                    let read = stored.values(Docs::Range(0..rows));
                    (0..read.len()).for_each(|at| values.push_from(&read, at));
                    let first = nulls.len();
                    nulls.resize(first + rows as usize, false);
                    for doc in stored.nulls().iter().flat_map(|nulls| nulls.iter()) {
                        if let Some(flag) = nulls.get_mut(first + doc as usize) {
                            *flag = true;
                        }
                    }
                }
                None => {
                    let missing = Block::constant(field.column_type(), &default, 1);
                    (0..rows).for_each(|_| values.push_from(missing.values(), 0));
                    nulls.resize(nulls.len() + rows as usize, true);
                }
            }
        }
        let column = Arc::new(Column {
            values,
            nulls,
            default,
        });
        self.columns
            .write()
            .insert(name.to_owned(), Arc::clone(&column));
        Ok(column)
    }

    /// The row of each key.
    fn find(&self, keys: &[Block]) -> Result<Vec<Option<u32>>, FunctionError> {
        let rows = keys.iter().map(Block::rows).max().unwrap_or(0);
        let typed = keys
            .iter()
            .zip(&self.keys)
            .map(|(block, to)| block.cast(*to))
            .collect::<Result<Vec<Block>, _>>()?;
        let found = |row: usize| match &self.rows {
            Rows::Whole(map) => map.get(&typed.first()?.value(row).as_i64()?).copied(),
            Rows::Text(map) => map.get(&key_text(&typed, row)).copied(),
        };
        let null = |row: usize| keys.iter().any(|block| block.is_null(row));
        Ok((0..rows)
            .map(|row| if null(row) { None } else { found(row) })
            .collect())
    }
}

fn key_text(keys: &[Block], row: usize) -> String {
    let mut out = String::new();
    for block in keys {
        let text = block.value(row).to_text();
        out.push_str(&text.len().to_string());
        out.push(':');
        out.push_str(&text);
    }
    out
}

fn located(keys: &[ColumnType], blocks: &[Block]) -> Result<Rows, FunctionError> {
    let rows = blocks.first().map_or(0, Block::rows);
    let numbered = |row: usize| {
        u32::try_from(row).map_err(|_| {
            FunctionError::Evaluation("a dimension table has too many rows".to_owned())
        })
    };
    let whole = |of: &ColumnType| {
        use common::DataType::{Int, Long};
        !of.multi && matches!(of.data_type, Int | Long)
    };
    if let ([key], [block]) = (keys, blocks)
        && whole(key)
    {
        let mut map = HashMap::with_capacity(rows);
        for row in 0..rows {
            map.insert(
                block.value(row).as_i64().unwrap_or_default(),
                numbered(row)?,
            );
        }
        return Ok(Rows::Whole(map));
    }
    let mut map = HashMap::with_capacity(rows);
    for row in 0..rows {
        map.insert(key_text(blocks, row), numbered(row)?);
    }
    Ok(Rows::Text(map))
}

impl DimensionTable for DimensionRows {
    fn values(&self, column: &str, keys: &[Block]) -> Result<Block, FunctionError> {
        let read = self.read(column)?;
        let of = self
            .schema
            .field(column)
            .map(common::FieldSpec::column_type);
        let of = of.unwrap_or_else(|| common::DataType::String.into());
        let default = Block::constant(of, &read.default, 1);
        let found = self.find(keys)?;
        let mut values = Values::empty_of(of);
        let mut nulls = Vec::with_capacity(found.len());
        for row in found {
            match row.map(|row| row as usize) {
                Some(row) if row < read.values.len() => {
                    values.push_from(&read.values, row);
                    nulls.push(read.nulls.get(row).copied().unwrap_or(false));
                }
                _ => {
                    values.push_from(default.values(), 0);
                    nulls.push(true);
                }
            }
        }
        Ok(Block::new(of, values).with_nulls(Some(nulls)))
    }
}

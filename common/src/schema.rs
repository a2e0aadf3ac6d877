//! Pinot's schema JSON: columns with their roles, types and defaults.
//!
//! Must not know: table configs, segments. Validation rules live in [`Schema::validate`].
//! Invariant: reading a schema and writing it again keeps every key of the field specs that Pinot knows.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::time_format::{DateTimeFormat, Granularity, TimeUnit};
use crate::{BigDecimal, CastError, ColumnType, DataType, Value};

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldRole {
    /// Filtered and grouped by.
    Dimension,
    /// Aggregated.
    Metric,
    /// A time.
    DateTime,
    /// MAP and other nested types.
    Complex,
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// One column of a schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldSpec {
    /// Column name.
    pub name: String,
    /// Data type.
    pub data_type: DataType,
    /// False for a multi-value column.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub single_value_field: bool,
    /// Stored where the value is null or absent; the type's default where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_null_value: Option<Json>,
    /// With column-based null handling: nulls are not recorded.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_null: bool,
    /// Longest text or bytes, 512 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// What happens above `max_length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length_exceed_strategy: Option<String>,
    /// BIG_DECIMAL keeps trailing zeros.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_trailing_zeros: bool,
    /// The old place of a transform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform_function: Option<String>,
    /// Format of a dateTime column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Granularity of a dateTime column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<String>,
    /// A sample that the format must read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_value: Option<Json>,
    /// Children of a complex column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_field_specs: Option<Json>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl FieldSpec {
    /// A field spec with defaults everywhere else.
    #[must_use]
    pub fn new(name: &str, column_type: ColumnType) -> Self {
        Self {
            name: name.to_owned(),
            data_type: column_type.data_type,
            single_value_field: !column_type.multi,
            default_null_value: None,
            not_null: false,
            max_length: None,
            max_length_exceed_strategy: None,
            allow_trailing_zeros: false,
            transform_function: None,
            format: None,
            granularity: None,
            sample_value: None,
            child_field_specs: None,
            description: None,
        }
    }

    /// The column's type.
    #[must_use]
    pub fn column_type(&self) -> ColumnType {
        ColumnType {
            data_type: self.data_type,
            multi: !self.single_value_field,
        }
    }

    /// The value that stands for null in storage: configured, else the type's. For a multi-value column the one element.
    ///
    /// # Errors
    /// Where the configured default has no form in the column's type.
    pub fn null_value(&self, role: FieldRole) -> Result<Value, CastError> {
        match &self.default_null_value {
            None | Some(Json::Null) => Ok(default_null_value(self.data_type, role)),
            Some(Json::String(text)) => Value::String(text.clone()).cast(self.data_type),
            Some(other) => Value::String(other.to_string()).cast(self.data_type),
        }
    }
}

/// Pinot's default null value of a type in a role.
#[must_use]
pub fn default_null_value(data_type: DataType, role: FieldRole) -> Value {
    let metric = role == FieldRole::Metric;
    match data_type {
        DataType::Int => Value::Int(if metric { 0 } else { i32::MIN }),
        DataType::Long => Value::Long(if metric { 0 } else { i64::MIN }),
        DataType::Float => Value::Float(if metric { 0.0 } else { f32::NEG_INFINITY }),
        DataType::Double => Value::Double(if metric { 0.0 } else { f64::NEG_INFINITY }),
        DataType::BigDecimal => Value::BigDecimal(BigDecimal::default()),
        DataType::Boolean => Value::Boolean(false),
        DataType::Timestamp => Value::Timestamp(0),
        DataType::Json => Value::Json("null".to_owned()),
        DataType::Bytes => Value::Bytes(Vec::new()),
        DataType::Map => Value::Map("{}".to_owned()),
        DataType::String | DataType::Object | DataType::Unknown => Value::String("null".to_owned()),
    }
}

/// The old `timeFieldSpec`; read and turned into a dateTime column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeFieldSpec {
    incoming_granularity_spec: TimeGranularity,
    #[serde(default)]
    outgoing_granularity_spec: Option<TimeGranularity>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeGranularity {
    name: String,
    data_type: DataType,
    time_type: TimeUnit,
    #[serde(default)]
    time_format: Option<String>,
    #[serde(default)]
    time_unit_size: Option<i64>,
}

impl TimeFieldSpec {
    fn into_date_time(self) -> FieldSpec {
        let spec = self
            .outgoing_granularity_spec
            .unwrap_or(self.incoming_granularity_spec);
        let size = spec.time_unit_size.unwrap_or(1);
        let format = spec.time_format.unwrap_or_else(|| "EPOCH".to_owned());
        let mut field = FieldSpec::new(&spec.name, ColumnType::sv(spec.data_type));
        field.format = Some(format!("{size}:{}:{format}", spec.time_type));
        field.granularity = Some(format!("{size}:{}", spec.time_type));
        field
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaJson {
    schema_name: String,
    #[serde(default)]
    enable_column_based_null_handling: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dimension_field_specs: Vec<FieldSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    metric_field_specs: Vec<FieldSpec>,
    #[serde(default, skip_serializing)]
    time_field_spec: Option<TimeFieldSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    date_time_field_specs: Vec<FieldSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    complex_field_specs: Vec<FieldSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    primary_key_columns: Vec<String>,
}

/// A schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "SchemaJson", into = "SchemaJson")]
pub struct Schema {
    /// Name; the raw name of its table.
    pub name: String,
    /// Null bitmaps follow each column's `notNull` instead of the table's `nullHandlingEnabled`.
    pub column_based_null_handling: bool,
    /// Columns in order: dimensions, metrics, dateTimes, complex ones.
    pub fields: Vec<(FieldRole, FieldSpec)>,
    /// Key of upsert, dedup and dimension tables.
    pub primary_key_columns: Vec<String>,
}

impl From<SchemaJson> for Schema {
    fn from(json: SchemaJson) -> Self {
        let mut fields = Vec::new();
        fields.extend(
            json.dimension_field_specs
                .into_iter()
                .map(|f| (FieldRole::Dimension, f)),
        );
        fields.extend(
            json.metric_field_specs
                .into_iter()
                .map(|f| (FieldRole::Metric, f)),
        );
        fields.extend(
            json.date_time_field_specs
                .into_iter()
                .map(|f| (FieldRole::DateTime, f)),
        );
        if let Some(time) = json.time_field_spec {
            fields.push((FieldRole::DateTime, time.into_date_time()));
        }
        fields.extend(
            json.complex_field_specs
                .into_iter()
                .map(|f| (FieldRole::Complex, f)),
        );
        Self {
            name: json.schema_name,
            column_based_null_handling: json.enable_column_based_null_handling,
            fields,
            primary_key_columns: json.primary_key_columns,
        }
    }
}

impl From<Schema> for SchemaJson {
    fn from(schema: Schema) -> Self {
        let of = |role: FieldRole| -> Vec<FieldSpec> {
            schema
                .fields
                .iter()
                .filter(|(r, _)| *r == role)
                .map(|(_, f)| f.clone())
                .collect()
        };
        Self {
            dimension_field_specs: of(FieldRole::Dimension),
            metric_field_specs: of(FieldRole::Metric),
            date_time_field_specs: of(FieldRole::DateTime),
            complex_field_specs: of(FieldRole::Complex),
            time_field_spec: None,
            schema_name: schema.name,
            enable_column_based_null_handling: schema.column_based_null_handling,
            primary_key_columns: schema.primary_key_columns,
        }
    }
}

impl Schema {
    /// The column of that exact name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldSpec> {
        self.fields
            .iter()
            .find(|(_, f)| f.name == name)
            .map(|(_, f)| f)
    }

    /// The column of that exact name with its role.
    #[must_use]
    pub fn field_with_role(&self, name: &str) -> Option<(FieldRole, &FieldSpec)> {
        self.fields
            .iter()
            .find(|(_, f)| f.name == name)
            .map(|(role, f)| (*role, f))
    }

    /// The column of that name, whatever the case.
    #[must_use]
    pub fn field_ignoring_case(&self, name: &str) -> Option<&FieldSpec> {
        self.field(name).or_else(|| {
            self.fields
                .iter()
                .map(|(_, f)| f)
                .find(|f| f.name.eq_ignore_ascii_case(name))
        })
    }

    /// True where nulls of the column are recorded in a table with that `nullHandlingEnabled`.
    #[must_use]
    pub fn records_nulls(&self, field: &FieldSpec, null_handling_enabled: bool) -> bool {
        if self.column_based_null_handling {
            !field.not_null
        } else {
            null_handling_enabled
        }
    }

    /// Every rule that Pinot checks on a schema by itself.
    ///
    /// # Errors
    /// The message of the first rule that is broken.
    pub fn validate(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("schemaName must be configured".to_owned());
        }
        let mut seen = std::collections::HashSet::new();
        for (role, field) in &self.fields {
            if !seen.insert(field.name.to_ascii_lowercase()) {
                return Err(format!(
                    "Field spec already exists for column: {}",
                    field.name
                ));
            }
            field.validate(*role)?;
        }
        for key in &self.primary_key_columns {
            if self.field(key).is_none() {
                return Err(format!("The primary key column must exist: {key}"));
            }
        }
        Ok(())
    }

    /// Where `newer` cannot replace this schema (a column gone, or its type changed): what is wrong.
    #[must_use]
    pub fn incompatibility(&self, newer: &Self) -> Option<String> {
        for (_, field) in &self.fields {
            match newer.field(&field.name) {
                None => return Some(format!("column `{}` is missing", field.name)),
                Some(other) if other.column_type() != field.column_type() => {
                    return Some(format!(
                        "column `{}` changes from {} to {}",
                        field.name,
                        field.column_type(),
                        other.column_type()
                    ));
                }
                Some(_) => {}
            }
        }
        (self.primary_key_columns != newer.primary_key_columns)
            .then(|| "primary key columns change".to_owned())
    }
}

impl FieldSpec {
    fn validate(&self, role: FieldRole) -> Result<(), String> {
        let name = &self.name;
        if name.is_empty() || name.chars().any(char::is_whitespace) {
            return Err(format!(
                "The column name \"{name}\" should not contain blank space."
            ));
        }
        if name.starts_with('$') {
            return Err(format!(
                "The column name \"{name}\" is reserved for a built-in virtual column."
            ));
        }
        if self.data_type == DataType::Json && !self.single_value_field {
            return Err("JSON columns cannot be of multi-value type".to_owned());
        }
        let data_type = self.data_type;
        match role {
            FieldRole::Metric if !(data_type.is_numeric() || data_type == DataType::Bytes) => {
                return Err(format!(
                    "Unsupported metric data type: {data_type} for column: {name}"
                ));
            }
            FieldRole::Dimension
                if matches!(
                    data_type,
                    DataType::Map | DataType::Unknown | DataType::Object
                ) =>
            {
                return Err(format!(
                    "Unsupported dimension/time data type: {data_type} for column: {name}"
                ));
            }
            FieldRole::DateTime => self.validate_date_time()?,
            _ => {}
        }
        match self.null_value(role) {
            Err(error) => Err(format!(
                "Invalid default null value for column: {name}: {error}"
            )),
            Ok(Value::Float(v)) if v.is_nan() => Err(nan_default(name)),
            Ok(Value::Double(v)) if v.is_nan() => Err(nan_default(name)),
            Ok(_) => Ok(()),
        }
    }

    fn validate_date_time(&self) -> Result<(), String> {
        let name = &self.name;
        let format = self
            .format
            .as_deref()
            .ok_or_else(|| format!("Must provide format for column: {name}"))?;
        if self.data_type != DataType::Timestamp {
            format
                .parse::<DateTimeFormat>()
                .map_err(|e| format!("{e} for column: {name}"))?;
        }
        if let Some(granularity) = &self.granularity {
            granularity
                .parse::<Granularity>()
                .map_err(|e| format!("{e} for column: {name}"))?;
        }
        Ok(())
    }
}

fn nan_default(name: &str) -> String {
    format!("NaN as null default value is not managed yet for {name}")
}

//! The response as JSON: Pinot's members in Pinot's order, numbers as Java prints them.
//!
//! Must not know: where a response comes from. Invariant: the text is valid JSON whatever the values are.

use common::java_text::{decimal_text, timestamp_text, write_double, write_float};
use common::json_text::write as text;
use common::{DataType, Value};
use query::ResultTable;

use super::BrokerResponse;

/// Bytes that the members beside the result need about.
const ENVELOPE_BYTES: usize = 2048;

/// A row.
pub(super) fn row(row: &[Value]) -> String {
    let mut out = String::new();
    list(&mut out, row, value);
    out
}

/// The whole response, or what it says beside its table.
pub(super) fn response(response: &BrokerResponse, with_table: bool) -> String {
    let rows = response.table.as_ref().map_or(0, |t| t.rows.len());
    let mut out = Writer(String::with_capacity(ENVELOPE_BYTES + rows * 32));
    out.0.push('{');
    if let Some(table) = response.table.as_ref().filter(|_| with_table) {
        result_table(&mut out, table);
    }
    let total = response.cursor.as_ref().map_or(rows, |c| c.total_rows);
    out.number("numRowsResultSet", total as u64);
    out.flag("partialResult", response.is_partial());
    exceptions(&mut out, response);
    out.flag(
        "numGroupsLimitReached",
        response.stats.num_groups_limit_reached,
    );
    out.flag("numGroupsWarningLimitReached", false);
    if let Some(parts) = &response.multi_stage {
        out.number("numGroups", parts.num_groups);
        out.flag("maxRowsInJoinReached", false);
        out.number("maxRowsInJoin", parts.join_rows);
        out.flag("maxRowsInWindowReached", false);
        out.number("maxRowsInWindow", parts.window_rows);
    }
    out.number("timeUsedMs", response.time_used_ms);
    if let Some(parts) = &response.multi_stage {
        out.raw("stageStats", &parts.stage_stats);
        out.number("maxRowsInOperator", parts.operator_rows);
    }
    let id = response.request_id.map(|id| id.to_string());
    out.optional("requestId", id.as_deref());
    if response.cursor.is_none() {
        out.optional("clientRequestId", response.client_request_id.as_deref());
    }
    out.optional("brokerId", response.broker_id.as_deref());
    counters(&mut out, response);
    tail(&mut out, response);
    out.0.pop();
    out.0.push('}');
    out.0
}

fn counters(out: &mut Writer, response: &BrokerResponse) {
    let stats = &response.stats;
    let freshness = stats.min_consuming_freshness_ms.unwrap_or(0).max(0);
    for (name, value) in [
        ("numDocsScanned", stats.num_docs_scanned),
        ("totalDocs", stats.total_docs),
        (
            "numEntriesScannedInFilter",
            stats.num_entries_scanned_in_filter,
        ),
        (
            "numEntriesScannedPostFilter",
            stats.num_entries_scanned_post_filter,
        ),
        ("numServersQueried", response.num_servers_queried.into()),
        ("numServersResponded", response.num_servers_responded.into()),
        ("numSegmentsQueried", stats.num_segments_queried),
        ("numSegmentsProcessed", stats.num_segments_processed),
        ("numSegmentsMatched", stats.num_segments_matched),
        (
            "numConsumingSegmentsQueried",
            stats.num_consuming_segments_queried,
        ),
        (
            "numConsumingSegmentsProcessed",
            stats.num_consuming_segments_processed,
        ),
        (
            "numConsumingSegmentsMatched",
            stats.num_consuming_segments_matched,
        ),
        ("minConsumingFreshnessTimeMs", freshness.unsigned_abs()),
        (
            "numSegmentsPrunedByBroker",
            response.num_segments_pruned_by_broker,
        ),
        (
            "numSegmentsPrunedByServer",
            stats.num_segments_pruned_by_server,
        ),
        (
            "numSegmentsPrunedInvalid",
            stats.num_segments_pruned_invalid,
        ),
        (
            "numSegmentsPrunedByLimit",
            stats.num_segments_pruned_by_limit,
        ),
        (
            "numSegmentsPrunedByValue",
            stats.num_segments_pruned_by_value,
        ),
        ("brokerReduceTimeMs", response.reduce_time_ms),
        ("offlineThreadCpuTimeNs", response.cpu_time_ns.0),
        ("realtimeThreadCpuTimeNs", response.cpu_time_ns.1),
        ("offlineSystemActivitiesCpuTimeNs", 0),
        ("realtimeSystemActivitiesCpuTimeNs", 0),
        ("offlineResponseSerializationCpuTimeNs", 0),
        ("realtimeResponseSerializationCpuTimeNs", 0),
        ("offlineTotalCpuTimeNs", response.cpu_time_ns.0),
        ("realtimeTotalCpuTimeNs", response.cpu_time_ns.1),
        ("explainPlanNumEmptyFilterSegments", 0),
        ("explainPlanNumMatchAllFilterSegments", 0),
    ] {
        out.number(name, value);
    }
}

/// What follows the counters.
fn tail(out: &mut Writer, response: &BrokerResponse) {
    out.name("traceInfo");
    out.0.push('{');
    for (at, (server, trace)) in response.trace_info.iter().enumerate() {
        if at > 0 {
            out.0.push(',');
        }
        text(&mut out.0, server);
        out.0.push(':');
        text(&mut out.0, trace);
    }
    out.0.push_str("},");
    if let Some(cursor) = &response.cursor {
        out.flag("groupsTrimmed", response.stats.groups_trimmed);
        out.number("offset", cursor.offset as u64);
        out.number("numRows", cursor.num_rows as u64);
        out.number("cursorResultWriteTimeMs", 0);
        out.number("cursorFetchTimeMs", 0);
        out.number("submissionTimeMs", cursor.submitted_ms.unsigned_abs());
        out.number("expirationTimeMs", cursor.expires_ms.unsigned_abs());
        out.optional("brokerHost", Some(&cursor.broker_host));
        out.number("brokerPort", cursor.broker_port.into());
        out.number("bytesWritten", cursor.bytes as u64);
        out.optional("clientRequestId", response.client_request_id.as_deref());
    }
    out.name("tablesQueried");
    list(&mut out.0, &response.tables_queried, |o, t| text(o, t));
    out.0.push(',');
    if response.cursor.is_some() {
        out.raw("pools", "[]");
    }
    for name in [
        "offlineThreadMemAllocatedBytes",
        "realtimeThreadMemAllocatedBytes",
        "offlineResponseSerMemAllocatedBytes",
        "realtimeResponseSerMemAllocatedBytes",
        "offlineTotalMemAllocatedBytes",
        "realtimeTotalMemAllocatedBytes",
    ] {
        out.number(name, 0);
    }
    if response.cursor.is_none() {
        let asked = response.num_servers_queried > 0;
        out.raw("pools", if asked { "[-1]" } else { "[]" });
    }
    out.flag("rlsFiltersApplied", false);
    if response.cursor.is_none() {
        out.flag("groupsTrimmed", response.stats.groups_trimmed);
    }
}

fn exceptions(out: &mut Writer, response: &BrokerResponse) {
    out.name("exceptions");
    list(&mut out.0, &response.failures, |o, failure| {
        o.push_str("{\"errorCode\":");
        o.push_str(itoa::Buffer::new().format(failure.code.number()));
        o.push_str(",\"message\":");
        text(o, &failure.message);
        o.push('}');
    });
    out.0.push(',');
}

fn result_table(out: &mut Writer, table: &ResultTable) {
    out.name("resultTable");
    let out = &mut out.0;
    out.push_str("{\"dataSchema\":{\"columnNames\":");
    list(out, &table.names, |o, name| text(o, name));
    out.push_str(",\"columnDataTypes\":");
    list(out, &table.types, |o, t| text(o, &t.to_string()));
    out.push_str("},\"rows\":");
    list(out, &table.rows, |o, row| list(o, row, value));
    out.push_str("},");
}

fn list<T>(out: &mut String, items: &[T], mut each: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}

fn value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Int(v) => out.push_str(itoa::Buffer::new().format(*v)),
        Value::Long(v) => out.push_str(itoa::Buffer::new().format(*v)),
        Value::Float(v) if v.is_finite() => write_float(out, *v),
        Value::Double(v) if v.is_finite() => write_double(out, *v),
        Value::Float(v) => not_finite(out, f64::from(*v)),
        Value::Double(v) => not_finite(out, *v),
        Value::BigDecimal(v) => text(out, &decimal_text(v)),
        Value::Boolean(v) => out.push_str(if *v { "true" } else { "false" }),
        Value::Timestamp(v) => text(out, &timestamp_text(*v)),
        Value::String(v) | Value::Json(v) => text(out, v),
        Value::Bytes(v) => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.push('"');
            for byte in v {
                out.push(DIGITS[usize::from(byte >> 4)].into());
                out.push(DIGITS[usize::from(byte & 15)].into());
            }
            out.push('"');
        }
        Value::Map(v) => {
            // A map is kept as JSON text; what is none goes out as text.
            if serde_json::from_str::<serde::de::IgnoredAny>(v).is_ok() {
                out.push_str(v);
            } else {
                text(out, v);
            }
        }
        Value::Array(DataType::Object, items) | Value::Array(_, items) => {
            list(out, items, self::value);
        }
    }
}

fn not_finite(out: &mut String, value: f64) {
    out.push_str(if value.is_nan() {
        "\"NaN\""
    } else if value > 0.0 {
        "\"Infinity\""
    } else {
        "\"-Infinity\""
    });
}

/// Members of one object, each with a comma after it.
struct Writer(String);

impl Writer {
    fn name(&mut self, name: &str) {
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.0.push_str(json);
        self.0.push(',');
    }

    fn number(&mut self, name: &str, value: u64) {
        self.raw(name, itoa::Buffer::new().format(value));
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        self.name(name);
        match value {
            Some(value) => text(&mut self.0, value),
            None => self.0.push_str("null"),
        }
        self.0.push(',');
    }
}

#[cfg(test)]
mod tests {
    use common::{ColumnType, DataType, Value};
    use query::ResultTable;

    use crate::BrokerResponse;

    fn rows(values: Vec<Value>) -> String {
        let table = ResultTable {
            names: vec!["a\"b".to_owned(); values.len()],
            types: values.iter().map(Value::column_type).collect(),
            rows: vec![values],
        };
        let response = BrokerResponse {
            table: Some(table),
            ..BrokerResponse::default()
        };
        let json: serde_json::Value = serde_json::from_str(&response.to_json()).unwrap_or_default();
        json["resultTable"]["rows"][0].to_string()
    }

    #[test]
    fn values_have_pinots_forms() {
        let values = vec![
            Value::Int(-1),
            Value::Double(5.0E7),
            Value::Double(3.0),
            Value::Float(f32::NAN),
            Value::Double(f64::NEG_INFINITY),
            Value::Bytes(vec![0x0a, 0xff]),
            Value::Boolean(true),
            Value::Timestamp(0),
            Value::String("Ω\n\u{1}\"".to_owned()),
            Value::Null,
            Value::Array(DataType::Long, vec![Value::Long(1)]),
        ];
        assert_eq!(
            rows(values),
            r#"[-1,50000000.0,3.0,"NaN","-Infinity","0aff",true,"1970-01-01 00:00:00.0","Ω\n\u0001\"",null,[1]]"#
        );
    }

    #[test]
    fn doubles_are_spelled_as_java_does() {
        let table = ResultTable {
            names: vec!["v".to_owned()],
            types: vec![ColumnType::sv(DataType::Double)],
            rows: vec![vec![Value::Double(5.0036567E7)]],
        };
        let response = BrokerResponse {
            table: Some(table),
            ..BrokerResponse::default()
        };
        assert!(response.to_json().contains("\"rows\":[[5.0036567E7]]"));
    }

    #[test]
    fn members_come_in_pinots_order() {
        let json = BrokerResponse::default().to_json();
        let json: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&json).unwrap_or_default();
        let names: Vec<&str> = json.keys().map(String::as_str).collect();
        assert_eq!(names.len(), 49);
        assert_eq!(names[0], "numRowsResultSet");
        assert_eq!(names[names.len() - 1], "groupsTrimmed");
        assert_eq!(names[names.len() - 3], "pools");
    }
}

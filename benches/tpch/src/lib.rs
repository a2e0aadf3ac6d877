//! TPC-H: its tables as a user of Pinot would define them, their rows, and its 22 queries.
//!
//! Money is DOUBLE, dates are STRING (`1998-09-02`), comments have no dictionary. Must not know: clusters.
//! Invariant: the same scale gives the same rows.

use std::fmt::Display;

use serde_json::{Value as Json, json};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

/// A table: its name, and its columns with their types in the order of a row.
pub struct Table {
    /// Name.
    pub name: &'static str,
    /// Name and type of each column.
    pub columns: &'static [(&'static str, &'static str)],
}

/// The tables.
pub const TABLES: [Table; 8] = [
    Table {
        name: "region",
        columns: &[
            ("r_regionkey", "INT"),
            ("r_name", "STRING"),
            ("r_comment", "STRING"),
        ],
    },
    Table {
        name: "nation",
        columns: &[
            ("n_nationkey", "INT"),
            ("n_name", "STRING"),
            ("n_regionkey", "INT"),
            ("n_comment", "STRING"),
        ],
    },
    Table {
        name: "supplier",
        columns: &[
            ("s_suppkey", "INT"),
            ("s_name", "STRING"),
            ("s_address", "STRING"),
            ("s_nationkey", "INT"),
            ("s_phone", "STRING"),
            ("s_acctbal", "DOUBLE"),
            ("s_comment", "STRING"),
        ],
    },
    Table {
        name: "customer",
        columns: &[
            ("c_custkey", "INT"),
            ("c_name", "STRING"),
            ("c_address", "STRING"),
            ("c_nationkey", "INT"),
            ("c_phone", "STRING"),
            ("c_acctbal", "DOUBLE"),
            ("c_mktsegment", "STRING"),
            ("c_comment", "STRING"),
        ],
    },
    Table {
        name: "part",
        columns: &[
            ("p_partkey", "INT"),
            ("p_name", "STRING"),
            ("p_mfgr", "STRING"),
            ("p_brand", "STRING"),
            ("p_type", "STRING"),
            ("p_size", "INT"),
            ("p_container", "STRING"),
            ("p_retailprice", "DOUBLE"),
            ("p_comment", "STRING"),
        ],
    },
    Table {
        name: "partsupp",
        columns: &[
            ("ps_partkey", "INT"),
            ("ps_suppkey", "INT"),
            ("ps_availqty", "INT"),
            ("ps_supplycost", "DOUBLE"),
            ("ps_comment", "STRING"),
        ],
    },
    Table {
        name: "orders",
        columns: &[
            ("o_orderkey", "LONG"),
            ("o_custkey", "INT"),
            ("o_orderstatus", "STRING"),
            ("o_totalprice", "DOUBLE"),
            ("o_orderdate", "STRING"),
            ("o_orderpriority", "STRING"),
            ("o_clerk", "STRING"),
            ("o_shippriority", "INT"),
            ("o_comment", "STRING"),
        ],
    },
    Table {
        name: "lineitem",
        columns: &[
            ("l_orderkey", "LONG"),
            ("l_partkey", "INT"),
            ("l_suppkey", "INT"),
            ("l_linenumber", "INT"),
            ("l_quantity", "DOUBLE"),
            ("l_extendedprice", "DOUBLE"),
            ("l_discount", "DOUBLE"),
            ("l_tax", "DOUBLE"),
            ("l_returnflag", "STRING"),
            ("l_linestatus", "STRING"),
            ("l_shipdate", "STRING"),
            ("l_commitdate", "STRING"),
            ("l_receiptdate", "STRING"),
            ("l_shipinstruct", "STRING"),
            ("l_shipmode", "STRING"),
            ("l_comment", "STRING"),
        ],
    },
];

impl Table {
    /// Pinot's schema.
    #[must_use]
    pub fn schema(&self) -> Json {
        let fields: Vec<Json> = self
            .columns
            .iter()
            .map(|(name, kind)| json!({"name": name, "dataType": kind}))
            .collect();
        json!({"schemaName": self.name, "dimensionFieldSpecs": fields})
    }

    /// Pinot's table config.
    #[must_use]
    pub fn config(&self) -> Json {
        let comments: Vec<&str> = self
            .columns
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| name.ends_with("_comment"))
            .collect();
        json!({"tableName": self.name, "tableType": "OFFLINE", "tenants": {}, "metadata": {},
            "segmentsConfig": {"replication": "1", "schemaName": self.name},
            "tableIndexConfig": {"loadMode": "MMAP", "noDictionaryColumns": comments}})
    }

    /// The rows of part `part` (from 1) of `parts`, as lines with `|` between values and behind the last.
    pub fn lines(&self, scale: f64, part: i32, parts: i32, mut each: impl FnMut(&str)) {
        let mut text = String::new();
        let mut line = |row: &dyn Display| {
            use std::fmt::Write;
            text.clear();
            // Writing to a string does not fail.
            let _ = write!(text, "{row}");
            each(&text);
        };
        macro_rules! rows {
            ($generator:ident) => {
                for row in $generator::new(scale, part, parts).iter() {
                    line(&row);
                }
            };
        }
        match self.name {
            "region" if part == 1 => rows!(RegionGenerator),
            "nation" if part == 1 => rows!(NationGenerator),
            "supplier" => rows!(SupplierGenerator),
            "customer" => rows!(CustomerGenerator),
            "part" => rows!(PartGenerator),
            "partsupp" => rows!(PartSuppGenerator),
            "orders" => rows!(OrderGenerator),
            "lineitem" => rows!(LineItemGenerator),
            _ => {}
        }
    }
}

macro_rules! queries {
    ($($number:literal),*) => {
        [$(include_str!(concat!("../queries/q", $number, ".sql"))),*]
    };
}

/// The queries' texts with their parameters for validation; only one depends on the scale.
#[must_use]
pub fn queries(scale: f64) -> Vec<String> {
    let fraction = format!("{:.10}", 0.0001 / scale);
    queries!(
        "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15",
        "16", "17", "18", "19", "20", "21", "22"
    )
    .iter()
    .map(|text| text.replace("{fraction}", &fraction))
    .collect()
}

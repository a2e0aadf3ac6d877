//! Names of types, as the catalog's functions tell them.
//!
//! Must not know: tables. Invariant: every id of a type that a column can have has a name.

use crate::postgres::kind::{BASES, Base};

/// The name of a type by its id, as SQL writes it.
pub(super) fn type_name(oid: u32) -> String {
    for (base, name, own, array, _) in BASES {
        let sql = match base {
            Base::Bool => "boolean",
            Base::Int2 => "smallint",
            Base::Int4 => "integer",
            Base::Int8 => "bigint",
            Base::Float4 => "real",
            Base::Float8 => "double precision",
            Base::Timestamp => "timestamp without time zone",
            _ => name,
        };
        if *own == oid {
            return sql.to_owned();
        }
        if *array == oid {
            return format!("{sql}[]");
        }
    }
    let more = MORE_TYPES.iter().find(|(_, own, _)| *own == oid);
    more.map_or("???", |(name, _, _)| name).to_owned()
}

/// Types that no column has, but clients ask for: name, id, category.
pub(super) const MORE_TYPES: &[(&str, u32, &str)] = &[
    ("char", 18, "Z"),
    ("name", 19, "S"),
    ("regproc", 24, "N"),
    ("xid", 28, "U"),
    ("unknown", 705, "X"),
    ("bpchar", 1042, "S"),
    ("varchar", 1043, "S"),
    ("date", 1082, "D"),
    ("time", 1083, "D"),
    ("timestamptz", 1184, "D"),
    ("interval", 1186, "T"),
    ("regclass", 2205, "N"),
    ("regtype", 2206, "N"),
    ("void", 2278, "P"),
    ("uuid", 2950, "U"),
    ("jsonb", 3802, "U"),
];

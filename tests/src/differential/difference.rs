//! A difference from a real Pinot: both answers, and what can be asked of them.
//!
//! Must not know: single rules. Invariant: nothing here excuses a difference by itself.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::asking::{self, Answer};
use crate::conformance::compare;

pub(super) const MULTI_STAGE: &str = "SET useMultistageEngine=true;";
pub(super) const NULL_HANDLING: &str = "SET enableNullHandling=true;";

/// What a rule looks at.
pub(super) struct Difference<'a> {
    pub(super) sql: &'a str,
    pub(super) case: &'a Json,
    pub(super) ours: &'a Answer,
}

impl Difference<'_> {
    pub(super) fn multi(&self) -> bool {
        self.sql.contains(MULTI_STAGE)
    }

    pub(super) fn null_handling(&self) -> bool {
        self.sql.contains(NULL_HANDLING)
    }

    /// Pinot's code, 0 where it answers.
    pub(super) fn code(&self) -> u64 {
        self.case["expect"]["error"].as_u64().unwrap_or_default()
    }

    pub(super) fn peer_refuses(&self, with: &str) -> bool {
        let message = self.case["expect"]["message"].as_str();
        self.code() != 0 && message.is_some_and(|message| message.contains(with))
    }

    pub(super) fn only_peer_refuses(&self, with: &str) -> bool {
        self.ours.is_ok() && self.peer_refuses(with)
    }

    pub(super) fn both_refuse(&self, with: &str) -> bool {
        self.ours.is_err() && !asking::is_panic(self.ours) && self.peer_refuses(with)
    }

    pub(super) fn our_message(&self) -> &str {
        match self.ours {
            Err(error) => &error.message,
            Ok(_) => "",
        }
    }

    pub(super) fn we_refuse(&self, with: &str) -> bool {
        self.our_message().contains(with)
    }

    /// True where Pinot answers no row, or one with nothing in it.
    pub(super) fn nothing_is_left(&self) -> bool {
        let rows: Vec<&Json> = items(&self.case["expect"]["rows"]).collect();
        let nothing = |cell: &Json| {
            let none = cell.is_null() || is_extreme(cell) || is_empty(cell);
            let flag = cell.as_str() == Some("null") || cell.is_boolean();
            let all = number(cell) == Some(1.0) && self.sql.contains("BOOL_");
            let no_ids = cell.as_str() == Some("AA==");
            let zero = number(cell) == Some(0.0) || cell.as_array().is_some();
            none || flag || all || no_ids || zero
        };
        rows.is_empty() || (rows.len() == 1 && items(rows[0]).all(nothing))
    }

    /// Our rows; none where we refuse.
    pub(super) fn our_rows(&self) -> Vec<Vec<Json>> {
        self.ours.as_ref().map(asking::cells).unwrap_or_default()
    }

    /// What Pinot has in the last column.
    pub(super) fn their_last_cells(&self) -> impl Iterator<Item = &Json> {
        items(&self.case["expect"]["rows"]).filter_map(|row| items(row).last())
    }

    /// True where both answer the same number of rows.
    pub(super) fn answered_alike(&self) -> bool {
        let theirs = items(&self.case["expect"]["rows"]).count();
        self.code() == 0 && self.ours.is_ok() && self.our_rows().len() == theirs
    }

    /// True where whole numbers of the last columns are greater by one in Pinot, be it of a group that only Pinot has or in an
    /// order that follows them.
    pub(super) fn differs_by_one_row(&self) -> bool {
        let keyed = |rows: Vec<Vec<Json>>| -> BTreeMap<String, f64> {
            let split = rows.into_iter().filter_map(|mut row| {
                let last = number(&row.pop()?)?;
                Some((Json::from(row).to_string(), last))
            });
            split.collect()
        };
        let theirs = items(&self.case["expect"]["rows"]).map(|row| items(row).cloned().collect());
        let (ours, theirs) = (keyed(self.our_rows()), keyed(theirs.collect()));
        let close = |(key, theirs): (&String, &f64)| match ours.get(key) {
            Some(ours) => (theirs - ours).abs() <= 1.0,
            None => true,
        };
        let common = theirs.keys().filter(|key| ours.contains_key(*key)).count();
        let further = theirs.len() - common;
        self.code() == 0
            && self.ours.is_ok()
            && further <= 1 + theirs.len() / 4
            && theirs.iter().all(close)
    }

    /// True where both have the same rows, each in an order of its own.
    pub(super) fn same_rows_in_another_order(&self) -> bool {
        let sorted = |rows: Vec<String>| {
            let mut rows = rows;
            rows.sort();
            rows
        };
        let ours = self.our_rows().into_iter();
        let ours = sorted(ours.map(|row| Json::from(row).to_string()).collect());
        let theirs = items(&self.case["expect"]["rows"]).map(Json::to_string);
        self.ours.is_ok() && ours == sorted(theirs.collect())
    }

    /// True where ours are Pinot's rows with others among them: LIMIT may cut some of the last.
    pub(super) fn only_further_rows(&self) -> bool {
        let ours = self.our_rows();
        self.ours.is_ok() && self.has_among(&ours, &self.their_rows())
    }

    /// True where Pinot's are our rows with others among them: LIMIT may cut some of the last.
    pub(super) fn only_missing_rows(&self) -> bool {
        let theirs = self.their_rows();
        self.ours.is_ok() && self.has_among(&theirs, &self.our_rows())
    }

    fn their_rows(&self) -> Vec<Vec<Json>> {
        let rows = items(&self.case["expect"]["rows"]);
        rows.map(|row| items(row).cloned().collect()).collect()
    }

    /// True where the first have the second among them, in their order.
    fn has_among(&self, all: &[Vec<Json>], some: &[Vec<Json>]) -> bool {
        let same = |a: &[Json], b: &[Json]| {
            let mut cells = a.iter().zip(b);
            cells.all(|(a, b)| compare::agree(a, b) || same_number(a, b))
        };
        let mut some = some.iter().peekable();
        let mut common = 0;
        for row in all {
            common += u32::from(some.next_if(|other| same(row, other)).is_some());
        }
        common > 0 && (some.next().is_none() || all.len() == self.limit())
    }

    /// The most rows that the query asks for.
    fn limit(&self) -> usize {
        let last = self.sql.rsplit_once(" LIMIT ").map(|(_, limit)| limit);
        last.and_then(|limit| limit.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Groups that there are before HAVING; none where that cannot be asked.
    pub(super) fn groups(&self) -> usize {
        let asked = || {
            let (all, _) = self.sql.rsplit_once(" LIMIT ")?;
            let all = match all.split_once(" HAVING ") {
                Some((before, behind)) => {
                    let (_, order) = behind.split_once(" ORDER BY ")?;
                    format!("{before} ORDER BY {order}")
                }
                None => all.to_owned(),
            };
            let sql = format!("{all} LIMIT 1000000");
            asking::ours(&sql, self.multi()).ok()
        };
        asked().map_or(0, |table| asking::cells(&table).len())
    }

    /// True where Pinot's rows are ours with 0.0 and -0.0 apart: LIMIT may cut some of the last.
    pub(super) fn only_zeros_twice(&self) -> bool {
        let zero = |row: &&Json| items(row).next().and_then(Json::as_f64) == Some(0.0);
        let theirs: Vec<&Json> = items(&self.case["expect"]["rows"]).collect();
        let mut met = 0;
        let kept = theirs.into_iter().filter(|row| {
            met += u32::from(zero(row));
            !zero(row) || met == 1
        });
        let kept: Vec<&Json> = kept.collect();
        let ours = self.our_rows();
        let equal = |(ours, theirs): (&Vec<Json>, &&Json)| {
            ours.iter()
                .zip(items(theirs))
                .all(|(a, b)| compare::agree(a, b) || a.as_f64() == b.as_f64())
        };
        met == 2 && ours.len() >= kept.len() && ours.iter().zip(&kept).all(equal)
    }

    /// True where the rows that one side alone has are those that begin with a zero; LIMIT may cut the other side's last.
    pub(super) fn only_zeros_differ(&self) -> bool {
        let zero = |row: &&[Json]| row.first().and_then(Json::as_f64) == Some(0.0);
        let theirs: Vec<&[Json]> = items(&self.case["expect"]["rows"])
            .filter_map(|row| row.as_array().map(Vec::as_slice))
            .collect();
        let ours = self.our_rows();
        let kept = |rows: Vec<&[Json]>| -> Vec<Vec<Json>> {
            let rows = rows.into_iter().filter(|row| !zero(row));
            rows.map(<[Json]>::to_vec).collect()
        };
        let zeros = ours.iter().map(Vec::as_slice).filter(zero).count();
        let (a, b) = (kept(ours.iter().map(Vec::as_slice).collect()), kept(theirs));
        let agree =
            |(a, b): (&Vec<Json>, &Vec<Json>)| a.iter().zip(b).all(|(a, b)| compare::agree(a, b));
        zeros > 0 && self.ours.is_ok() && self.code() == 0 && a.iter().zip(&b).all(agree)
    }

    /// True where names, types and cells agree, each as they are or by a rule.
    pub(super) fn agree(
        &self,
        name: fn(&str, &str) -> bool,
        of_type: fn(&str, &str) -> bool,
        cell: impl Fn(&Json, &Json) -> bool,
    ) -> bool {
        let Ok(table) = self.ours else {
            return false;
        };
        let texts = |ours: &[String], theirs: &str, rule: fn(&str, &str) -> bool| {
            let theirs: Vec<&str> = items(&self.case["expect"][theirs])
                .filter_map(Json::as_str)
                .collect();
            let mut pairs = ours.iter().zip(&theirs);
            ours.len() == theirs.len() && pairs.all(|(a, b)| a == b || rule(a, b))
        };
        let types: Vec<String> = table.types.iter().map(ToString::to_string).collect();
        let theirs: Vec<&Json> = items(&self.case["expect"]["rows"]).collect();
        let ours = asking::cells(table);
        let same = |(ours, theirs): (&Vec<Json>, &&Json)| {
            let theirs: Vec<&Json> = items(theirs).collect();
            let mut cells = ours.iter().zip(&theirs);
            ours.len() == theirs.len() && cells.all(|(a, b)| compare::agree(a, b) || cell(a, b))
        };
        self.code() == 0
            && texts(&table.names, "names", name)
            && texts(&types, "types", of_type)
            && ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(same)
    }

    /// The same where names and types are as they are.
    pub(super) fn cells_agree(&self, rule: impl Fn(&Json, &Json) -> bool) -> bool {
        self.agree(same, same, rule)
    }

    /// The same where names and cells are as they are.
    pub(super) fn types_agree(&self, rule: fn(&str, &str) -> bool) -> bool {
        self.agree(same, rule, same)
    }
}

pub(super) fn items(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

/// What agrees as it is alone.
pub(super) fn same<T: PartialEq + ?Sized>(ours: &T, theirs: &T) -> bool {
    ours == theirs
}

/// A number, written as one or as a text.
pub(super) fn number(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.parse().ok())
}

/// True for numbers that are equal as numbers, 0 and 0.0 say.
fn same_number(ours: &Json, theirs: &Json) -> bool {
    matches!((number(ours), number(theirs)), (Some(a), Some(b)) if a == b)
}

/// True for what a type answers as the extreme of no rows.
pub(super) fn is_extreme(json: &Json) -> bool {
    match json {
        Json::String(text) => matches!(text.as_str(), "Infinity" | "-Infinity" | "NaN"),
        _ => matches!(
            json.as_i64(),
            Some(i64::MIN | i64::MAX | -2_147_483_648 | 2_147_483_647)
        ),
    }
}

/// True for a count of ours that is less than theirs.
pub(super) fn fewer(ours: &Json, theirs: &Json) -> bool {
    matches!((ours.as_u64(), theirs.as_u64()), (Some(a), Some(b)) if a < b)
}

/// True for a text or an array without anything in it.
pub(super) fn is_empty(json: &Json) -> bool {
    json.as_str() == Some("") || json.as_array().is_some_and(Vec::is_empty)
}

/// A number without its fraction.
pub(super) fn cut(json: &Json) -> Option<f64> {
    json.as_f64().map(f64::trunc)
}

/// True for arrays of the same values.
pub(super) fn same_values(ours: &Json, theirs: &Json) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_array(), theirs.as_array()) else {
        return false;
    };
    let sorted = |all: &[Json]| {
        let mut texts: Vec<String> = all.iter().map(Json::to_string).collect();
        texts.sort();
        texts
    };
    sorted(ours) == sorted(theirs)
}

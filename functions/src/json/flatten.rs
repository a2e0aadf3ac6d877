//! Flattening: a document becomes records of key and text, one record per combination of elements of sibling arrays.
//!
//! Must not know: filters, indexes. Invariant: keys are in the inner form that the JSON index uses: `.a.b` for fields, an
//! extra `.` for any array element (`.a..b` is `$.a[*].b`), and `.a.$index` holds the element's position.

use super::{Json, Numbers};

/// Keys and values of one combination of array elements.
pub type Record = Vec<(String, String)>;

/// More combinations than this are not built: a document of a few kilobytes could ask for millions.
const MAX_RECORDS: usize = 100_000;

/// The records of a document; none where the text is no JSON, or holds nothing but nulls and empty containers.
#[must_use]
pub fn flatten(json: &str) -> Vec<Record> {
    Json::parse(json).map_or_else(|_| Vec::new(), |document| flatten_value(&document))
}

/// The records of a value.
pub(super) fn flatten_value(value: &Json<'_>) -> Vec<Record> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| {
                let mut records = flatten_value(item);
                for record in &mut records {
                    prefix(record, ".");
                    record.push((".$index".to_owned(), index.to_string()));
                }
                records
            })
            .take(MAX_RECORDS)
            .collect(),
        Json::Object(fields) => flatten_fields(fields),
        scalar => vec![vec![(String::new(), scalar.to_cell(Numbers::Double))]],
    }
}

fn prefix(record: &mut Record, with: &str) {
    for (key, _) in record {
        key.insert_str(0, with);
    }
}

fn flatten_fields(fields: &[(std::borrow::Cow<'_, str>, Json<'_>)]) -> Vec<Record> {
    let mut shared = Record::new();
    let mut combined: Vec<Record> = Vec::new();
    for (name, value) in fields {
        let mut records = flatten_value(value);
        let with = format!(".{name}");
        for record in &mut records {
            prefix(record, &with);
        }
        match records.len() {
            0 => {}
            1 => shared.extend(records.pop().unwrap_or_default()),
            _ if combined.is_empty() => combined = records,
            _ => {
                combined = combined
                    .iter()
                    .flat_map(|left| {
                        records.iter().map(|right| {
                            let mut both = left.clone();
                            both.extend_from_slice(right);
                            both
                        })
                    })
                    .take(MAX_RECORDS)
                    .collect();
            }
        }
    }
    if combined.is_empty() {
        return if shared.is_empty() {
            Vec::new()
        } else {
            vec![shared]
        };
    }
    for record in &mut combined {
        record.extend_from_slice(&shared);
    }
    combined
}

/// The inner key that a path of a filter looks up, and the `$index` keys with the positions that it asks for:
/// `$.a[0].b` is `.a..b` where `.a.$index` is `0`. `None` where a bracket is not closed.
#[must_use]
pub fn search_key(path: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut key = match path.strip_prefix('$') {
        Some(rest) => rest.to_owned(),
        None => format!(".{path}"),
    };
    let mut positions = Vec::new();
    while let Some(open) = key.find('[') {
        let close = open + key[open..].find(']')?;
        let index = &key[open + 1..close];
        let left = &key[..open];
        if index != "*" {
            positions.push((format!("{left}.$index"), index.to_owned()));
        }
        key = format!("{left}.{}", &key[close + 1..]);
    }
    Some((key, positions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(json: &str) -> Vec<Record> {
        let mut records = flatten(json);
        for record in &mut records {
            record.sort();
        }
        records
    }

    fn record(pairs: &[(&str, &str)]) -> Record {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn arrays_become_records() {
        assert_eq!(
            sorted(r#"{"n":1.50,"list":[7,null,{"k":"x"}],"no":[],"nil":null}"#),
            [
                record(&[(".list.", "7"), (".list.$index", "0"), (".n", "1.5")]),
                record(&[(".list.$index", "2"), (".list..k", "x"), (".n", "1.5")]),
            ]
        );
        assert_eq!(
            sorted("[[1]]"),
            [record(&[(".$index", "0"), ("..", "1"), ("..$index", "0")])]
        );
        assert_eq!(sorted("{\"a\":[1,2],\"b\":[3,4,5]}").len(), 6);
        assert_eq!(sorted("3"), [record(&[("", "3")])]);
        assert!(sorted("{}").is_empty() && sorted("{a").is_empty());
    }

    #[test]
    fn paths_become_keys() {
        assert_eq!(search_key("$.a[*].b"), Some((".a..b".into(), vec![])));
        assert_eq!(
            search_key("a[0].b[1]"),
            Some((
                ".a..b.".into(),
                vec![
                    (".a.$index".into(), "0".into()),
                    (".a..b.$index".into(), "1".into())
                ]
            ))
        );
        assert_eq!(search_key("$.a[0"), None);
    }
}

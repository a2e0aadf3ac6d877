//! Evaluation of paths over a document.
//!
//! Must not know: where documents come from. Invariant: a definite path names at most one value; a path that leads
//! nowhere is no error.

use std::borrow::Cow;

use super::path::{JsonPath, Step, Tail, definite};
use super::{Json, JsonError, parse};

/// Where a match was found: what jsonExtractKey prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// A field of an object.
    Field(&'a str),
    /// An element of an array.
    Index(usize),
}

impl JsonPath {
    /// What the path names: its value where definite (`None` where there is none, or JSON null), else the list of all
    /// matches.
    #[must_use]
    pub fn evaluate<'d>(&self, root: &Json<'d>) -> Option<Json<'d>> {
        let mut matches = Vec::new();
        self.visit(root, &mut |_, value| matches.push(value));
        let found: Option<Cow<'_, Json<'d>>> = if definite(&self.steps) {
            matches.first().map(|value| Cow::Borrowed(*value))
        } else {
            Some(Cow::Owned(Json::Array(
                matches.into_iter().cloned().collect(),
            )))
        };
        let found = match self.tail {
            None => found?.into_owned(),
            Some(tail) => apply(tail, found?.as_ref())?,
        };
        (found != Json::Null).then_some(found)
    }

    /// What the path names in a text. A path of single fields and places builds nothing of the document but that.
    ///
    /// # Errors
    /// Where the text does not start with a JSON value, or nests deeper than 500 levels.
    pub fn find<'d>(&self, text: &'d str) -> Result<Option<Json<'d>>, JsonError> {
        let from_end = |step: &Step| matches!(step, Step::Indexes(at) if at[0] < 0);
        if self.tail.is_none() && definite(&self.steps) && !self.steps.iter().any(from_end) {
            return Ok(parse::find(text, &self.steps)?.filter(|found| *found != Json::Null));
        }
        Ok(self.evaluate(&Json::parse(text)?))
    }

    /// True where the path names anything, JSON null included.
    pub(super) fn exists(&self, root: &Json<'_>) -> bool {
        let mut found = false;
        self.visit(root, &mut |_, _| found = true);
        found
    }

    /// The places of all matches.
    pub(crate) fn places<'v>(&self, root: &'v Json<'_>) -> Vec<Vec<Place<'v>>> {
        let mut places = Vec::new();
        self.visit(root, &mut |place, _| places.push(place.to_vec()));
        places
    }

    fn visit<'v, 'd>(&self, root: &'v Json<'d>, found: &mut dyn FnMut(&[Place<'v>], &'v Json<'d>)) {
        let mut walk = Walk {
            root,
            place: Vec::new(),
            found,
        };
        walk.steps(&self.steps, root);
    }
}

struct Walk<'f, 'v, 'd> {
    root: &'v Json<'d>,
    place: Vec<Place<'v>>,
    found: &'f mut dyn FnMut(&[Place<'v>], &'v Json<'d>),
}

impl<'v, 'd> Walk<'_, 'v, 'd> {
    fn steps(&mut self, steps: &[Step], value: &'v Json<'d>) {
        let Some((step, rest)) = steps.split_first() else {
            (self.found)(&self.place, value);
            return;
        };
        match step {
            Step::Deep => self.deep(rest, value),
            Step::Fields(names) => {
                if let Json::Object(fields) = value {
                    for name in names {
                        let field = fields.iter().rev().find(|(key, _)| key == name);
                        if let Some((key, child)) = field {
                            self.down(Place::Field(key), rest, child);
                        }
                    }
                }
            }
            Step::Indexes(indexes) => {
                if let Json::Array(items) = value {
                    for index in indexes {
                        let at = from_end(*index, items.len());
                        if let Some(child) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
                            self.down(Place::Index(at as usize), rest, child);
                        }
                    }
                }
            }
            Step::Slice(from, to) => {
                if let Json::Array(items) = value {
                    let from = from.map_or(0, |from| from_end(from, items.len()).max(0));
                    let to = to.map_or(items.len() as i64, |to| from_end(to, items.len()));
                    for at in from..to.min(items.len() as i64) {
                        self.down(Place::Index(at as usize), rest, &items[at as usize]);
                    }
                }
            }
            Step::Any => self.children(value, |walk, place, child| walk.down(place, rest, child)),
            Step::Where(condition) => match value {
                Json::Array(_) => self.children(value, |walk, place, child| {
                    if condition.holds(child, walk.root) {
                        walk.down(place, rest, child);
                    }
                }),
                Json::Object(_) if condition.holds(value, self.root) => self.steps(rest, value),
                _ => {}
            },
        }
    }

    fn down(&mut self, place: Place<'v>, rest: &[Step], child: &'v Json<'d>) {
        self.place.push(place);
        self.steps(rest, child);
        self.place.pop();
    }

    fn children(
        &mut self,
        value: &'v Json<'d>,
        mut visit: impl FnMut(&mut Self, Place<'v>, &'v Json<'d>),
    ) {
        match value {
            Json::Array(items) => {
                for (index, child) in items.iter().enumerate() {
                    visit(self, Place::Index(index), child);
                }
            }
            Json::Object(fields) => {
                for (key, child) in fields {
                    visit(self, Place::Field(key), child);
                }
            }
            _ => {}
        }
    }

    /// The rest of the path at this value, then at every value below.
    fn deep(&mut self, rest: &[Step], value: &'v Json<'d>) {
        self.steps(rest, value);
        self.children(value, |walk, place, child| {
            walk.place.push(place);
            walk.deep(rest, child);
            walk.place.pop();
        });
    }
}

fn from_end(index: i64, length: usize) -> i64 {
    if index < 0 {
        index + length as i64
    } else {
        index
    }
}

fn apply<'d>(tail: Tail, value: &Json<'d>) -> Option<Json<'d>> {
    let numbers = || -> Option<Vec<f64>> {
        match value {
            Json::Array(items) => Some(items.iter().filter_map(Json::as_f64).collect()),
            _ => None,
        }
    };
    let number = |number: f64| Json::Number(Cow::Owned(common::java_text::double_text(number)));
    match (tail, value) {
        (Tail::Length, Json::Array(items)) => Some(Json::from_count(items.len())),
        (Tail::Length, Json::Object(fields)) => Some(Json::from_count(fields.len())),
        (Tail::Length, Json::Text(text)) => Some(Json::from_count(text.encode_utf16().count())),
        (Tail::Keys, Json::Object(fields)) => Some(Json::Array(
            fields
                .iter()
                .map(|(key, _)| Json::Text(key.clone()))
                .collect(),
        )),
        (Tail::First, Json::Array(items)) => items.first().cloned(),
        (Tail::Last, Json::Array(items)) => items.last().cloned(),
        (Tail::Min, _) => numbers()?.into_iter().reduce(f64::min).map(number),
        (Tail::Max, _) => numbers()?.into_iter().reduce(f64::max).map(number),
        (Tail::Sum, _) => Some(number(numbers()?.into_iter().sum())),
        (Tail::Average, _) => {
            let numbers = numbers()?;
            (!numbers.is_empty())
                .then(|| number(numbers.iter().sum::<f64>() / numbers.len() as f64))
        }
        _ => None,
    }
}

/// Places as bracket notation (`$['a'][0]`) or joined by points (`a.0`).
pub(crate) fn place_text(place: &[Place<'_>], dots: bool) -> String {
    let mut out = String::from(if dots { "" } else { "$" });
    for step in place {
        match (step, dots) {
            (Place::Field(name), false) => {
                out.push_str("['");
                out.push_str(name);
                out.push_str("']");
            }
            (Place::Index(index), false) => {
                out.push('[');
                out.push_str(&index.to_string());
                out.push(']');
            }
            (step, true) => {
                if !out.is_empty() {
                    out.push('.');
                }
                match step {
                    Place::Field(name) => out.push_str(name),
                    Place::Index(index) => out.push_str(&index.to_string()),
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Numbers;

    fn answer(json: &str, path: &str) -> Option<String> {
        let document = Json::parse(json).ok()?;
        let path = JsonPath::parse(path).ok()?;
        let found = path.evaluate(&document);
        assert_eq!(path.find(json).ok()?, found);
        let found = found?;
        let mut out = String::new();
        found.write(&mut out, Numbers::Double);
        Some(out)
    }

    const DOC: &str = r#"{"a":1,"b":[1,2,{"c":"x"}],"d":{"e f":null,"g":2.5,"h":true},"s":"12",
        "o":[{"n":1,"t":"p"},{"n":2,"t":"q"},{"n":3,"t":"p"}]}"#;

    #[test]
    fn paths_find_what_jayway_finds() {
        for (path, expected) in [
            ("$.a", Some("1")),
            ("a", Some("1")),
            ("$.b", Some("[1,2,{\"c\":\"x\"}]")),
            ("$.b[2].c", Some("\"x\"")),
            ("$.b[-1].c", Some("\"x\"")),
            ("$.b[0:2]", Some("[1,2]")),
            ("$.b[-2:]", Some("[2,{\"c\":\"x\"}]")),
            ("$.b[:1]", Some("[1]")),
            ("$.b[0,1]", Some("[1,2]")),
            ("$.d['e f']", None),
            ("$['d']['g']", Some("2.5")),
            ("$.zz", None),
            ("$.zz[*]", Some("[]")),
            ("$.a.b", None),
            ("$.b[9]", None),
            ("$..c", Some("[\"x\"]")),
            ("$.b.length()", Some("3")),
            ("$.d.*", Some("[null,2.5,true]")),
            ("$.o[*].n", Some("[1,2,3]")),
            ("$.o[?(@.n > 1)].t", Some("[\"q\",\"p\"]")),
            ("$.o[?(@.n > 1 && @.t == 'p')].n", Some("[3]")),
            ("$.o[?(@.t in ['q'] || !(@.n < 3))].n", Some("[2,3]")),
            ("$.o[?(@.t =~ /P/i)].n", Some("[1,3]")),
            ("$.o[?(@.zz)]", Some("[]")),
            ("$.o[*].n.max()", Some("3.0")),
            ("$['a','s']", Some("[1,\"12\"]")),
        ] {
            assert_eq!(answer(DOC, path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn places_print_in_both_notations() -> Result<(), Box<dyn std::error::Error>> {
        let document = Json::parse("{\"a\":{\"b\":[5]}}")?;
        let places = JsonPath::parse("$..*")?.places(&document);
        let texts: Vec<_> = places.iter().map(|p| place_text(p, false)).collect();
        assert_eq!(texts, ["$['a']", "$['a']['b']", "$['a']['b'][0]"]);
        assert_eq!(place_text(&places[2], true), "a.b.0");
        Ok(())
    }
}

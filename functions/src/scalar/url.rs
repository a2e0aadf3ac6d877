//! Parts of URLs, URLs without parts, and form encoding.
//!
//! Must not know: how a URI is read; [`super::uri`] does. Invariant: text that is no URI answers null, an empty array, or
//! itself, never an error (but for decodeUrl).

use std::borrow::Cow;

use common::{Block, TextVec, Values};

use super::lift::{Rows, Text, arrays, unary};
use super::text::{
    Answer, Example, INT, Kernel, Names, TEXT, TEXTS, row, write_optional_text, write_text,
    write_texts,
};
use super::uri::{Uri, decode, form_decode, form_encode};
use super::{Family, Params, ScalarFunction, param};
use crate::FunctionError;

const ONE: Params = Params::Fixed(&[param::TEXT]);
const TWO: Params = Params::Fixed(&[param::TEXT, param::TEXT]);

const fn part(names: Names, doc: &'static str, example: Example, eval: Kernel) -> ScalarFunction {
    row(names, ONE, TEXT, doc, example, eval)
}

const fn list(names: Names, doc: &'static str, example: Example, eval: Kernel) -> ScalarFunction {
    row(names, ONE, TEXTS, doc, example, eval)
}

/// The functions.
pub(crate) static FAMILY: Family = Family {
    title: "URLs",
    functions: &[
        part(
            &["urlprotocol"],
            "The scheme.",
            ("urlProtocol('https://a.com')", "https"),
            |a, _| optional(a, |uri| uri.scheme.map(Cow::Borrowed)),
        ),
        part(
            &["urldomain"],
            "The host.",
            ("urlDomain('https://a.com/b')", "a.com"),
            |a, _| optional(a, |uri| uri.host.map(Cow::Borrowed)),
        ),
        part(
            &["urldomainwithoutwww"],
            "The host without www.",
            ("urlDomainWithoutWWW('http://www.a.com')", "a.com"),
            |a, _| {
                optional(a, |uri| {
                    uri.host
                        .map(|h| Cow::Borrowed(h.strip_prefix("www.").unwrap_or(h)))
                })
            },
        ),
        part(
            &["urltopleveldomain"],
            "The last label of the host.",
            ("urlTopLevelDomain('http://a.com.br')", "br"),
            |a, _| {
                optional(a, |uri| {
                    uri.host
                        .and_then(|h| labels(h).last().copied())
                        .map(Cow::Borrowed)
                })
            },
        ),
        part(
            &["urlfirstsignificantsubdomain"],
            "The label before the public suffix, as far as its form tells.",
            (
                "urlFirstSignificantSubdomain('https://www.news.example.co.uk')",
                "example",
            ),
            |a, _| {
                optional(a, |uri| {
                    let labels = labels(uri.host?);
                    labels.get(significant(&labels)).copied().map(Cow::Borrowed)
                })
            },
        ),
        part(
            &["cuttofirstsignificantsubdomain"],
            "The host from its first significant label on.",
            (
                "cutToFirstSignificantSubdomain('https://www.news.example.co.uk')",
                "example.co.uk",
            ),
            |a, _| {
                optional(a, |uri| {
                    uri.host.map(|host| significant_domain(host, false))
                })
            },
        ),
        part(
            &["cuttofirstsignificantsubdomainwithwww"],
            "The host from its first significant label on, with www. where that stands right before.",
            (
                "cutToFirstSignificantSubdomainWithWWW('http://www.example.com')",
                "www.example.com",
            ),
            |a, _| optional(a, |uri| uri.host.map(|host| significant_domain(host, true))),
        ),
        row(
            &["urlport"],
            ONE,
            INT,
            "The port, -1 where there is none.",
            ("urlPort('http://a.com:81/')", "81"),
            |a, _| {
                unary::<Text, Vec<i32>, _>(a, INT, |text| {
                    let port = Uri::parse(text).and_then(|uri| uri.port);
                    Ok(port.and_then(|p| i32::try_from(p).ok()).unwrap_or(-1))
                })
            },
        ),
        part(
            &["urlpath"],
            "The path, decoded.",
            ("urlPath('http://a.com/b%20c?d')", "/b c"),
            |a, _| {
                optional(a, |uri| {
                    (uri.scheme.is_some() && uri.host.is_some())
                        .then(|| decode(uri.path.unwrap_or("")))
                })
            },
        ),
        part(
            &["urlpathwithquery"],
            "The path as written; without the query, in spite of the name.",
            ("urlPathWithQuery('http://a.com/b%20c?d')", "/b%20c"),
            |a, _| {
                optional(a, |uri| {
                    (uri.scheme.is_some() && uri.host.is_some())
                        .then(|| Cow::Borrowed(uri.path.unwrap_or("")))
                })
            },
        ),
        part(
            &["urlquerystring"],
            "The query as written.",
            ("urlQueryString('http://a.com/?x=1#f')", "x=1"),
            |a, _| optional(a, |uri| uri.query.map(Cow::Borrowed)),
        ),
        part(
            &["urlfragment"],
            "The fragment, decoded.",
            ("urlFragment('http://a.com/?x=1#f')", "f"),
            |a, _| optional(a, |uri| uri.fragment.map(decode)),
        ),
        part(
            &["urlquerystringandfragment"],
            "Query and fragment, decoded.",
            ("urlQueryStringAndFragment('http://a.com/?x=1#f')", "x=1#f"),
            |a, _| optional(a, query_and_fragment),
        ),
        part(
            &["urlnetloc"],
            "User, host and port.",
            ("urlNetloc('http://u@a.com:81/b')", "u@a.com:81"),
            |a, _| optional(a, |uri| Some(Cow::Owned(netloc(uri)))),
        ),
        row(
            &["extracturlparameter"],
            TWO,
            TEXT,
            "The value of the first parameter of a name, empty where there is none.",
            ("extractURLParameter('http://a.com/?x=1&y=2', 'y')", "2"),
            |a, _| {
                let (text, name) = (Rows::<Text>::of(&a[0])?, Rows::<Text>::of(&a[1])?);
                write_text(a, |row, out| {
                    let query = decoded_query(text.get(row)).unwrap_or_default();
                    let found = parameters(&query)
                        .into_iter()
                        .map(name_and_value)
                        .find(|(n, _)| *n == name.get(row));
                    out.push_str(found.and_then(|(_, value)| value).unwrap_or(""));
                    Ok(())
                })
            },
        ),
        list(
            &["extracturlparameters"],
            "All parameters as name=value.",
            ("extractURLParameters('http://a.com/?x=1&y=2')", "[x=1,y=2]"),
            |a, _| {
                listed(a, |text, items| {
                    if let Some(query) = decoded_query(text) {
                        parameters(&query).into_iter().for_each(|p| items.push(p));
                    }
                })
            },
        ),
        list(
            &["extracturlparameternames"],
            "The names of all parameters.",
            ("extractURLParameterNames('http://a.com/?x=1&y')", "[x,y]"),
            |a, _| {
                listed(a, |text, items| {
                    if let Some(query) = decoded_query(text) {
                        parameters(&query)
                            .into_iter()
                            .for_each(|p| items.push(name_and_value(p).0));
                    }
                })
            },
        ),
        list(
            &["urlhierarchy"],
            "Scheme and host, then with each step of the path.",
            (
                "urlHierarchy('http://a.com/b/c')",
                "[http://a.com,http://a.com/b,http://a.com/b/c]",
            ),
            |a, _| listed(a, hierarchy),
        ),
        list(
            &["urlpathhierarchy"],
            "Each step of the path.",
            ("urlPathHierarchy('http://a.com/b/c')", "[/b,/b/c]"),
            |a, _| {
                listed(a, |text, items| {
                    if let Some(path) = Uri::parse(text).and_then(|uri| uri.path).map(decode) {
                        push_steps("", &path, items);
                    }
                })
            },
        ),
        part(
            &["urlencode", "urlencodeformcomponent"],
            "In form encoding.",
            ("urlEncode('a b&c')", "a+b%26c"),
            |a, _| encode(a),
        ),
        part(
            &["urldecode", "urldecodeformcomponent"],
            "From form encoding; null where that is malformed.",
            ("urlDecode('a+b%26c')", "a b&c"),
            |a, _| {
                let text = Rows::<Text>::of(&a[0])?;
                write_optional_text(a, |row, out| {
                    let decoded = form_decode(text.get(row));
                    out.push_str(decoded.as_deref().unwrap_or(""));
                    Ok(decoded.is_some())
                })
            },
        ),
        part(
            &["encodeurl"],
            "In form encoding.",
            ("encodeUrl('a b')", "a+b"),
            |a, _| encode(a),
        ),
        part(
            &["decodeurl"],
            "From form encoding; an error where that is malformed.",
            ("decodeUrl('a%20b')", "a b"),
            |a, _| {
                let text = Rows::<Text>::of(&a[0])?;
                write_text(a, |row, out| {
                    let text = text.get(row);
                    let decoded = form_decode(text).ok_or_else(|| {
                        FunctionError::Evaluation(format!(
                            "URLDecoder: Illegal hex characters in escape (%) pattern in `{text}`"
                        ))
                    })?;
                    out.push_str(&decoded);
                    Ok(())
                })
            },
        ),
        part(
            &["cutwww"],
            "Without www. at the start of the host.",
            ("cutWWW('http://www.a.com/')", "http://a.com/"),
            |a, _| {
                changed(a, |parts| {
                    parts.host = parts.host.map(|h| h.strip_prefix("www.").unwrap_or(h))
                })
            },
        ),
        part(
            &["cutquerystring"],
            "Without the query.",
            ("cutQueryString('http://a.com/?x=1#f')", "http://a.com/#f"),
            |a, _| changed(a, |parts| parts.query = None),
        ),
        part(
            &["cutfragment"],
            "Without the fragment.",
            ("cutFragment('http://a.com/?x=1#f')", "http://a.com/?x=1"),
            |a, _| changed(a, |parts| parts.fragment = None),
        ),
        part(
            &["cutquerystringandfragment"],
            "Without query and fragment.",
            (
                "cutQueryStringAndFragment('http://a.com/?x=1#f')",
                "http://a.com/",
            ),
            |a, _| changed(a, |parts| (parts.query, parts.fragment) = (None, None)),
        ),
        row(
            &["cuturlparameter"],
            TWO,
            TEXT,
            "Without the parameters of a name.",
            (
                "cutURLParameter('http://a.com/?x=1&y=2', 'x')",
                "http://a.com/?y=2",
            ),
            |a, _| {
                let (text, name) = (Rows::<Text>::of(&a[0])?, Rows::<Text>::of(&a[1])?);
                write_text(a, |row, out| {
                    out.push_str(&cut_parameter(text.get(row), name.get(row)));
                    Ok(())
                })
            },
        ),
        row(
            &["cuturlparameters"],
            Params::Fixed(&[param::TEXT, param::TEXTS]),
            TEXT,
            "Without the parameters of several names.",
            (
                "cutURLParameters('http://a.com/?x=1&y=2', ARRAY['x', 'y'])",
                "http://a.com/",
            ),
            |a, _| cut_parameters(a),
        ),
    ],
};

/// The part that `pick` takes of a URI; null where the text is none.
fn optional(args: &[Block], pick: impl for<'a> Fn(&Uri<'a>) -> Option<Cow<'a, str>>) -> Answer {
    let text = Rows::<Text>::of(&args[0])?;
    write_optional_text(args, |row, out| {
        let uri = Uri::parse(text.get(row));
        let part = uri.as_ref().and_then(&pick);
        out.push_str(part.as_deref().unwrap_or(""));
        Ok(part.is_some())
    })
}

fn listed(args: &[Block], push: impl Fn(&str, &mut TextVec)) -> Answer {
    let text = Rows::<Text>::of(&args[0])?;
    write_texts(args, |row, items| {
        push(text.get(row), items);
        Ok(())
    })
}

/// The URI composed again after a change; the text as it was where it is no URI.
fn changed(args: &[Block], change: impl Fn(&mut super::uri::Parts<'_>)) -> Answer {
    let text = Rows::<Text>::of(&args[0])?;
    write_text(args, |row, out| {
        let text = text.get(row);
        let composed = Uri::parse(text).and_then(|uri| {
            let mut parts = uri.parts();
            change(&mut parts);
            Uri::compose(&parts)
        });
        out.push_str(composed.as_deref().unwrap_or(text));
        Ok(())
    })
}

fn encode(args: &[Block]) -> Answer {
    let text = Rows::<Text>::of(&args[0])?;
    write_text(args, |row, out| {
        form_encode(text.get(row), out);
        Ok(())
    })
}

/// `String.split` on one character: without empty parts at the end.
fn java_split(text: &str, at: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(at).collect();
    while parts.len() > 1 && parts.last().is_some_and(|p| p.is_empty()) {
        parts.pop();
    }
    if parts == [""] && !text.is_empty() {
        parts.clear();
    }
    parts
}

fn labels(host: &str) -> Vec<&str> {
    java_split(host, '.')
}

/// Position of the first significant label.
fn significant(labels: &[&str]) -> usize {
    match labels {
        [] | [_] | [_, _] => 0,
        [.., "com" | "net" | "org" | "co"] => labels.len() - 2,
        _ => labels.len() - 3,
    }
}

fn significant_domain(host: &str, www: bool) -> Cow<'_, str> {
    let labels = labels(host);
    if labels.len() <= 2 {
        return Cow::Borrowed(host);
    }
    let mut from = significant(&labels);
    if www && from == 1 && labels[0] == "www" {
        from = 0;
    }
    Cow::Owned(labels[from..].join("."))
}

fn query_and_fragment<'a>(uri: &Uri<'a>) -> Option<Cow<'a, str>> {
    let (query, fragment) = (uri.query.map(decode), uri.fragment.map(decode));
    match (query, fragment) {
        (Some(query), Some(fragment)) if !query.is_empty() => {
            Some(Cow::Owned(format!("{query}#{fragment}")))
        }
        (_, Some(fragment)) => Some(fragment),
        (query, None) => query,
    }
}

fn netloc(uri: &Uri<'_>) -> String {
    let mut out = String::new();
    if let Some(user) = uri.user.map(decode).filter(|u| !u.is_empty()) {
        out.push_str(&user);
        out.push('@');
    }
    out.push_str(uri.host.unwrap_or(""));
    if let Some(port) = uri.port {
        out.push_str(&format!(":{port}"));
    }
    out
}

fn decoded_query(text: &str) -> Option<Cow<'_, str>> {
    Uri::parse(text).and_then(|uri| uri.query).map(decode)
}

fn parameters(query: &str) -> Vec<&str> {
    java_split(query, '&')
}

fn name_and_value(parameter: &str) -> (&str, Option<&str>) {
    match parameter.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (parameter, None),
    }
}

fn hierarchy(text: &str, items: &mut TextVec) {
    let Some(uri) = Uri::parse(text) else {
        return;
    };
    let (Some(scheme), Some(host)) = (uri.scheme, uri.host) else {
        return;
    };
    let base = format!("{scheme}://{host}");
    let path = uri.path.map(decode).unwrap_or_default();
    // A path of slashes alone has no steps at all.
    if !path.is_empty() && java_split(&path, '/').is_empty() {
        return;
    }
    items.push(&base);
    push_steps(&base, &path, items);
}

fn push_steps(base: &str, path: &str, items: &mut TextVec) {
    let mut so_far = base.to_owned();
    for step in java_split(path, '/').into_iter().skip(1) {
        so_far.push('/');
        so_far.push_str(step);
        items.push(&so_far);
    }
}

fn cut_parameter<'a>(text: &'a str, name: &str) -> Cow<'a, str> {
    let without = || {
        let uri = Uri::parse(text)?;
        let mut parts = uri.parts();
        let query = parts.query.take().filter(|q| !q.is_empty())?;
        let mut kept = Vec::new();
        for parameter in parameters(&query) {
            if form_decode(name_and_value(parameter).0)? != name {
                kept.push(parameter);
            }
        }
        parts.query = (!kept.is_empty()).then(|| Cow::Owned(kept.join("&")));
        Uri::compose(&parts)
    };
    without().map_or(Cow::Borrowed(text), Cow::Owned)
}

fn cut_parameters(args: &[Block]) -> Answer {
    let text = Rows::<Text>::of(&args[0])?;
    let names = arrays(&args[1])?;
    let Values::Text(items) = names.items.as_ref() else {
        return Err(FunctionError::Evaluation(
            "expected an array of text".to_owned(),
        ));
    };
    write_text(args, |row, out| {
        let mut url = text.get(row).to_owned();
        for item in names.range(args[1].at(row)) {
            url = cut_parameter(&url, items.get(item)).into_owned();
        }
        out.push_str(&url);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::DataType;

    const LONG: &str =
        "https://user:pw@www.news.example.co.uk:8080/a/b%20c/d.html?x=1&y=two&x=3&z#frag?y=9";

    fn block(text: &str) -> [Block; 1] {
        let mut values = TextVec::default();
        values.push(text);
        [Block::new(DataType::String, Values::Text(values))]
    }

    #[test]
    fn cutting_answers_what_was_recorded() -> Result<(), FunctionError> {
        let answer = changed(&block(LONG), |parts| parts.query = None)?;
        assert_eq!(
            answer.value(0).to_text(),
            "https://user:pw@www.news.example.co.uk:8080/a/b%20c/d.html#frag?y=9"
        );
        assert_eq!(
            cut_parameter(LONG, "x"),
            "https://user:pw@www.news.example.co.uk:8080/a/b%20c/d.html?y=two&z#frag?y=9"
        );
        assert_eq!(cut_parameter("not a url", "x"), "not a url");
        for same in ["not a url", "//example.com/p;q#f", "mailto:a@b.com", ""] {
            let answer = changed(&block(same), |_| ())?;
            assert_eq!(answer.value(0).to_text(), same);
        }
        Ok(())
    }

    #[test]
    fn parts_answer_what_was_recorded() -> Result<(), FunctionError> {
        let paths = listed(&block(LONG), |text, items| {
            let path = Uri::parse(text).and_then(|uri| uri.path).map(decode);
            push_steps("", &path.unwrap_or_default(), items);
        })?;
        assert_eq!(paths.value(0).to_text(), "[/a,/a/b c,/a/b c/d.html]");
        assert_eq!(
            significant_domain("www.news.example.co.uk", false),
            "example.co.uk"
        );
        assert_eq!(
            significant_domain("www.v0.example.org", true),
            "example.org"
        );
        assert_eq!(
            significant_domain("exemplo.com.br", false),
            "exemplo.com.br"
        );
        let mut items = TextVec::default();
        hierarchy("http://a.com/", &mut items);
        assert!(items.is_empty());
        Ok(())
    }
}

//! The rules of the code that no compiler checks: heads, lengths, names, and the arrows between crates.
//!
//! Must not know: what any crate does; it reads text only. Invariant: every complaint names the file, the line where there is one,
//! and the rule.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Lines that a file may have.
const LONGEST_FILE: usize = 800;
/// Words that say nothing about what a thing is.
const EMPTY_NAMES: &[&str] = &[
    "utils",
    "util",
    "manager",
    "helper",
    "helpers",
    "v2",
    "misc",
    "common_utils",
];
/// Crates that work without tokio, network and time of day.
const SYNCHRONOUS: &[&str] = &["common", "functions", "sql", "segment", "query"];
/// What such a crate must not depend on.
const ASYNCHRONOUS: &[&str] = &[
    "tokio", "reqwest", "axum", "tonic", "rdkafka", "hyper", "tower",
];
/// The only place that may call the time of day in a synchronous crate.
const CLOCK: &str = "common/src/clock.rs";
/// The only folder with `unsafe`.
const UNSAFE: &str = "segment/src/buffer";
/// Folders that hold no sources of the product.
const SKIPPED: &[&str] = &[
    "target",
    ".git",
    "node_modules",
    ".venv",
    "tests/clients",
    "tests/data",
];
/// Kinds of text files that are looked at for blanks.
const TEXT: &[&str] = &[
    "rs", "toml", "md", "yaml", "yml", "proto", "js", "css", "html", "py",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from(".."), Path::to_path_buf)
}

/// A text file of the tree.
struct File {
    /// Path from the root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|e| e == extension)
    }

    fn is_test(&self) -> bool {
        let stem = self.path.trim_end_matches(".rs");
        self.path.contains("/tests/")
            || self.path.starts_with("tests/")
            || self.path.contains("/examples/")
            || self.path.contains("/benches/")
            || stem.ends_with("tests")
    }

    /// The crate's folder.
    fn home(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// Lines with their numbers before the tests of the file.
    fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self
            .text
            .find("#[cfg(test)]\nmod ")
            .unwrap_or(self.text.len());
        let product = self.text.get(..end).unwrap_or_default();
        product.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

fn collect(folder: &Path, root: &Path, out: &mut Vec<File>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(inner) = path.strip_prefix(root) else {
            continue;
        };
        let name = inner.to_string_lossy().replace('\\', "/");
        if SKIPPED
            .iter()
            .any(|s| name == *s || name.ends_with(&format!("/{s}")))
        {
            continue;
        }
        if path.is_dir() {
            collect(&path, root, out);
        } else if path
            .extension()
            .is_some_and(|e| TEXT.iter().any(|t| e == *t))
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            out.push(File { path: name, text });
        }
    }
}

fn files() -> Vec<File> {
    let root = root();
    let mut out = Vec::new();
    collect(&root, &root, &mut out);
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

fn sources() -> Vec<File> {
    files()
        .into_iter()
        .filter(|f| f.has_extension("rs"))
        .collect()
}

/// Fails with every complaint at once.
fn judge(rule: &str, complaints: &[String]) {
    let mut text = String::new();
    for complaint in complaints {
        let _ = writeln!(text, "  {complaint}");
    }
    assert!(complaints.is_empty(), "{rule}:\n{text}");
}

#[test]
fn every_file_says_what_it_is() {
    let mut complaints = Vec::new();
    for file in sources() {
        let head: Vec<&str> = file
            .text
            .lines()
            .take_while(|l| l.starts_with("//!"))
            .collect();
        if head.is_empty() {
            complaints.push(format!("{}: no `//!` head", file.path));
        } else if !file.is_test() && !file.path.ends_with("build.rs") {
            let words = head.join(" ").to_lowercase();
            for wanted in ["must not know", "invariant"] {
                if !words.contains(wanted) {
                    complaints.push(format!("{}: the head does not say `{wanted}`", file.path));
                }
            }
        }
    }
    judge(
        "what it is, what it must not know, its invariant",
        &complaints,
    );
}

#[test]
fn files_are_short() {
    let complaints: Vec<String> = sources()
        .iter()
        .filter(|f| f.text.lines().count() > LONGEST_FILE)
        .map(|f| format!("{}: {} lines", f.path, f.text.lines().count()))
        .collect();
    judge(
        "a file has at most 800 lines: split it by concept",
        &complaints,
    );
}

/// `SegmentManager` and `segment_manager` as the words of a name.
fn words(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c == '-' || c == '.' {
            out.push(String::new());
            continue;
        }
        if c.is_uppercase() {
            out.push(String::new());
        }
        if let Some(last) = out.last_mut() {
            last.extend(c.to_lowercase());
        }
    }
    out.retain(|word| !word.is_empty());
    out
}

#[test]
fn names_say_something() {
    let empty = |name: &str| {
        words(name)
            .iter()
            .any(|w| EMPTY_NAMES.contains(&w.as_str()))
    };
    let mut complaints = Vec::new();
    for file in sources() {
        if file
            .path
            .split('/')
            .any(|part| empty(part.trim_end_matches(".rs")))
        {
            complaints.push(format!("{}: an empty name", file.path));
        }
        for (at, line) in file.text.lines().enumerate() {
            let mut rest = line
                .split_whitespace()
                .skip_while(|w| w.starts_with("pub") || *w == "async");
            let (Some(kind), Some(name)) = (rest.next(), rest.next()) else {
                continue;
            };
            let name: String = name
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if matches!(kind, "fn" | "struct" | "enum" | "trait" | "mod" | "type") && empty(&name) {
                complaints.push(format!("{}:{}: `{name}`", file.path, at + 1));
            }
        }
    }
    judge("no utils, manager, helper, v2", &complaints);
}

#[test]
fn a_name_falls_into_words() {
    assert_eq!(words("SegmentManager"), ["segment", "manager"]);
    assert_eq!(words("no_v2_here"), ["no", "v2", "here"]);
}

/// The folder of a crate -> its place from the bottom, read from the drawing in ARCHITECTURE.md.
fn layers() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap_or_default();
    let drawing = text
        .split("## Crates")
        .nth(1)
        .and_then(|rest| rest.split("```").nth(1))
        .unwrap_or_default();
    let rows: Vec<&str> = drawing
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let mut out = BTreeMap::new();
    for (at, row) in rows.iter().rev().enumerate() {
        for word in row.split_whitespace() {
            if !root().join(word).join("Cargo.toml").exists() {
                break;
            }
            out.insert(word.to_owned(), at);
        }
    }
    out
}

/// Names of what a manifest depends on, without the dependencies of its tests.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut out = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = matches!(line, "[dependencies]" | "[build-dependencies]");
        } else if inside {
            let name: String = line
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
                .collect();
            if !name.is_empty() {
                out.push(name);
            }
        }
    }
    out
}

/// The folder of each member, and its manifest.
fn manifests() -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(root()) else {
        return out;
    };
    for entry in entries.flatten() {
        if let Ok(text) = std::fs::read_to_string(entry.path().join("Cargo.toml")) {
            out.insert(entry.file_name().to_string_lossy().into_owned(), text);
        }
    }
    out
}

#[test]
fn a_crate_uses_only_what_stands_below_it() {
    let layers = layers();
    assert!(
        layers.len() >= 12,
        "the drawing in ARCHITECTURE.md is not read: {layers:?}"
    );
    let mut complaints = Vec::new();
    for (folder, manifest) in manifests() {
        let Some(place) = layers.get(&folder) else {
            continue;
        };
        for name in dependencies(&manifest) {
            // The library's crate is named after the product.
            let other = if name == "touriga" {
                "embed".to_owned()
            } else {
                name
            };
            if layers.get(&other).is_some_and(|below| below >= place) {
                complaints.push(format!("{folder} uses {other}"));
            }
        }
    }
    judge("arrows point down only", &complaints);
}

#[test]
fn every_crate_keeps_the_lints() {
    let complaints: Vec<String> = manifests()
        .iter()
        .filter(|(_, manifest)| manifest.contains("[package]"))
        .filter(|(_, manifest)| !manifest.contains("[lints]\nworkspace = true"))
        .map(|(folder, _)| format!("{folder}/Cargo.toml: no `[lints] workspace = true`"))
        .collect();
    judge("lints are the workspace's", &complaints);
}

#[test]
fn the_core_is_synchronous() {
    let mut complaints = Vec::new();
    let manifests = manifests();
    for folder in SYNCHRONOUS {
        let manifest = manifests.get(*folder).map_or("", String::as_str);
        for name in dependencies(manifest) {
            if ASYNCHRONOUS.contains(&name.as_str()) {
                complaints.push(format!("{folder}/Cargo.toml: `{name}`"));
            }
        }
    }
    for file in sources() {
        if !SYNCHRONOUS.contains(&file.home()) || file.is_test() || file.path == CLOCK {
            continue;
        }
        for (at, line) in file.product_lines() {
            if line.contains("SystemTime::now")
                || line.contains("Utc::now")
                || line.contains("Local::now")
            {
                complaints.push(format!(
                    "{}:{at}: the time of day comes from the clock",
                    file.path
                ));
            }
        }
    }
    judge(
        "no tokio, no network, no time of day in the core",
        &complaints,
    );
}

#[test]
fn unsafe_has_one_home() {
    let mut complaints = Vec::new();
    for file in sources() {
        if file.path.starts_with(UNSAFE) || file.path == "tests/tidy.rs" {
            continue;
        }
        for (at, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains("unsafe {")
                || code.contains("unsafe fn")
                || code.contains("unsafe impl")
                || code.contains("allow(unsafe_code)")
            {
                complaints.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    judge("unsafe lives in segment/src/buffer", &complaints);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("HA", "CK"),
    ];
    let mut complaints = Vec::new();
    for file in sources() {
        for (at, line) in file.text.lines().enumerate() {
            let Some((_, comment)) = line.split_once("//") else {
                continue;
            };
            let marked = |word: &str| marks.contains(&word.trim_end_matches([':', '.', ',']));
            if comment.split_whitespace().any(marked) {
                complaints.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    judge("a plan is no comment", &complaints);
}

#[test]
fn tables_say_what_they_hold() {
    let mut complaints = Vec::new();
    for file in sources() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let line = line.trim_start();
            let is_table = (line.starts_with("pub static ") || line.starts_with("pub const "))
                && line.contains("&[");
            let documented = lines[..at]
                .iter()
                .rev()
                .map(|l| l.trim_start())
                .find(|l| !l.starts_with("#["))
                .is_some_and(|l| l.starts_with("///") || l.ends_with("*/"));
            if is_table && !documented && !file.is_test() {
                complaints.push(format!("{}:{}: {line}", file.path, at + 1));
            }
        }
    }
    judge("a static table is documented", &complaints);
}

#[test]
fn no_blank_trails() {
    let mut complaints = Vec::new();
    for file in files() {
        for (at, line) in file.text.lines().enumerate() {
            if line.ends_with([' ', '\t']) {
                complaints.push(format!("{}:{}: a trailing blank", file.path, at + 1));
            }
        }
        if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
            complaints.push(format!("{}: does not end with one newline", file.path));
        }
    }
    judge("blanks", &complaints);
}

#[test]
fn the_code_speaks_of_the_product_alone() {
    let places = [concat!("/wo", "rk/"), concat!("../sha", "red")];
    let mut complaints = Vec::new();
    for file in sources() {
        for (at, line) in file.text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place)) {
                complaints.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    judge("no path of a machine", &complaints);
}

//! Writes what the fuzzers begin with: small segments of every kind, and the queries of suites.
//!
//! Must not know: the targets. Invariant: `zcat SUITE.jsonl.gz | seeds FOLDER` fills `FOLDER/segment_open` and `FOLDER/sql_text`.

use std::error::Error;
use std::fs;
use std::io::{IsTerminal, stdin};
use std::path::PathBuf;

use serde_json::Value as Json;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1);
    let folder = PathBuf::from(folder.ok_or("seeds FOLDER < QUERIES.jsonl")?);
    let (segments, texts) = (folder.join("segment_open"), folder.join("sql_text"));
    fs::create_dir_all(&segments)?;
    fs::create_dir_all(&texts)?;
    for rows in [1, 20] {
        let path = segments.join(format!("{rows}_rows"));
        segment::testing::damage::segment_of_every_kind(&path, rows)?;
    }
    let mut number = 0;
    if !stdin().is_terminal() {
        for line in stdin().lines() {
            let query: Json = serde_json::from_str(&line?)?;
            if let Some(text) = query["sql"].as_str() {
                fs::write(texts.join(number.to_string()), text)?;
                number += 1;
            }
        }
    }
    println!("2 segments, {number} texts");
    Ok(())
}

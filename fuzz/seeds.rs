//! Writes what the fuzzers begin with: a small segment of every kind, and recorded queries.
//!
//! Must not know: the targets. Invariant: `seeds FOLDER [QUERIES.json ..]` fills `FOLDER/segment_open` and `FOLDER/sql_text`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let folder = PathBuf::from(words.next().ok_or("seeds FOLDER [QUERIES.json ..]")?);
    let (segments, texts) = (folder.join("segment_open"), folder.join("sql_text"));
    fs::create_dir_all(&segments)?;
    fs::create_dir_all(&texts)?;
    for rows in [1, 20] {
        let path = segments.join(format!("{rows}_rows"));
        segment::testing::damage::segment_of_every_kind(&path, rows)?;
    }
    let mut number = 0;
    for file in words {
        // Any file that quotes SQL under this name.
        for part in fs::read_to_string(file)?.split("\"sql\":").skip(1) {
            let Some(text) = part.trim_start().strip_prefix('"') else {
                continue;
            };
            let text = text.split("\",").next().unwrap_or_default();
            let text = text.replace("\\\"", "\"").replace("\\n", "\n");
            fs::write(texts.join(number.to_string()), text)?;
            number += 1;
        }
    }
    println!("2 segments, {number} texts");
    Ok(())
}

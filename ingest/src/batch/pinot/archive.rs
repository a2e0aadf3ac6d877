//! The files of a segment's archive: the one-file form (v3) and the form of a file an index (v1, v2).
//!
//! Must not know: what the indexes hold. Invariant: an index is handed out only where all of it is there.

use std::collections::HashMap;
use std::io::Read;

use super::{Fallible, Parts, slice};

/// Bytes that a segment may have unpacked.
const MOST: u64 = 16 << 30;
/// Before every index of the one-file form.
const MARKER: usize = 8;

/// The files by their names, without folders.
pub(super) struct Files {
    all: HashMap<String, Vec<u8>>,
    parts: Parts,
}

impl Files {
    /// Unpacks an archive.
    pub(super) fn unpack(content: &[u8]) -> Fallible<Self> {
        let unzipped = flate2::read::MultiGzDecoder::new(content).take(MOST);
        let mut archive = tar::Archive::new(unzipped);
        let mut all = HashMap::new();
        let ill = |error: std::io::Error| format!("its archive: {error}");
        for entry in archive.entries().map_err(ill)? {
            let mut entry = entry.map_err(ill)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path().map_err(ill)?.into_owned();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let name = name.to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(ill)?;
            all.insert(name, bytes);
        }
        let parts = match all.get("index_map") {
            Some(map) => parts(&String::from_utf8_lossy(map)),
            None => Parts::new(),
        };
        Ok(Self { all, parts })
    }

    /// A file.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.all.get(name).map(Vec::as_slice)
    }

    /// An index of a column.
    pub(super) fn index(&self, column: &str, index: &str) -> Option<&[u8]> {
        if let Some((start, size)) = self.parts.get(&(column.to_owned(), index.to_owned())) {
            let all = self.get("columns.psf")?;
            let size = size.checked_sub(MARKER)?;
            return slice(all, start.checked_add(MARKER)?, size).ok();
        }
        let endings: &[&str] = match index {
            "dictionary" => &["dict"],
            "forward_index" => &[
                "sv.sorted.fwd",
                "sv.unsorted.fwd",
                "mv.fwd",
                "sv.raw.fwd",
                "mv.raw.fwd",
            ],
            "nullvalue_vector" => &["bitmap.nullvalue"],
            _ => &[],
        };
        endings
            .iter()
            .find_map(|ending| self.get(&format!("{column}.{ending}")))
    }
}

/// `column.index.startOffset = 5`, `column.index.size = 7`.
fn parts(map: &str) -> Parts {
    let mut out = Parts::new();
    for line in map.lines() {
        let Some((key, number)) = line.split_once('=') else {
            continue;
        };
        let Ok(number) = number.trim().parse::<usize>() else {
            continue;
        };
        let mut words = key.trim().rsplitn(3, '.');
        let (what, index, column) = (words.next(), words.next(), words.next());
        let (Some(what), Some(index), Some(column)) = (what, index, column) else {
            continue;
        };
        let part = out
            .entry((column.to_owned(), index.to_owned()))
            .or_default();
        match what {
            "startOffset" => part.0 = number,
            "size" => part.1 = number,
            _ => {}
        }
    }
    out
}

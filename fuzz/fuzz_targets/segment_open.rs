//! A segment file of any bytes: it is refused, or every column and index of it can be read.
//!
//! Must not know: how files are written. Invariant: the checksum of the footer is mended first, or hardly any damage would be reached.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use segment::SealedSegment;
use segment::testing::damage::{mended, read_all};

/// In memory, where the system has such a folder.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    folder.join(format!("touriga-fuzz-{}", std::process::id()))
});

fuzz_target!(|data: &[u8]| {
    let bytes = mended(data).unwrap_or_else(|| data.to_vec());
    if std::fs::write(&*FILE, &bytes).is_err() {
        return;
    }
    if let Ok(segment) = SealedSegment::open(&FILE) {
        read_all(&segment);
        let _ = segment.verify();
    }
});

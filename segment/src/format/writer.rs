//! Writes a segment file: buffers one after the other, then footer and tail; under a temporary name until it is whole.
//!
//! Must not know: what buffers mean. Invariant: the file appears under its name whole and synced, or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::footer::{BufferEntry, Footer, SegmentMetadata};
use super::{ALIGNMENT, MAGIC, VERSION};
use crate::error::{Result, SegmentError};

/// A file under construction; dropped unfinished, it is removed.
pub(crate) struct FileWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<BufWriter<File>>,
    offset: u64,
    directory: Vec<BufferEntry>,
}

impl FileWriter {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".building");
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary)
            .map_err(|e| SegmentError::io("creating segment file", &temporary, e))?;
        let mut writer = Self {
            path: path.to_owned(),
            temporary,
            file: Some(BufWriter::with_capacity(1 << 18, file)),
            offset: 0,
            directory: Vec::new(),
        };
        let mut head = [0_u8; ALIGNMENT];
        head[..8].copy_from_slice(MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        writer.write(&head)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.offset += bytes.len() as u64;
        match &mut self.file {
            Some(file) => file
                .write_all(bytes)
                .map_err(|e| SegmentError::io("writing segment file", &self.temporary, e)),
            None => Ok(()),
        }
    }

    /// Adds a buffer.
    pub(crate) fn add(&mut self, column: &str, kind: &str, bytes: &[u8]) -> Result<()> {
        let gap = (ALIGNMENT - self.offset as usize % ALIGNMENT) % ALIGNMENT;
        self.write(&[0; ALIGNMENT][..gap])?;
        self.directory.push(BufferEntry {
            column: column.to_owned(),
            kind: kind.to_owned(),
            offset: self.offset,
            length: bytes.len() as u64,
            crc: crc32c::crc32c(bytes),
        });
        self.write(bytes)
    }

    /// Writes footer and tail, syncs and renames. Answers the CRC of the footer, which stands for the whole file.
    pub(crate) fn finish(mut self, metadata: SegmentMetadata) -> Result<u32> {
        let footer = Footer {
            metadata,
            directory: std::mem::take(&mut self.directory),
        };
        let json = serde_json::to_vec(&footer)
            .map_err(|e| SegmentError::Config(format!("segment metadata has no JSON form: {e}")))?;
        let crc = crc32c::crc32c(&json);
        self.write(&json)?;
        self.write(&(json.len() as u64).to_le_bytes())?;
        self.write(&crc.to_le_bytes())?;
        self.write(&VERSION.to_le_bytes())?;
        self.write(MAGIC)?;
        let failed = |e| SegmentError::io("syncing segment file", &self.temporary, e);
        if let Some(file) = self.file.take() {
            let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
            file.sync_all().map_err(failed)?;
        }
        std::fs::rename(&self.temporary, &self.path)
            .map_err(|e| SegmentError::io("renaming segment file to", &self.path, e))?;
        // The new name is safe once its folder is; not every file system lets a folder be synced.
        if let Some(folder) = self
            .path
            .parent()
            .and_then(|folder| File::open(folder).ok())
        {
            let _ = folder.sync_all();
        }
        self.temporary.clear();
        Ok(crc)
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.temporary.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

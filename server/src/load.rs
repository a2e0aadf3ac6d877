//! Has the file of a sealed segment here and publishes it: from the local folder, else from the deep store.
//!
//! Must not know: consumption. Invariant: nothing is published before every checksum of its file was compared; a damaged file is
//! moved aside, never deleted and never served.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::controller_service::{ReplicaState, SegmentRecord};
use segment::SealedSegment;

use crate::error::ServerError;
use crate::peers;
use crate::shared::Shared;
use crate::tables::Table;
use crate::upsert::{Replaces, snapshot};

/// Under this key a rebuilt segment keeps the checksum of the segment that the cluster knows.
pub(crate) const ORIGIN_CRC: &str = "origin.crc";
/// End of the names of files that are being written.
pub(crate) const PARTIAL: &str = ".partial";
const DAMAGED: &str = ".damaged";

/// The checksum under which the cluster knows a local segment.
pub(crate) fn known_crc(segment: &SealedSegment) -> u32 {
    segment
        .metadata()
        .custom
        .get(ORIGIN_CRC)
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| segment.crc())
}

/// Starts to load a segment; it is tried until it is there or not wanted any more.
pub(crate) fn start(shared: &Arc<Shared>, table: &Arc<Table>, record: SegmentRecord) {
    if !table.loading.lock().insert(record.name.clone()) {
        return;
    }
    let (shared, table) = (Arc::clone(shared), Arc::clone(table));
    let group = Arc::clone(&shared);
    group.tasks.spawn(async move {
        until_loaded(&shared, &table, &record).await;
        table.loading.lock().remove(&record.name);
        // What is wanted may have changed meanwhile.
        crate::reconcile::settle(&shared, &table);
    });
}

async fn until_loaded(shared: &Arc<Shared>, table: &Arc<Table>, record: &SegmentRecord) {
    let mut wait = Duration::from_millis(200);
    loop {
        let Ok(permit) = shared.loads.acquire().await else {
            return;
        };
        let loaded = load(shared, table, record).await;
        // Those that wait for the keys of their partition hold up no other: they come in together.
        drop(permit);
        match loaded {
            Ok(sealed) => {
                let (of, at) = (Arc::clone(shared), Arc::clone(table));
                // Its keys may have to be read.
                let published = blocking(move || {
                    publish(&of, &at, &sealed, &Replaces::Other);
                    Ok(())
                })
                .await;
                if let Err(error) = published {
                    tracing::error!(segment = record.name, %error, "segment cannot be published");
                }
                return;
            }
            Err(error) => {
                tracing::warn!(table = table.name, segment = record.name, %error, "segment cannot be loaded");
                if table.segments.get(&record.name).is_none() {
                    let state = ReplicaState::Error;
                    shared
                        .reports
                        .set(&table.name, &record.name, state, Some(error.to_string()));
                }
            }
        }
        if !shared.sleep(wait).await || !still_wanted(shared, table, record) {
            return;
        }
        wait = (wait * 2).min(Duration::from_secs(10));
    }
}

fn still_wanted(shared: &Shared, table: &Table, record: &SegmentRecord) -> bool {
    let view = table.view();
    !table.is_gone()
        && table.wanted(&shared.instance_id, &record.name) == Some(ReplicaState::Online)
        && view
            .segments
            .get(&record.name)
            .is_some_and(|now| now.crc == record.crc && now.download_uri == record.download_uri)
}

/// Puts a sealed segment in the place of whatever answers under its name.
pub(crate) fn publish(
    shared: &Shared,
    table: &Table,
    sealed: &Arc<SealedSegment>,
    replaces: &Replaces<'_>,
) {
    if table.is_gone() {
        return;
    }
    table.put(sealed, replaces);
    let name = segment::Segment::name(sealed.as_ref());
    shared
        .reports
        .set(&table.name, name, ReplicaState::Online, None);
}

async fn load(
    shared: &Shared,
    table: &Table,
    record: &SegmentRecord,
) -> Result<Arc<SealedSegment>, ServerError> {
    let path = table.path(&record.name);
    if let Some(sealed) = open_local(path.clone(), record.crc).await? {
        return Ok(sealed);
    }
    let partial = partial_of(&path);
    make_folder(&table.folder)?;
    let fetched = fetch(shared, record, &partial).await;
    let opened = match fetched {
        Ok(()) => settled(record, partial.clone(), path.clone()).await,
        Err(error) => Err(error),
    };
    // Whatever is wrong with the deep store's file: another server may have the segment.
    let error = match opened {
        Ok(sealed) => return Ok(Arc::new(sealed)),
        Err(error) => error,
    };
    if let Err(why) = peers::fetch(shared, table, &record.name, &partial).await {
        tracing::debug!(segment = record.name, %why, "no other server gives the segment");
        return Err(error);
    }
    settled(record, partial, path).await.map(Arc::new)
}

/// Has the file of the deep store here.
async fn fetch(shared: &Shared, record: &SegmentRecord, partial: &Path) -> Result<(), ServerError> {
    if record.download_uri.is_empty() {
        return Err(ServerError::Impossible(format!(
            "segment `{}` has no place in the deep store",
            record.name
        )));
    }
    let got = shared
        .deep_store
        .get_to(&record.download_uri, partial)
        .await;
    Ok(got?)
}

/// A file that was fetched, under its name, once it is known to be the wanted one.
async fn settled(
    record: &SegmentRecord,
    partial: PathBuf,
    path: PathBuf,
) -> Result<SealedSegment, ServerError> {
    let (crc, name) = (record.crc, record.name.clone());
    blocking(move || {
        let fetched = checked(&partial)?;
        let found = known_crc(&fetched);
        if crc != 0 && found != crc {
            return Err(ServerError::Impossible(format!(
                "what was fetched of segment `{name}` has checksum {found:08x}, expected {crc:08x}"
            )));
        }
        drop(fetched);
        settle_file(&partial, &path)?;
        Ok(SealedSegment::open(&path)?)
    })
    .await
}

/// The local file, if it is the wanted one; a damaged one is moved aside.
async fn open_local(path: PathBuf, crc: u32) -> Result<Option<Arc<SealedSegment>>, ServerError> {
    blocking(move || {
        if !path.try_exists().unwrap_or(false) {
            return Ok(None);
        }
        match checked(&path) {
            Ok(sealed) if known_crc(&sealed) == crc => Ok(Some(Arc::new(sealed))),
            Ok(_) => Ok(None),
            Err(error) => {
                let aside = with_end(&path, DAMAGED);
                tracing::error!(path = %path.display(), aside = %aside.display(), %error, "damaged segment file moved aside");
                std::fs::rename(&path, &aside)
                    .map_err(|e| ServerError::io(format!("move `{}` aside", path.display()), e))?;
                Ok(None)
            }
        }
    })
    .await
}

fn checked(path: &Path) -> Result<SealedSegment, ServerError> {
    let sealed = SealedSegment::open(path)?;
    sealed.verify()?;
    Ok(sealed)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServerError> + Send + 'static,
) -> Result<T, ServerError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ServerError::Impossible(format!("loading was interrupted: {error}")))?
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Where a file is written before it takes its name.
pub(crate) fn partial_of(path: &Path) -> PathBuf {
    with_end(path, PARTIAL)
}

pub(crate) fn make_folder(folder: &Path) -> Result<(), ServerError> {
    std::fs::create_dir_all(folder)
        .map_err(|e| ServerError::io(format!("make folder `{}`", folder.display()), e))
}

/// Makes a whole file durable under its name.
pub(crate) fn settle_file(partial: &Path, path: &Path) -> Result<(), ServerError> {
    let doing = || format!("write `{}`", path.display());
    std::fs::File::open(partial)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(partial, path))
        .map_err(|e| ServerError::io(doing(), e))?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|e| ServerError::io(doing(), e))?;
    }
    Ok(())
}

/// Deletes the file of a segment that is not wanted here any more.
pub(crate) fn delete_file(table: &Table, segment: &str) {
    let path = table.path(segment);
    let valid = snapshot::path_of(&table.folder, segment);
    for path in [partial_of(&path), path, valid] {
        delete(std::fs::remove_file(&path), &path);
    }
}

/// Deletes everything of a table.
pub(crate) fn delete_folder(table: &Table) {
    delete(std::fs::remove_dir_all(&table.folder), &table.folder);
}

fn delete(result: std::io::Result<()>, path: &Path) {
    if let Err(error) = result
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot delete");
    }
}

/// Deletes what an earlier run left half written, and folders of tables that are none of this server's any more.
pub(crate) fn sweep(shared: &Shared) {
    let Ok(folders) = std::fs::read_dir(&shared.data_dir) else {
        return;
    };
    for folder in folders.flatten() {
        let path = folder.path();
        let name = folder.file_name().to_string_lossy().into_owned();
        if !path.is_dir() || common::ids::split_type(&name).1.is_none() {
            continue;
        }
        let Some(table) = shared.tables.get(&name) else {
            delete(std::fs::remove_dir_all(&path), &path);
            continue;
        };
        let view = table.view();
        for file in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let segment = file.file_name().to_string_lossy().into_owned();
            let of = segment.strip_suffix(snapshot::END).unwrap_or(&segment);
            let known = segment.ends_with(DAMAGED) || view.segments.contains_key(of);
            let busy = segment
                .strip_suffix(PARTIAL)
                .is_some_and(|name| table.loading.lock().contains(name));
            if !known && !busy {
                delete(std::fs::remove_file(file.path()), &file.path());
            }
        }
    }
}

//! Memory and spill files: what all queries may take, what one may, and where operators put what does not fit.
//!
//! Must not know: plans. Invariant: what a query took is given back when it ends, however it ends; its spill files are gone then.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManager, DiskManagerMode};
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};

/// Bytes where the system tells nothing of its memory.
const UNKNOWN_MACHINE: usize = 4 << 30;
/// Least bytes of a query: less lets no operator begin.
const LEAST: usize = 1 << 20;

/// How much queries may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemorySettings {
    /// Bytes of all queries together.
    pub total_bytes: usize,
    /// Bytes of a query that says nothing else.
    pub query_bytes: usize,
    /// Folder of spill files; the system's temporary folder where there is none.
    pub spill_folder: Option<PathBuf>,
    /// Bytes of all spill files together.
    pub spill_bytes: u64,
}

impl Default for MemorySettings {
    /// Half of the machine's memory, a quarter for one query.
    fn default() -> Self {
        let machine = machine_bytes().unwrap_or(UNKNOWN_MACHINE);
        Self {
            total_bytes: machine / 2,
            query_bytes: machine / 4,
            spill_folder: None,
            spill_bytes: 64 << 30,
        }
    }
}

/// The memory that this process may use: the machine's, or less where its control group says so.
fn machine_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kib: usize = line.split_whitespace().next()?.parse().ok()?;
    let machine = kib.saturating_mul(1024);
    let group = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .into_iter()
    .find_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        text.trim().parse::<usize>().ok()
    });
    Some(group.map_or(machine, |limit| limit.min(machine)))
}

/// What all queries of a broker share.
#[derive(Debug, Default)]
pub struct Memory {
    settings: MemorySettings,
    taken: Arc<AtomicUsize>,
    /// None where no folder could be made.
    disk: OnceLock<Option<Arc<DiskManager>>>,
}

impl Memory {
    /// Memory by settings; no folder is made before a query comes.
    #[must_use]
    pub fn new(settings: MemorySettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Bytes that running queries hold now.
    #[must_use]
    pub fn taken_bytes(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Bytes of spill files now.
    #[must_use]
    pub fn spilled_bytes(&self) -> u64 {
        let disk = self.disk.get().and_then(Option::as_ref);
        disk.map_or(0, |disk| disk.used_disk_space())
    }

    /// The budget of a query that wants `wanted` bytes.
    pub(crate) fn budget(&self, wanted: Option<i64>) -> usize {
        let wanted = wanted.and_then(|bytes| usize::try_from(bytes).ok());
        wanted
            .unwrap_or(self.settings.query_bytes)
            .clamp(LEAST, self.settings.total_bytes.max(LEAST))
    }

    /// Where a query of a budget runs.
    pub(crate) fn environment(&self, budget: usize) -> Result<Arc<RuntimeEnv>> {
        let pool = QueryPool {
            own: FairSpillPool::new(budget),
            budget,
            taken: Arc::clone(&self.taken),
            total: self.settings.total_bytes,
        };
        let mut environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(DiskManager::builder().with_mode(DiskManagerMode::Disabled))
            .build()?;
        if let Some(disk) = self.disk.get_or_init(|| self.spill_files()) {
            environment.disk_manager = Arc::clone(disk);
        }
        Ok(Arc::new(environment))
    }

    /// Where spill files go.
    fn spill_files(&self) -> Option<Arc<DiskManager>> {
        let mut builder =
            DiskManager::builder().with_max_temp_directory_size(self.settings.spill_bytes);
        if let Some(folder) = &self.settings.spill_folder {
            // Files of an earlier life belong to nobody. The folder may be the first of its role: the disk manager makes
            // the last folder of a path, not those above it.
            if let Err(error) = std::fs::create_dir_all(folder).and_then(|()| emptied(folder)) {
                tracing::warn!(folder = %folder.display(), %error, "the folder of spill files is not made empty");
            }
            builder.set_mode(DiskManagerMode::Directories(vec![folder.clone()]));
        }
        builder
            .build()
            .inspect_err(|error| {
                tracing::warn!(%error, "no folder for spill files: queries over their memory fail");
            })
            .ok()
            .map(Arc::new)
    }
}

/// Removes what a folder holds of spill folders.
fn emptied(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("datafusion-") && path.is_dir() {
            std::fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// One query's memory: operators that can spill share it fairly, and all queries together stay under the total.
#[derive(Debug)]
struct QueryPool {
    own: FairSpillPool,
    budget: usize,
    taken: Arc<AtomicUsize>,
    total: usize,
}

impl QueryPool {
    fn exhausted(&self, reservation: &MemoryReservation, more: usize) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!(
            "the query needs more memory than its budget of {}: `{}` asks for {} more, {} are taken; \
             raise the option `queryMemoryMaxBytes`",
            megabytes(self.budget),
            reservation.consumer().name(),
            megabytes(more),
            megabytes(self.own.reserved()),
        ))
    }
}

fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query of {}", megabytes(self.budget))
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.taken.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.taken.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.own
            .try_grow(reservation, additional)
            .map_err(|_| self.exhausted(reservation, additional))?;
        let before = self.taken.fetch_add(additional, Ordering::Relaxed);
        if before.saturating_add(additional) > self.total {
            self.shrink(reservation, additional);
            return Err(DataFusionError::ResourcesExhausted(format!(
                "all queries together need more memory than {}: `{}` asks for {} more, {} are taken by all queries and {} by \
                 this one; raise the setting `query.multistage.memory.max.bytes`",
                megabytes(self.total),
                reservation.consumer().name(),
                megabytes(additional),
                megabytes(before),
                megabytes(self.own.reserved()),
            )));
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(total: usize, query: usize) -> MemorySettings {
        MemorySettings {
            total_bytes: total,
            query_bytes: query,
            ..MemorySettings::default()
        }
    }

    #[test]
    fn a_query_stays_under_its_budget_and_all_under_the_total() {
        let memory = Memory::new(settings(10 << 20, 8 << 20));
        let one = memory.environment(memory.budget(None)).unwrap();
        let two = memory.environment(memory.budget(None)).unwrap();
        let first = MemoryConsumer::new("first").register(&one.memory_pool);
        let second = MemoryConsumer::new("second").register(&two.memory_pool);
        first.try_grow(6 << 20).unwrap();
        let refused = first.try_grow(4 << 20).unwrap_err().to_string();
        assert!(refused.contains("budget of 8.4 MB"), "{refused}");
        let refused = second.try_grow(6 << 20).unwrap_err().to_string();
        assert!(refused.contains("all queries together"), "{refused}");
        second.try_grow(4 << 20).unwrap();
        assert_eq!(memory.taken_bytes(), 10 << 20);
        drop((first, second));
        assert_eq!(memory.taken_bytes(), 0);
    }

    #[test]
    fn a_budget_is_never_more_than_all_queries_have() {
        let memory = Memory::new(settings(10 << 20, 8 << 20));
        assert_eq!(memory.budget(Some(i64::MAX)), 10 << 20);
        assert_eq!(memory.budget(Some(-1)), 8 << 20);
        assert_eq!(memory.budget(Some(1)), LEAST);
    }
}

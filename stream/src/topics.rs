//! Topics and their partitions, and where they live on disk. Must not know: the wire protocol
//! beyond its error codes. Invariant: partitions of a topic only grow in number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_protocol::ResponseError;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::error::StreamError;
use crate::log::{Log, Retention, replace_file};

const TOPIC_FILE: &str = "topic.json";
/// More partitions than this in one topic are refused: each one is a directory and a lock.
pub(crate) const MAX_PARTITIONS: i32 = 1024;
const MAX_TOPICS: usize = 10_000;

/// One partition: its log and the bell that rings on every append.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) log: Mutex<Log>,
    pub(crate) appended: Notify,
}

/// What `topic.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct TopicFile {
    partitions: i32,
    #[serde(
        rename = "retentionBytes",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    retention_bytes: Option<u64>,
    #[serde(
        rename = "retentionMs",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    retention_millis: Option<i64>,
}

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    partitions: RwLock<Vec<Arc<Partition>>>,
    retention: Retention,
}

impl Topic {
    /// The partition with this number.
    pub(crate) fn partition(&self, number: i32) -> Option<Arc<Partition>> {
        let number = usize::try_from(number).ok()?;
        self.partitions.read().get(number).cloned()
    }

    /// All partitions in order.
    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().clone()
    }

    /// How many partitions there are.
    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.read().len()).unwrap_or(i32::MAX)
    }

    fn grow(&self, count: i32, directory: Option<&Path>) -> Result<(), StreamError> {
        let mut partitions = self.partitions.write();
        for number in partitions.len()..usize::try_from(count).unwrap_or(0) {
            let directory = directory.map(|directory| directory.join(number.to_string()));
            let log = Mutex::new(Log::open(directory, self.retention)?);
            partitions.push(Arc::new(Partition {
                log,
                appended: Notify::new(),
            }));
        }
        Ok(())
    }
}

/// All topics of the broker.
#[derive(Debug)]
pub(crate) struct Topics {
    directory: Option<PathBuf>,
    retention: Retention,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
}

impl Topics {
    /// Opens the topics that an earlier run left in `directory`, or none in memory.
    pub(crate) fn open(
        directory: Option<PathBuf>,
        retention: Retention,
    ) -> Result<Topics, StreamError> {
        let mut topics = BTreeMap::new();
        if let Some(directory) = &directory {
            std::fs::create_dir_all(directory).map_err(StreamError::file("create", directory))?;
            for entry in
                std::fs::read_dir(directory).map_err(StreamError::file("list", directory))?
            {
                let entry = entry.map_err(StreamError::file("list", directory))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = entry.path().join(TOPIC_FILE);
                if is_legal_name(&name) && path.is_file() {
                    let topic = load(&name, &path, &entry.path(), retention)?;
                    topics.insert(name, Arc::new(topic));
                }
            }
        }
        Ok(Topics {
            directory,
            retention,
            topics: RwLock::new(topics),
        })
    }

    /// The topic of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().get(name).cloned()
    }

    /// The partition of that topic.
    pub(crate) fn partition(&self, topic: &str, number: i32) -> Option<Arc<Partition>> {
        self.get(topic)?.partition(number)
    }

    /// All topics by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.topics.read().values().cloned().collect()
    }

    /// Checks whether a topic could be created.
    pub(crate) fn check_new(&self, name: &str, partitions: i32) -> Result<(), ResponseError> {
        if !is_legal_name(name) {
            return Err(ResponseError::InvalidTopicException);
        }
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(ResponseError::InvalidPartitions);
        }
        let topics = self.topics.read();
        if topics.contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        if topics.len() >= MAX_TOPICS {
            return Err(ResponseError::PolicyViolation);
        }
        Ok(())
    }

    /// Creates a topic; `own` overrides the broker's retention where it says something.
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        own: Retention,
    ) -> Result<Arc<Topic>, ResponseError> {
        self.check_new(name, partitions)?;
        let mut topics = self.topics.write();
        if topics.contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        let topic = Topic {
            name: name.to_owned(),
            partitions: RwLock::new(Vec::new()),
            retention: Retention {
                bytes: own.bytes.or(self.retention.bytes),
                millis: own.millis.or(self.retention.millis),
            },
        };
        let directory = self.directory_of(name);
        let file = TopicFile {
            partitions,
            retention_bytes: own.bytes,
            retention_millis: own.millis,
        };
        topic
            .grow(partitions, directory.as_deref())
            .and_then(|()| save(directory.as_deref(), &file))
            .map_err(storage_failed)?;
        let topic = Arc::new(topic);
        topics.insert(name.to_owned(), Arc::clone(&topic));
        Ok(topic)
    }

    /// Raises the number of partitions.
    pub(crate) fn grow(&self, name: &str, count: i32, dry: bool) -> Result<(), ResponseError> {
        let topic = self
            .get(name)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        if count <= topic.partition_count() || count > MAX_PARTITIONS {
            return Err(ResponseError::InvalidPartitions);
        }
        if dry {
            return Ok(());
        }
        let directory = self.directory_of(name);
        let file = TopicFile {
            partitions: count,
            retention_bytes: topic
                .retention
                .bytes
                .filter(|b| Some(*b) != self.retention.bytes),
            retention_millis: topic
                .retention
                .millis
                .filter(|m| Some(*m) != self.retention.millis),
        };
        topic
            .grow(count, directory.as_deref())
            .and_then(|()| save(directory.as_deref(), &file))
            .map_err(storage_failed)
    }

    /// Removes a topic and its data.
    pub(crate) fn delete(&self, name: &str) -> Result<(), ResponseError> {
        let topic = self.topics.write().remove(name);
        let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
        if let Some(directory) = self.directory_of(name) {
            std::fs::remove_dir_all(&directory)
                .map_err(StreamError::file("remove", directory))
                .map_err(storage_failed)?;
        }
        // Whoever waits for data learns that there will be none.
        topic
            .partitions()
            .iter()
            .for_each(|partition| partition.appended.notify_waiters());
        Ok(())
    }

    /// Drops what is too old at `now` (milliseconds).
    pub(crate) fn expire(&self, now: i64) {
        self.each_log("expire", |log| log.expire(now));
    }

    /// Forces all logs to the disk.
    pub(crate) fn sync(&self) {
        self.each_log("sync", |log| log.sync());
    }

    fn each_log(&self, action: &str, each: impl Fn(&mut Log) -> Result<(), StreamError>) {
        for topic in self.all() {
            for partition in topic.partitions() {
                if let Err(error) = each(&mut partition.log.lock()) {
                    tracing::error!(topic = topic.name, action, %error, "stream: log failed");
                }
            }
        }
    }

    fn directory_of(&self, name: &str) -> Option<PathBuf> {
        self.directory
            .as_ref()
            .map(|directory| directory.join(name))
    }
}

fn storage_failed(error: StreamError) -> ResponseError {
    tracing::error!(%error, "stream: storage failed");
    ResponseError::KafkaStorageError
}

fn load(
    name: &str,
    file: &Path,
    directory: &Path,
    default: Retention,
) -> Result<Topic, StreamError> {
    let text = std::fs::read(file).map_err(StreamError::file("read", file))?;
    let saved: TopicFile = serde_json::from_slice(&text).map_err(|error| StreamError::Corrupt {
        path: file.to_path_buf(),
        detail: error.to_string(),
    })?;
    let topic = Topic {
        name: name.to_owned(),
        partitions: RwLock::new(Vec::new()),
        retention: Retention {
            bytes: saved.retention_bytes.or(default.bytes),
            millis: saved.retention_millis.or(default.millis),
        },
    };
    topic.grow(saved.partitions.clamp(0, MAX_PARTITIONS), Some(directory))?;
    Ok(topic)
}

fn save(directory: Option<&Path>, file: &TopicFile) -> Result<(), StreamError> {
    let Some(directory) = directory else {
        return Ok(());
    };
    let path = directory.join(TOPIC_FILE);
    let text = serde_json::to_vec(file).map_err(|error| StreamError::Corrupt {
        path: path.clone(),
        detail: error.to_string(),
    })?;
    replace_file(&path, &text)
}

/// Kafka's rule, which also keeps names inside the data directory.
fn is_legal_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 249 && name != "." && name != ".." && name.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALL: Retention = Retention {
        bytes: None,
        millis: None,
    };

    #[test]
    fn names_stay_inside_the_directory() {
        for name in ["", ".", "..", "a/b", "../x", "ä", "a b"] {
            assert!(!is_legal_name(name), "{name}");
        }
        assert!(is_legal_name("orders.v1_a-b"));
    }

    #[test]
    fn topics_grow_and_survive() -> Result<(), Box<dyn std::error::Error>> {
        let directory = tempfile::tempdir()?;
        let open = || Topics::open(Some(directory.path().to_path_buf()), KEEP_ALL);
        let topics = open()?;
        topics.create("a", 2, KEEP_ALL)?;
        assert_eq!(
            topics.create("a", 2, KEEP_ALL).err(),
            Some(ResponseError::TopicAlreadyExists)
        );
        assert_eq!(
            topics.grow("a", 2, false).err(),
            Some(ResponseError::InvalidPartitions)
        );
        topics.grow("a", 4, false)?;
        topics.create("b", 1, KEEP_ALL)?;
        topics.delete("b")?;
        drop(topics);
        let topics = open()?;
        assert_eq!(
            topics.get("a").map(|topic| topic.partition_count()),
            Some(4)
        );
        assert!(topics.get("b").is_none());
        Ok(())
    }
}

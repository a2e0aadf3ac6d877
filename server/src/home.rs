//! Which cluster the files of this server belong to.
//!
//! Must not know: what the files are. Invariant: once a cluster was followed no other one is, so that whoever is pointed at the wrong
//! controller deletes nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::error::ServerError;
use crate::load::settle_file;

const FILE: &str = "cluster.id";

/// The cluster that a data folder is at home in.
pub(crate) struct Home {
    path: PathBuf,
    id: Mutex<Option<String>>,
}

impl Home {
    /// Reads what an earlier run has noted.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, ServerError> {
        let path = data_dir.join(FILE);
        let id = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim().to_owned()).filter(|id| !id.is_empty()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(ServerError::io(format!("read `{}`", path.display()), error)),
        };
        Ok(Self {
            path,
            id: Mutex::new(id),
        })
    }

    /// Whether a cluster may be followed. One without an id, which older controllers have, always may; the first one is noted by
    /// [`Home::settle`].
    ///
    /// # Errors
    /// Where the files belong to another one.
    pub(crate) fn admits(&self, cluster: &str) -> Result<(), ServerError> {
        match self.id.lock().as_deref() {
            Some(own) if own != cluster && !cluster.is_empty() => {
                Err(ServerError::Impossible(format!(
                    "the files of this server belong to cluster `{own}` and the controller leads cluster `{cluster}`: nothing is taken \
                     from it and nothing is deleted. Point the server at its own controller, or give it an empty data folder; where \
                     the old cluster's metadata is lost for good, delete `{}`, and what the new cluster does not know goes",
                    self.path.display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Notes the cluster that is followed first.
    pub(crate) fn settle(&self, cluster: &str) {
        let mut id = self.id.lock();
        if id.is_some() || cluster.is_empty() {
            return;
        }
        *id = Some(cluster.to_owned());
        if let Err(error) = write(&self.path, cluster) {
            tracing::warn!(%error, "the id of the cluster is not kept");
        }
    }
}

fn write(path: &Path, cluster: &str) -> Result<(), ServerError> {
    let partial = path.with_extension("partial");
    std::fs::File::create(&partial)
        .and_then(|mut file| writeln!(file, "{cluster}"))
        .map_err(|error| ServerError::io(format!("write `{}`", partial.display()), error))?;
    settle_file(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::Home;

    #[test]
    fn the_first_cluster_stays() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let home = Home::open(folder.path())?;
        home.admits("a")?;
        home.settle("");
        home.settle("a");
        home.settle("b");
        for home in [home, Home::open(folder.path())?] {
            home.admits("a")?;
            home.admits("")?;
            let why = home.admits("b").err().ok_or("admitted")?.to_string();
            assert!(
                why.contains("cluster `a`") && why.contains("cluster `b`"),
                "{why}"
            );
        }
        Ok(())
    }
}

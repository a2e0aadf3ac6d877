//! Where files of rows come from: folders of this machine, buckets, web servers.
//!
//! Must not know: formats, tables. Invariant: a file's address is the same text whenever it is listed.

use bytes::Bytes;
use cluster::objects::{self, Objects, Properties, SCHEMES};

use crate::core::Core;
use crate::error::ControllerError;

/// Beginning of the names that say something of the store of a batch.
pub(crate) const PREFIX: &str = "input.fs.prop.";

fn failed(uri: &str, why: impl std::fmt::Display) -> ControllerError {
    ControllerError::Invalid(format!("Cannot read `{uri}`: {why}"))
}

fn is_bucket(uri: &str) -> bool {
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| SCHEMES.contains(&scheme))
}

/// The bucket of an address, its beginning such as `s3://bucket`, and the key within it.
fn opened<'u>(
    core: &Core,
    uri: &'u str,
    given: &Properties,
) -> Result<(std::sync::Arc<dyn Objects>, &'u str, &'u str), ControllerError> {
    let start = uri.find("://").map_or(0, |at| at + 3);
    let end = uri.get(start..).and_then(|rest| rest.find('/'));
    let (base, key) = match end {
        Some(at) => (&uri[..start + at], &uri[start + at + 1..]),
        None => (uri, ""),
    };
    let properties = given
        .clone()
        .or(Properties::of_settings(uri, &core.storage));
    let store = objects::open(base, &properties).map_err(|error| failed(uri, error))?;
    Ok((store, base, key))
}

/// The content behind an address.
pub(crate) async fn read(
    core: &Core,
    uri: &str,
    given: &Properties,
) -> Result<Bytes, ControllerError> {
    if is_bucket(uri) {
        let (store, _, key) = opened(core, uri, given)?;
        return store.get(key).await.map_err(|error| failed(uri, error));
    }
    match uri.split_once("://") {
        Some(("http" | "https", _)) => {
            let http = cluster::web::client().map_err(|error| failed(uri, error))?;
            let sent = http.get(uri).send().await;
            let response = sent.and_then(reqwest::Response::error_for_status);
            let response = response.map_err(|error| failed(uri, error))?;
            response.bytes().await.map_err(|error| failed(uri, error))
        }
        Some((scheme, _)) if scheme != "file" => Err(failed(
            uri,
            format!(
                "scheme `{scheme}` is not supported, expected file, http, https or one of {}",
                SCHEMES.join(", ")
            ),
        )),
        _ => {
            let read = tokio::fs::read(path_of(uri)).await;
            read.map(Bytes::from).map_err(|error| failed(uri, error))
        }
    }
}

/// A path of this machine, of an address that is one.
fn path_of(uri: &str) -> &str {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    path.strip_prefix("file:").unwrap_or(path)
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its address.
    pub(crate) uri: String,
    /// The part of it that lies below the folder.
    pub(crate) below: String,
}

/// The files below an address, ordered; the address itself where it is a file.
pub(crate) async fn list(
    core: &Core,
    uri: &str,
    given: &Properties,
) -> Result<Vec<Found>, ControllerError> {
    let mut found = if is_bucket(uri) {
        let (store, base, key) = opened(core, uri, given)?;
        let folder = key.trim_end_matches('/');
        let listed = store
            .list(folder)
            .await
            .map_err(|error| failed(uri, error))?;
        let files = listed
            .into_iter()
            .filter(|object| !object.key.ends_with('/'));
        let files = files.map(|object| Found {
            uri: format!("{base}/{}", object.key),
            below: object
                .key
                .strip_prefix(folder)
                .unwrap_or(&object.key)
                .trim_start_matches('/')
                .to_owned(),
        });
        let mut files: Vec<Found> = files.collect();
        if files.is_empty() && !folder.is_empty() && !key.ends_with('/') {
            files.push(alone(uri));
        }
        files
    } else if uri.contains("://") && !uri.starts_with("file://") {
        vec![alone(uri)]
    } else {
        let path = path_of(uri).to_owned();
        if std::path::Path::new(&path).is_dir() {
            let of = uri.to_owned();
            tokio::task::spawn_blocking(move || below(std::path::Path::new(&path)))
                .await
                .map_err(|error| ControllerError::internal("list a folder", error))?
                .map_err(|error| failed(&of, error))?
        } else {
            vec![alone(uri)]
        }
    };
    found.sort_by(|a, b| a.uri.cmp(&b.uri));
    Ok(found)
}

fn alone(uri: &str) -> Found {
    let name = uri.rsplit_once('/').map_or(uri, |(_, name)| name);
    Found {
        uri: uri.to_owned(),
        below: name.to_owned(),
    }
}

fn below(folder: &std::path::Path) -> std::io::Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                let below = path.strip_prefix(folder).unwrap_or(&path);
                found.push(Found {
                    uri: format!("file://{}", path.display()),
                    below: below.display().to_string(),
                });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_listed_whole() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("a"))?;
        std::fs::write(folder.path().join("a/x.csv"), "")?;
        std::fs::write(folder.path().join("y.csv"), "")?;
        let mut found: Vec<String> = below(folder.path())?.into_iter().map(|f| f.below).collect();
        found.sort();
        assert_eq!(found, ["a/x.csv", "y.csv"]);
        assert_eq!(path_of("file:///a"), "/a");
        assert!(is_bucket("s3://b/x") && !is_bucket("/s3"));
        Ok(())
    }
}

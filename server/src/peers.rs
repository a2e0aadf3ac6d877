//! Files of sealed segments from other servers, where the deep store does not give them.
//!
//! Must not know: what is done with a file. Invariant: a file from another server is compared with the checksum that the cluster knows,
//! as one from the deep store is.

use std::path::Path;
use std::time::Duration;

use parking_lot::RwLock;
use proto::controller_service::{Instance, ReplicaState};
use tokio::io::AsyncWriteExt;

use crate::error::ServerError;
use crate::shared::Shared;
use crate::tables::Table;

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Silence after which a server is given up.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// The servers of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Peers(RwLock<Vec<Instance>>);

impl Peers {
    /// Takes over what the controller said of the cluster.
    pub(crate) fn set(&self, instances: &[Instance]) {
        let servers = instances.iter().filter(|i| i.role == "server" && i.live);
        *self.0.write() = servers.cloned().collect();
    }

    /// Where a server's admin port is.
    fn address(&self, id: &str) -> Option<String> {
        let servers = self.0.read();
        let server = servers.iter().find(|server| server.id == id)?;
        Some(format!("{}:{}", server.host, server.admin_port))
    }
}

/// A name within an address.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Fetches a segment's file from a server that answers with it.
pub(crate) async fn fetch(
    shared: &Shared,
    table: &Table,
    segment: &str,
    path: &Path,
) -> Result<(), ServerError> {
    let view = table.view();
    let replicas = view.external.get(segment).into_iter().flatten();
    let others = replicas
        .filter(|(id, state)| **state == ReplicaState::Online && **id != shared.instance_id)
        .filter_map(|(id, _)| shared.peers.address(id));
    let mut last = None;
    for address in others {
        let url = format!(
            "{}://{address}/segments/{}/{}",
            shared.dial.scheme(),
            encoded(&table.name),
            encoded(segment)
        );
        match download(shared, &url, path).await {
            Ok(()) => {
                tracing::info!(
                    table = table.name,
                    segment,
                    address,
                    "segment fetched from another server"
                );
                return Ok(());
            }
            Err(error) => last = Some(format!("{url}: {error}")),
        }
    }
    Err(ServerError::Impossible(last.unwrap_or_else(|| {
        format!("no other server answers with segment `{segment}`")
    })))
}

async fn download(
    shared: &Shared,
    url: &str,
    path: &Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let http = shared
        .dial
        .http()
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(READ_WITHIN)
        .build()?;
    let mut request = http.get(url);
    if let Some(header) = shared.access.own_header() {
        request = request.header("authorization", header);
    }
    let mut response = request.send().await?.error_for_status()?;
    let mut file = tokio::fs::File::create(path).await?;
    while let Some(piece) = response.chunk().await? {
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(encoded("t_OFFLINE"), "t_OFFLINE");
        assert_eq!(encoded("a b/é"), "a%20b%2F%C3%A9");
        let peers = Peers::default();
        let instance = |role: &str, live| Instance {
            id: format!("{role}{live}"),
            role: role.to_owned(),
            host: "h".to_owned(),
            port: 1,
            admin_port: 2,
            tags: Vec::new(),
            live,
            enabled: true,
        };
        peers.set(&[
            instance("server", true),
            instance("server", false),
            instance("broker", true),
        ]);
        assert_eq!(peers.address("servertrue").as_deref(), Some("h:2"));
        assert_eq!(peers.address("serverfalse"), None);
        assert_eq!(peers.address("brokertrue"), None);
    }
}

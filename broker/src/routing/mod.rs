//! Which server has which segment: a snapshot made from the controller's view.
//!
//! Must not know: queries' texts. Invariant: a snapshot never changes; a query works on the one that it began with.

mod choose;
mod prune;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{TableType, ids};
use proto::QueryService;
use proto::controller_service::{ClusterView, Instance, TableView};

use crate::servers::ServerConnector;

pub(crate) use choose::{Choice, Chooser};
pub(crate) use prune::{Pruner, present};
pub(crate) use table::{RoutedSegment, RoutedTable, Selector};

/// For so long a server that left is asked for what nobody else has yet: it goes on answering while it drains.
const LEAVING: Duration = Duration::from_secs(5);

/// A server with the way to it.
pub(crate) struct Server {
    pub(crate) instance: Instance,
    pub(crate) service: Arc<dyn QueryService>,
    /// When it was first said that it lives no more.
    left: Option<Instant>,
    /// Runs its stages, where it is in this process.
    pub(crate) stages: Option<multistage::StageWorker>,
}

impl Server {
    /// True where queries may go there.
    pub(crate) fn serves(&self) -> bool {
        self.instance.live && self.instance.enabled
    }

    /// True where it left so lately that it may still answer.
    fn leaves(&self) -> bool {
        self.instance.enabled && self.left.is_some_and(|left| left.elapsed() < LEAVING)
    }
}

/// The snapshot.
#[derive(Default)]
pub(crate) struct Routing {
    /// Version of the controller's view.
    pub(crate) version: u64,
    /// True once a view came.
    pub(crate) loaded: bool,
    servers: HashMap<String, Arc<Server>>,
    brokers: usize,
    /// `host:port` of the controller.
    controller: Option<String>,
    /// By name with type, in lower case.
    tables: HashMap<String, Arc<RoutedTable>>,
}

/// The table or tables that a name means.
#[derive(Clone, Default)]
pub(crate) struct Resolved {
    /// Offline side.
    pub(crate) offline: Option<Arc<RoutedTable>>,
    /// Realtime side.
    pub(crate) realtime: Option<Arc<RoutedTable>>,
}

impl Resolved {
    /// The sides that are there, offline first.
    pub(crate) fn sides(&self) -> impl Iterator<Item = &Arc<RoutedTable>> {
        self.offline.iter().chain(&self.realtime)
    }
}

impl Routing {
    /// The next snapshot after a view. What did not change is kept.
    pub(crate) fn next(&self, view: ClusterView, connector: &dyn ServerConnector) -> Self {
        let brokers = view
            .instances
            .iter()
            .filter(|i| i.role == "broker" && i.live)
            .count();
        let controller = view
            .instances
            .iter()
            .find(|i| i.role == "controller" && i.live)
            .map(|i| format!("{}:{}", i.host, i.port));
        let (servers, moved) = self.servers_of(view.instances, connector);
        let mut tables = self.tables.clone();
        for name in &view.removed {
            tables.remove(&name.to_lowercase());
        }
        if moved {
            for table in tables.values_mut() {
                *table = Arc::new(table.rebuilt(&servers));
            }
        }
        for table in view.tables {
            let key = table.name.to_lowercase();
            let old = tables.get(&key).cloned();
            let made = RoutedTable::new(Arc::new(table), &servers, old.as_deref());
            tables.insert(key, Arc::new(made));
        }
        Self {
            version: view.version,
            loaded: true,
            servers,
            brokers,
            controller,
            tables,
        }
    }

    /// Where the controller is, as `host:port`.
    pub(crate) fn controller(&self) -> Option<&str> {
        self.controller.as_deref()
    }

    fn servers_of(
        &self,
        instances: Vec<Instance>,
        connector: &dyn ServerConnector,
    ) -> (HashMap<String, Arc<Server>>, bool) {
        let mut servers = HashMap::new();
        for instance in instances.into_iter().filter(|i| i.role == "server") {
            let id = instance.id.clone();
            let old = self.servers.get(&id);
            if let Some(old) = old.filter(|old| old.instance == instance) {
                servers.insert(id, Arc::clone(old));
                continue;
            }
            let left = old
                .filter(|_| !instance.live)
                .map(|old| old.left.unwrap_or_else(Instant::now));
            // A server that came back may be another process: connect anew.
            let kept = old.filter(|old| {
                old.instance.host == instance.host
                    && old.instance.port == instance.port
                    && (old.instance.live || !instance.live)
            });
            let service = match kept {
                Some(old) => Ok(Arc::clone(&old.service)),
                None => connector.connect(&instance),
            };
            let stages = connector.stages(&instance);
            match service {
                Ok(service) => {
                    servers.insert(
                        id,
                        Arc::new(Server {
                            instance,
                            service,
                            left,
                            stages,
                        }),
                    );
                }
                Err(error) => {
                    tracing::warn!(server = %id, %error, "a server has no usable address")
                }
            }
        }
        let same = servers.len() == self.servers.len()
            && servers
                .iter()
                .all(|(id, s)| self.servers.get(id).is_some_and(|old| Arc::ptr_eq(old, s)));
        (servers, !same)
    }

    /// What a name means: raw, with type, with or without database, in any case.
    pub(crate) fn resolve(&self, name: &str, database: Option<&str>) -> Resolved {
        let mut full = match database {
            Some(db) if !db.is_empty() && db != "default" && !name.contains('.') => {
                format!("{db}.{name}")
            }
            _ => name.to_owned(),
        };
        if let Some(rest) = full.strip_prefix("default.") {
            full = rest.to_owned();
        }
        let find = |name: String| self.tables.get(&name.to_lowercase()).cloned();
        let upper = full.to_uppercase();
        let exact = [("_OFFLINE", true), ("_REALTIME", false)]
            .into_iter()
            .find(|(suffix, _)| upper.ends_with(suffix));
        match exact {
            Some((_, true)) => Resolved {
                offline: find(full),
                realtime: None,
            },
            Some((_, false)) => Resolved {
                offline: None,
                realtime: find(full),
            },
            None => Resolved {
                offline: find(ids::with_type(&full, TableType::Offline)),
                realtime: find(ids::with_type(&full, TableType::Realtime)),
            },
        }
    }

    /// What the controller says of every table.
    pub(crate) fn views(&self) -> impl Iterator<Item = &Arc<TableView>> {
        self.tables.values().map(|table| &table.view)
    }

    /// Id, host and port of every server.
    pub(crate) fn instances(&self) -> impl Iterator<Item = (&str, &str, u16)> {
        self.servers.values().map(|server| {
            let instance = &server.instance;
            (instance.id.as_str(), instance.host.as_str(), instance.port)
        })
    }

    /// A table by its exact name with type.
    pub(crate) fn table(&self, name: &str) -> Option<Arc<RoutedTable>> {
        self.tables.get(&name.to_lowercase()).cloned()
    }

    /// Brokers that live.
    pub(crate) fn live_brokers(&self) -> usize {
        self.brokers
    }

    /// Every server.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers.values()
    }
}

/// The other side of a hybrid table counts only where both are enabled.
pub(crate) fn enabled(view: &TableView) -> bool {
    view.enabled
}

//! The requests this broker understands: one row each, with versions and layouts.
//! A new request is one row here, one arm in `handlers`, and its function.
//! Must not know: what a request means. Invariant: what is no row is refused by version, never guessed.

use kafka_protocol::messages::ApiKey;

use crate::shape::{Shape, flexible, plain};

/// One kind of request.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) min: i16,
    pub(crate) max: i16,
    shapes: &'static [Shape],
}

impl Api {
    /// The layout that `version` has.
    pub(crate) fn shape(&self, version: i16) -> Option<&'static Shape> {
        self.shapes.iter().rev().find(|shape| shape.from <= version)
    }
}

/// The row of `key`, if this broker understands it.
pub(crate) fn find(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key as i16 == key)
}

const fn api(key: ApiKey, min: i16, max: i16, shapes: &'static [Shape]) -> Api {
    Api {
        key,
        min,
        max,
        shapes,
    }
}

/// Every request, in the order in which `ApiVersions` lists them. Versions end where topics begin
/// to be named by id, and where groups begin to be balanced by the broker.
pub(crate) static APIS: &[Api] = &[
    api(
        ApiKey::Produce,
        3,
        9,
        &[plain(3, "s24[s[4b]]"), flexible(9, "s24[s[4b]]")],
    ),
    api(
        ApiKey::Fetch,
        4,
        12,
        &[
            plain(4, "44441[s[484]]"),
            plain(5, "44441[s[4884]]"),
            plain(7, "4444144[s[4884]][s(4)]"),
            plain(9, "4444144[s[44884]][s(4)]"),
            plain(11, "4444144[s[44884]][s(4)]s"),
            flexible(12, "4444144[s[448484]][s(4)]s"),
        ],
    ),
    api(
        ApiKey::ListOffsets,
        1,
        7,
        &[
            plain(1, "4[s[48]]"),
            plain(2, "41[s[48]]"),
            plain(4, "41[s[448]]"),
            flexible(6, "41[s[448]]"),
        ],
    ),
    api(
        ApiKey::Metadata,
        0,
        9,
        &[
            plain(0, "[s]"),
            plain(4, "[s]1"),
            plain(8, "[s]111"),
            flexible(9, "[s]111"),
        ],
    ),
    api(
        ApiKey::OffsetCommit,
        2,
        8,
        &[
            plain(2, "s4s8[s[48s]]"),
            plain(5, "s4s[s[48s]]"),
            plain(6, "s4s[s[484s]]"),
            plain(7, "s4ss[s[484s]]"),
            flexible(8, "s4ss[s[484s]]"),
        ],
    ),
    api(
        ApiKey::OffsetFetch,
        1,
        7,
        &[
            plain(1, "s[s(4)]"),
            flexible(6, "s[s(4)]"),
            flexible(7, "s[s(4)]1"),
        ],
    ),
    api(
        ApiKey::FindCoordinator,
        0,
        3,
        &[plain(0, "s"), plain(1, "s1"), flexible(3, "s1")],
    ),
    api(
        ApiKey::JoinGroup,
        0,
        7,
        &[
            plain(0, "s4ss[sb]"),
            plain(1, "s44ss[sb]"),
            plain(5, "s44sss[sb]"),
            flexible(6, "s44sss[sb]"),
        ],
    ),
    api(
        ApiKey::Heartbeat,
        0,
        4,
        &[plain(0, "s4s"), plain(3, "s4ss"), flexible(4, "s4ss")],
    ),
    api(
        ApiKey::LeaveGroup,
        0,
        4,
        &[plain(0, "ss"), plain(3, "s[ss]"), flexible(4, "s[ss]")],
    ),
    api(
        ApiKey::SyncGroup,
        0,
        4,
        &[
            plain(0, "s4s[sb]"),
            plain(3, "s4ss[sb]"),
            flexible(4, "s4ss[sb]"),
        ],
    ),
    api(
        ApiKey::ApiVersions,
        0,
        3,
        &[plain(0, ""), flexible(3, "ss")],
    ),
    api(
        ApiKey::CreateTopics,
        2,
        5,
        &[
            plain(2, "[s42[4(4)][ss]]41"),
            flexible(5, "[s42[4(4)][ss]]41"),
        ],
    ),
    api(
        ApiKey::DeleteTopics,
        1,
        5,
        &[plain(1, "(s)4"), flexible(4, "(s)4")],
    ),
    api(
        ApiKey::DeleteRecords,
        0,
        2,
        &[plain(0, "[s[48]]4"), flexible(2, "[s[48]]4")],
    ),
    api(
        ApiKey::InitProducerId,
        0,
        4,
        &[plain(0, "s4"), flexible(2, "s4"), flexible(3, "s482")],
    ),
    api(
        ApiKey::CreatePartitions,
        0,
        3,
        &[plain(0, "[s4[(4)]]41"), flexible(2, "[s4[(4)]]41")],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_a_layout() {
        for api in APIS {
            assert!(api.key.valid_versions().min <= api.min, "{:?}", api.key);
            assert!(api.key.valid_versions().max >= api.max, "{:?}", api.key);
            for version in api.min..=api.max {
                let shape = api.shape(version);
                let flexible = api.key.request_header_version(version) >= 2;
                assert_eq!(
                    shape.map(|shape| shape.flexible),
                    Some(flexible),
                    "{:?}",
                    api.key
                );
            }
        }
    }
}

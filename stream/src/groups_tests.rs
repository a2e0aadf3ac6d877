//! Tests of consumer groups with a clock in the hand.

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn join(member: &str) -> Join {
    Join {
        member: member.to_owned(),
        client: "client".to_owned(),
        session_timeout_ms: 1000,
        rebalance_timeout_ms: 3000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), Bytes::from_static(b"meta"))],
    }
}

#[test]
fn two_members_share_a_generation() -> Outcome {
    let groups = Groups::open(None)?;
    let now = Instant::now();
    let first = groups.join("g", join(""), now)?.try_recv()??;
    assert_eq!((first.generation, first.members.len()), (1, 1));
    assert_eq!(first.leader, first.member);
    let part = vec![(first.member.clone(), Bytes::from_static(b"all"))];
    assert_eq!(
        groups
            .sync("g", &first.member, 1, part, now)?
            .try_recv()??,
        "all"
    );

    let mut second = groups.join("g", join(""), now)?;
    assert!(second.try_recv().is_err());
    let beat = groups.heartbeat("g", &first.member, 1, now);
    assert_eq!(beat, Err(ResponseError::RebalanceInProgress));
    let again = groups.join("g", join(&first.member), now)?.try_recv()??;
    let second = second.try_recv()??;
    assert_eq!((again.generation, again.members.len()), (2, 2));
    assert!(second.members.is_empty());

    let mut follower = groups.sync("g", &second.member, 2, vec![], now)?;
    assert!(follower.try_recv().is_err());
    let parts = vec![
        (first.member.clone(), Bytes::from_static(b"a")),
        (second.member.clone(), Bytes::from_static(b"b")),
    ];
    assert_eq!(
        groups
            .sync("g", &first.member, 2, parts, now)?
            .try_recv()??,
        "a"
    );
    assert_eq!(follower.try_recv()??, "b");
    assert_eq!(groups.heartbeat("g", &second.member, 2, now), Ok(()));
    let stale = groups.heartbeat("g", &second.member, 1, now);
    assert_eq!(stale, Err(ResponseError::IllegalGeneration));
    Ok(())
}

#[test]
fn a_silent_member_is_dropped() -> Outcome {
    let groups = Groups::open(None)?;
    let start = Instant::now();
    let first = groups.join("g", join(""), start)?.try_recv()??;
    let mut second = groups.join("g", join(""), start)?;
    groups.expire(start + Duration::from_millis(500));
    assert!(second.try_recv().is_err());
    let later = start + Duration::from_millis(1500);
    groups.expire(later);
    assert_eq!(second.try_recv()??.generation, 2);
    let gone = groups.heartbeat("g", &first.member, 1, later);
    assert_eq!(gone, Err(ResponseError::UnknownMemberId));
    Ok(())
}

#[test]
fn committed_offsets_survive() -> Outcome {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("groups.json");
    let groups = Groups::open(Some(file.clone()))?;
    groups.commit("g", "t", 3, 42, "note");
    groups.save()?;
    let groups = Groups::open(Some(file))?;
    assert_eq!(groups.committed("g", "t", 3), Some((42, "note".to_owned())));
    assert_eq!(groups.committed("g", "t", 4), None);
    groups.forget_topic("t");
    assert!(groups.all_committed("g").is_empty());
    Ok(())
}

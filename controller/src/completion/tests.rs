//! The completion protocol with one and several replicas, with silence and loss.

use proto::controller_service::CompletionAnswer as Answer;

use super::{COMMITTER_SILENCE_MS, Completion, HOLD_MS, Offer, after_commit, offset_order};

fn offer<'a>(instance: &'a str, offset: &'a str, replicas: usize, now_ms: i64) -> Offer<'a> {
    Offer {
        instance,
        offset,
        replicas,
        now_ms,
    }
}

#[test]
fn one_replica_commits_at_once() {
    let mut one = Completion::begin(0);
    assert_eq!(
        one.consumed(offer("a", "10", 1, 0)),
        Answer::Commit("10".to_owned())
    );
    assert!(!one.may_end("a"));
    assert_eq!(
        one.commit_start(offer("a", "10", 1, 5)),
        Answer::Commit("10".to_owned())
    );
    assert!(one.may_end("a"));
}

#[test]
fn the_largest_offset_commits() {
    let mut three = Completion::begin(0);
    assert_eq!(three.consumed(offer("a", "9", 3, 0)), Answer::Hold);
    assert_eq!(three.consumed(offer("b", "10", 3, 1)), Answer::Hold);
    assert_eq!(three.consumed(offer("c", "10", 3, 2)), Answer::Hold);
    assert_eq!(
        three.consumed(offer("a", "9", 3, 3)),
        Answer::CatchUp("10".to_owned())
    );
    assert_eq!(
        three.consumed(offer("b", "10", 3, 4)),
        Answer::Commit("10".to_owned())
    );
    assert!(matches!(
        three.commit_start(offer("c", "10", 3, 5)),
        Answer::Failed(_)
    ));
    assert_eq!(
        three.commit_start(offer("b", "10", 3, 5)),
        Answer::Commit("10".to_owned())
    );
    assert_eq!(three.consumed(offer("a", "10", 3, 6)), Answer::Hold);
}

#[test]
fn holding_ends() {
    let mut two = Completion::begin(0);
    assert_eq!(two.consumed(offer("a", "5", 2, 0)), Answer::Hold);
    assert_eq!(
        two.consumed(offer("a", "5", 2, HOLD_MS)),
        Answer::Commit("5".to_owned())
    );
}

#[test]
fn a_silent_committer_is_replaced() {
    let mut two = Completion::begin(0);
    two.consumed(offer("a", "5", 2, 0));
    assert_eq!(
        two.consumed(offer("b", "4", 2, 1)),
        Answer::CatchUp("5".to_owned())
    );
    let late = COMMITTER_SILENCE_MS + 2;
    assert_eq!(two.consumed(offer("b", "4", 2, late)), Answer::Hold);
    assert_eq!(
        two.consumed(offer("b", "4", 2, late + HOLD_MS)),
        Answer::Commit("4".to_owned())
    );
}

#[test]
fn a_lost_committer_is_replaced() {
    let mut two = Completion::begin(0);
    two.consumed(offer("a", "5", 2, 0));
    two.consumed(offer("b", "5", 2, 1));
    two.commit_start(offer("a", "5", 2, 2));
    two.forget("a", 3);
    assert_eq!(
        two.consumed(offer("b", "5", 1, 4)),
        Answer::Commit("5".to_owned())
    );
}

#[test]
fn after_the_commit() {
    assert_eq!(after_commit("5", "5", false), Answer::Keep("5".to_owned()));
    assert_eq!(after_commit("5", "5", true), Answer::Discard);
    assert_eq!(after_commit("6", "5", false), Answer::Discard);
    assert!(offset_order("9", "10").is_lt());
}

use consensus::{Leadership, Member, MemberStatus, Standing};
use model::ManagerMember;
use store::{State, Transaction};

use super::*;

/// A node with a role and an availability, and its Raft id if it has a place.
fn node(id: &str, role: NodeRole, availability: Availability, place: Option<u64>) -> Node {
    let mut node = Node {
        id: id.to_owned(),
        member: place.map(|raft_id| ManagerMember {
            raft_id,
            address: id.to_owned(),
        }),
        ..Node::default()
    };
    node.spec.role = role.into();
    node.spec.availability = availability.into();
    node
}

fn manager(id: &str, place: u64) -> Node {
    node(id, NodeRole::Manager, Availability::Active, Some(place))
}

fn worker(id: &str, place: Option<u64>) -> Node {
    node(id, NodeRole::Worker, Availability::Active, place)
}

fn drained(id: &str, place: u64) -> Node {
    node(id, NodeRole::Manager, Availability::Drain, Some(place))
}

fn view(nodes: Vec<Node>) -> View {
    let mut state = State::default();
    state.advance(1, 1);
    let changes = nodes.into_iter().map(Change::create).collect();
    let applied = state.apply(Transaction {
        changes,
        ..Transaction::default()
    });
    assert_eq!(applied.reply.refusal, None);
    state
}

/// The group as its leader, the member 1, sees it: id, how long it was silent (s), how far it is.
fn group(others: &[(u64, u64, u64)]) -> consensus::Status {
    let member = |id: u64, silent: u64, matched: u64| MemberStatus {
        id,
        member: Member {
            node_id: format!("n{id}"),
            address: format!("n{id}"),
        },
        voter: true,
        matched: Some(matched),
        silent_for: Some(Duration::from_secs(silent)),
    };
    let mut members = vec![member(1, 0, 100)];
    members.extend(
        others
            .iter()
            .map(|&(id, silent, matched)| member(id, silent, matched)),
    );
    consensus::Status {
        id: 1,
        standing: Standing::Leader,
        leadership: Leadership {
            term: 1,
            leader: Some(1),
            is_self: true,
        },
        last_index: Some(100),
        committed: Some(100),
        applied: Some(100),
        snapshot: None,
        members,
        quorum_acknowledged: Some(Duration::ZERO),
        failure: None,
    }
}

#[test]
fn one_step_at_a_time_towards_what_is_wanted() {
    let three = || group(&[(2, 0, 90), (3, 0, 95)]);
    let all = |second: Node| vec![manager("n1", 1), second, manager("n3", 3)];
    let table = [
        ("all is well", all(manager("n2", 2)), three(), None),
        (
            "one is demoted",
            all(worker("n2", Some(2))),
            three(),
            Some(Step::Remove(2)),
        ),
        (
            "one was removed from the cluster",
            vec![manager("n1", 1), manager("n3", 3)],
            three(),
            Some(Step::Remove(2)),
        ),
        (
            "one came back under another id",
            all(manager("n2", 22)),
            three(),
            Some(Step::Remove(2)),
        ),
        (
            "it is out, and does not know yet",
            all(worker("n2", Some(2))),
            group(&[(3, 0, 95)]),
            Some(Step::Forget("n2".to_owned())),
        ),
        (
            "a manager is about to join",
            all(manager("n2", 2)),
            group(&[(3, 0, 95)]),
            None,
        ),
        (
            "the leader itself is demoted",
            vec![worker("n1", Some(1)), manager("n2", 2), manager("n3", 3)],
            three(),
            Some(Step::HandOver(None)),
        ),
        (
            "the last one is demoted: there is nobody to lead",
            vec![worker("n1", Some(1))],
            group(&[]),
            None,
        ),
        (
            "a drained leader: the one that is furthest takes over",
            vec![drained("n1", 1), manager("n2", 2), manager("n3", 3)],
            three(),
            Some(Step::HandOver(Some(3))),
        ),
        (
            "but not one that is silent",
            vec![drained("n1", 1), manager("n2", 2), manager("n3", 3)],
            group(&[(2, 0, 90), (3, 5, 95)]),
            Some(Step::HandOver(Some(2))),
        ),
        (
            "nor one that is drained too",
            vec![drained("n1", 1), manager("n2", 2), drained("n3", 3)],
            three(),
            Some(Step::HandOver(Some(2))),
        ),
        (
            "all are drained: it goes on",
            vec![drained("n1", 1), drained("n2", 2), drained("n3", 3)],
            three(),
            None,
        ),
        (
            "a drained follower stays",
            all(drained("n2", 2)),
            three(),
            None,
        ),
    ];
    for (what, nodes, group, expected) in table {
        assert_eq!(next(&view(nodes), &group), expected, "{what}");
    }
}

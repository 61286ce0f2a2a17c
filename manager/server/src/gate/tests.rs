use http::HeaderValue;
use jiff::Timestamp;
use model::{Certificate, Cluster, ManagerMember, Node};
use store::{Change, State, Transaction};
use tonic::Code;

use super::*;

const NOW: i64 = 1_000_000;
const RAFT: &str = "/mini.v1.Raft/Append";
const CONTROL: &str = "/mini.v1.Control/ListNodes";
const SESSION: &str = "/mini.v1.Dispatcher/Session";
const ASSIGNMENTS: &str = "/mini.v1.Dispatcher/Assignments";
const UPDATE: &str = "/mini.v1.Dispatcher/UpdateTasks";
const SEND_LOGS: &str = "/mini.v1.Dispatcher/SendLogs";
const SEND_EXEC: &str = "/mini.v1.Dispatcher/SendExec";
const DEPLOY: &str = "/mini.v1.Control/DeployStack";
const EXEC: &str = "/mini.v1.Control/Exec";
const ISSUE: &str = "/mini.v1.Authority/Issue";
const HOST: &str = "/mini.v1.Host/Leave";

/// A cluster with a manager `m`, one that is demoted and still has its place `d`, a worker `w`; `gone` was removed.
fn cluster() -> View {
    let node = |id: &str, role: NodeRole, member: bool| {
        let mut node = Node {
            id: id.to_owned(),
            certificate: Certificate {
                serial: format!("{id}-1"),
                not_before_ms: NOW - 1000,
                ..Certificate::default()
            },
            member: member.then(ManagerMember::default),
            ..Node::default()
        };
        node.spec.role = role.into();
        Change::create(node)
    };
    let cluster = Cluster {
        id: "c".to_owned(),
        revoked: vec![Revocation {
            node_id: "gone".to_owned(),
            until_ms: NOW + 1000,
        }],
        ..Cluster::default()
    };
    let mut state = State::default();
    state.advance(1, 1);
    let applied = state.apply(Transaction {
        changes: vec![
            Change::create(cluster),
            node("m", NodeRole::Manager, true),
            node("d", NodeRole::Worker, true),
            node("w", NodeRole::Worker, false),
        ],
        ..Transaction::default()
    });
    assert_eq!(applied.reply.refusal, None);
    state
}

/// The certificate that the cluster knows of a node.
fn certificate(node: &str, role: Role) -> Peer {
    let at = |ms| Timestamp::from_millisecond(ms).expect("a time");
    Peer {
        node_id: node.to_owned(),
        role,
        cluster_id: "c".to_owned(),
        serial: format!("{node}-1"),
        not_before: at(NOW - 1000),
        not_after: at(NOW + 1000),
    }
}

/// The same node's next one.
fn next(node: &str, role: Role) -> Peer {
    Peer {
        serial: format!("{node}-2"),
        not_before: Timestamp::from_millisecond(NOW - 500).expect("a time"),
        ..certificate(node, role)
    }
}

fn with(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| {
            (
                http::HeaderName::from_static(key),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn ask_with(
    view: &View,
    headers: &HeaderMap,
    peer: Option<Peer>,
    path: &str,
) -> Result<Caller, Refusal> {
    let connection = Connection {
        peer,
        address: "192.0.2.7:1".parse().expect("an address"),
    };
    admit(path, &connection, headers, "c", view, NOW)
}

fn ask(peer: Option<Peer>, path: &str) -> Result<Caller, Refusal> {
    ask_with(&cluster(), &HeaderMap::new(), peer, path)
}

/// What became of it: let in, refused for good, or refused by what is known here.
fn word(asked: Result<Caller, Refusal>) -> &'static str {
    match asked {
        Ok(_) => "in",
        Err(Refusal::Final(_)) => "out",
        Err(Refusal::ByView(..)) => "unless others know more",
    }
}

#[test]
fn each_role_may_call_what_is_its_own() {
    use Role::{Manager, Worker};
    let table = [
        (None, [ISSUE], "in"),
        (None, [SESSION], "out"),
        (None, [CONTROL], "out"),
        (None, [RAFT], "out"),
        (Some(("m", Manager)), [RAFT], "in"),
        (Some(("m", Manager)), [CONTROL], "in"),
        (Some(("m", Manager)), [SESSION], "in"),
        (Some(("m", Manager)), [HOST], "out"),
        (Some(("w", Worker)), [SESSION], "in"),
        (Some(("w", Worker)), [ISSUE], "in"),
        (Some(("w", Worker)), [ASSIGNMENTS], "in"),
        (Some(("w", Worker)), [UPDATE], "in"),
        (Some(("w", Worker)), [SEND_LOGS], "in"),
        (Some(("w", Worker)), [SEND_EXEC], "in"),
        (None, [ASSIGNMENTS], "out"),
        (None, [UPDATE], "out"),
        (Some(("gone", Worker)), [ASSIGNMENTS], "out"),
        (Some(("w", Worker)), [CONTROL], "out"),
        (Some(("w", Worker)), [DEPLOY], "out"),
        (Some(("w", Worker)), [EXEC], "out"),
        (Some(("m", Manager)), [EXEC], "in"),
        (Some(("w", Worker)), [RAFT], "out"),
        (Some(("w", Worker)), [HOST], "out"),
        // A certificate of its days as a manager; it may have been promoted since.
        (Some(("w", Manager)), [CONTROL], "unless others know more"),
        (Some(("w", Manager)), [RAFT], "unless others know more"),
        // It votes until it is removed.
        (Some(("d", Manager)), [RAFT], "in"),
        (Some(("gone", Manager)), [RAFT], "out"),
        (Some(("gone", Worker)), [SESSION], "out"),
        (Some(("gone", Worker)), [ISSUE], "out"),
        (Some(("new", Worker)), [SESSION], "unless others know more"),
        (Some(("new", Manager)), [CONTROL], "unless others know more"),
        // Who leads by now may be somebody of whom this manager has not heard: only the newest certificate tells.
        (Some(("new", Manager)), [RAFT], "in"),
        (Some(("new", Worker)), [RAFT], "out"),
    ];
    for (caller, [path], expected) in table {
        let peer = caller.map(|(node, role)| certificate(node, role));
        assert_eq!(word(ask(peer, path)), expected, "{caller:?} {path}");
    }
}

#[test]
fn only_a_newer_certificate_speaks_against_what_is_known() {
    assert_eq!(word(ask(Some(next("w", Role::Manager)), RAFT)), "in");
    let older = Peer {
        not_before: Timestamp::from_millisecond(NOW - 2000).expect("a time"),
        ..next("w", Role::Manager)
    };
    assert_eq!(
        word(ask(Some(older), RAFT)),
        "unless others know more",
        "it is older than the one that is known"
    );
    assert_eq!(word(ask(Some(next("gone", Role::Manager)), RAFT)), "out");
    assert_eq!(
        word(ask(Some(next("w", Role::Manager)), CONTROL)),
        "unless others know more",
        "for the managers' protocol alone"
    );
}

#[test]
fn foreign_and_ended_certificates_are_turned_away() {
    let code = |peer: Peer| {
        let refused = ask(Some(peer), SESSION).expect_err("refused").into_status();
        (refused.code(), refused.message().to_owned())
    };
    let (unauthenticated, why) = code(Peer {
        cluster_id: "other".to_owned(),
        ..certificate("w", Role::Worker)
    });
    assert_eq!(unauthenticated, Code::Unauthenticated);
    assert!(why.contains("other"), "{why}");
    let (unauthenticated, why) = code(Peer {
        not_after: Timestamp::from_millisecond(NOW - 1).expect("a time"),
        ..certificate("w", Role::Worker)
    });
    assert_eq!(unauthenticated, Code::Unauthenticated);
    assert!(why.contains("ended on"), "{why}");
}

#[test]
fn a_manager_passes_on_for_whom_it_names_and_nobody_else_does() {
    let view = cluster();
    let for_worker = with(&[
        (metadata::FORWARDED_BY, "m"),
        (metadata::CALLER_NODE, "w"),
        (metadata::CALLER_ROLE, "mini-worker"),
        (metadata::CALLER_ADDRESS, "192.0.2.9"),
    ]);
    let manager = || Some(certificate("m", Role::Manager));
    let caller = ask_with(&view, &for_worker, manager(), SESSION).expect("let in");
    assert_eq!(caller.node, Some(("w".to_owned(), Role::Worker)));
    assert_eq!(caller.address.as_deref(), Some("192.0.2.9"));
    assert!(caller.forwarded);
    assert_eq!(
        word(ask_with(&view, &for_worker, manager(), CONTROL)),
        "out",
        "what the worker may not, nobody may for it"
    );
    let worker = Some(certificate("w", Role::Worker));
    let person = with(&[(metadata::FORWARDED_BY, "w")]);
    assert_eq!(word(ask_with(&view, &person, worker, CONTROL)), "out");
    assert_eq!(word(ask_with(&view, &person, None, CONTROL)), "out");
    let person = with(&[(metadata::FORWARDED_BY, "m")]);
    let caller = ask_with(&view, &person, manager(), CONTROL).expect("a person at m");
    assert_eq!(caller.node, None);
    let unknown = with(&[
        (metadata::FORWARDED_BY, "m"),
        (metadata::CALLER_NODE, "w"),
        (metadata::CALLER_ROLE, "emperor"),
    ]);
    assert_eq!(
        word(ask_with(&view, &unknown, manager(), SESSION)),
        "out",
        "a role that is none"
    );
    let removed = with(&[
        (metadata::FORWARDED_BY, "m"),
        (metadata::CALLER_NODE, "gone"),
        (metadata::CALLER_ROLE, "mini-worker"),
    ]);
    assert_eq!(word(ask_with(&view, &removed, manager(), ISSUE)), "out");
}

#[test]
fn who_knows_nothing_yet_believes_certificates() {
    let nothing = View::default();
    let ask = |peer, path| word(ask_with(&nothing, &HeaderMap::new(), Some(peer), path));
    assert_eq!(ask(certificate("m", Role::Manager), RAFT), "in");
    assert_eq!(ask(certificate("m", Role::Manager), CONTROL), "in");
    assert_eq!(ask(certificate("w", Role::Worker), RAFT), "out");
}

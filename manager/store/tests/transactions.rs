//! What transactions do, and what they leave undone.

use bytes::Bytes;
use model::{
    Cluster, Config, ConfigSpec, Deployment, Network, Node, Revision, Secret, SecretSpec, Service,
    Stack, StackSpec, Task,
};
use proptest::prelude::*;
use prost::Message;
use store::transaction::RefusalKind;
use store::{Batch, Change, Event, EventRing, Kind, RestoreError, State, Transaction, What};

fn config(id: &str, name: &str, version: u64) -> Config {
    let mut config = Config {
        id: id.into(),
        spec: ConfigSpec {
            name: name.into(),
            ..ConfigSpec::default()
        },
        ..Config::default()
    };
    config.meta.version = version;
    config
}

fn task(id: &str, node: &str) -> Task {
    Task {
        id: id.into(),
        node_id: node.into(),
        ..Task::default()
    }
}

fn transaction(changes: Vec<Change>) -> Transaction {
    Transaction {
        changes,
        at_ms: 1000,
        ..Transaction::default()
    }
}

/// Applies it at that version; the kind of refusal, if any.
fn apply(state: &mut State, version: u64, transaction: Transaction) -> Option<RefusalKind> {
    state.advance(3, version);
    state
        .apply(transaction)
        .reply
        .refusal
        .map(|refusal| refusal.kind())
}

#[test]
fn a_transaction_is_whole_or_nothing() {
    let mut state = State::default();
    assert_eq!(
        apply(
            &mut state,
            1,
            transaction(vec![Change::create(config("a", "one", 0))])
        ),
        None
    );
    let table = [
        (
            vec![Change::create(config("a", "two", 0))],
            RefusalKind::Exists,
        ),
        (
            vec![Change::create(config("b", "one", 0))],
            RefusalKind::Exists,
        ),
        (
            vec![Change::update(config("b", "two", 0))],
            RefusalKind::Missing,
        ),
        (
            vec![Change::update(config("a", "two", 9))],
            RefusalKind::Overtaken,
        ),
        (
            vec![Change::remove(&config("a", "one", 9))],
            RefusalKind::Overtaken,
        ),
        (
            vec![Change::remove(&config("b", "one", 0))],
            RefusalKind::Missing,
        ),
        (
            vec![Change::create(config("", "two", 0))],
            RefusalKind::Invalid,
        ),
        (vec![Change { action: None }], RefusalKind::Invalid),
    ];
    for (number, (mut changes, expected)) in table.into_iter().enumerate() {
        // Something that would succeed comes first, and must not stay.
        changes.insert(0, Change::create(config("c", "three", 0)));
        assert_eq!(
            apply(&mut state, 2 + number as u64, transaction(changes)),
            Some(expected),
            "row {number}"
        );
        assert_eq!(
            (state.configs().len(), state.configs().named("three")),
            (1, None),
            "row {number}"
        );
    }
    assert_eq!(
        apply(
            &mut state,
            20,
            transaction(vec![Change::update(config("a", "renamed", 1))])
        ),
        None
    );
    assert!(state.configs().named("one").is_none());
    let renamed = state
        .configs()
        .named("renamed")
        .expect("under its new name");
    assert_eq!((renamed.meta.version, renamed.meta.created_ms), (20, 1000));
    let clusters = vec![
        Change::create(Cluster {
            id: "x".into(),
            ..Cluster::default()
        }),
        Change::create(Cluster {
            id: "y".into(),
            ..Cluster::default()
        }),
    ];
    assert_eq!(
        apply(&mut state, 21, transaction(clusters)),
        Some(RefusalKind::Invalid),
        "there is one cluster"
    );
}

#[test]
fn a_request_is_answered_alike_twice_and_a_late_leader_is_fenced() {
    let mut state = State::default();
    let once = Transaction {
        request_id: "r1".into(),
        ..transaction(vec![Change::create(config("a", "one", 0))])
    };
    state.advance(3, 5);
    let first = state.apply(once.clone());
    state.advance(3, 6);
    let second = state.apply(once);
    assert_eq!((first.reply.clone(), first.events.len()), (second.reply, 1));
    assert!(second.events.is_empty() && first.reply.version == 5);
    let late = Transaction {
        term: 2,
        request_id: "r2".into(),
        ..transaction(vec![Change::create(config("b", "two", 0))])
    };
    assert_eq!(
        apply(&mut state, 7, late.clone()),
        Some(RefusalKind::Fenced)
    );
    assert_eq!(
        apply(&mut state, 8, Transaction { term: 3, ..late }),
        None,
        "what was fenced may be tried again"
    );
    for number in 0..20_000 {
        state.advance(3, 9 + number);
        state.apply(Transaction {
            request_id: format!("many{number}"),
            ..Transaction::default()
        });
    }
    assert!(
        state.answered("r1").is_none() && state.answered("many19999").is_some(),
        "the oldest are forgotten"
    );
}

#[test]
fn groups_follow_their_objects() {
    let mut state = State::default();
    let changes = vec![
        Change::create(task("t1", "n1")),
        Change::create(task("t2", "n1")),
        Change::create(task("t3", "")),
    ];
    assert_eq!(apply(&mut state, 1, transaction(changes)), None);
    let on = |state: &State, node: &str| {
        state
            .tasks_on(node)
            .map(|task| task.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(on(&state, "n1"), ["t1", "t2"]);
    apply(
        &mut state,
        2,
        transaction(vec![
            Change::update(task("t1", "n2")),
            Change::remove(&task("t2", "n1")),
        ]),
    );
    assert_eq!(
        (on(&state, "n1"), on(&state, "n2")),
        (vec![], vec!["t1".to_owned()])
    );
    assert_eq!(state.tasks().with_prefix("t").count(), 2);
}

#[test]
fn watchers_see_everything_or_are_told_to_list_again() {
    let mut ring = EventRing::new(3);
    let event = |version| Event {
        version,
        what: What::Created,
        object: Kind::Config(config("a", "one", version)),
    };
    for version in 1..=5 {
        ring.add(version, [event(version)]);
    }
    assert_eq!(
        ring.after(1).err().map(|compacted| compacted.oldest),
        Some(2)
    );
    let seen: Vec<u64> = ring
        .after(2)
        .expect("kept")
        .map(|event| event.version)
        .collect();
    assert_eq!(seen, [3, 4, 5]);
    ring.add(6, [event(6), event(6), event(6), event(6)]);
    assert!(
        ring.after(5).is_err(),
        "the events of one entry are kept together or not at all"
    );
    assert_eq!(ring.after(6).expect("kept").count(), 0);
    ring.reset(9);
    assert!(ring.after(8).is_err() && ring.after(9).is_ok());
}

/// Everything that lies on a user's disk, in every kind there is.
fn everything() -> Transaction {
    let node = Node {
        id: "node".into(),
        member: Some(model::ManagerMember {
            raft_id: 7,
            address: "10.0.0.1:2377".into(),
        }),
        ..Node::default()
    };
    let mut spec = model::ClusterSpec::standard();
    spec.labels.insert("key".into(), "value".into());
    let cluster = Cluster {
        id: "cluster".into(),
        spec,
        tokens: model::JoinTokens {
            worker: "w".into(),
            manager: "m".into(),
        },
        revoked: vec![model::Revocation {
            node_id: "gone".into(),
            until_ms: 5,
        }],
        feature_level: model::FEATURE_LEVEL,
        ..Cluster::default()
    };
    let mut task = task("task", "node");
    (task.service_id, task.revision, task.slot) = ("service".into(), 1, 2);
    task.status.exit_code = Some(0);
    task.status.set_health(model::Health::Healthy);
    let mut service = Service {
        id: "service".into(),
        stack_id: "stack".into(),
        revision: 1,
        rollout: Some(model::Rollout {
            to: 1,
            ..model::Rollout::default()
        }),
        latches: vec![model::Latch {
            dependency: "db".into(),
            revision: 1,
            dependency_revision: 1,
            ..model::Latch::default()
        }],
        ..Service::default()
    };
    service.spec.name = "blog_web".into();
    service.spec.mode = Some(model::ServiceMode::Replicated(model::Replicated {
        replicas: 3,
    }));
    service.spec.task.container.image = "busybox:1".into();
    let revision = Revision {
        id: Revision::id_of("service", 1),
        service_id: "service".into(),
        number: 1,
        task: service.spec.task.clone(),
        ..Revision::default()
    };
    let stack = Stack {
        id: "stack".into(),
        name: "blog".into(),
        deployment: 1,
        ..Stack::default()
    };
    let deployment = Deployment {
        id: Deployment::id_of("stack", 1),
        stack_id: "stack".into(),
        number: 1,
        spec: StackSpec {
            name: "blog".into(),
            services: vec![service.spec.clone()],
            ..StackSpec::default()
        },
        ..Deployment::default()
    };
    let secret = Secret {
        id: "secret".into(),
        spec: SecretSpec {
            name: "password".into(),
            data: Bytes::from_static(b"hunter2"),
            ..SecretSpec::default()
        },
        ..Secret::default()
    };
    let mut network = Network {
        id: "network".into(),
        subnet: "10.0.1.0/24".into(),
        vni: 4097,
        ..Network::default()
    };
    network.spec.name = "blog_default".into();
    Transaction {
        request_id: "request".into(),
        feature_level: 1,
        term: 3,
        at_ms: 1_700_000_000_000,
        changes: vec![
            Change::create(cluster),
            Change::create(node),
            Change::create(task),
            Change::create(config("config", "name", 0)),
            Change::update(config("config", "other", 0)),
            Change::remove(&config("config", "other", 0)),
            Change::create(service),
            Change::create(revision),
            Change::create(stack),
            Change::create(deployment),
            Change::create(secret),
            Change::create(network),
        ],
    }
}

#[test]
fn entries_and_snapshots_are_these_bytes() {
    let batch = Batch {
        transactions: vec![everything()],
    };
    check_golden("entry", &batch.encode_to_vec());
    let mut state = State::default();
    assert_eq!(apply(&mut state, 9, everything()), None);
    let records: Vec<Bytes> = state.records().collect();
    check_golden(
        "snapshot",
        &records.iter().fold(Vec::new(), |mut all, record| {
            all.extend_from_slice(&u32::try_from(record.len()).expect("small").to_le_bytes());
            all.extend_from_slice(record);
            all
        }),
    );
}

/// The bytes are those that an earlier version wrote; `GOLDEN=write` writes them anew, for a new field.
fn check_golden(name: &str, bytes: &[u8]) {
    let path = format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let hex: Vec<String> = bytes
        .chunks(32)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    let hex = hex.join("\n") + "\n";
    if std::env::var_os("GOLDEN").is_some() {
        std::fs::write(&path, &hex).expect("written");
    }
    let golden = std::fs::read_to_string(&path).expect("a golden file");
    assert_eq!(
        hex, golden,
        "{name}: what lies on users' disks must stay readable"
    );
}

#[test]
fn tasks_and_services_are_found_by_what_they_belong_to() {
    let mut state = State::default();
    let on = |id: &str, node: &str, service: &str, version: u64| {
        let mut task = task(id, node);
        (task.service_id, task.meta.version) = (service.into(), version);
        task
    };
    let made = vec![
        Change::create(on("a", "", "web", 0)),
        Change::create(on("b", "node1", "web", 0)),
        Change::create(on("c", "node1", "db", 0)),
    ];
    assert_eq!(apply(&mut state, 1, transaction(made)), None);
    let ids = |state: &State| {
        let of = state.tasks_of("web").map(|task| task.id.clone());
        let on = state.tasks_on("node1").map(|task| task.id.clone());
        (
            of.collect::<Vec<_>>().join(""),
            on.collect::<Vec<_>>().join(""),
        )
    };
    assert_eq!(ids(&state), ("ab".into(), "bc".into()));
    let moved = vec![
        Change::update(on("a", "node1", "web", 1)),
        Change::remove(&on("b", "node1", "web", 1)),
    ];
    assert_eq!(apply(&mut state, 2, transaction(moved)), None);
    assert_eq!(ids(&state), ("a".into(), "ac".into()));
}

#[test]
fn a_secret_is_not_printed() {
    let spec = SecretSpec {
        name: "password".into(),
        data: Bytes::from_static(b"hunter2"),
        ..SecretSpec::default()
    };
    let printed = format!("{spec:?}");
    assert!(
        printed.contains("7 bytes") && !printed.contains("hunter2"),
        "{printed}"
    );
}

#[test]
fn what_a_later_version_wrote_is_refused() {
    let mut state = State::default();
    apply(&mut state, 9, everything());
    let mut later = everything();
    later.feature_level = model::FEATURE_LEVEL + 1;
    assert!(State::understands(&everything()) && !State::understands(&later));
    let records: Vec<Bytes> = state.records().collect();
    let mut newer = records.clone();
    // The head's feature level is its first field.
    let mut head = newer[0].to_vec();
    let level = u8::try_from(model::FEATURE_LEVEL).expect("small");
    let at = head.windows(2).position(|two| two == [8, level]);
    head[at.expect("the level") + 1] = level + 1;
    newer[0] = head.into();
    let read = |records: Vec<Bytes>| {
        State::from_records(records.into_iter().map(Ok::<_, String>)).map(|state| state.version())
    };
    assert_eq!(read(records.clone()), Ok(9));
    assert_eq!(read(Vec::new()), Err(RestoreError::Empty));
    assert!(matches!(
        read(records[1..].to_vec()),
        Err(RestoreError::Garbled { number: 1, .. })
    ));
    let mut unknown = records;
    unknown.push(Bytes::from_static(&[0xfa, 0x01, 0x00]));
    assert!(
        matches!(read(unknown), Err(RestoreError::Garbled { .. })),
        "a record of an unknown kind is not skipped"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn members_that_apply_the_same_are_the_same(steps in prop::collection::vec((0..4u8, 0..6u8, 0..4u8, 0..30u64), 1..60), cut in 0..60usize) {
        let at = |step: &(u8, u8, u8, u64)| {
            let (action, id, name, version) = *step;
            let object = config(&format!("id{id}"), &format!("name{name}"), version);
            transaction(vec![match action {
                0 | 1 => Change::create(object),
                2 => Change::update(object),
                _ => Change::remove(&object),
            }])
        };
        let mut whole = State::default();
        let mut restored = State::default();
        for (number, step) in steps.iter().enumerate() {
            apply(&mut whole, number as u64 + 1, at(step));
            apply(&mut restored, number as u64 + 1, at(step));
            if number == cut {
                restored = State::from_records(restored.records().map(Ok::<_, String>)).expect("its own records");
            }
        }
        prop_assert!(whole.records().eq(restored.records()));
    }
}

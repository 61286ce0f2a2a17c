//! Three managers on loopback, of which the leader is lost while nodes run tasks and people deploy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use api::v1::membership_client::MembershipClient;
use api::v1::*;
use identity::{DataKey, RootCa, new_id};
use jiff::Timestamp;
use model::{ClusterSpec, ManagerMember, NodeRole, NodeState, StackSpec, TaskState};
use server::{Listening, Manager, ManagerSetup, Tls, timings};
use store::{Change, View};

use crate::place::{PATIENCE, channel, cluster, node};
use crate::roaming::{Roaming, Shared, lock};
use crate::services::spec;

const MANAGERS: [&str; 3] = ["m1", "m2", "m3"];
const WORKERS: [&str; 3] = ["w1", "w2", "w3"];

struct Group {
    managers: BTreeMap<&'static str, (Manager, SocketAddr, Tls)>,
    workers: BTreeMap<&'static str, Tls>,
    _directory: tempfile::TempDir,
}

impl Group {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let cluster_id = new_id();
        let root = RootCa::generate(&cluster_id, Timestamp::now()).expect("a root");
        let mut objects = vec![Change::create(cluster(&cluster_id, &root))];
        let mut ports = Vec::new();
        for (place, name) in MANAGERS.into_iter().enumerate() {
            let listening = Listening::on(([127, 0, 0, 1], 0).into()).await;
            let listening = listening.expect("a port");
            let address = listening.address().expect("an address");
            let (mut of, tls) = node(&root, &cluster_id, name, NodeRole::Manager);
            if place == 0 {
                of.member = Some(ManagerMember {
                    raft_id: 1,
                    address: address.to_string(),
                });
            }
            objects.push(Change::create(of));
            ports.push((name, listening, address, tls));
        }
        let mut workers = BTreeMap::new();
        for name in WORKERS {
            let (of, tls) = node(&root, &cluster_id, name, NodeRole::Worker);
            objects.push(Change::create(of));
            workers.insert(name, tls);
        }
        let mut managers = BTreeMap::new();
        let mut founder = None;
        for (raft_id, (name, listening, address, tls)) in (1..).zip(ports) {
            let setup = ManagerSetup {
                directory: directory.path().join(name),
                raft_id,
                hostname: name.to_owned(),
                version: "1".to_owned(),
                advertise: address.to_string(),
                tls: tls.clone(),
                data_key: DataKey::generate(),
                timings: timings(&ClusterSpec::standard()),
                snapshot_every: None,
            };
            let manager = Manager::start(setup, listening).await.expect("a manager");
            match founder {
                None => {
                    manager.found(objects.clone()).await.expect("a cluster");
                    founder = Some(address);
                }
                Some(founder) => {
                    let asked = JoinGroupRequest {
                        raft_id,
                        address: address.to_string(),
                    };
                    let mut group = MembershipClient::new(channel(founder, tls.clone()));
                    group.join(asked).await.expect("it joins");
                }
            }
            managers.insert(name, (manager, address, tls));
        }
        Group {
            managers,
            workers,
            _directory: directory,
        }
    }

    fn leader(&self) -> Option<&'static str> {
        self.managers
            .iter()
            .find(|(_, (manager, ..))| manager.status().leadership.is_self)
            .map(|(name, _)| *name)
    }

    /// One that does not lead.
    fn follower(&self) -> &Manager {
        let leader = self.leader();
        let other = self
            .managers
            .iter()
            .find(|(name, _)| Some(**name) != leader);
        &other.expect("a follower").1.0
    }

    fn view(&self) -> View {
        self.follower().replica().view()
    }

    async fn until(&self, what: &str, seen: impl Fn(&View) -> bool) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while !seen(&self.view()) {
            assert!(tokio::time::Instant::now() < end, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn roaming(&self, name: &'static str, processes: &Shared) -> Roaming {
        let managers = self.managers.values().map(|(_, address, _)| *address);
        let tls = self.workers[name].clone();
        Roaming::start(name, managers.collect(), tls, processes.clone())
    }
}

/// Whether so many tasks of a service run and are meant to, and no others live.
fn runs(view: &View, service: &str, wanted: usize) -> bool {
    let Some(service) = view.services().named(service) else {
        return false;
    };
    let live: Vec<_> = view
        .tasks_of(&service.id)
        .filter(|task| !task.status.state().is_final())
        .collect();
    live.len() == wanted
        && live
            .iter()
            .all(|task| task.is_wanted() && task.status.state() == TaskState::Running)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_is_lost_and_nobody_notices_but_the_managers() {
    const SERVICES: usize = 30;
    let mut group = Group::new().await;
    let processes = Shared::default();
    let _workers = WORKERS.map(|name| group.roaming(name, &processes));
    let address = group.managers["m2"].1;
    let mut control = api::control(channel(address, group.managers["m2"].2.clone()));
    let mut web = spec("web", 6);
    web.task.restart.delay_ms = 1;
    let asked = CreateServiceRequest { spec: Some(web) };
    control.create_service(asked).await.expect("created");
    group.until("web runs", |view| runs(view, "web", 6)).await;
    let web = group
        .view()
        .services()
        .named("web")
        .expect("web")
        .id
        .clone();
    let before: Vec<String> = group
        .view()
        .tasks_of(&web)
        .map(|task| task.id.clone())
        .collect();
    // A stack is on its way, a task fails that nobody has heard of, and the leader is gone.
    let services = (0..SERVICES).map(|number| spec(&format!("big_s{number}"), 2));
    let asked = DeployStackRequest {
        spec: Some(StackSpec {
            name: "big".to_owned(),
            services: services.collect(),
            ..StackSpec::default()
        }),
        plan: false,
    };
    control.deploy_stack(asked).await.expect("deployed");
    let lost = group.leader().expect("a leader");
    let (leader, ..) = group.managers.remove(lost).expect("it");
    lock(&processes).failing.insert(before[0].clone());
    leader.stop().await;
    drop(leader);
    let begun = tokio::time::Instant::now();
    while group.leader().is_none() {
        assert!(begun.elapsed() < PATIENCE, "nobody leads");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for number in 0..SERVICES {
        let name = format!("big_s{number}");
        group.until(&name, |view| runs(view, &name, 2)).await;
    }
    group
        .until("web runs again", |view| {
            let failed = view.tasks().get(&before[0]);
            let told = failed.is_none_or(|task| task.status.state() == TaskState::Failed);
            told && runs(view, "web", 6)
        })
        .await;
    let view = group.view();
    let now: Vec<String> = view
        .tasks_of(&web)
        .filter(|task| task.is_wanted())
        .map(|task| task.id.clone())
        .collect();
    let kept = before.iter().filter(|id| now.contains(id)).count();
    assert_eq!(kept, 5, "all but the one that failed: {before:?} {now:?}");
    let states = WORKERS.map(|name| view.nodes().get(name).expect("a node").status.state());
    assert_eq!(states, [NodeState::Ready; 3]);
    let text = {
        let leader = group.leader().expect("a leader");
        group.managers[leader].0.metrics_text()
    };
    assert!(text.contains("mini_dispatcher_sessions 3"), "{text}");
    let processes = lock(&processes);
    assert_eq!(processes.doubled, Vec::<String>::new());
    assert_eq!(processes.count(), 6 + 2 * SERVICES);
    let again: Vec<_> = processes
        .starts
        .iter()
        .filter(|(_, times)| **times > 1)
        .collect();
    assert!(again.is_empty(), "started more than once: {again:?}");
    // The one that failed has a successor; all others were started once.
    assert_eq!(processes.starts.len(), 7 + 2 * SERVICES);
    assert!(
        processes.sessions.values().all(|begun| *begun >= 2),
        "{:?}",
        processes.sessions
    );
}

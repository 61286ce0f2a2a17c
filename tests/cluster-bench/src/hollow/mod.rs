//! Nodes without containers, by the thousand, at three real managers: how soon ten tasks on each run, what a task costs a manager, and
//! what is lost when the leader is killed in between.
//!
//! Each agent is a node as any other: it joins with the token, has a key and a certificate of its own, its own connections over TLS
//! from an address of its own, a session, a stream of assignments and heartbeats. It says of each task that it runs as soon as it is
//! told of it. Other than a daemon it keeps its connection to a manager that still answers when a session is over. Agents live in a
//! few processes ([`fleet`]), each of which has 20,000 descriptors.

mod agent;
mod fleet;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use api::v1::control_client::ControlClient;
use api::v1::{
    GetJoinTokensRequest, ListNodesRequest, ListTasksRequest, RemoveServiceRequest,
    UpdateNodeRequest,
};
use futures_util::future::join_all;
use model::{Availability, Replicated, ServiceMode, Task, TaskState};
use tonic::Status;
use tonic::transport::Channel;

use crate::group::{Group, eventually};
use crate::measure::memory;
use crate::ours::Ours;
use crate::services::{create, sleeper};
use crate::table::{Bar, Row};
use fleet::{Fleets, Plan};

pub(crate) use fleet::{FLEET, fleet};

/// Agents, if `MINI_HOLLOW_AGENTS` doesn't say.
const AGENTS: usize = 1000;
/// Tasks for each agent, on average.
const EACH: usize = 10;
const SERVICES: usize = 100;
const FLEETS: usize = 4;
/// How long the managers are left alone before their memory is read.
const SETTLE: Duration = Duration::from_secs(10);
/// How long a deployment may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn rows(directory: &Path) -> Vec<Row> {
    let agents = std::env::var("MINI_HOLLOW_AGENTS").ok();
    let agents = agents.map_or(AGENTS, |number| number.parse().expect("a number of agents"));
    let tasks = agents * EACH;
    let mut ours = Ours::start(directory).await;
    let leader = ours.leader().await;
    let mut control = ours.client(leader);
    drain(&mut control).await;
    let began = Instant::now();
    let mut fleets = Fleets::start(plans(&mut control, agents).await);
    fleets
        .until("all agents have a session", PATIENCE, |seen| {
            seen.here == agents
        })
        .await;
    eprintln!(
        "cluster-bench: {agents} agents joined in {:.1?}",
        began.elapsed()
    );
    tokio::time::sleep(SETTLE).await;
    let before = memories(&mut ours);

    let quiet = deploy(&mut control, &fleets, "a", tasks, None).await;
    let started = fleets.seen().starts;
    assert_eq!(started, tasks, "no task is started twice");
    check(&mut control, &mut fleets, tasks).await;
    tokio::time::sleep(SETTLE).await;
    let after = memories(&mut ours);
    let each = before.iter().zip(&after).map(|(before, after)| {
        let tasks = tasks as f64;
        (after - before) * 1e6 / 1024.0 / tasks
    });
    let each = each.fold(0.0, f64::max);
    eprintln!("cluster-bench: memory of the managers {before:.0?} MB before, {after:.0?} MB after");

    let removed = remove(&mut control, &fleets, "a").await;
    tokio::time::sleep(SETTLE).await;
    let disturbed = deploy(&mut control, &fleets, "b", tasks, Some((&mut ours, leader))).await;
    let leader = ours.leader().await;
    let mut control = ours.client(leader);
    check(&mut control, &mut fleets, tasks).await;
    let twice = fleets.seen().starts - started - tasks;
    assert_eq!(twice, 0, "no task is started twice");
    eprintln!("cluster-bench: {:?}", fleets.seen());

    let at = format!("{agents} hollow agents, {tasks} tasks, three managers with fsync");
    let row = |work: String, ours, unit, bar| Row {
        work,
        rounds: "once".to_owned(),
        ours,
        peer: None,
        unit,
        bar,
    };
    vec![
        row(format!("{at}: all running"), quiet, "s", Bar::Below(20.0)),
        row(
            "the same: memory of a manager for each task (PSS, the largest of three)".to_owned(),
            each,
            "KiB",
            Bar::Below(2.0),
        ),
        row("the same: all removed".to_owned(), removed, "s", Bar::Told),
        row(
            "the same, leader killed when half of them run: all running, none started twice"
                .to_owned(),
            disturbed,
            "s",
            Bar::Told,
        ),
        row(
            "the same: lost by that".to_owned(),
            disturbed - quiet,
            "s",
            Bar::Below(3.0),
        ),
    ]
}

/// What is deployed goes to the agents alone.
async fn drain(control: &mut ControlClient<Channel>) {
    let nodes = control.list_nodes(ListNodesRequest::default()).await;
    for view in nodes.expect("the nodes").into_inner().nodes {
        let mut node = view.node.expect("a node");
        node.spec.availability = Availability::Drain.into();
        let asked = UpdateNodeRequest {
            node: node.id,
            version: 0,
            spec: Some(node.spec),
        };
        control.update_node(asked).await.expect("drained");
    }
}

async fn plans(control: &mut ControlClient<Channel>, agents: usize) -> Vec<Plan> {
    let tokens = control.get_join_tokens(GetJoinTokensRequest {}).await;
    let tokens = tokens.expect("the tokens").into_inner();
    let each = agents.div_ceil(FLEETS);
    let plan = |number: usize| Plan {
        first: number * each,
        count: each.min(agents.saturating_sub(number * each)),
        token: tokens.tokens.clone().expect("tokens").worker,
        managers: tokens.manager_addresses.clone(),
    };
    (0..FLEETS).map(plan).collect()
}

fn memories(ours: &mut Ours) -> Vec<f64> {
    let members = ours.members().iter();
    members.map(|member| memory(member.pid())).collect()
}

/// Makes services with so many tasks in all; the seconds until all of them run. With a group its leader is killed at the half.
async fn deploy(
    control: &mut ControlClient<Channel>,
    fleets: &Fleets,
    name: &str,
    tasks: usize,
    mut kill: Option<(&mut Ours, usize)>,
) -> f64 {
    let replicas = (tasks / SERVICES) as u64;
    let began = Instant::now();
    let made = (0..SERVICES).map(|number| {
        let mut spec = sleeper(&format!("{name}{number}"));
        spec.mode = Some(ServiceMode::Replicated(Replicated { replicas }));
        let mut control = control.clone();
        async move { create(&mut control, spec).await }
    });
    join_all(made).await;
    eprintln!(
        "cluster-bench: {SERVICES} services made in {:.1?}",
        began.elapsed()
    );
    if let Some((ours, leader)) = kill.take() {
        fleets
            .until("half of the tasks run", PATIENCE, |seen| {
                seen.runs >= tasks / 2
            })
            .await;
        ours.members()[leader].kill();
        eprintln!("cluster-bench: leader killed after {:.1?}", began.elapsed());
    }
    fleets
        .until("all tasks run", PATIENCE, |seen| seen.runs == tasks)
        .await;
    began.elapsed().as_secs_f64()
}

/// Removes the services; the seconds until no agent has a task.
async fn remove(control: &mut ControlClient<Channel>, fleets: &Fleets, name: &str) -> f64 {
    let began = Instant::now();
    let gone = (0..SERVICES).map(|number| {
        let asked = RemoveServiceRequest {
            service: format!("{name}{number}"),
        };
        let mut control = control.clone();
        async move { control.remove_service(asked).await.expect("removed") }
    });
    join_all(gone).await;
    fleets
        .until("all tasks have ended", PATIENCE, |seen| seen.runs == 0)
        .await;
    let took = began.elapsed().as_secs_f64();
    let end = Instant::now() + PATIENCE;
    while !tasks(control).await.is_ok_and(|left| left.is_empty()) {
        assert!(Instant::now() < end, "tasks are left");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    took
}

async fn tasks(control: &mut ControlClient<Channel>) -> Result<Vec<Task>, Status> {
    let mut control = control.clone().max_decoding_message_size(usize::MAX);
    let all = control.list_tasks(ListTasksRequest::default()).await?;
    let views = all.into_inner().tasks.into_iter();
    Ok(views.filter_map(|view| view.task).collect())
}

/// Checks that each slot has one task, that it runs, and that the agents run exactly those.
async fn check(control: &mut ControlClient<Channel>, fleets: &mut Fleets, wanted: usize) {
    let known = eventually("the managers answer", async || tasks(control).await.ok()).await;
    let wanted_ones = known.iter().filter(|task| task.is_wanted());
    let slots: BTreeSet<_> = wanted_ones
        .clone()
        .map(|task| (&task.service_id, task.slot))
        .collect();
    assert_eq!(slots.len(), wanted, "each slot has a task");
    assert_eq!(known.len(), wanted, "no slot has two");
    assert!(
        known
            .iter()
            .all(|task| task.status.state() == TaskState::Running),
        "each of them runs"
    );
    let run = fleets.tasks().await;
    let ids: BTreeSet<String> = known.into_iter().map(|task| task.id).collect();
    assert_eq!(run.len(), wanted, "agents run as many");
    assert!(
        run.into_iter().collect::<BTreeSet<_>>() == ids,
        "agents run those"
    );
}

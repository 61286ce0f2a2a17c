//! What all tests of services ask of a cluster.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::cluster_registry::BUSYBOX;
use tests::words::Words;
use tests::{Cluster, Done};

/// What a service runs that is to run, and to end as soon as it is asked to.
pub(crate) const STAYS: [&str; 4] = ["--init", BUSYBOX, "sleep", "1000"];

/// A line of `service ps`.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) node: String,
    pub(crate) desired: String,
    pub(crate) state: String,
    pub(crate) error: String,
    pub(crate) ports: String,
}

impl Row {
    fn of(value: &Value) -> Row {
        let word = |column: &str| value[column].as_str().unwrap_or_default().to_owned();
        Row {
            id: word("ID"),
            name: word("Name"),
            image: word("Image"),
            node: word("Node"),
            desired: word("DesiredState"),
            state: word("CurrentState"),
            error: word("Error").trim_matches('"').to_owned(),
            ports: word("Ports"),
        }
    }

    /// Whether it runs and is to run.
    pub(crate) fn runs(&self) -> bool {
        self.state.starts_with("Running") && self.desired == "Running"
    }
}

/// A cluster whose nodes all have the registry.
pub(crate) fn cluster(managers: usize, workers: usize) -> Option<Cluster> {
    let mut cluster = Cluster::start(managers, workers)?;
    let nodes: Vec<String> = (1..=managers + workers)
        .map(|number| format!("node{number}"))
        .collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    cluster.registry(&nodes);
    Some(cluster)
}

/// Makes nodes speak so often that a silent one is down in less than a second.
#[track_caller]
pub(crate) fn impatient(cluster: &Cluster) {
    cluster
        .on("node1", "cluster update --dispatcher-heartbeat 300ms")
        .ok();
}

/// `service create -q --name NAME`, then flags, then what it runs; it is as wanted when this returns.
#[track_caller]
pub(crate) fn create(cluster: &Cluster, name: &str, flags: &str, runs: &[&str]) -> Done {
    let mut words = vec![
        "service".to_owned(),
        "create".to_owned(),
        "-q".to_owned(),
        "--name".to_owned(),
        name.to_owned(),
    ];
    words.extend(flags.words());
    words.extend(runs.words());
    cluster.on("node1", words)
}

/// All tasks that are remembered of a service, as a manager knows them.
#[track_caller]
pub(crate) fn tasks_by(cluster: &Cluster, asked: &str, service: &str) -> Vec<Row> {
    let words = [
        "service",
        "ps",
        "--no-trunc",
        "--format",
        "{{json .}}",
        service,
    ];
    let told = cluster.on(asked, words);
    let lines = told.lines();
    lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .map(|value| Row::of(&value))
        .collect()
}

/// The same, asked on node1.
#[track_caller]
pub(crate) fn tasks(cluster: &Cluster, service: &str) -> Vec<Row> {
    tasks_by(cluster, "node1", service)
}

/// Those that run and are to run.
#[track_caller]
pub(crate) fn running(cluster: &Cluster, service: &str) -> Vec<Row> {
    let mut rows = tasks(cluster, service);
    rows.retain(Row::runs);
    rows
}

/// How many of them run on each node that has one: `node1=2 node3=1`.
#[track_caller]
pub(crate) fn spread(cluster: &Cluster, service: &str) -> String {
    let mut nodes = BTreeMap::<String, usize>::new();
    for row in running(cluster, service) {
        *nodes.entry(row.node).or_default() += 1;
    }
    let told: Vec<String> = nodes
        .iter()
        .map(|(node, count)| format!("{node}={count}"))
        .collect();
    told.join(" ")
}

/// Waits until the running tasks are spread like that.
#[track_caller]
pub(crate) fn until_spread(cluster: &Cluster, service: &str, expected: &str) {
    let mut seen = String::new();
    let reached = tests::wait::within(std::time::Duration::from_secs(30), || {
        seen = spread(cluster, service);
        (seen == expected).then_some(())
    });
    assert!(
        reached.is_some(),
        "{service} should be spread {expected:?} and is {seen:?}:\n{:#?}",
        tasks(cluster, service)
    );
}

/// The names of the containers that run on a node, without the ids of their tasks.
#[track_caller]
pub(crate) fn containers(cluster: &Cluster, node: &str) -> Vec<String> {
    let told = cluster.on(node, ["ps", "--format", "{{.Names}}"]).ok();
    let mut names: Vec<String> = told
        .lines()
        .iter()
        .map(|name| {
            let parts: Vec<&str> = name.split('.').collect();
            parts[..parts.len().min(2)].join(".")
        })
        .collect();
    names.sort();
    names
}

/// The processes of the containers that run on a node.
#[track_caller]
pub(crate) fn processes(cluster: &Cluster, node: &str) -> Vec<String> {
    let script = "minictl inspect -f '{{.Name}} {{.State.Pid}}' $(minictl ps -q)";
    let mut lines = cluster.sh(node, script).ok().lines();
    lines.sort();
    lines
}

/// One thing that `service inspect` tells.
#[track_caller]
pub(crate) fn told(cluster: &Cluster, service: &str, format: &str) -> String {
    cluster
        .on("node1", ["service", "inspect", "-f", format, service])
        .ok()
        .text()
}

/// The host of the lab that has this name, as others reach it.
pub(crate) fn address(node: &str) -> String {
    format!("10.66.0.1{}", node.trim_start_matches("node"))
}

//! An event as one line. Pure.

use std::collections::BTreeMap;
use std::fmt;

use api::v1::WatchEvent;
use api::v1::watch_event::{Object, What};
use jiff::Timestamp;
use model::{Meta, Node, Service, Stack, Task, TaskState};
use serde_json::{Value, json};

/// Names of services and nodes by id, of which tasks know ids alone.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) services: BTreeMap<String, String>,
    pub(super) nodes: BTreeMap<String, String>,
}

/// What happened to one object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) time: Timestamp,
    pub(super) noun: &'static str,
    pub(super) what: &'static str,
    pub(super) name: String,
    id: String,
    detail: String,
    version: u64,
}

impl Line {
    /// The line of an event, if it is about anything that this program knows. Names of services and nodes are learnt on the way.
    pub(super) fn of(event: &WatchEvent, names: &mut Names, now: Timestamp) -> Option<Self> {
        let object = event.object.as_ref()?;
        learn(object, names);
        let (noun, id, name, meta, detail) = match object {
            Object::Cluster(of) => (
                "cluster",
                &of.id,
                of.id.clone(),
                of.meta.unwrap_or_default(),
                String::new(),
            ),
            Object::Node(of) => (
                "node",
                &of.id,
                of.description.hostname.clone(),
                of.meta,
                node(of),
            ),
            Object::Task(of) => (
                "task",
                &of.id,
                task_name(of, names),
                of.meta,
                task(of, names),
            ),
            Object::Service(of) => (
                "service",
                &of.id,
                of.spec.name.clone(),
                of.meta,
                service(of),
            ),
            Object::Stack(of) => ("stack", &of.id, of.name.clone(), of.meta, stack(of)),
            Object::Config(of) => (
                "config",
                &of.id,
                of.spec.name.clone(),
                of.meta,
                String::new(),
            ),
            Object::Secret(of) => (
                "secret",
                &of.id,
                of.spec.name.clone(),
                of.meta,
                String::new(),
            ),
            Object::Network(of) => (
                "network",
                &of.id,
                of.spec.name.clone(),
                of.meta,
                of.trouble.clone(),
            ),
        };
        Some(Line {
            time: time(event.what(), meta, now),
            noun,
            what: word(event.what()),
            name,
            id: id.clone(),
            detail,
            version: event.version,
        })
    }

    /// The same for programs.
    pub(super) fn object(&self) -> Value {
        json!({
            "Time": self.time.to_string(),
            "Type": self.noun,
            "Action": self.what,
            "Name": self.name,
            "ID": self.id,
            "Detail": self.detail,
            "Version": self.version,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} {} {} {}",
            self.time, self.noun, self.what, self.name
        )?;
        match self.detail.as_str() {
            "" => Ok(()),
            detail => write!(f, " ({detail})"),
        }
    }
}

fn word(what: What) -> &'static str {
    match what {
        What::Created => "create",
        What::Updated => "update",
        What::Removed => "remove",
    }
}

/// An object that is gone doesn't say when it went.
fn time(what: What, meta: Meta, now: Timestamp) -> Timestamp {
    match Timestamp::from_millisecond(meta.updated_ms) {
        Ok(time) if what != What::Removed && meta.updated_ms > 0 => time,
        _ => now,
    }
}

fn learn(object: &Object, names: &mut Names) {
    match object {
        Object::Service(of) => {
            names.services.insert(of.id.clone(), of.spec.name.clone());
        }
        Object::Node(of) => {
            let name = of.description.hostname.clone();
            names.nodes.insert(of.id.clone(), name);
        }
        _ => {}
    }
}

fn node(of: &Node) -> String {
    format!("{}, {}", of.status.state(), of.spec.availability())
}

fn task_name(of: &Task, names: &Names) -> String {
    let service = names.services.get(&of.service_id);
    let service = service.unwrap_or(&of.service_id);
    match (of.slot, names.nodes.get(&of.node_id)) {
        (0, Some(node)) => format!("{service}.{node}"),
        _ => of.name(service),
    }
}

fn task(of: &Task, names: &Names) -> String {
    let mut detail = of.status.state().to_string();
    if let Some(node) = names.nodes.get(&of.node_id) {
        detail.push_str(&format!(" on {node}"));
    }
    let desired = of.desired_state();
    if desired > TaskState::Running && !of.status.state().is_final() {
        detail.push_str(&format!(", to become {desired}"));
    }
    let why = [&of.status.error, &of.status.message];
    if let Some(why) = why.into_iter().find(|why| !why.is_empty()) {
        detail.push_str(&format!(": {why}"));
    }
    detail
}

fn service(of: &Service) -> String {
    let mut detail = format!("revision {}", of.revision);
    if let Some(rollout) = &of.rollout {
        detail.push_str(&format!(", {}", rollout.state()));
    }
    if let Some(wait) = &of.waiting {
        detail.push_str(&format!(", waiting: {}", wait.message));
    }
    if of.removing {
        detail.push_str(", removing");
    }
    detail
}

fn stack(of: &Stack) -> String {
    match of.removing {
        true => "removing".to_owned(),
        false => format!("deployment {}", of.deployment),
    }
}

#[cfg(test)]
mod tests {
    use model::{Rollout, Secret, SecretSpec, TaskStatus};

    use super::*;

    #[test]
    fn an_event_is_one_line() {
        fn check(what: What, object: Object, expected: &str) {
            let mut names = Names::default();
            names.services.insert("s1".to_owned(), "web".to_owned());
            names.nodes.insert("n1".to_owned(), "node1".to_owned());
            let event = WatchEvent {
                version: 7,
                what: what.into(),
                object: Some(object),
            };
            let now = "2026-01-02T03:04:05Z".parse().unwrap();
            let line = Line::of(&event, &mut names, now).unwrap();
            assert_eq!(line.to_string(), expected);
            assert_eq!(line.object()["Version"], 7);
        }
        let meta = Meta {
            updated_ms: 1_500,
            ..Meta::default()
        };
        let task = Task {
            id: "t1".to_owned(),
            service_id: "s1".to_owned(),
            node_id: "n1".to_owned(),
            slot: 2,
            meta,
            desired_state: TaskState::Shutdown.into(),
            status: TaskStatus {
                state: TaskState::Running.into(),
                ..TaskStatus::default()
            },
            ..Task::default()
        };
        check(
            What::Updated,
            Object::Task(task.clone()),
            "1970-01-01T00:00:01.500Z task update web.2 (running on node1, to become shutdown)",
        );
        check(
            What::Removed,
            Object::Task(Task { slot: 0, ..task }),
            "2026-01-02T03:04:05.000Z task remove web.node1 (running on node1, to become shutdown)",
        );
        let mut service = Service {
            id: "s2".to_owned(),
            revision: 3,
            meta,
            rollout: Some(Rollout::default()),
            ..Service::default()
        };
        service.spec.name = "db".to_owned();
        check(
            What::Created,
            Object::Service(service),
            "1970-01-01T00:00:01.500Z service create db (revision 3, updating)",
        );
        let secret = Secret {
            spec: SecretSpec {
                name: "key".to_owned(),
                data: b"hunter2".to_vec().into(),
                ..SecretSpec::default()
            },
            ..Secret::default()
        };
        check(
            What::Removed,
            Object::Secret(secret),
            "2026-01-02T03:04:05.000Z secret remove key",
        );
    }
}

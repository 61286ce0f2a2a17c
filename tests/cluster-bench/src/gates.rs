//! From the moment in which a dependency is known to be healthy to the start of what waits for it.

use std::path::Path;

use api::v1::control_client::ControlClient;
use api::v1::{DeployStackRequest, RemoveStackRequest};
use model::{Dependency, DependencyCondition, Health, HealthCheck, StackSpec, TaskState};

use crate::lab::Lab;
use crate::measure::percentile;
use crate::services::{Watching, sleeper};
use crate::table::{Bar, Row};

const STACKS: usize = 100;
/// These warm up.
const FIRST: usize = 3;
/// Milliseconds that are worth a word.
const SLOW: f64 = 100.0;

pub(crate) async fn rows(directory: &Path) -> Vec<Row> {
    let lab = Lab::up(directory, 3, 2);
    let mut control = ControlClient::new(lab.socket("node1"));
    let mut watching = Watching::begin(&mut control).await;
    let mut times = Vec::new();
    for number in 0..FIRST + STACKS {
        let name = format!("g{number}");
        let asked = DeployStackRequest {
            spec: Some(gated(&name)),
            plan: false,
        };
        control.deploy_stack(asked).await.expect("a stack");
        let mut healthy = None;
        let took = watching.until("the gate opens", |heard| {
            let task = heard.task()?;
            match (task.status.state(), task.status.health()) {
                (TaskState::Running, Health::Healthy) => {
                    healthy.get_or_insert(heard.at);
                    None
                }
                (state, Health::Unprobed) if state >= TaskState::Starting => {
                    assert!(!state.is_final(), "what waited runs: {task:?}");
                    let healthy = healthy.expect("it started after its dependency was healthy");
                    Some(heard.at.duration_since(healthy))
                }
                _ => None,
            }
        });
        let took = took.await.as_secs_f64() * 1e3;
        if number >= FIRST {
            times.push(took);
        }
        if took > SLOW {
            eprintln!("cluster-bench: the gate of {name} took {took:.0} ms");
        }
        let asked = RemoveStackRequest { stack: name };
        control.remove_stack(asked).await.expect("removed");
        let mut gone = 0;
        let removed = watching.until("the stack is gone", |heard| {
            gone += usize::from(heard.removed_service().is_some());
            (gone == 2).then_some(())
        });
        removed.await;
    }
    drop(lab);
    let mut row = |which: &str, part, bar| Row {
        work: format!(
            "gate opens after its dependency turned healthy: to the dependent's start, {which}"
        ),
        rounds: format!("{STACKS} stacks"),
        ours: percentile(&mut times, part),
        peer: None,
        unit: "ms",
        bar,
    };
    vec![
        row("p50", 0.5, Bar::Told),
        row("p99", 0.99, Bar::Below(100.0)),
    ]
}

/// A service that is healthy soon, and one that waits for it.
fn gated(stack: &str) -> StackSpec {
    let mut first = sleeper(&format!("{stack}_db"));
    first.task.container.healthcheck = Some(HealthCheck {
        test: ["CMD", "true"].map(str::to_owned).to_vec(),
        interval_ms: 100,
        ..HealthCheck::default()
    });
    let mut second = sleeper(&format!("{stack}_web"));
    second.depends_on = vec![Dependency {
        service: first.name.clone(),
        condition: DependencyCondition::Healthy.into(),
        ..Dependency::default()
    }];
    StackSpec {
        name: stack.to_owned(),
        services: vec![first, second],
        ..StackSpec::default()
    }
}

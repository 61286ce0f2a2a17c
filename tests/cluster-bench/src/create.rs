//! From the creation of a service to its running task, on a lab of five nodes, three of them managers.

use std::path::Path;
use std::time::Instant;

use api::v1::control_client::ControlClient;
use model::TaskState;

use crate::lab::Lab;
use crate::measure::percentile;
use crate::services::{Watching, create, sleeper};
use crate::table::{Bar, Row};

const SERVICES: usize = 100;
/// These warm up.
const FIRST: usize = 5;

pub(crate) async fn rows(directory: &Path) -> Vec<Row> {
    let lab = Lab::up(directory, 3, 2);
    let mut control = ControlClient::new(lab.socket("node1"));
    let mut watching = Watching::begin(&mut control).await;
    let mut times = Vec::new();
    for number in 0..FIRST + SERVICES {
        let began = Instant::now();
        let id = create(&mut control, sleeper(&format!("s{number}"))).await;
        let runs = watching.until("the task runs", |heard| {
            let task = heard.task()?;
            let runs = task.service_id == id && task.status.state() == TaskState::Running;
            runs.then_some(heard.at)
        });
        let took = runs.await.duration_since(began);
        if number >= FIRST {
            times.push(took.as_secs_f64() * 1e3);
        }
    }
    drop(lab);
    let mut row = |which: &str, part, bar| Row {
        work: format!(
            "service create to running, image local, 3 managers, lab of 5 nodes, {which}"
        ),
        rounds: format!("{SERVICES} services"),
        ours: percentile(&mut times, part),
        peer: None,
        unit: "ms",
        bar,
    };
    vec![
        row("p50", 0.5, Bar::Told),
        row("p99", 0.99, Bar::Below(300.0)),
    ]
}

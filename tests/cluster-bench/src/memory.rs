//! What a manager needs that has nothing to do, and one that knows 100,000 tasks.

use std::path::Path;
use std::time::Duration;

use crate::etcd::Etcd;
use crate::group::{Group, eventually};
use crate::measure::{median, memory};
use crate::ours::Ours;
use crate::table::{Bar, Row};
use crate::{ours, restart};

/// How long the members are left alone before it is read.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) async fn rows(directory: &Path) -> Vec<Row> {
    let (mut ours, mut etcd) = (Ours::start(directory).await, Etcd::start(directory).await);
    tokio::time::sleep(IDLE).await;
    let idle = |members: &mut Vec<crate::group::Member>| {
        let mut all: Vec<f64> = members.iter().map(|member| memory(member.pid())).collect();
        median(&mut all)
    };
    let (our, their) = (idle(ours.members()), idle(etcd.members()));
    drop((ours, etcd));
    vec![
        Row {
            work: "memory of an idle manager (PSS)".to_owned(),
            rounds: "median of 3".to_owned(),
            ours: our,
            peer: Some(their),
            unit: "MB",
            bar: Bar::Below(25.0),
        },
        Row {
            work: "memory of a manager with 100,000 tasks (PSS)".to_owned(),
            rounds: "once".to_owned(),
            ours: with_tasks(&directory.join("tasks")).await,
            peer: None,
            unit: "MB",
            bar: Bar::Below(250.0),
        },
    ]
}

/// After a restart from its log, once it leads.
async fn with_tasks(directory: &Path) -> f64 {
    let home = ours::home(directory, 0);
    restart::prepare(&home).await;
    let daemon = ours::daemon(&home, &[]);
    eventually("the manager leads", async || {
        ours::leads(&home).await.then_some(())
    })
    .await;
    tokio::time::sleep(IDLE).await;
    memory(daemon.pid())
}

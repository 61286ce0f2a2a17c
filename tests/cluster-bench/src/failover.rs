//! From the death of the leader to the next write that is acknowledged.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::etcd::Etcd;
use crate::group::{Client, Group};
use crate::measure::median;
use crate::ours::Ours;
use crate::table::{Bar, Row};

const OURS: usize = 20;
/// etcd is slower: fewer say as much.
const THEIRS: usize = 7;
/// A client asks again after so long: what it asked of a member that knew no leader may never be answered.
const ATTEMPT: Duration = Duration::from_millis(250);
/// A member that came back has so long to catch up.
const SETTLE: Duration = Duration::from_millis(1500);

pub(crate) async fn rows(directory: &Path) -> Vec<Row> {
    let mut ours = Ours::start(directory).await;
    let mut etcd = Etcd::start(directory).await;
    let (mut our, mut their) = (Vec::new(), Vec::new());
    for trial in 0..OURS {
        our.push(trial_of(&mut ours, trial).await);
        if trial < THEIRS {
            their.push(trial_of(&mut etcd, trial).await);
        }
    }
    let rounds = format!("{OURS} trials, etcd {THEIRS}");
    let worst = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
    let (our_worst, their_worst) = (worst(&our), worst(&their));
    vec![
        Row {
            work: "kill -9 of the leader to the next write, median".to_owned(),
            rounds: rounds.clone(),
            ours: median(&mut our),
            peer: Some(median(&mut their)),
            unit: "ms",
            bar: Bar::Below(700.0),
        },
        Row {
            work: "kill -9 of the leader to the next write, worst".to_owned(),
            rounds,
            ours: our_worst,
            peer: Some(their_worst),
            unit: "ms",
            bar: Bar::Below(1500.0),
        },
    ]
}

/// Milliseconds of one trial: both members that are left are asked, again and again.
async fn trial_of<G: Group>(group: &mut G, trial: usize) -> f64 {
    let leader = group.leader().await;
    let others = (0..3).filter(|member| *member != leader);
    let mut clients: Vec<G::Client> = others.map(|member| group.client(member)).collect();
    for client in &mut clients {
        client.get("warm".to_owned()).await;
    }
    group.members()[leader].kill();
    let began = Instant::now();
    let asking = clients.into_iter().enumerate().map(|(other, mut client)| {
        Box::pin(async move {
            for attempt in 0.. {
                let key = format!("f{trial}-{other}-{attempt}");
                let asked = client.put(key, vec![7; 256]);
                if tokio::time::timeout(ATTEMPT, asked).await == Ok(true) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    });
    futures_util::future::select_all(asking).await;
    let took = began.elapsed().as_secs_f64() * 1e3;
    group.members()[leader].restart();
    tokio::time::sleep(SETTLE).await;
    took
}

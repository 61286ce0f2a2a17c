//! Writes and reads of one client and of many.

use std::path::Path;
use std::time::Instant;

use crate::etcd::Etcd;
use crate::group::{Client, Group};
use crate::measure::{median, percentile};
use crate::ours::Ours;
use crate::table::{Bar, Row};

const ROUNDS: usize = 5;
/// Writes of one client in a round, one after the other.
const SEQUENTIAL: usize = 500;
/// Clients at once, and what each asks in a round.
const CLIENTS: usize = 64;
const EACH: usize = 150;
const VALUE: usize = 256;

/// What one group took.
#[derive(Default)]
struct Samples {
    /// Milliseconds of each sequential write.
    sequential: Vec<f64>,
    /// Writes in a second, in each round.
    writes: Vec<f64>,
    /// Reads in a second.
    reads: Vec<f64>,
}

pub(crate) async fn rows(directory: &Path) -> Vec<Row> {
    let (ours, etcd) = (Ours::start(directory).await, Etcd::start(directory).await);
    let (mut our, mut their) = (Samples::default(), Samples::default());
    // The first round warms up.
    for round in 0..=ROUNDS {
        if round == 1 {
            (our, their) = Default::default();
        }
        one_round(&ours, round, &mut our).await;
        one_round(&etcd, round, &mut their).await;
    }
    let all = format!("{ROUNDS} rounds of {SEQUENTIAL}");
    let many = format!("{ROUNDS} rounds of {}", CLIENTS * EACH);
    let row = |work: &str, rounds: &str, ours, peer, unit, bar| Row {
        work: work.to_owned(),
        rounds: rounds.to_owned(),
        ours,
        peer: Some(peer),
        unit,
        bar,
    };
    vec![
        row(
            "durable write, one after the other, p50",
            &all,
            percentile(&mut our.sequential, 0.5),
            percentile(&mut their.sequential, 0.5),
            "ms",
            Bar::AtMost(1.0),
        ),
        row(
            "durable write, one after the other, p99",
            &all,
            percentile(&mut our.sequential, 0.99),
            percentile(&mut their.sequential, 0.99),
            "ms",
            Bar::AtMost(1.0),
        ),
        row(
            "durable writes, 64 clients",
            &many,
            median(&mut our.writes),
            median(&mut their.writes),
            "/s",
            Bar::AtLeast(1.5),
        ),
        row(
            "linearizable reads, 64 clients",
            &many,
            median(&mut our.reads),
            median(&mut their.reads),
            "/s",
            Bar::AtLeast(2.0),
        ),
    ]
}

async fn one_round<G: Group>(group: &G, round: usize, samples: &mut Samples) {
    let leader = group.leader().await;
    let mut client = group.client(leader);
    for number in 0..SEQUENTIAL {
        let began = Instant::now();
        let key = format!("s{round}-{number}");
        assert!(
            client.put(key, vec![7; VALUE]).await,
            "{}: a write",
            G::NAME
        );
        samples.sequential.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let put = async |mut client: G::Client, worker: usize, number: usize| {
        let key = format!("p{round}-{worker}-{number}");
        client.put(key, vec![7; VALUE]).await
    };
    samples.writes.push(rate(&client, put).await);
    let get =
        async |mut client: G::Client, _: usize, _: usize| client.get(format!("s{round}-0")).await;
    samples.reads.push(rate(&client, get).await);
}

/// How much in a second is answered to all clients together.
async fn rate<C: Client>(client: &C, ask: impl AsyncFn(C, usize, usize) -> bool) -> f64 {
    let began = Instant::now();
    let workers = (0..CLIENTS).map(|worker| {
        let (client, ask) = (client.clone(), &ask);
        async move {
            for number in 0..EACH {
                assert!(ask(client.clone(), worker, number).await, "an answer");
            }
        }
    });
    futures_util::future::join_all(workers).await;
    #[allow(clippy::cast_precision_loss)]
    let asked = (CLIENTS * EACH) as f64;
    asked / began.elapsed().as_secs_f64()
}

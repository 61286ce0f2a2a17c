//! Agents that share a process, and those who started it.
//!
//! The process prints what it has seen whenever that has changed, and the ids of the tasks that its agents run when it is sent a
//! line. It ends with its standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::v1::GetRootsRequest;
use api::v1::authority_client::AuthorityClient;
use identity::{JoinToken, TrustBundle, introduction_config, server_name, trusting_config};
use tokio::io::AsyncBufReadExt;
use tokio::sync::Semaphore;

use super::agent::Agent;
use crate::cleanup;

/// The argument by which this program becomes a fleet.
pub(crate) const FLEET: &str = "--hollow-fleet";
/// How often a fleet tells what it has seen.
const TELL: Duration = Duration::from_millis(20);
/// Agents of a fleet that join, and begin their first session, at once.
const JOINING: usize = 24;

/// What a fleet is.
#[derive(Clone)]
pub(crate) struct Plan {
    /// Number of its first agent.
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) token: String,
    pub(crate) managers: Vec<String>,
}

impl Plan {
    fn line(&self) -> String {
        let managers = self.managers.join(",");
        format!("{} {} {} {managers}", self.first, self.count, self.token)
    }

    fn parse(line: &str) -> Option<Plan> {
        let mut words = line.split(' ');
        Some(Plan {
            first: words.next()?.parse().ok()?,
            count: words.next()?.parse().ok()?,
            token: words.next()?.to_owned(),
            managers: words.next()?.split(',').map(str::to_owned).collect(),
        })
    }
}

/// What agents of a fleet have seen together.
#[derive(Default)]
pub(super) struct Tally {
    /// Agents that have a session.
    pub(super) here: AtomicUsize,
    /// Tasks that the managers know to run.
    pub(super) runs: AtomicUsize,
    /// Tasks that were ever started.
    pub(super) starts: AtomicUsize,
    /// Sessions that were ever begun.
    pub(super) sessions: AtomicUsize,
    /// Connections that were ever made.
    pub(super) connections: AtomicUsize,
}

/// The same, of all fleets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) here: usize,
    pub(super) runs: usize,
    pub(super) starts: usize,
    pub(super) sessions: usize,
    pub(super) connections: usize,
}

impl Tally {
    fn seen(&self) -> Seen {
        let read = |number: &AtomicUsize| number.load(Ordering::SeqCst);
        Seen {
            here: read(&self.here),
            runs: read(&self.runs),
            starts: read(&self.starts),
            sessions: read(&self.sessions),
            connections: read(&self.connections),
        }
    }
}

/// Is a fleet, until standard input ends.
pub(crate) async fn fleet(plan: &str) {
    let plan = Plan::parse(plan).expect("a fleet's plan");
    let roots = roots(&plan).await;
    let tally = Arc::<Tally>::default();
    let joining = Arc::new(Semaphore::new(JOINING));
    let bundle = TrustBundle::from_pem(&roots).expect("roots");
    let trusting = trusting_config(&bundle).expect("a client");
    let agents: Vec<Arc<Agent>> = (plan.first..plan.first + plan.count)
        .map(|number| Arc::new(Agent::new(number, &plan, &tally)))
        .collect();
    for (number, agent) in agents.iter().enumerate() {
        let address = plan.managers[number % plan.managers.len()].clone();
        let trusting = trusting.clone();
        let authority = api::connect::tls(&address, move || trusting.clone(), server_name());
        let (agent, joining, token) = (agent.clone(), joining.clone(), plan.token.clone());
        tokio::spawn(async move {
            let permit = joining.acquire_owned().await.expect("a turn");
            let config = agent.join(AuthorityClient::new(authority), &token).await;
            agent.live(config, permit).await;
        });
    }
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let mut told = Seen::default();
    let mut tell = tokio::time::interval(TELL);
    loop {
        tokio::select! {
            _ = tell.tick() => {
                let seen = tally.seen();
                if seen != told {
                    let Seen { here, runs, starts, sessions, connections } = seen;
                    println!("seen {here} {runs} {starts} {sessions} {connections}");
                    told = seen;
                }
            }
            line = lines.next_line() => match line {
                Ok(Some(_)) => {
                    for id in agents.iter().flat_map(|agent| agent.tasks()) {
                        println!("task {id}");
                    }
                    println!("end");
                }
                _ => return,
            }
        }
    }
}

async fn roots(plan: &Plan) -> String {
    let token: JoinToken = plan.token.parse().expect("a token");
    let anybody = introduction_config().expect("a client");
    let stranger = api::connect::tls(&plan.managers[0], move || anybody.clone(), server_name());
    let asked = AuthorityClient::new(stranger)
        .get_roots(GetRootsRequest {})
        .await;
    let roots = asked.expect("the roots").into_inner().roots_pem;
    let bundle = TrustBundle::from_pem(&roots).expect("roots");
    assert!(&bundle.digest() == token.digest(), "the token's cluster");
    roots
}

/// Fleets that were started; dropped, they end.
pub(super) struct Fleets {
    processes: Vec<Child>,
    seen: Arc<Mutex<Vec<Seen>>>,
    lines: mpsc::Receiver<String>,
}

impl Fleets {
    pub(super) fn start(plans: Vec<Plan>) -> Self {
        let seen = Arc::new(Mutex::new(vec![Seen::default(); plans.len()]));
        let (tells, lines) = mpsc::channel();
        let own = std::env::current_exe().expect("this program");
        let start = |(number, plan): (usize, Plan)| {
            // Other machines' processors do the agents' work elsewhere: here managers come first.
            let mut command = Command::new("nice");
            command
                .args(["-n", "15"])
                .arg(&own)
                .arg(FLEET)
                .arg(plan.line());
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut process = command.spawn().expect("a fleet starts");
            cleanup::expect_process(process.id());
            let said = BufReader::new(process.stdout.take().expect("its output"));
            let (seen, tells) = (seen.clone(), tells.clone());
            std::thread::spawn(move || {
                for line in said.lines().map_while(Result::ok) {
                    match line.strip_prefix("seen ").and_then(parse) {
                        Some(now) => lock(&seen)[number] = now,
                        None => drop(tells.send(line)),
                    }
                }
            });
            process
        };
        Fleets {
            processes: plans.into_iter().enumerate().map(start).collect(),
            seen,
            lines,
        }
    }

    /// What all have seen together.
    pub(super) fn seen(&self) -> Seen {
        lock(&self.seen)
            .iter()
            .fold(Seen::default(), |all, one| Seen {
                here: all.here + one.here,
                runs: all.runs + one.runs,
                starts: all.starts + one.starts,
                sessions: all.sessions + one.sessions,
                connections: all.connections + one.connections,
            })
    }

    /// Waits until they have seen something, and tells now and then what it has come to.
    pub(super) async fn until(&self, what: &str, patience: Duration, so: impl Fn(Seen) -> bool) {
        let began = Instant::now();
        let mut told = began;
        while !so(self.seen()) {
            assert!(began.elapsed() < patience, "{what}: {:?}", self.seen());
            if told.elapsed() > Duration::from_secs(2) {
                told = Instant::now();
                eprintln!("cluster-bench: {:.1?} {:?}", began.elapsed(), self.seen());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The ids of all tasks that agents run.
    pub(super) async fn tasks(&mut self) -> Vec<String> {
        for process in &mut self.processes {
            let mut asks = process.stdin.as_ref().expect("its input");
            asks.write_all(b"tell\n").expect("asked");
        }
        let (mut ids, mut ended) = (Vec::new(), 0);
        while ended < self.processes.len() {
            let line = self.lines.recv_timeout(Duration::from_secs(30));
            let line = line.expect("an answer of each fleet");
            match line.strip_prefix("task ") {
                Some(id) => ids.push(id.to_owned()),
                None => ended += usize::from(line == "end"),
            }
        }
        ids
    }
}

impl Drop for Fleets {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn parse(line: &str) -> Option<Seen> {
    let mut numbers = line.split(' ').map(|word| word.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(Seen {
        here: next()?,
        runs: next()?,
        starts: next()?,
        sessions: next()?,
        connections: next()?,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

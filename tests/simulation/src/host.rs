//! One member's machine: its disks, which outlive it, and its life from a start to a crash, on a clock of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consensus::{Consensus, Leadership, MembershipError, ProposeError, ReadError, Setup, Timings};
use tokio::runtime::{Builder, RngSeed, Runtime};
use tokio::sync::{mpsc, watch};
use wal::{Inline, Log, Options, PlainText};

use crate::dice::Dice;
use crate::journal::{Journal, Slowness};
use crate::planted::Planted;
use crate::power::{Disks, Power, PoweredDisk, lock};
use crate::registers::{Registers, Reply, Window};
use crate::wire::{Body, Errand, Message, Outbox, Wire, id_of, member};

type Node = Consensus<Registers, PoweredDisk>;

/// What all members of a world share.
#[derive(Clone)]
pub(crate) struct Habits {
    pub(crate) outbox: Outbox,
    pub(crate) planted: Option<Planted>,
    /// Entries between two snapshots.
    pub(crate) snapshot_every: u64,
}

/// A member between its start and its crash.
pub(crate) struct Life {
    runtime: Runtime,
    inbox: mpsc::UnboundedSender<Message>,
    wire: Wire,
    pub(crate) node: Node,
    pub(crate) power: Arc<Power>,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) window: Window,
}

/// What a start needs.
pub(crate) struct Birth {
    pub(crate) id: u64,
    pub(crate) disks: Disks,
    pub(crate) slow: Slowness,
    pub(crate) dice: Dice,
    /// Whether it has lived before.
    pub(crate) again: bool,
    /// Power cut after so many operations of the disks, perhaps while it starts.
    pub(crate) cut_in: Option<u64>,
}

/// A start that failed; what of the disks is left when it was because the power went.
pub(crate) enum Stillborn {
    PowerCut(Disks),
    Refused(String),
}

impl Life {
    /// Starts the member from what lies on its disks.
    pub(crate) fn begin(birth: Birth, habits: &Habits) -> Result<Life, Stillborn> {
        let Birth {
            id,
            disks,
            slow,
            mut dice,
            again,
            cut_in,
        } = birth;
        if habits.planted == Some(Planted::SnapshotForgotten) {
            disks.snapshots.lie_about_syncs(true);
        }
        let power = Power::on(disks);
        let seed = dice.roll();
        if let Some(operations) = cut_in {
            power.cut_in(operations, seed);
        }
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .rng_seed(RngSeed::from_bytes(&dice.roll().to_le_bytes()))
            .build()
            .map_err(|error| Stillborn::Refused(error.to_string()))?;
        let wire = Wire {
            me: id,
            outbox: habits.outbox.clone(),
            waiting: Arc::default(),
            planted: habits.planted,
        };
        let window = Window::default();
        let skips = dice.permille(300).then(|| dice.between(1, 60));
        let state = Registers::new(window.clone(), habits.planted, again, skips);
        let starting = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(start(&power, slow, &mut dice, wire.clone(), habits, state))
        }));
        let started = starting.unwrap_or_else(|_| Err("it panicked".to_owned()));
        let node = match started {
            Ok(node) => node,
            Err(_) if power.is_off() => return Err(Stillborn::PowerCut(power.cut(seed))),
            Err(reason) => return Err(Stillborn::Refused(reason)),
        };
        let (inbox, arrivals) = mpsc::unbounded_channel();
        runtime.spawn(serve(
            node.clone(),
            wire.clone(),
            window.clone(),
            dice.split(),
            arrivals,
        ));
        let leadership = node.leadership();
        Ok(Life {
            runtime,
            inbox,
            wire,
            node,
            power,
            leadership,
            window,
        })
    }

    /// Hands it a message.
    pub(crate) fn receive(&self, message: Message) {
        if message.is_answer() {
            self.wire.answered(message);
        } else {
            // It serves for as long as it lives.
            let _ = self.inbox.send(message);
        }
    }

    /// Makes it the only member of a group.
    pub(crate) fn found(&self, id: u64) -> Result<(), MembershipError> {
        self.runtime.block_on(self.node.found(member(id)))
    }

    /// Lets it live for a moment of its own time.
    pub(crate) fn tick(&self, moment: Duration) {
        self.runtime
            .block_on(async move { tokio::time::sleep(moment).await });
    }

    /// Its clock jumps: it was stopped for so long, and notices now.
    pub(crate) fn jump(&self, ahead: Duration) {
        self.runtime
            .block_on(async move { tokio::time::advance(ahead).await });
    }

    /// Ends it as a power cut does, and returns what its disks hold.
    pub(crate) fn crash(self, seed: u64) -> Disks {
        let left = self.power.cut(seed);
        let Life { runtime, node, .. } = self;
        runtime.shutdown_background();
        drop(node);
        left
    }
}

async fn start(
    power: &Arc<Power>,
    slow: Slowness,
    dice: &mut Dice,
    wire: Wire,
    habits: &Habits,
    state: Registers,
) -> Result<Node, String> {
    let options = Options {
        segment_bytes: 8 << 10,
        cache_bytes: 512,
    };
    let log = Log::open(power.log(), Arc::new(PlainText), options)
        .map_err(|error| format!("its log does not open: {error}"))?;
    let journal = Journal::new(Inline::new(log), slow, wire.planted, dice.split())
        .map_err(|error| format!("its log cannot be read: {error}"))?;
    let setup = Setup {
        id: wire.me,
        group: "group".to_owned(),
        log: journal,
        snapshots: power.snapshots(),
        cipher: Arc::new(PlainText),
        transport: wire,
        timings: Timings::default(),
        snapshot_every: Some(habits.snapshot_every),
        threads: false,
    };
    Node::start(setup, state)
        .await
        .map_err(|error| error.to_string())
}

/// Answers what arrives, each message in a task of its own.
async fn serve(
    node: Node,
    wire: Wire,
    window: Window,
    mut dice: Dice,
    mut arrivals: mpsc::UnboundedReceiver<Message>,
) {
    while let Some(message) = arrivals.recv().await {
        let (node, wire, window) = (node.clone(), wire.clone(), window.clone());
        let pace = dice.between(0, 3);
        tokio::spawn(async move {
            let body = match message.body.clone() {
                Body::Raft(rpc, bytes) => match node.serve(rpc, bytes).await {
                    Ok(answer) => Body::Answer(answer),
                    Err(error) => Body::Broken(error.to_string()),
                },
                Body::Snapshot(records, whole) => take_in(&node, records, whole, pace).await,
                Body::Write(command) => written(node.propose(command.encode()).await, wire.planted),
                Body::Read(key) => read(&node, &window, key, wire.planted).await,
                Body::Errand(errand) => run_errand(&node, errand).await,
                _ => return,
            };
            wire.outbox.send(message.answer(body));
        });
    }
}

async fn take_in(node: &Node, records: Vec<Bytes>, whole: bool, pace: u64) -> Body {
    let end = (!whole).then(|| Err(std::io::Error::other("the connection broke")));
    let records = records.into_iter().map(Ok).chain(end);
    let stream = futures_util::stream::unfold(records, move |mut records| async move {
        tokio::time::sleep(Duration::from_millis(pace)).await;
        records.next().map(|record| (record, records))
    });
    match node.serve_snapshot(Box::pin(stream)).await {
        Ok(answer) => Body::Answer(answer),
        Err(error) => Body::Broken(error.to_string()),
    }
}

fn written(outcome: Result<consensus::Outcome, ProposeError>, planted: Option<Planted>) -> Body {
    match outcome {
        Ok(outcome) => match Reply::decode(&outcome.reply) {
            Some(reply) => Body::Written(Some(outcome.at), reply),
            None => Body::Unknown("no reply".to_owned()),
        },
        Err(ProposeError::NotLeader(leader)) => Body::NotLeader(leader.as_ref().map(id_of)),
        Err(ProposeError::Unknown(reason)) => match planted {
            Some(Planted::UnknownIsSuccess) => {
                let reply = Reply {
                    done: true,
                    found: 0,
                };
                Body::Written(None, reply)
            }
            Some(Planted::UnknownIsRefused) => Body::NotLeader(None),
            _ => Body::Unknown(reason),
        },
    }
}

async fn read(node: &Node, window: &Window, key: u64, planted: Option<Planted>) -> Body {
    let leadership = *node.leadership().borrow();
    let passed = match planted {
        Some(Planted::StaleRead) if leadership.is_self => Ok(()),
        Some(Planted::StaleRead) => Err(ReadError::NotLeader(None)),
        _ => node.read_barrier().await,
    };
    match passed {
        Ok(()) => Body::Value(
            lock(&window.published)
                .registers
                .get(&key)
                .copied()
                .unwrap_or(0),
        ),
        Err(ReadError::NotLeader(leader)) => Body::NotLeader(leader.as_ref().map(id_of)),
        Err(lost @ (ReadError::NoQuorum | ReadError::Stopped(_))) => {
            Body::Unknown(lost.to_string())
        }
    }
}

async fn run_errand(node: &Node, errand: Errand) -> Body {
    let done = match errand {
        Errand::Learner(id) => node.add_learner(id, member(id)).await,
        Errand::Promote(id) => node.promote([id].into()).await,
        Errand::Remove(id) => node.remove(id).await,
        Errand::HandOver => node.hand_over(None, Duration::from_secs(1)).await,
        Errand::Snapshot => node.take_snapshot().await,
    };
    match done {
        Ok(()) => Body::ErrandDone,
        Err(MembershipError::NotLeader(leader)) => Body::NotLeader(leader.as_ref().map(id_of)),
        Err(error) => Body::ErrandFailed(error.to_string()),
    }
}

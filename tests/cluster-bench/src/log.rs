//! Entries in a manager's log, written without the manager, for those who want a million of them soon.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consensus::{
    Consensus, Member, Position, Rpc, Setup, SnapshotError, SnapshotStream, StateMachine, Timings,
    Transport, TransportError,
};
use identity::{DataKey, Vault};
use prost::Message;
use store::{Batch, Change, Transaction};
use wal::{Cipher, Log, Options, RealDisk, Writer};

/// Proposals on their way at once.
const AT_ONCE: usize = 512;

struct Sealing(DataKey);

impl Cipher for Sealing {
    fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.seal(bytes)
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.open(sealed)
    }
}

/// A state machine that forgets everything: what counts is what lies on the disk.
struct Forgetful;

impl StateMachine for Forgetful {
    fn apply(&mut self, _: Position, _: &[u8]) -> Result<Bytes, String> {
        Ok(Bytes::new())
    }

    fn publish(&mut self, _: Position) {}

    fn image(&self) -> Box<dyn Iterator<Item = Bytes> + Send + Sync> {
        Box::new(std::iter::empty())
    }

    fn restore(
        &mut self,
        _: Position,
        _: &mut dyn Iterator<Item = Result<Bytes, SnapshotError>>,
    ) -> Result<(), String> {
        Ok(())
    }
}

/// Of one member there is nobody to speak to.
#[derive(Clone)]
struct Nobody;

impl Transport for Nobody {
    async fn call(
        &self,
        to: &Member,
        _: Rpc,
        _: Bytes,
        _: Duration,
    ) -> Result<Bytes, TransportError> {
        Err(TransportError::Unreachable(to.to_string()))
    }

    async fn send_snapshot(&self, to: &Member, _: SnapshotStream) -> Result<Bytes, TransportError> {
        Err(TransportError::Unreachable(to.to_string()))
    }
}

/// Appends one entry for each list of changes to the log of a cluster's only manager, which does not run.
pub(crate) async fn append(home: &Path, raft_id: u64, entries: impl Iterator<Item = Vec<Change>>) {
    let vault = Vault::at(home.join("data/cluster/node.json"));
    let held = vault.load().expect("a vault").expect("an identity");
    let held = held.expect("not locked");
    let group = held.credential.peer().expect("a certificate").cluster_id;
    let raft = home.join("data/cluster/raft");
    let cipher: Arc<dyn Cipher> = Arc::new(Sealing(held.data_key));
    let disk = RealDisk::open(&raft.join("log")).expect("the log");
    let log = Log::open(disk, cipher.clone(), Options::default()).expect("the log");
    let setup = Setup {
        id: raft_id,
        group,
        log: Arc::new(Writer::spawn(log).expect("a thread")),
        snapshots: RealDisk::open(&raft.join("snapshots")).expect("the snapshots"),
        cipher,
        transport: Nobody,
        timings: Timings::default(),
        snapshot_every: Some(u64::MAX / 2),
        threads: true,
    };
    let consensus = Consensus::start(setup, Forgetful).await.expect("it starts");
    let mut leadership = consensus.leadership();
    let leading = leadership.wait_for(|now| now.is_self).await;
    let term = leading.expect("it goes on").term;
    let mut proposing = tokio::task::JoinSet::new();
    for changes in entries {
        if proposing.len() >= AT_ONCE {
            let done = proposing.join_next().await.expect("one of them");
            done.expect("no panic");
        }
        let transaction = Transaction {
            term,
            at_ms: 1_700_000_000_000,
            changes,
            ..Transaction::default()
        };
        let command = Batch {
            transactions: vec![transaction],
        };
        let command = Bytes::from(command.encode_to_vec());
        let consensus = consensus.clone();
        proposing.spawn(async move {
            consensus.propose(command).await.expect("decided");
        });
    }
    while proposing.join_next().await.is_some() {}
    consensus.shutdown().await;
}

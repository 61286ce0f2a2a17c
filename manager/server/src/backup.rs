//! The whole state of a cluster in one file, and a cluster from such a file. The file holds the keys of the cluster: who has it
//! can let anybody in.

use std::path::Path;

use bytes::{Buf, Bytes, BytesMut};
use consensus::{Member, plant_group};
use model::{NodeDescription, NodeRole};
use sha2::{Digest, Sha256};
use store::State;
use tokio_stream::Stream;
use tonic::Status;

use api::v1::BackupChunk;
use identity::DataKey;

use crate::manager::{Manager, ManagerError, Storage};
use crate::replica::Replica;

const MAGIC: &[u8; 8] = b"MINIBAK1";
const CHUNK: usize = 256 << 10;

/// A file that is no backup of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// Something else.
    #[error("this is not a backup of a cluster: it does not begin with MINIBAK1")]
    Foreign,
    /// Cut off or changed.
    #[error("the backup is damaged: {0}; nothing was changed")]
    Damaged(String),
}

/// Writes a state: magic, the length (u64, little endian) and bytes of each record, a length of all ones, SHA-256 of all before.
pub fn write(state: State) -> impl Iterator<Item = Bytes> + Send {
    let mut digest = Sha256::new();
    let mut pending = BytesMut::from(&MAGIC[..]);
    let mut records = Some(state.records());
    std::iter::from_fn(move || {
        let source = records.as_mut()?;
        while pending.len() < CHUNK {
            let Some(record) = source.next() else {
                pending.extend_from_slice(&u64::MAX.to_le_bytes());
                digest.update(&pending);
                let sum = digest.finalize_reset();
                pending.extend_from_slice(&sum);
                records = None;
                return Some(pending.split().freeze());
            };
            pending.extend_from_slice(&(record.len() as u64).to_le_bytes());
            pending.extend_from_slice(&record);
        }
        digest.update(&pending);
        Some(pending.split().freeze())
    })
}

/// Reads a state that [`write`] wrote.
pub fn read(backup: &Bytes) -> Result<State, BackupError> {
    let damaged = |reason: &str| BackupError::Damaged(reason.to_owned());
    let Some(rest) = backup.strip_prefix(MAGIC) else {
        return Err(BackupError::Foreign);
    };
    let mut rest = backup.slice_ref(rest);
    let mut records: Vec<Result<Bytes, String>> = Vec::new();
    loop {
        if rest.len() < 8 {
            return Err(damaged("its end is missing"));
        }
        let length = rest.get_u64_le();
        if length == u64::MAX {
            break;
        }
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= rest.len())
            .ok_or_else(|| damaged("its end is missing"))?;
        records.push(Ok(rest.split_to(length)));
    }
    let covered = &backup[..backup.len() - rest.len()];
    if rest[..] != Sha256::digest(covered)[..] {
        return Err(damaged("its checksum is wrong"));
    }
    State::from_records(records.into_iter())
        .map_err(|error| BackupError::Damaged(error.to_string()))
}

pub(crate) async fn stream(
    manager: &Manager,
) -> Result<impl Stream<Item = Result<BackupChunk, Status>> + Send + use<>, Status> {
    let view = manager.read().await?;
    Ok(tokio_stream::iter(
        write(view).map(|data| Ok(BackupChunk { data })),
    ))
}

/// Who begins a cluster from a backup, or anew after its majority was lost.
pub struct Founder {
    /// Its node.
    pub node_id: String,
    /// Its new Raft id.
    pub raft_id: u64,
    /// `host:port` where others will reach it.
    pub advertise: String,
}

/// Puts a state on the disk of a manager that has none, as the only one of its group.
pub async fn plant(
    directory: &Path,
    key: DataKey,
    cluster_id: &str,
    founder: &Founder,
    state: State,
) -> Result<(), ManagerError> {
    let storage = Storage::open(directory, key).await?;
    let member = Member {
        node_id: founder.node_id.clone(),
        address: founder.advertise.clone(),
    };
    let at = consensus::Position {
        term: state.term(),
        index: state.version(),
    };
    plant_group(
        cluster_id,
        founder.raft_id,
        member,
        storage.log,
        storage.snapshots,
        storage.cipher,
        at,
        state.records(),
    )
    .await?;
    Ok(())
}

/// Makes this manager the only one of its group; everything that it knows stays.
pub async fn force(
    directory: &Path,
    key: DataKey,
    cluster_id: &str,
    founder: &Founder,
) -> Result<consensus::Forced, ManagerError> {
    let storage = Storage::open(directory, key).await?;
    let member = Member {
        node_id: founder.node_id.clone(),
        address: founder.advertise.clone(),
    };
    let machine = Replica::default().machine();
    let forced = consensus::force_new_group(
        cluster_id,
        founder.raft_id,
        member,
        storage.log,
        storage.snapshots,
        storage.cipher,
        machine,
    );
    Ok(forced.await?)
}

/// Lets the node of a restored cluster's first manager in.
pub async fn admit(manager: &Manager, node: model::Node) -> Result<(), Status> {
    manager.settle(std::time::Duration::from_secs(10)).await?;
    let admitted = manager.change("", |view| {
        Ok(if view.nodes().get(&node.id).is_some() {
            Vec::new()
        } else {
            vec![store::Change::create(node.clone())]
        })
    });
    admitted.await.map(|_| ())
}

/// After a forced beginning: the managers of before are workers until they join again, this node is the only manager.
pub async fn settle(
    manager: &Manager,
    founder: &Founder,
    description: &NodeDescription,
) -> Result<(), Status> {
    manager.settle(std::time::Duration::from_secs(10)).await?;
    manager
        .change("", |view| {
            let mut changes = Vec::new();
            for known in view.nodes().iter() {
                let mut node = model::Node::clone(known);
                if node.id == founder.node_id {
                    node.spec.role = NodeRole::Manager.into();
                    node.description = description.clone();
                    node.member = Some(model::ManagerMember {
                        raft_id: founder.raft_id,
                        address: founder.advertise.clone(),
                    });
                } else {
                    node.spec.role = NodeRole::Worker.into();
                    node.member = None;
                }
                if node != **known {
                    changes.push(store::Change::update(node));
                }
            }
            Ok(changes)
        })
        .await
        .map(|_| ())
}

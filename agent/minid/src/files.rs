//! What a node keeps of its cluster: `<data root>/cluster/` with `node.json` (who it is), `state.json` (where it is), `raft/` (a
//! manager's log and snapshots).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use identity::Vault;
use serde::{Deserialize, Serialize};

/// Where a node is in its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NodeState {
    /// Its Raft id while it is a manager.
    pub(crate) raft_id: Option<u64>,
    /// The Raft id that it takes by force: that is not finished.
    pub(crate) forcing: Option<u64>,
    /// `host:port` where others reach it.
    pub(crate) advertise: String,
    /// What it listens on.
    pub(crate) listen: String,
    /// Managers, last seen.
    pub(crate) managers: Vec<String>,
    /// The root that issued its certificate: SHA-256, hexadecimal.
    pub(crate) issuer: String,
    /// The group's clock.
    pub(crate) heartbeat_ms: u32,
    /// The group's clock.
    pub(crate) election_ms: u32,
}

/// The directory.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    directory: PathBuf,
}

impl Files {
    pub(crate) fn under(data_root: &Path) -> Self {
        Files {
            directory: data_root.join("cluster"),
        }
    }

    /// Makes the directory, for root alone.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory);
        made.map_err(|error| format!("make the directory {}: {error}", self.directory.display()))
    }

    pub(crate) fn vault(&self) -> Vault {
        Vault::at(self.directory.join("node.json"))
    }

    /// A manager's log and snapshots.
    pub(crate) fn raft(&self) -> PathBuf {
        self.directory.join("raft")
    }

    pub(crate) fn load(&self) -> Result<NodeState, String> {
        let path = self.directory.join("state.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| format!("{} is damaged: {error}", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(NodeState::default()),
            Err(error) => Err(format!("read {}: {error}", path.display())),
        }
    }

    pub(crate) fn save(&self, state: &NodeState) -> Result<(), String> {
        let path = self.directory.join("state.json");
        let written = || -> io::Result<()> {
            let draft = path.with_extension("draft");
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(&serde_json::to_vec_pretty(state)?)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.directory)?.sync_all()
        };
        written().map_err(|error| format!("write {}: {error}", path.display()))
    }

    /// Forgets the managers' log and snapshots.
    pub(crate) fn forget_raft(&self) -> Result<(), String> {
        remove(&self.raft())
    }

    /// Forgets everything. Who the node is goes first: a crash half-way leaves a node of no cluster.
    pub(crate) fn forget(&self) -> Result<(), String> {
        self.vault().remove().map_err(|error| error.to_string())?;
        remove(&self.directory)
    }
}

fn remove(directory: &Path) -> Result<(), String> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("remove {}: {error}", directory.display()))
        }
        _ => Ok(()),
    }
}

//! A manager's disk: log, snapshots and the key to both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use identity::DataKey;
use wal::{Cipher, Log, Options, RealDisk, WalError, Writer};

use super::ManagerError;

/// How long the connections of a manager that stops may take to end.
const GIVING_BACK: Duration = Duration::from_secs(5);

/// The key as the log and the snapshots use it.
struct Sealing(DataKey);

impl Cipher for Sealing {
    fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.seal(bytes)
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.open(sealed)
    }
}

/// A manager's disk: log, snapshots and the key to both.
pub(crate) struct Storage {
    pub(crate) log: Arc<Writer<RealDisk>>,
    pub(crate) snapshots: RealDisk,
    pub(crate) cipher: Arc<dyn Cipher>,
}

impl Storage {
    pub(crate) async fn open(directory: &Path, key: DataKey) -> Result<Self, ManagerError> {
        let cipher: Arc<dyn Cipher> = Arc::new(Sealing(key));
        let log = Log::open(
            take(&directory.join("log")).await?,
            cipher.clone(),
            Options::default(),
        )?;
        if let Some(repair) = log.repaired() {
            tracing::warn!(
                segment = repair.segment,
                offset = repair.offset,
                "a write that a crash interrupted was cut off the log"
            );
        }
        let snapshots = take(&directory.join("snapshots")).await?;
        Ok(Storage {
            log: Arc::new(Writer::spawn(log).map_err(ManagerError::Thread)?),
            snapshots,
            cipher,
        })
    }
}

/// Takes a directory; one that a manager of this process is just giving back is waited for.
async fn take(directory: &Path) -> Result<RealDisk, WalError> {
    let deadline = tokio::time::Instant::now() + GIVING_BACK;
    loop {
        match RealDisk::open(directory) {
            Err(WalError::InUse { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await
            }
            taken => return taken,
        }
    }
}

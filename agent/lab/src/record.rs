//! `lab.json`: what later commands must know of a lab, and the lock under which it changes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::plan::Plan;

/// A lab as its directory has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) plan: Plan,
    /// The pairs of nodes that are cut from each other.
    pub(crate) cuts: BTreeSet<(String, String)>,
}

const FILE: &str = "lab.json";
/// How long the lock is asked for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Record {
    /// Reads what is in a lab's directory; `None` when there is nothing.
    pub(crate) fn read(directory: &Path) -> Result<Option<Record>> {
        let path = directory.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| Error::Corrupt { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::system("read", path.display())(error)),
        }
    }

    /// Writes it whole, or not at all.
    pub(crate) fn write(&self) -> Result<()> {
        let path = self.plan.directory.join(FILE);
        let new = self.plan.directory.join(".lab.json.new");
        let text = serde_json::to_string_pretty(self).map_err(|source| Error::Corrupt {
            path: path.clone(),
            source,
        })?;
        fs::write(&new, text + "\n").map_err(Error::system("write", new.display()))?;
        fs::rename(&new, &path).map_err(Error::system("write", path.display()))
    }
}

/// Takes the lock of a lab's directory; `None` when there is no such directory. It is let go of when the value is dropped
/// and when the process dies. A child that a killed process was about to start still has it for a moment, so it is
/// asked for a little longer than once.
pub(crate) fn lock(directory: &Path, name: &str) -> Result<Option<Flock<File>>> {
    let mut file = match File::open(directory) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::system("open", directory.display())(error)),
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err((file, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file,
            Err((_, Errno::EWOULDBLOCK)) => return Err(Error::Busy(name.to_owned())),
            Err((_, errno)) => return Err(Error::system("lock", directory.display())(errno)),
        };
        thread::sleep(Duration::from_millis(5));
    }
}

//! What is known of a container between two commands: one directory per container, its record, and its lock.
//!
//! `ROOT/ID/` holds `state.json` (replaced by rename), `config.json` (a copy: the bundle may be gone when the container is
//! deleted) and, until it is started, `start.sock`. Whoever changes a container holds the flock of its directory.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::id::ContainerId;

/// The version of the OCI runtime specification that states are written in.
pub(crate) const OCI_VERSION: &str = "1.2.0";

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Somebody is making it.
    Creating,
    /// Its first process waits to be started.
    Created,
    /// The program of the person runs.
    Running,
    /// It is frozen.
    Paused,
    /// Its first process has ended, or never came to be.
    Stopped,
}

impl Status {
    /// As the specification spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

/// A container as others may see it; serialised, the state of the OCI runtime specification with more fields.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// Process id of the first process, 0 when there is none.
    pub pid: i32,
    /// The directory of the bundle, absolute.
    pub bundle: PathBuf,
    /// The root file system, absolute.
    pub rootfs: PathBuf,
    /// When it was created, RFC 3339.
    pub created: String,
    /// Name of the user who owns it.
    pub owner: String,
    /// Annotations of the specification.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Its cgroup in each hierarchy, by controller.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cgroup_paths: BTreeMap<String, PathBuf>,
}

/// What `state.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) bundle: PathBuf,
    pub(crate) rootfs: PathBuf,
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) cgroups: BTreeMap<String, PathBuf>,
    /// Absent while it is being made.
    #[serde(default)]
    pub(crate) init: Option<Init>,
    /// `config.json` has hooks for after its start or its end.
    #[serde(default)]
    pub(crate) hooks: bool,
}

/// A process that can't be mistaken for a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Init {
    pub(crate) pid: i32,
    /// Clock ticks after boot, field 22 of proc_pid_stat(5).
    pub(crate) start_time: u64,
}

impl Init {
    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> Result<Init> {
        let (_, start_time) = read_stat(pid)
            .ok_or_else(|| Error::new(ErrorKind::Io, format!("process {pid} has ended")))?;
        Ok(Init { pid, start_time })
    }

    /// Whether it still runs: it is neither gone nor a zombie.
    pub(crate) fn alive(self) -> bool {
        read_stat(self.pid)
            .is_some_and(|(state, start)| start == self.start_time && !b"ZXx".contains(&state))
    }
}

fn read_stat(pid: i32) -> Option<(u8, u64)> {
    let mut text = [0; 1024];
    let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut text).ok()?;
    parse_stat(text.get(..length)?)
}

/// State and start time of a line of `/proc/PID/stat`, whose second field is a name that may hold anything.
fn parse_stat(line: &[u8]) -> Option<(u8, u64)> {
    let after = line.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(line.get(after + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

/// The locked directory of one container.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    lock: Flock<File>,
}

impl StateDir {
    /// Makes the directory of a new container and locks it.
    pub(crate) fn create(root: &Path, id: &ContainerId) -> Result<StateDir> {
        let path = root.join(id.as_str());
        let make = || DirBuilder::new().mode(0o700).create(&path);
        let taken = || {
            Error::new(
                ErrorKind::AlreadyExists,
                format!("a container with the id {id} exists already"),
            )
        };
        match make() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o711)
                    .create(root)
                    .map_err(Error::sys("make", root.display()))?;
                make()
            }
            other => other,
        }
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(),
            _ => Error::sys("make", path.display())(error),
        })?;
        // A deletion may come between the two; then this one loses.
        Self::lock(&path, FlockArg::LockExclusive)?.ok_or_else(taken)
    }

    /// Locks the directory of a container, waiting for whoever changes it now.
    pub(crate) fn open(root: &Path, id: &ContainerId) -> Result<StateDir> {
        Self::lock(&root.join(id.as_str()), FlockArg::LockExclusive)?.ok_or_else(|| not_found(id))
    }

    /// `None` when there is no such directory.
    fn lock(path: &Path, mode: FlockArg) -> Result<Option<StateDir>> {
        let opened = File::options()
            .read(true)
            .custom_flags(OFlag::O_DIRECTORY.bits())
            .open(path);
        let directory = match opened {
            Ok(directory) => directory,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::sys("open", path.display())(error)),
        };
        let mut directory = directory;
        let lock = loop {
            match Flock::lock(directory, mode) {
                Ok(lock) => break lock,
                Err((file, Errno::EINTR)) => directory = file,
                Err((_, errno)) => return Err(Error::sys("lock", path.display())(errno)),
            }
        };
        let removed = lock
            .metadata()
            .map_err(Error::sys("look at", path.display()))?
            .nlink()
            == 0;
        Ok((!removed).then(|| StateDir {
            path: path.to_owned(),
            lock,
        }))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory itself.
    pub(crate) fn file(&self) -> &File {
        &self.lock
    }

    /// Closes the directory in a child process; the lock stays with the parent.
    pub(crate) fn close_in_child(self) {
        let fd = self.lock.as_raw_fd();
        // Dropping would unlock, and the lock is one for both processes.
        std::mem::forget(self);
        let _ = nix::unistd::close(fd);
    }

    /// Replaces the record.
    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        let text = serde_json::to_vec(record)
            .map_err(|error| Error::caused(ErrorKind::Io, "write state.json", error))?;
        self.write("state.json.new", &text)?;
        let (old, new) = (
            self.path.join("state.json.new"),
            self.path.join("state.json"),
        );
        std::fs::rename(old, &new).map_err(Error::sys("replace", new.display()))
    }

    /// Writes a file of the directory, readable to its owner alone.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options
            .open(&path)
            .map_err(Error::sys("write", path.display()))?;
        file.write_all(bytes)
            .map_err(Error::sys("write", path.display()))
    }

    /// The record; `None` if its maker died before writing one.
    pub(crate) fn record(&self) -> Result<Option<Record>> {
        read_record(&self.path)
    }

    /// Removes the directory with all in it.
    pub(crate) fn remove(self) -> Result<()> {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::sys("remove", self.path.display())(error))
            }
            _ => Ok(()),
        }
    }
}

/// Reads a container's record without its lock.
pub(crate) fn read_record(directory: &Path) -> Result<Option<Record>> {
    let path = directory.join("state.json");
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
            Error::caused(ErrorKind::Io, format!("read {}", path.display()), error)
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::sys("read", path.display())(error)),
    }
}

/// Whether somebody holds the lock of a container's directory now.
pub(crate) fn is_locked(directory: &Path) -> bool {
    File::open(directory).is_ok_and(|file| {
        // The lock taken here goes with the descriptor.
        matches!(
            Flock::lock(file, FlockArg::LockSharedNonblock),
            Err((_, Errno::EWOULDBLOCK))
        )
    })
}

pub(crate) fn not_found(id: &ContainerId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("no container with the id {id}"),
    )
}

/// A path below an open directory, short enough for the address of a socket however deep the directory is.
pub(crate) fn through(directory: impl AsFd, name: &str) -> PathBuf {
    PathBuf::from(format!(
        "/proc/self/fd/{}/{name}",
        directory.as_fd().as_raw_fd()
    ))
}

/// `seconds` and `nanoseconds` after 1970 as RFC 3339 in UTC.
pub(crate) fn timestamp(since: std::time::Duration) -> String {
    let (days, second) = ((since.as_secs() / 86400) as i64, since.as_secs() % 86400);
    // Days to year, month and day: eras of 400 years that begin in March, so that the leap day is the last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 {
        march_based + 3
    } else {
        march_based - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z",
        since.subsec_nanos()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timestamps() {
        let check = |seconds, nanos, expected: &str| {
            assert_eq!(timestamp(Duration::new(seconds, nanos)), expected)
        };
        check(0, 0, "1970-01-01T00:00:00.000000000Z");
        check(951_782_400, 5, "2000-02-29T00:00:00.000000005Z");
        check(1_709_251_199, 999_999_999, "2024-02-29T23:59:59.999999999Z");
        check(4_102_444_800, 0, "2100-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn stat_lines() {
        let line = |name: &str, state: char| {
            format!("7 ({name}) {state} 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9 9\n")
        };
        assert_eq!(parse_stat(line("sh", 'S').as_bytes()), Some((b'S', 4242)));
        assert_eq!(
            parse_stat(line("a) Z 1 (b", 'Z').as_bytes()),
            Some((b'Z', 4242))
        );
        assert_eq!(parse_stat(b"7 (sh) S 1"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn a_directory_has_one_maker_and_a_record() {
        let root = tempfile::tempdir().unwrap();
        let id: ContainerId = "c1".parse().unwrap();
        let root = root.path().join("deep/root");
        let made = StateDir::create(&root, &id).unwrap();
        assert_eq!(
            StateDir::create(&root, &id).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        assert!(is_locked(made.path()));
        assert!(made.record().unwrap().is_none());
        let record = Record {
            id: "c1".into(),
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: "now".into(),
            annotations: BTreeMap::new(),
            cgroups: BTreeMap::new(),
            init: Some(Init::of(std::process::id() as i32).unwrap()),
            hooks: false,
        };
        made.save(&record).unwrap();
        let read = made.record().unwrap().unwrap();
        assert!(read.init.unwrap().alive());
        assert!(
            !Init {
                start_time: 1,
                ..read.init.unwrap()
            }
            .alive()
        );
        let path = made.path().to_owned();
        drop(made);
        assert!(!is_locked(&path));
        StateDir::open(&root, &id).unwrap().remove().unwrap();
        assert_eq!(
            StateDir::open(&root, &id).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
}

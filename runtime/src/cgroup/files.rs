//! Reading, writing and removing the files of a hierarchy.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{CgroupError, Result};
use super::limits::{Absent, Write};
use super::v1;

/// How long killed processes may take to leave.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes each value. The kernel ties some values to one another (a quota to its period, memory to memory and swap), so
/// what it refuses at first is tried again after the others.
pub(super) fn write_all(
    writes: &[Write],
    directory: &dyn Fn(&Write) -> Option<PathBuf>,
) -> Result<()> {
    let mut pending: Vec<&Write> = writes.iter().collect();
    loop {
        let mut refused = Vec::new();
        let mut first = None;
        let before = pending.len();
        for write in pending {
            if let Err(error) = write_limit(write, directory) {
                let again = matches!(&error, CgroupError::Refused { source, .. }
                    if matches!(source.raw_os_error(), Some(libc::EINVAL | libc::EBUSY)));
                if !again {
                    return Err(error);
                }
                refused.push(write);
                first.get_or_insert(error);
            }
        }
        match first {
            None => return Ok(()),
            Some(error) if refused.len() == before => return Err(error),
            Some(_) => pending = refused,
        }
    }
}

fn write_limit(write: &Write, directory: &dyn Fn(&Write) -> Option<PathBuf>) -> Result<()> {
    let directory = directory(write).unwrap_or_default();
    for name in &write.files {
        let file = directory.join(name);
        match self::write(&file, &write.value) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(CgroupError::Refused {
                    file,
                    value: write.value.clone(),
                    hint: format!("{} is not possible here; {}", write.limit, write.hint),
                    source,
                });
            }
        }
    }
    let why = match write.absent {
        Absent::Fine => return Ok(()),
        Absent::FineWithoutSwap if !swap_is_active() => return Ok(()),
        Absent::FineWithoutSwap => v1::no_swap_accounting(),
        Absent::Refuse(why) => why,
    };
    let file = directory.join(&write.files[0]);
    Err(CgroupError::Unsupported {
        limit: write.limit.clone(),
        why: format!("there is no {}: {why}", file.display()),
    })
}

fn swap_is_active() -> bool {
    fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1)
}

/// One write(2) of the whole value, without making the file.
pub(super) fn write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(value.as_bytes())
}

pub(super) fn open_for_writing(path: &Path) -> Result<OwnedFd> {
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(CgroupError::io("open", path))?;
    Ok(file.into())
}

pub(super) fn open_directory(path: &Path) -> Result<OwnedFd> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY)
        .open(path);
    Ok(file.map_err(CgroupError::io("open", path))?.into())
}

/// A directory and all below it, deepest first.
pub(super) fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(tree(&entry.path()));
        }
    }
    found.push(directory.to_owned());
    found
}

/// The number beside a key in a file of `key number` lines.
pub(super) fn keyed(path: &Path, key: &str) -> Option<u64> {
    value_of(&fs::read_to_string(path).ok()?, key)
}

pub(super) fn value_of(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

/// The number in a file; `None` for "max" and for what isn't there.
pub(super) fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Removes a directory with all below it, with patience while processes are leaving.
pub(super) fn remove(directory: &Path) -> Result<()> {
    // The common case: no directories below, no processes left.
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(200);
    loop {
        match fs::remove_dir(directory) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() != Some(libc::EBUSY) => {
                return Err(CgroupError::io("remove cgroup", directory)(error));
            }
            Err(error) if Instant::now() > deadline => {
                return Err(CgroupError::io(
                    "remove cgroup (processes are left in it)",
                    directory,
                )(error));
            }
            Err(_) => {
                for below in tree(directory) {
                    // What fails now fails again above, and is told of there.
                    let _ = fs::remove_dir(below);
                }
                if directory.exists() {
                    thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
            }
        }
    }
}

/// Process ids in a file, one a line.
pub(super) fn pids(path: &Path) -> Result<Vec<i32>> {
    match File::open(path).and_then(io::read_to_string) {
        Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
        // Removed since it was listed.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {
            Ok(Vec::new())
        }
        Err(error) => Err(CgroupError::io("read", path)(error)),
    }
}

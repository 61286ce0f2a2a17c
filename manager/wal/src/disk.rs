//! What the log needs of a file system, and the real one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};

use crate::error::WalError;

/// One directory of files.
pub trait Disk: Clone + Send + Sync + 'static {
    /// Its files.
    type File: DiskFile;
    /// Names in the directory, sorted.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes a file that must not exist, with so many zero bytes.
    fn create(&self, name: &str, zeros: u64) -> io::Result<Self::File>;
    /// Opens a file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Renames a file, over another one if there is one.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync_directory(&self) -> io::Result<()>;
}

/// One file.
pub trait DiskFile: Send + Sync + 'static {
    /// Reads at most as much as fits; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of it.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
}

const LOCK: &str = "lock";

/// A directory of the machine, locked for this process.
#[derive(Clone, Debug)]
pub struct RealDisk {
    directory: PathBuf,
    _lock: Arc<Flock<File>>,
}

impl RealDisk {
    /// Opens the directory, makes it if need be, and locks it against other processes.
    pub fn open(directory: &Path) -> Result<Self, WalError> {
        let name = directory.display().to_string();
        make(directory).map_err(WalError::io("make the directory", &name))?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join(LOCK))
            .map_err(WalError::io("open the lock of", &name))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| WalError::InUse { directory: name })?;
        Ok(RealDisk {
            directory: directory.to_owned(),
            _lock: Arc::new(lock),
        })
    }
}

/// Makes a directory and those above it, so that their names outlive a power cut too.
fn make(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    let above = match directory.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make(above)?;
    std::fs::create_dir_all(directory)?;
    File::open(above)?.sync_all()
}

impl Disk for RealDisk {
    type File = RealFile;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != LOCK {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(&self, name: &str, zeros: u64) -> io::Result<RealFile> {
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .open(self.directory.join(name))?;
        let block = vec![0; 1 << 20];
        let mut written = 0;
        while written < zeros {
            let length = (zeros - written).min(block.len() as u64);
            file.write_all_at(
                &block[..usize::try_from(length).unwrap_or(block.len())],
                written,
            )?;
            written += length;
        }
        Ok(RealFile(file))
    }

    fn open(&self, name: &str) -> io::Result<RealFile> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.directory.join(name))
            .map(RealFile)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.directory.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.directory.join(from), self.directory.join(to))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

/// A file of the machine.
#[derive(Debug)]
pub struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

//! The disks of a member's machine, which lose power together, at any single operation.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wal::{Disk, DiskFile, MemDisk, MemFile};

/// Locks what only one thread ever uses.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a machine's disks hold: its log and its snapshots.
#[derive(Clone, Default)]
pub(crate) struct Disks {
    pub(crate) log: MemDisk,
    pub(crate) snapshots: MemDisk,
}

impl Disks {
    fn crash(&self, seed: u64) -> Disks {
        Disks {
            log: self.log.crash(seed),
            snapshots: self.snapshots.crash(seed ^ 1),
        }
    }
}

/// The power of one life of a member: from its start to its crash.
pub(crate) struct Power {
    disks: Disks,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Operations until the power goes, and the seed of what then remains.
    cut_in: Option<(u64, u64)>,
    /// The next sync fails.
    fail_sync: bool,
    failed: bool,
    left: Option<Disks>,
}

impl Power {
    pub(crate) fn on(disks: Disks) -> Arc<Self> {
        Arc::new(Power {
            disks,
            state: Mutex::default(),
        })
    }

    pub(crate) fn log(self: &Arc<Self>) -> PoweredDisk {
        PoweredDisk {
            disk: self.disks.log.clone(),
            power: self.clone(),
        }
    }

    pub(crate) fn snapshots(self: &Arc<Self>) -> PoweredDisk {
        PoweredDisk {
            disk: self.disks.snapshots.clone(),
            power: self.clone(),
        }
    }

    /// Cuts the power now, unless it is off already, and hands out what the disks hold.
    pub(crate) fn cut(&self, seed: u64) -> Disks {
        let mut state = lock(&self.state);
        state
            .left
            .get_or_insert_with(|| self.disks.crash(seed))
            .clone()
    }

    /// Cuts the power after so many operations of either disk.
    pub(crate) fn cut_in(&self, operations: u64, seed: u64) {
        lock(&self.state).cut_in = Some((operations, seed));
    }

    /// Has the next sync fail.
    pub(crate) fn fail_sync(&self) {
        lock(&self.state).fail_sync = true;
    }

    pub(crate) fn is_off(&self) -> bool {
        lock(&self.state).left.is_some()
    }

    /// Whether a sync has failed, after which the member must stop.
    pub(crate) fn has_failed(&self) -> bool {
        lock(&self.state).failed
    }

    fn step(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.left.is_some() {
            return Err(io::Error::other("the power is off"));
        }
        match &mut state.cut_in {
            None => Ok(()),
            Some((0, seed)) => {
                let left = self.disks.crash(*seed);
                state.left = Some(left);
                Err(io::Error::other("the power goes off"))
            }
            Some((operations, _)) => {
                *operations -= 1;
                Ok(())
            }
        }
    }

    fn sync_step(&self) -> io::Result<()> {
        self.step()?;
        let mut state = lock(&self.state);
        if std::mem::take(&mut state.fail_sync) {
            state.failed = true;
            return Err(io::Error::other("the sync fails"));
        }
        Ok(())
    }
}

/// One of the two disks.
#[derive(Clone)]
pub(crate) struct PoweredDisk {
    disk: MemDisk,
    power: Arc<Power>,
}

/// One of its files.
pub(crate) struct PoweredFile {
    file: MemFile,
    power: Arc<Power>,
}

impl Disk for PoweredDisk {
    type File = PoweredFile;

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str, zeros: u64) -> io::Result<PoweredFile> {
        let file = self.disk.create(name, zeros)?;
        self.power.step()?;
        Ok(PoweredFile {
            file,
            power: self.power.clone(),
        })
    }

    fn open(&self, name: &str) -> io::Result<PoweredFile> {
        Ok(PoweredFile {
            file: self.disk.open(name)?,
            power: self.power.clone(),
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)?;
        self.power.step()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)?;
        self.power.step()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.power.step()?;
        self.disk.sync_directory()
    }
}

impl DiskFile for PoweredFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // Written, then the power goes: what is not synced may be whole, torn or gone.
        self.file.write_at(bytes, offset)?;
        self.power.step()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.power.sync_step()?;
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

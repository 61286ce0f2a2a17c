//! A disk in memory that forgets what was not synced, for tests and simulations.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile};

/// The disk's own lock is always taken before that of a file.
type Contents = Arc<Mutex<Content>>;

#[derive(Clone, Default)]
struct Content {
    /// What a reader sees.
    now: Vec<u8>,
    /// What a crash leaves for sure.
    durable: Vec<u8>,
    /// What a crash may leave, or tear.
    unsynced: Vec<(usize, Vec<u8>)>,
}

#[derive(Default)]
struct Shared {
    names: BTreeMap<String, Contents>,
    durable_names: BTreeMap<String, Contents>,
    /// Changes of names since the directory was synced. A crash keeps a beginning of them, as a journal does.
    unsynced_names: Vec<Renaming>,
    faults: Faults,
    syncs: u64,
    used: u64,
}

#[derive(Clone)]
enum Renaming {
    Create(String, Contents),
    Remove(String),
    Rename(String, String),
}

impl Renaming {
    fn apply(&self, names: &mut BTreeMap<String, Contents>) {
        match self {
            Renaming::Create(name, content) => {
                names.insert(name.clone(), content.clone());
            }
            Renaming::Remove(name) => {
                names.remove(name);
            }
            Renaming::Rename(from, to) => {
                if let Some(content) = names.remove(from) {
                    names.insert(to.clone(), content);
                }
            }
        }
    }
}

impl Shared {
    fn rename(&mut self, change: Renaming) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }
}

#[derive(Default)]
struct Faults {
    /// How many syncs until one fails.
    fail_sync_in: Option<u64>,
    /// Syncs say "ok" and do nothing.
    lie: bool,
    /// Bytes until the disk is full.
    room: Option<u64>,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct MemDisk {
    shared: Arc<Mutex<Shared>>,
}

/// One of its files.
pub struct MemFile {
    content: Contents,
    shared: Arc<Mutex<Shared>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl MemDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk after a power cut: of what was not synced, each write is whole, torn or gone, as `seed` wills.
    pub fn crash(&self, seed: u64) -> MemDisk {
        let mut random = seed;
        let mut draw = move || {
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed ^ (mixed >> 31)
        };
        let shared = lock(&self.shared);
        let mut names = shared.durable_names.clone();
        let kept = usize::try_from(draw() % (shared.unsynced_names.len() as u64 + 1)).unwrap_or(0);
        shared.unsynced_names[..kept]
            .iter()
            .for_each(|change| change.apply(&mut names));
        let mut after = Shared::default();
        for (name, content) in &names {
            let content = lock(content);
            let mut left = content.durable.clone();
            for (offset, bytes) in &content.unsynced {
                let kept = match draw() % 3 {
                    0 => 0,
                    1 => usize::try_from(draw() % (bytes.len() as u64 + 1)).unwrap_or(0),
                    _ => bytes.len(),
                };
                overwrite(&mut left, *offset, &bytes[..kept]);
            }
            let content = Arc::new(Mutex::new(Content {
                now: left.clone(),
                durable: left,
                unsynced: Vec::new(),
            }));
            after.names.insert(name.clone(), content.clone());
            after.durable_names.insert(name.clone(), content);
        }
        MemDisk {
            shared: Arc::new(Mutex::new(after)),
        }
    }

    /// The sync after `good` more fails.
    pub fn fail_sync_after(&self, good: u64) {
        lock(&self.shared).faults.fail_sync_in = Some(good);
    }

    /// From now on syncs say "ok" and do nothing.
    pub fn lie_about_syncs(&self, lie: bool) {
        lock(&self.shared).faults.lie = lie;
    }

    /// From now on there is room for so many more bytes of new files and writes.
    pub fn full_after(&self, room: Option<u64>) {
        lock(&self.shared).faults.room = room;
    }

    /// How often files were synced.
    pub fn syncs(&self) -> u64 {
        lock(&self.shared).syncs
    }

    /// The disk as it is, with what is not synced: what a process finds that was killed and starts again.
    pub fn copy(&self) -> MemDisk {
        let shared = lock(&self.shared);
        // A file has one content under all its names, here as there.
        let mut copies: BTreeMap<*const Mutex<Content>, Contents> = BTreeMap::new();
        let mut copy = |content: &Contents| {
            copies
                .entry(Arc::as_ptr(content))
                .or_insert_with(|| Arc::new(Mutex::new(lock(content).clone())))
                .clone()
        };
        let names = shared
            .names
            .iter()
            .map(|(name, content)| (name.clone(), copy(content)))
            .collect();
        let durable_names = shared
            .durable_names
            .iter()
            .map(|(name, content)| (name.clone(), copy(content)))
            .collect();
        let unsynced_names = shared.unsynced_names.iter().map(|change| match change {
            Renaming::Create(name, content) => Renaming::Create(name.clone(), copy(content)),
            other => other.clone(),
        });
        let unsynced_names = unsynced_names.collect();
        MemDisk {
            shared: Arc::new(Mutex::new(Shared {
                names,
                durable_names,
                unsynced_names,
                ..Shared::default()
            })),
        }
    }

    /// A file's bytes.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let content = lock(&self.shared).names.get(name)?.clone();
        let bytes = lock(&content).now.clone();
        Some(bytes)
    }

    /// Puts a file there, durable.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let content = Arc::new(Mutex::new(Content {
            now: bytes.clone(),
            durable: bytes,
            unsynced: Vec::new(),
        }));
        let mut shared = lock(&self.shared);
        shared.names.insert(name.to_owned(), content.clone());
        shared.durable_names.insert(name.to_owned(), content);
    }

    fn file(&self, content: Contents) -> MemFile {
        MemFile {
            content,
            shared: self.shared.clone(),
        }
    }
}

fn overwrite(bytes: &mut Vec<u8>, offset: usize, with: &[u8]) {
    if bytes.len() < offset + with.len() {
        bytes.resize(offset + with.len(), 0);
    }
    bytes[offset..offset + with.len()].copy_from_slice(with);
}

fn take_room(shared: &mut Shared, bytes: u64) -> io::Result<()> {
    if let Some(room) = &mut shared.faults.room {
        if *room < bytes {
            return Err(io::Error::from_raw_os_error(
                nix::errno::Errno::ENOSPC as i32,
            ));
        }
        *room -= bytes;
    }
    shared.used += bytes;
    Ok(())
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name}"))
}

impl Disk for MemDisk {
    type File = MemFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.shared).names.keys().cloned().collect())
    }

    fn create(&self, name: &str, zeros: u64) -> io::Result<MemFile> {
        let mut shared = lock(&self.shared);
        if shared.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        take_room(&mut shared, zeros)?;
        let zeroed = vec![0; usize::try_from(zeros).unwrap_or(0)];
        let content = Content {
            now: zeroed.clone(),
            durable: Vec::new(),
            unsynced: vec![(0, zeroed)],
        };
        let content = Arc::new(Mutex::new(content));
        shared.rename(Renaming::Create(name.to_owned(), content.clone()));
        drop(shared);
        Ok(self.file(content))
    }

    fn open(&self, name: &str) -> io::Result<MemFile> {
        let content = lock(&self.shared)
            .names
            .get(name)
            .cloned()
            .ok_or_else(|| missing(name))?;
        Ok(self.file(content))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut shared = lock(&self.shared);
        if !shared.names.contains_key(name) {
            return Err(missing(name));
        }
        shared.rename(Renaming::Remove(name.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut shared = lock(&self.shared);
        if !shared.names.contains_key(from) {
            return Err(missing(from));
        }
        shared.rename(Renaming::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut shared = lock(&self.shared);
        if !shared.faults.lie {
            shared.durable_names = shared.names.clone();
            shared.unsynced_names.clear();
        }
        Ok(())
    }
}

impl DiskFile for MemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = lock(&self.content);
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(content.now.len());
        let length = buffer.len().min(content.now.len() - from);
        buffer[..length].copy_from_slice(&content.now[from..from + length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut shared = lock(&self.shared);
        let mut content = lock(&self.content);
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let grows = (offset + bytes.len()).saturating_sub(content.now.len());
        take_room(&mut shared, grows as u64)?;
        overwrite(&mut content.now, offset, bytes);
        content.unsynced.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut shared = lock(&self.shared);
        shared.syncs += 1;
        if let Some(good) = &mut shared.faults.fail_sync_in {
            if *good == 0 {
                return Err(io::Error::from_raw_os_error(nix::errno::Errno::EIO as i32));
            }
            *good -= 1;
        }
        if !shared.faults.lie {
            let mut content = lock(&self.content);
            for (offset, bytes) in std::mem::take(&mut content.unsynced) {
                overwrite(&mut content.durable, offset, &bytes);
            }
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(lock(&self.content).now.len() as u64)
    }
}

//! The kernel tells when a process has ended and when a file of health has been replaced: nothing polls.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use crate::failure::Failure;

/// A descriptor of which the kernel tells when it can be read or written.
pub(super) fn registered<T: AsFd + AsRawFd>(owner: T) -> io::Result<AsyncFd<T>> {
    // `AsFd` promises what the constructor that is not deprecated has the caller promise: the descriptor lives with its owner.
    #[expect(deprecated)]
    AsyncFd::new(owner)
}

/// A process of which the kernel tells when it has ended.
#[derive(Debug)]
pub(super) struct Process(AsyncFd<OwnedFd>);

impl Process {
    /// The process of this descriptor (pidfd_open(2)).
    pub(super) fn of(descriptor: OwnedFd) -> Result<Process, Failure> {
        registered(descriptor)
            .map(Process)
            .map_err(Failure::io("watch", "the process of a container"))
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&self) -> Result<(), Failure> {
        let readable = self.0.readable().await;
        readable
            .map(drop)
            .map_err(Failure::io("watch", "the process of a container"))
    }
}

/// Watches files that are replaced by renaming, all with one descriptor of the kernel's: there are few of those on a host.
#[derive(Debug, Default)]
pub(super) struct Replacements {
    watching: Mutex<Weak<Watching>>,
}

impl Replacements {
    /// Watches a file, which need not be there yet; its directory must.
    pub(super) fn watch(&self, path: &Path) -> Result<Watched, Failure> {
        let failed = || Failure::io("watch", path.display());
        let directory = path.parent().unwrap_or(Path::new("/"));
        let watching = self.watching().map_err(failed())?;
        let descriptor = watching
            .inotify
            .get_ref()
            .0
            .add_watch(directory, AddWatchFlags::IN_MOVED_TO)
            .map_err(|errno| failed()(errno.into()))?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let replaced = Arc::new(Notify::new());
        let file = (descriptor, name);
        watching.files().insert(file.clone(), replaced.clone());
        Ok(Watched {
            watching,
            file,
            replaced,
        })
    }

    fn watching(&self) -> io::Result<Arc<Watching>> {
        let mut kept = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watching) = kept.upgrade() {
            return Ok(watching);
        }
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let watching = Arc::new(Watching {
            inotify: registered(Descriptor(inotify))?,
            files: Mutex::default(),
        });
        *kept = Arc::downgrade(&watching);
        tokio::spawn(pass_on(kept.clone(), watching.clone()));
        Ok(watching)
    }
}

type File = (WatchDescriptor, OsString);

#[derive(Debug)]
struct Watching {
    inotify: AsyncFd<Descriptor>,
    files: Mutex<BTreeMap<File, Arc<Notify>>>,
}

impl Watching {
    fn files(&self) -> MutexGuard<'_, BTreeMap<File, Arc<Notify>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Descriptor(Inotify);

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// A file that is watched as long as this is kept.
#[derive(Debug)]
pub(super) struct Watched {
    watching: Arc<Watching>,
    file: File,
    replaced: Arc<Notify>,
}

impl Watched {
    /// Waits until the file has been replaced since this was asked last, or since it is watched.
    pub(super) async fn replaced(&self) {
        self.replaced.notified().await;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut files = self.watching.files();
        if files
            .get(&self.file)
            .is_some_and(|other| Arc::ptr_eq(other, &self.replaced))
        {
            files.remove(&self.file);
            if !files
                .keys()
                .any(|(descriptor, _)| *descriptor == self.file.0)
            {
                // It is gone with its directory, perhaps.
                let _ = self.watching.inotify.get_ref().0.rm_watch(self.file.0);
            }
        }
    }
}

/// Wakes those whose file has been replaced, as long as there are any.
async fn pass_on(kept: Weak<Watching>, first: Arc<Watching>) {
    drop(first);
    loop {
        let Some(watching) = kept.upgrade() else {
            return;
        };
        // Not for ever: the last watched file goes without a word.
        let patience = std::time::Duration::from_secs(60);
        let Ok(ready) = tokio::time::timeout(patience, watching.inotify.readable()).await else {
            continue;
        };
        let Ok(mut ready) = ready else {
            return;
        };
        match watching.inotify.get_ref().0.read_events() {
            Ok(events) => events.iter().for_each(|event| wake(&watching, event)),
            Err(Errno::EAGAIN | Errno::EINTR) => ready.clear_ready(),
            Err(errno) => {
                tracing::warn!(%errno, "the health of containers cannot be watched");
                return;
            }
        }
    }
}

fn wake(watching: &Watching, event: &InotifyEvent) {
    let files = watching.files();
    match &event.name {
        Some(name) => {
            if let Some(replaced) = files.get(&(event.wd, name.clone())) {
                replaced.notify_one();
            }
        }
        // Too many to be told one by one: everybody looks.
        None => files.values().for_each(|replaced| replaced.notify_one()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Replacements;

    #[tokio::test]
    async fn a_replaced_file_wakes_its_watcher_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let replacements = Replacements::default();
        let watched = replacements.watch(&one).unwrap();
        let other = replacements.watch(&two).unwrap();
        let wakes = |watched: &super::Watched| {
            let replaced = watched.replaced.clone();
            async move {
                let short = Duration::from_millis(200);
                tokio::time::timeout(short, replaced.notified())
                    .await
                    .is_ok()
            }
        };
        assert!(!wakes(&watched).await);
        std::fs::write(dir.path().join("draft"), "x").unwrap();
        std::fs::rename(dir.path().join("draft"), &one).unwrap();
        assert!(wakes(&watched).await);
        assert!(!wakes(&other).await);
        drop(watched);
        std::fs::write(dir.path().join("draft"), "x").unwrap();
        std::fs::rename(dir.path().join("draft"), &two).unwrap();
        other.replaced().await;
    }
}

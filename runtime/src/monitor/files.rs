//! The monitor's files beside the log: the record of the exit, and the socket for clients.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};

use super::exit::Exit;
use crate::{Error, Result};

/// Where the exit will be recorded. The room is taken beforehand, so that a full disk doesn't swallow the exit.
#[derive(Debug)]
pub(super) struct ExitFile {
    path: PathBuf,
    draft: PathBuf,
    file: Option<File>,
}

/// More than any record.
const ROOM: i64 = 1024;

impl ExitFile {
    pub(super) fn reserve(path: &Path) -> Result<ExitFile> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let file = File::create(&draft).map_err(Error::sys("make", draft.display()))?;
        // Some file systems can't: then the record takes its room when it is written.
        let _ = fallocate(&file, FallocateFlags::empty(), 0, ROOM);
        Ok(ExitFile {
            path: path.to_owned(),
            draft,
            file: Some(file),
        })
    }

    /// Writes the record and puts it in its place at once.
    pub(super) fn write(mut self, exit: &Exit) -> io::Result<()> {
        let text = serde_json::to_vec(exit)?;
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let mut result = put(&file, &text);
        for _ in 0..10 {
            if result.is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
            result = put(&file, &text);
        }
        result?;
        fs::rename(&self.draft, &self.path)
    }
}

impl Drop for ExitFile {
    fn drop(&mut self) {
        // A container that never started leaves nothing.
        if self.file.is_some() {
            let _ = fs::remove_file(&self.draft);
        }
    }
}

fn put(file: &File, text: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    file.write_all_at(text, 0)?;
    file.set_len(text.len() as u64)?;
    (&*file).flush()
}

/// The socket that clients connect to; its name goes with it.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: OwnedFd,
    path: PathBuf,
}

impl Listener {
    /// Binds in place of whatever a monitor that was killed left there. Only the owner may connect.
    pub(super) fn bind(path: &Path) -> Result<Listener> {
        let failed = |errno: Errno| Error::sys("bind", path.display())(errno);
        let _ = fs::remove_file(path);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket =
            socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(failed)?;
        let directory = File::open(path.parent().unwrap_or(path))
            .map_err(Error::sys("open the directory of", path.display()))?;
        bind(
            socket.as_raw_fd(),
            &address(&directory, path).map_err(failed)?,
        )
        .map_err(failed)?;
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .map_err(Error::sys("change the mode of", path.display()))?;
        listen(&socket, Backlog::new(16).map_err(failed)?).map_err(failed)?;
        Ok(Listener {
            socket,
            path: path.to_owned(),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// By the descriptor of its directory: a whole path may be longer than an address may be (unix(7)).
pub(super) fn address(directory: &File, path: &Path) -> nix::Result<UnixAddr> {
    let name = path.file_name().unwrap_or_default();
    UnixAddr::new(&Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name))
}

//! The connection to a container's streams: a socket of packets, which whoever opens the engine reads and writes.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use crate::error::{Error, Result};

/// The streams of a container: a connected SOCK_SEQPACKET socket. The first byte of each packet is its type: 0 standard
/// input (empty at its end), 1 standard output, 2 standard error, 3 size of the terminal (rows and columns, u16
/// little-endian), 4 exit code (i32 little-endian). It ends when everything of the container has been tidied up.
#[derive(Debug)]
pub struct AttachClient {
    socket: OwnedFd,
}

impl AttachClient {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        AttachClient { socket }
    }

    /// Connects to the monitor of a running container.
    pub(crate) fn connect(path: &Path) -> Result<Self> {
        let socket = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .map_err(Error::errno("make", "a socket"))?;
        // Through its directory's descriptor: the whole path may be longer than an address may be (unix(7)).
        let directory = path.parent().unwrap_or(path);
        let directory = File::open(directory).map_err(Error::io("open", directory))?;
        let address =
            UnixAddr::new(&beneath(&directory, path)).map_err(Error::errno("connect to", path))?;
        loop {
            match connect(socket.as_raw_fd(), &address) {
                Ok(()) => return Ok(AttachClient { socket }),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::errno("connect to", path)(errno)),
            }
        }
    }

    /// The socket.
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }
}

fn beneath(directory: &File, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name)
}

impl AsFd for AttachClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_keep_their_borders() {
        use nix::sys::socket::{Backlog, MsgFlags, accept, bind, listen, recv, send};
        let dir = tempfile::tempdir().unwrap();
        // Longer than an address may be.
        let long = dir.path().join("d".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let path = long.join("s");
        let listener = socket(
            AddressFamily::Unix,
            SockType::SeqPacket,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .unwrap();
        let directory = std::fs::File::open(&long).unwrap();
        let address = UnixAddr::new(&beneath(&directory, &path)).unwrap();
        bind(listener.as_raw_fd(), &address).unwrap();
        listen(&listener, Backlog::new(1).unwrap()).unwrap();
        let client = AttachClient::connect(&path).unwrap();
        let server = accept(listener.as_raw_fd()).unwrap();
        send(client.as_fd().as_raw_fd(), b"\x00abc", MsgFlags::empty()).unwrap();
        send(client.into_socket().as_raw_fd(), b"\x00", MsgFlags::empty()).unwrap();
        let mut buffer = [0; 64];
        assert_eq!(recv(server, &mut buffer, MsgFlags::empty()).unwrap(), 4);
        assert_eq!(recv(server, &mut buffer, MsgFlags::empty()).unwrap(), 1);
        assert!(AttachClient::connect(&long.join("missing")).is_err());
    }
}

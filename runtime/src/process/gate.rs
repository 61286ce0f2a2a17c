//! The start gate: where a created container waits until somebody starts it.
//!
//! An open gate is a listening socket in the container's state directory, held by the container's first process. To start is
//! to connect and say so; the connection ends when the program is executed, or brings the reason why it is not. When the
//! socket's file is removed, nobody can start the container any more, and its first process ends.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, connect, listen,
    setsockopt, socket, sockopt,
};
use nix::sys::stat::{fstat, umask};
use nix::sys::time::{TimeVal, TimeValLike};

use super::sync::Channel;
use crate::error::{Error, Result};
use crate::mounts::open_path;
use crate::state::{StateDir, through};

const NAME: &str = "start.sock";

/// How often the first process looks whether its gate is still there.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What the first process listens on.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    /// The socket's file, to see when it is gone.
    file: OwnedFd,
}

/// Makes the gate of a new container.
pub(crate) fn open(directory: &StateDir) -> Result<Listener> {
    let socket = new_socket()?;
    let path = through(directory.file(), NAME);
    let address = UnixAddr::new(&path).map_err(Error::sys("name", NAME))?;
    let before = umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let bound = bind(socket.as_raw_fd(), &address);
    umask(before);
    bound.map_err(Error::sys("bind", directory.path().join(NAME).display()))?;
    let backlog = Backlog::new(8).map_err(Error::sys("listen on", NAME))?;
    listen(&socket, backlog).map_err(Error::sys("listen on", NAME))?;
    Ok(Listener {
        socket,
        file: open_path(&path)?,
    })
}

/// Connects to the gate of a container; `None` if nobody waits behind it.
pub(crate) fn knock(directory: impl AsFd) -> Result<Option<Channel>> {
    let socket = new_socket()?;
    let address = UnixAddr::new(&through(directory, NAME)).map_err(Error::sys("name", NAME))?;
    loop {
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => return Ok(Some(Channel::new(socket))),
            Err(Errno::ECONNREFUSED | Errno::ENOENT) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::sys("connect to", NAME)(errno)),
        }
    }
}

fn new_socket() -> Result<OwnedFd> {
    socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(Error::sys("make", "a socket"))
}

impl Listener {
    /// Waits until somebody starts the container; `None` when nobody can any more.
    pub(crate) fn wait(&self) -> Result<Option<Channel>> {
        loop {
            let timeout = PollTimeout::try_from(LOOK_EVERY).unwrap_or(PollTimeout::MAX);
            match poll(
                &mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)],
                timeout,
            ) {
                Ok(0) if fstat(&self.file).is_ok_and(|status| status.st_nlink == 0) => {
                    return Ok(None);
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => {
                    if let Some(caller) = self.answer()? {
                        return Ok(Some(caller));
                    }
                }
                Err(errno) => return Err(Error::sys("wait at", NAME)(errno)),
            }
        }
    }

    /// A caller that wants a start, not one that only looks whether somebody is there.
    fn answer(&self) -> Result<Option<Channel>> {
        let fd = match accept4(self.socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            Ok(fd) => fd,
            Err(Errno::EINTR | Errno::ECONNABORTED) => return Ok(None),
            Err(errno) => return Err(Error::sys("accept at", NAME)(errno)),
        };
        // SAFETY: accept4 has just made it, for us alone.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // Nobody may keep others out by connecting and saying nothing.
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(1))
            .map_err(Error::sys("configure", NAME))?;
        let caller = Channel::new(socket);
        Ok(caller.wait().unwrap_or(false).then_some(caller))
    }
}

//! Terminals: made in the container's own devpts, taken by its process, and handed to whoever shows them.

use std::io::{IoSlice, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, sendmsg, socket,
};
use nix::sys::statfs::FsType;
use nix::sys::termios::{self, SetArg, Termios};

use crate::error::{Error, Result};
use crate::mounts::open_path;
use crate::safefs::{self, Root};
use crate::state::through;
use crate::sys::{descriptors, process, terminal};

/// Both sides of a terminal.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) master: OwnedFd,
    /// The side that the process has.
    pub(crate) terminal: OwnedFd,
}

/// Opens a new terminal in the devpts at `/dev/pts` of `root`. The other side is taken from the master itself: a name in the
/// container could be anything (CVE-2025-52565).
pub(crate) fn open(root: &Root, columns: u16, rows: u16) -> Result<Pair> {
    const DEVPTS: FsType = FsType(libc::DEVPTS_SUPER_MAGIC as _);
    let path = Path::new("/dev/pts/ptmx");
    let failed = || Error::sys("open", "/dev/pts/ptmx of the container");
    let master = root
        .open_plain(path, OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK)
        .map_err(|errno| match errno {
            Errno::ENOENT => Error::invalid("a terminal needs a devpts mount at /dev/pts"),
            errno => failed()(errno),
        })?;
    let genuine = safefs::file_system(&master) == Ok(DEVPTS)
        && safefs::is_character_device(&master, 5, 2) == Ok(true);
    if !genuine {
        return Err(Error::invalid(
            "/dev/pts/ptmx of the container is not a terminal multiplexer: mount devpts at /dev/pts",
        ));
    }
    fcntl(&master, FcntlArg::F_SETFL(OFlag::O_RDWR)).map_err(failed())?;
    terminal::unlock(master.as_fd()).map_err(Error::sys("unlock", "the terminal"))?;
    let other = terminal::other_side(master.as_fd()).map_err(Error::sys("open", "the terminal"))?;
    if (columns, rows) != (0, 0) {
        terminal::resize(master.as_fd(), columns, rows)
            .map_err(Error::sys("resize", "the terminal"))?;
    }
    Ok(Pair {
        master,
        terminal: other,
    })
}

/// Makes the terminal the controlling one, and the standard streams. The caller must lead a session.
pub(crate) fn take(terminal: OwnedFd) -> Result<()> {
    process::control_terminal(terminal.as_fd()).map_err(Error::sys("take", "the terminal"))?;
    for number in 0..3 {
        descriptors::place(terminal.as_fd(), number)
            .map_err(Error::sys("place the terminal as standard stream", number))?;
    }
    Ok(())
}

/// Connects to a socket that wants a descriptor sent.
pub(crate) fn connect_to(path: &Path) -> Result<OwnedFd> {
    let failed = || Error::sys("connect to", path.display());
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(failed())?;
    // By way of the directory: the whole path may be longer than an address can be.
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let directory = open_path(parent)?;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let address = UnixAddr::new(&through(&directory, name)).map_err(failed())?;
    connect(socket.as_raw_fd(), &address).map_err(failed())?;
    Ok(socket)
}

/// Sends a descriptor (SCM_RIGHTS).
pub(crate) fn send(socket: &OwnedFd, descriptor: &OwnedFd) -> Result<()> {
    let descriptors = [descriptor.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(b"/dev/ptmx")],
        &control,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )
    .map(drop)
    .map_err(Error::sys("send", "a descriptor over the socket"))
}

/// The caller's terminal in raw mode, restored when dropped.
#[derive(Debug)]
pub(crate) struct Raw {
    saved: Termios,
}

impl Raw {
    /// Makes standard input raw; `None` if it is not a terminal.
    pub(crate) fn enter() -> Result<Option<Raw>> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let saved = termios::tcgetattr(stdin.as_fd())
            .map_err(Error::sys("read the settings of", "the terminal"))?;
        let mut raw = saved.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(stdin.as_fd(), SetArg::TCSADRAIN, &raw)
            .map_err(Error::sys("change", "the terminal"))?;
        Ok(Some(Raw { saved }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing better can be done for a terminal that has gone.
        let _ = termios::tcsetattr(std::io::stdin().as_fd(), SetArg::TCSADRAIN, &self.saved);
    }
}

/// Gives the terminal the size of the caller's, if that has one.
pub(crate) fn copy_size(master: BorrowedFd<'_>) {
    if let Ok((columns, rows)) = terminal::size(std::io::stdin().as_fd()) {
        // A terminal whose other side is closed needs no size.
        let _ = terminal::resize(master, columns, rows);
    }
}

//! What a process on its way into a container and the one that made it tell each other: packets on a socket pair.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};

use crate::error::{Error, ErrorKind, Result};

/// One end.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// What the new process has reached.
#[derive(Debug)]
pub(crate) enum Report {
    /// It is in a user namespace without mappings, and waits for them.
    Unmapped,
    /// All is mounted; it waits while hooks run.
    Prepared,
    /// The master side of its terminal.
    Terminal(OwnedFd),
    /// Only the program is left to be executed; it waits to be started.
    Created,
    /// It executes the program now: the end of the channel means success.
    Executing,
    /// It gives up.
    Failed(Error),
}

/// The longest packet: the text of an error is cut to fit.
const LONGEST: usize = 4096;

impl Channel {
    /// Two connected ends.
    pub(crate) fn pair() -> Result<(Channel, Channel)> {
        let (one, other) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(Error::sys("make", "a socket pair"))?;
        Ok((Channel(one), Channel(other)))
    }

    /// A connected SOCK_SEQPACKET socket.
    pub(crate) fn new(socket: OwnedFd) -> Channel {
        Channel(socket)
    }

    /// Tells the maker.
    pub(crate) fn report(&self, report: &Report) -> Result<()> {
        let mut packet = vec![report.tag()];
        let mut descriptor = None;
        match report {
            Report::Terminal(master) => descriptor = Some(master.as_raw_fd()),
            Report::Failed(error) => {
                packet.extend(error.kind().as_str().as_bytes());
                packet.push(b' ');
                packet.extend(error.chain().as_bytes());
                packet.truncate(LONGEST);
            }
            _ => {}
        }
        self.send(&packet, descriptor)
    }

    /// Waits for what the new process says next; `None` when it has gone, or executes its program.
    pub(crate) fn next(&self) -> Result<Option<Report>> {
        let mut packet = vec![0; LONGEST];
        let (length, descriptor) = self.receive(&mut packet)?;
        let Some((tag, rest)) = packet[..length].split_first() else {
            return Ok(None);
        };
        let report = match (tag, descriptor) {
            (b'u', _) => Report::Unmapped,
            (b'p', _) => Report::Prepared,
            (b't', Some(master)) => Report::Terminal(master),
            (b'c', _) => Report::Created,
            (b'e', _) => Report::Executing,
            (b'f', _) => Report::Failed(parse_failure(rest)),
            _ => {
                return Err(Error::new(
                    ErrorKind::Io,
                    "the container's process sent what makes no sense",
                ));
            }
        };
        Ok(Some(report))
    }

    /// Lets the new process go on.
    pub(crate) fn go(&self) -> Result<()> {
        self.send(b"g", None)
    }

    /// Waits to go on; `false` if the other end is gone.
    pub(crate) fn wait(&self) -> Result<bool> {
        let mut packet = [0; 1];
        Ok(self.receive(&mut packet)?.0 > 0)
    }

    /// Whether the other end is gone.
    pub(crate) fn is_orphaned(&self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut wanted = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        poll(&mut wanted, PollTimeout::ZERO).is_ok_and(|_| wanted[0].any() == Some(true))
    }

    fn send(&self, packet: &[u8], descriptor: Option<i32>) -> Result<()> {
        let descriptors: Vec<i32> = descriptor.into_iter().collect();
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let control = if descriptors.is_empty() {
            &rights[..0]
        } else {
            &rights[..]
        };
        loop {
            let sent = sendmsg::<()>(
                self.0.as_raw_fd(),
                &[IoSlice::new(packet)],
                control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            );
            match sent {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    return Err(Error::sys(
                        "tell",
                        "the other side of the container's start",
                    )(errno));
                }
            }
        }
    }

    fn receive(&self, packet: &mut [u8]) -> Result<(usize, Option<OwnedFd>)> {
        let mut control = cmsg_space!([i32; 1]);
        let mut buffers = [IoSliceMut::new(packet)];
        loop {
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let message =
                match recvmsg::<()>(self.0.as_raw_fd(), &mut buffers, Some(&mut control), flags) {
                    Ok(message) => message,
                    Err(Errno::EINTR) => continue,
                    // It went without reading all that it was told.
                    Err(Errno::ECONNRESET) => return Ok((0, None)),
                    Err(errno) => {
                        return Err(Error::sys(
                            "hear from",
                            "the other side of the container's start",
                        )(errno));
                    }
                };
            let mut descriptor = None;
            for control in message.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::ScmRights(descriptors) = control {
                    for fd in descriptors {
                        // SAFETY: the kernel has just put this descriptor into our table, for us alone.
                        descriptor = Some(unsafe { OwnedFd::from_raw_fd(fd) });
                    }
                }
            }
            return Ok((message.bytes, descriptor));
        }
    }
}

impl Report {
    fn tag(&self) -> u8 {
        match self {
            Report::Unmapped => b'u',
            Report::Prepared => b'p',
            Report::Terminal(_) => b't',
            Report::Created => b'c',
            Report::Executing => b'e',
            Report::Failed(_) => b'f',
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn parse_failure(packet: &[u8]) -> Error {
    let text = String::from_utf8_lossy(packet);
    let (kind, message) = text.split_once(' ').unwrap_or(("", &text));
    Error::new(ErrorKind::from_name(kind).unwrap_or(ErrorKind::Io), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_understand_each_other() {
        let (parent, child) = Channel::pair().unwrap();
        let check = |sent: Report, expected: &str| {
            child.report(&sent).unwrap();
            let heard = format!("{:?}", parent.next().unwrap().unwrap());
            assert!(heard.starts_with(expected), "{heard}");
        };
        check(Report::Unmapped, "Unmapped");
        check(Report::Prepared, "Prepared");
        check(Report::Created, "Created");
        check(Report::Executing, "Executing");
        check(
            Report::Terminal(std::fs::File::open("/dev/null").unwrap().into()),
            "Terminal(",
        );
        check(
            Report::Failed(Error::new(ErrorKind::CommandNotFound, "x: no y")),
            "Failed(Error { kind: CommandNotFound, message: \"x: no y\"",
        );
        check(
            Report::Failed(Error::invalid("x".repeat(2 * LONGEST))),
            "Failed(",
        );
        parent.go().unwrap();
        assert!(child.wait().unwrap());
        assert!(!child.is_orphaned());
        drop(parent);
        assert!(child.is_orphaned());
        assert!(!child.wait().unwrap());
    }
}

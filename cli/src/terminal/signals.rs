//! Signals as something to poll: caught, and read from a pipe. They are caught rather than blocked because a process that
//! is started meanwhile would inherit what is blocked, and a container's process with it; what is caught, exec(2) sets
//! back to its default.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// The signals that concern a foreground container: those passed on to it, and the change of window size.
const WATCHED: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
    Signal::SIGWINCH,
];

/// The end of the pipe that the handler writes to; -1 when nobody watches.
static WRITER: AtomicI32 = AtomicI32::new(-1);

/// Held by the one who watches: there is one handler in a process.
static WATCHING: Mutex<()> = Mutex::new(());

/// The watched signals, caught until this is dropped.
#[derive(Debug)]
pub(crate) struct Signals {
    reader: OwnedFd,
    /// Kept open for the handler.
    _writer: OwnedFd,
    before: Vec<(Signal, SigAction)>,
    _alone: MutexGuard<'static, ()>,
}

impl Signals {
    /// Catches the watched signals and opens the descriptor they are read from. One that is ignored, as SIGHUP is beneath
    /// nohup(1), stays so.
    pub(crate) fn watch() -> io::Result<Signals> {
        let alone = WATCHING
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        WRITER.store(writer.as_raw_fd(), Ordering::Relaxed);
        let mut signals = Signals {
            reader,
            _writer: writer,
            before: Vec::new(),
            _alone: alone,
        };
        let caught = SigAction::new(
            SigHandler::Handler(note),
            SaFlags::SA_RESTART,
            SigSet::empty(),
        );
        for signal in WATCHED {
            let before = set(signal, &caught)?;
            signals.before.push((signal, before));
            if matches!(before.handler(), SigHandler::SigIgn) {
                set(signal, &before)?;
            }
        }
        Ok(signals)
    }

    /// The same signals for async code; to be called where a runtime is.
    pub(crate) fn arrivals(&self) -> io::Result<Arrivals> {
        let reader = pipe::Receiver::from_owned_fd(self.reader.try_clone()?)?;
        Ok(Arrivals(reader))
    }

    /// The next signal that has come, if any.
    pub(crate) fn next(&mut self) -> Option<Signal> {
        let mut number = [0];
        loop {
            match nix::unistd::read(&self.reader, &mut number) {
                Ok(1) => return Signal::try_from(i32::from(number[0])).ok(),
                Err(Errno::EINTR) => {}
                _ => return None,
            }
        }
    }
}

/// The watched signals, one after another, as long as they are watched.
#[derive(Debug)]
pub(crate) struct Arrivals(pipe::Receiver);

impl Arrivals {
    /// Waits for the next one. Given up, it loses none.
    pub(crate) async fn next(&mut self) -> io::Result<Signal> {
        loop {
            let number = self.0.read_u8().await?;
            if let Ok(signal) = Signal::try_from(i32::from(number)) {
                return Ok(signal);
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // An action that was in force before can be set again.
            let _ = set(*signal, before);
        }
        WRITER.store(-1, Ordering::Relaxed);
    }
}

fn set(signal: Signal, action: &SigAction) -> nix::Result<SigAction> {
    // SAFETY: the only handler ever set is `note`, which does nothing but what a handler may do (see there), or an action
    // that was in force before in this process.
    unsafe { sigaction(signal, action) }
}

/// Writes the signal's number to the pipe: an atomic load and write(2), both allowed in a handler (signal-safety(7)).
/// errno is kept as it was for the code that was interrupted.
extern "C" fn note(number: libc::c_int) {
    let errno = Errno::last_raw();
    let byte = u8::try_from(number).unwrap_or(0);
    // SAFETY: write(2) reads one byte from a live local; a full pipe or a closed descriptor makes it fail, which loses a
    // signal that hundreds like it stand before.
    unsafe { libc::write(WRITER.load(Ordering::Relaxed), (&raw const byte).cast(), 1) };
    Errno::set_raw(errno);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_in_turn_and_set_back() {
        let mut signals = Signals::watch().unwrap();
        assert_eq!(signals.next(), None);
        nix::sys::signal::raise(Signal::SIGUSR1).unwrap();
        nix::sys::signal::raise(Signal::SIGWINCH).unwrap();
        assert_eq!(signals.next(), Some(Signal::SIGUSR1));
        assert_eq!(signals.next(), Some(Signal::SIGWINCH));
        assert_eq!(signals.next(), None);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let mut arrivals = signals.arrivals().unwrap();
            nix::sys::signal::raise(Signal::SIGUSR2).unwrap();
            nix::sys::signal::raise(Signal::SIGWINCH).unwrap();
            assert_eq!(arrivals.next().await.unwrap(), Signal::SIGUSR2);
            assert_eq!(arrivals.next().await.unwrap(), Signal::SIGWINCH);
        });
    }
}

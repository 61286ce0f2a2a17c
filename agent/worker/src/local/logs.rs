//! Logs, read on a thread of their own: whoever follows one sleeps in the kernel, and must not take the place of others' work.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use engine::{Engine, LogStream};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::executor::{LogLine, LogOptions, Logs};
use crate::failure::Failure;

/// Lines that wait to be sent.
const AHEAD: usize = 256;
/// Bytes of a reader's stack.
const STACK: usize = 256 << 10;

/// Begins to read a log.
pub(super) fn read(
    engine: Arc<Engine>,
    container: String,
    options: LogOptions,
) -> Result<Logs, Failure> {
    let failed = || Failure::io("read the log of", &container);
    let (stop, stopped): (OwnedFd, OwnedFd) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)
        .map(|(reader, writer)| (writer, reader))
        .map_err(|errno| failed()(errno.into()))?;
    let (sends, lines) = mpsc::channel(AHEAD);
    let options = engine::LogOptions {
        follow: options.follow,
        tail: options.tail,
        since: time(options.since_ms),
        until: time(options.until_ms),
    };
    let (end, ended) = oneshot::channel::<()>();
    // Closed with the reader of the lines, which wakes the thread.
    tokio::spawn(async move {
        let _ = ended.await;
        drop(stop);
    });
    let name = container.clone();
    let reading = move || {
        let read = engine.logs_until(&name, &options, stopped.as_fd(), &mut |entry| {
            let line = LogLine {
                at_ns: i64::try_from(entry.time.as_nanosecond()).unwrap_or(i64::MAX),
                stderr: entry.stream == LogStream::Stderr,
                data: Bytes::copy_from_slice(entry.bytes),
            };
            sends.blocking_send(Ok(line)).is_ok()
        });
        if let Err(error) = read {
            // Nobody reads any more, perhaps.
            let _ = sends.blocking_send(Err(error.into()));
        }
    };
    std::thread::Builder::new()
        .name("log".to_owned())
        .stack_size(STACK)
        .spawn(reading)
        .map_err(failed())?;
    Ok(Logs { lines, _end: end })
}

fn time(ms: i64) -> Option<Timestamp> {
    (ms > 0)
        .then(|| Timestamp::from_millisecond(ms).ok())
        .flatten()
}

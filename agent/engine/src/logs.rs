//! Reading a container's log. Whoever follows it sleeps until the kernel tells that something was written, or that the
//! container has ended.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::SystemTime;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use runtime::log::{LogEntry as Line, LogReader, Stream};

use crate::container::Record;
use crate::engine::{Engine, LogEntry, LogStream};
use crate::error::{Error, Result};
use crate::records;
use crate::request::LogOptions;
use crate::stop::{self, Process};

/// Reads the log; `each` returns whether to go on, and `stop` breaks it off when it is readable.
pub(crate) fn logs(
    engine: &Engine,
    name: &str,
    options: &LogOptions,
    stop: Option<BorrowedFd<'_>>,
    each: &mut dyn FnMut(LogEntry<'_>) -> bool,
) -> Result<()> {
    let record = records::find(&engine.layout, name)?;
    let path = engine.layout.log(&record.id);
    // Watched before it is read, so that nothing comes between.
    let mut watch = match options.follow {
        true => Watch::new(engine, &record)?,
        false => None,
    };
    if options.follow && watch.is_none() {
        // It has just ended, perhaps, and its last lines are still being written.
        stop::settle(engine, &record)?;
    }
    let opened = match options.tail {
        Some(lines) => LogReader::tail(&path, usize::try_from(lines).unwrap_or(usize::MAX)),
        None => LogReader::open(&path),
    };
    let mut reader = opened.map_err(Error::io("read", &path))?;
    loop {
        while let Some(line) = reader.next_entry().map_err(Error::io("read", &path))? {
            match take(&line, options) {
                Take::Skip => {}
                Take::Stop => return Ok(()),
                Take::Show(time) => {
                    if !show(&line, time, each) {
                        return Ok(());
                    }
                }
            }
        }
        match &mut watch {
            Some(watching) => match watching.wait(stop)? {
                Woken::Written => {}
                Woken::Stopped => return Ok(()),
                Woken::Ended => {
                    stop::settle(engine, &record)?;
                    // Once more, for what was written last.
                    watch = None;
                }
            },
            None => break,
        }
    }
    for line in reader.unfinished() {
        if let Take::Show(time) = take(&line, options)
            && !show(&line, time, each)
        {
            break;
        }
    }
    Ok(())
}

/// What to do with a line.
#[derive(Debug, PartialEq)]
enum Take {
    Show(Timestamp),
    Skip,
    /// It is later than all that is wanted.
    Stop,
}

fn take(line: &Line, options: &LogOptions) -> Take {
    let time = timestamp(line.time);
    match (options.since, options.until) {
        (Some(since), _) if time < since => Take::Skip,
        (_, Some(until)) if time > until => Take::Stop,
        _ => Take::Show(time),
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn show(line: &Line, time: Timestamp, each: &mut dyn FnMut(LogEntry<'_>) -> bool) -> bool {
    let mut bytes = line.bytes.clone();
    if !line.partial {
        bytes.push(b'\n');
    }
    let stream = match line.stream {
        Stream::Stdout => LogStream::Stdout,
        Stream::Stderr => LogStream::Stderr,
    };
    each(LogEntry {
        time,
        stream,
        bytes: &bytes,
    })
}

/// What has woken a follower.
#[derive(Debug, PartialEq)]
enum Woken {
    Written,
    Ended,
    Stopped,
}

/// Sees writes to the log and the end of the container's first process.
struct Watch {
    changes: Inotify,
    process: Process,
}

impl Watch {
    /// `None` when the container doesn't run: then nothing more comes.
    fn new(engine: &Engine, record: &Record) -> Result<Option<Watch>> {
        let Some(process) = stop::process(engine, record)? else {
            return Ok(None);
        };
        let directory = engine.layout.container(&record.id);
        let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(Error::errno("watch", &directory))?;
        let interesting = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE;
        changes
            .add_watch(&directory, interesting)
            .map_err(Error::errno("watch", &directory))?;
        Ok(Some(Watch { changes, process }))
    }

    fn wait(&mut self, stop: Option<BorrowedFd<'_>>) -> Result<Woken> {
        loop {
            let ended: &OwnedFd = self.process.descriptor();
            let mut descriptors = vec![
                PollFd::new(ended.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.changes.as_fd(), PollFlags::POLLIN),
            ];
            descriptors.extend(stop.map(|stop| PollFd::new(stop, PollFlags::POLLIN)));
            match poll(&mut descriptors, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.map_err(Error::errno("wait for", "the container's log"))?,
            };
            let is_ready = |index: usize| {
                let descriptor = descriptors.get(index);
                descriptor.is_some_and(|descriptor| descriptor.any().unwrap_or(true))
            };
            if is_ready(2) {
                return Ok(Woken::Stopped);
            }
            if is_ready(0) {
                return Ok(Woken::Ended);
            }
            if is_ready(1) {
                return match self.changes.read_events() {
                    Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(Woken::Written),
                    Err(errno) => Err(Error::errno("watch", "the container's log")(errno)),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn lines_are_chosen_by_their_time() {
        fn check(since: Option<i64>, until: Option<i64>, at: u64, expected: &str) {
            let moment = |second: Option<i64>| second.map(|s| Timestamp::from_second(s).unwrap());
            let options = LogOptions {
                since: moment(since),
                until: moment(until),
                ..LogOptions::default()
            };
            let line = Line {
                time: UNIX_EPOCH + Duration::from_secs(at),
                stream: Stream::Stdout,
                partial: false,
                bytes: Vec::new(),
            };
            let taken = match take(&line, &options) {
                Take::Show(_) => "show",
                Take::Skip => "skip",
                Take::Stop => "stop",
            };
            assert_eq!(taken, expected, "{since:?} {until:?} {at}");
        }
        check(None, None, 5, "show");
        check(Some(5), None, 4, "skip");
        check(Some(5), None, 5, "show");
        check(None, Some(5), 5, "show");
        check(None, Some(5), 6, "stop");
        check(Some(3), Some(5), 4, "show");
    }

    #[test]
    fn a_whole_line_ends_in_a_newline() {
        let mut seen = Vec::new();
        for partial in [false, true] {
            let line = Line {
                time: UNIX_EPOCH,
                stream: Stream::Stderr,
                partial,
                bytes: b"x".to_vec(),
            };
            show(&line, timestamp(line.time), &mut |entry| {
                seen.push((entry.stream, entry.bytes.to_vec()));
                true
            });
        }
        assert_eq!(
            seen,
            [
                (LogStream::Stderr, b"x\n".to_vec()),
                (LogStream::Stderr, b"x".to_vec())
            ]
        );
    }
}

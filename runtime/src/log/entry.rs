//! One entry of a log file.

use std::time::SystemTime;

use super::time;

/// Which stream was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output, and all of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// As in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// One line of a container's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When its end was written.
    pub time: SystemTime,
    /// Where it was written.
    pub stream: Stream,
    /// Whether the container has not ended this line.
    pub partial: bool,
    /// The line without its end.
    pub bytes: Vec<u8>,
}

/// Bytes of the longest text before the content of an entry.
pub(super) const HEADER: usize = time::LENGTH + " stdout F ".len();

/// What comes before the content of an entry.
pub(super) fn header(time: &[u8; time::LENGTH], stream: Stream, partial: bool) -> [u8; HEADER] {
    let mut header = [b' '; HEADER];
    header[..time::LENGTH].copy_from_slice(time);
    header[time::LENGTH + 1..time::LENGTH + 7].copy_from_slice(stream.as_str().as_bytes());
    header[time::LENGTH + 8] = if partial { b'P' } else { b'F' };
    header
}

/// An entry from a line of the file without its end; `None` for what is no entry.
pub(super) fn parse(line: &[u8]) -> Option<(SystemTime, Stream, bool, &[u8])> {
    let (head, content) = line.split_at_checked(HEADER)?;
    let stream = match &head[time::LENGTH..HEADER - 2] {
        b" stdout " => Stream::Stdout,
        b" stderr " => Stream::Stderr,
        _ => return None,
    };
    // Further tags may follow the first after colons; we write none.
    let partial = match &head[HEADER - 2..] {
        b"P " => true,
        b"F " => false,
        _ => return None,
    };
    Some((
        time::parse(&head[..time::LENGTH])?,
        stream,
        partial,
        content,
    ))
}

/// Whether a line of the file ends a line of the container.
pub(super) fn is_full(line: &[u8]) -> bool {
    line.get(HEADER - 2) == Some(&b'F')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn entries_read_as_they_are_written() {
        for (stream, partial) in [(Stream::Stdout, false), (Stream::Stderr, true)] {
            let mut line = header(&time::format(UNIX_EPOCH), stream, partial).to_vec();
            line.extend(b"text");
            assert_eq!(
                parse(&line),
                Some((UNIX_EPOCH, stream, partial, &b"text"[..]))
            );
            assert_eq!(is_full(&line), !partial);
        }
        assert_eq!(
            header(&time::format(UNIX_EPOCH), Stream::Stdout, false),
            *b"1970-01-01T00:00:00.000000000Z stdout F "
        );
        for broken in [
            "",
            "short",
            "1970-01-01T00:00:00.000000000Z stdnix F x",
            "1970-01-01T00:00:00.000000000Z stdout X x",
        ] {
            assert_eq!(parse(broken.as_bytes()), None, "{broken}");
        }
    }
}

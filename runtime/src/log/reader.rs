//! Reading a container's log: from its beginning or its last lines, on across rotations, for as long as it grows.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::entry::{self, LogEntry, Stream};
use super::writer::numbered;

/// A line that is longer comes in parts, so that a container can't fill the reader's memory.
const LONGEST: usize = 1 << 20;
/// Beginnings of lines may lie this many ends of lines of the other stream before.
const INTERLEAVED: usize = 16;

/// Reads a log line by line; entries that were written in parts come whole.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    /// The file read now; none while the log doesn't exist yet.
    file: Option<(BufReader<File>, u64)>,
    /// The beginning of a line whose end isn't written yet.
    raw: Vec<u8>,
    /// Beginnings of the container's lines.
    parts: BTreeMap<Stream, (SystemTime, Vec<u8>)>,
    /// Entries read ahead.
    ready: VecDeque<LogEntry>,
}

impl LogReader {
    /// From the oldest line that is kept. A log that doesn't exist yet is empty.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<LogReader> {
        let path = path.into();
        let oldest = files(&path).pop().unwrap_or_else(|| path.clone());
        let mut reader = LogReader::new(path);
        reader.enter(&oldest, 0)?;
        Ok(reader)
    }

    /// From the last `lines` lines; an unfinished one counts as one. Reads no more of the files than that takes.
    pub fn tail(path: impl Into<PathBuf>, lines: usize) -> io::Result<LogReader> {
        let path = path.into();
        let mut reader = LogReader::new(path.clone());
        let (file, offset) =
            last_lines(&path, lines.saturating_add(INTERLEAVED).saturating_add(1))?;
        reader.enter(&file, offset)?;
        let mut last = VecDeque::new();
        while let Some(entry) = reader.next_entry()? {
            last.push_back(entry);
            if last.len() > lines {
                last.pop_front();
            }
        }
        while last.len() + reader.parts.len() > lines && !last.is_empty() {
            last.pop_front();
        }
        if lines == 0 {
            reader.parts.clear();
        }
        reader.ready = last;
        Ok(reader)
    }

    fn new(path: PathBuf) -> LogReader {
        LogReader {
            path,
            file: None,
            raw: Vec::new(),
            parts: BTreeMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// The next line; `None` when nothing more is written for now: ask again later to follow.
    pub fn next_entry(&mut self) -> io::Result<Option<LogEntry>> {
        if let Some(entry) = self.ready.pop_front() {
            return Ok(Some(entry));
        }
        loop {
            if !self.read_line()? && !self.turn_page()? {
                return Ok(None);
            }
            if self.raw.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.raw);
                if let Some(entry) = self.join(&line[..line.len() - 1]) {
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// The lines that the container has not ended, once it is known to write no more.
    pub fn unfinished(&mut self) -> Vec<LogEntry> {
        let parts = std::mem::take(&mut self.parts);
        let entry = |(stream, (time, bytes))| LogEntry {
            time,
            stream,
            partial: true,
            bytes,
        };
        let mut entries: Vec<LogEntry> = parts.into_iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.time);
        entries
    }

    /// Reads up to a line's end; false when there is nothing.
    fn read_line(&mut self) -> io::Result<bool> {
        match &mut self.file {
            Some((file, _)) => Ok(file.read_until(b'\n', &mut self.raw)? > 0),
            None => Ok(false),
        }
    }

    /// At the end of a file: goes on to the one that follows it, or reads what was written before it was set aside. False
    /// when this is the newest.
    fn turn_page(&mut self) -> io::Result<bool> {
        let Some((_, inode)) = self.file else {
            let path = self.path.clone();
            self.enter(&path, 0)?;
            return Ok(self.file.is_some());
        };
        if self.inode(&self.path).is_none_or(|newest| newest == inode) {
            return Ok(false);
        }
        // Set aside meanwhile: its last lines may have come after the read that found its end.
        if self.read_line()? {
            return Ok(true);
        }
        let files = files(&self.path);
        let following = match files
            .iter()
            .position(|file| self.inode(file) == Some(inode))
        {
            Some(0) => return Ok(false),
            Some(place) => &files[place - 1],
            // It fell off the end: the oldest that is left follows.
            None => match files.last() {
                Some(oldest) => oldest,
                None => return Ok(false),
            },
        };
        // Half a line at the end of a file that was set aside stays half.
        self.raw.clear();
        self.enter(following, 0)?;
        Ok(true)
    }

    fn inode(&self, path: &Path) -> Option<u64> {
        fs::metadata(path).ok().map(|metadata| metadata.ino())
    }

    fn enter(&mut self, path: &Path, offset: u64) -> io::Result<()> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let inode = file.metadata()?.ino();
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        self.file = Some((BufReader::with_capacity(64 * 1024, file), inode));
        Ok(())
    }

    /// A whole line of the container, when this entry ends one. What is no entry is passed over.
    fn join(&mut self, line: &[u8]) -> Option<LogEntry> {
        let (time, stream, partial, content) = entry::parse(line)?;
        let (_, mut bytes) = self.parts.remove(&stream).unwrap_or((time, Vec::new()));
        bytes.extend_from_slice(content);
        if partial && bytes.len() < LONGEST {
            self.parts.insert(stream, (time, bytes));
            return None;
        }
        Some(LogEntry {
            time,
            stream,
            partial,
            bytes,
        })
    }
}

/// The files of a log that exist, newest first.
fn files(path: &Path) -> Vec<PathBuf> {
    let older = (1..)
        .map(|number| numbered(path, number))
        .take_while(|file| file.exists());
    std::iter::once(path.to_owned())
        .filter(|file| file.exists())
        .chain(older)
        .collect()
}

/// Where the last ends of lines begin: a file and an offset in it.
fn last_lines(path: &Path, ends: usize) -> io::Result<(PathBuf, u64)> {
    let mut left = ends;
    let mut oldest = (path.to_owned(), 0);
    for file in files(path) {
        match scan_back(&mut File::open(&file)?, &mut left)? {
            Some(offset) => return Ok((file, offset)),
            None => oldest = (file, 0),
        }
    }
    Ok(oldest)
}

/// Counts ends of lines from the end of a file; the offset behind the one that makes the count full.
fn scan_back(file: &mut File, left: &mut usize) -> io::Result<Option<u64>> {
    const BLOCK: u64 = 64 * 1024;
    let mut start = file.seek(SeekFrom::End(0))?;
    let mut text: Vec<u8> = Vec::new();
    while start > 0 {
        let length = BLOCK.min(start);
        start -= length;
        let mut block = vec![0; length as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        block.append(&mut text);
        text = block;
        // The first line is whole only at the beginning of the file.
        while !text.is_empty() {
            let before = text[..text.len() - 1]
                .iter()
                .rposition(|byte| *byte == b'\n');
            let from = match before {
                Some(newline) => newline + 1,
                None if start == 0 => 0,
                None => break,
            };
            if entry::is_full(&text[from..]) {
                *left -= 1;
                if *left == 0 {
                    return Ok(Some(start + text.len() as u64));
                }
            }
            text.truncate(from);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::writer::{LogWriter, Rotation};
    use super::*;
    use std::time::UNIX_EPOCH;

    fn writer(path: &Path, max_size: u64) -> LogWriter {
        LogWriter::open(
            path,
            Rotation {
                max_size,
                max_files: 4,
            },
        )
        .unwrap()
    }

    fn drain(reader: &mut LogReader) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            seen.push(String::from_utf8(entry.bytes).unwrap());
        }
        seen
    }

    #[test]
    fn parts_are_joined_by_stream() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut reader = LogReader::open(&path).unwrap();
        assert_eq!(drain(&mut reader), [""; 0]);
        let mut log = writer(&path, 0);
        log.write(UNIX_EPOCH, Stream::Stdout, b"one\ntw");
        log.write(UNIX_EPOCH, Stream::Stderr, b"bad\n");
        assert_eq!(drain(&mut reader), ["one", "bad"]);
        log.write(UNIX_EPOCH, Stream::Stdout, b"o\nen");
        assert_eq!(drain(&mut reader), ["two"]);
        log.write(UNIX_EPOCH, Stream::Stdout, b"d");
        assert_eq!(drain(&mut reader), [""; 0]);
        let unfinished = reader.unfinished();
        assert_eq!(
            (unfinished[0].bytes.as_slice(), unfinished[0].partial),
            (&b"end"[..], true)
        );
    }

    #[test]
    fn rotations_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = writer(&path, 100);
        let mut reader = LogReader::open(&path).unwrap();
        let mut seen = Vec::new();
        for number in 0..20 {
            log.write(UNIX_EPOCH, Stream::Stdout, format!("{number}\n").as_bytes());
            if number % 3 == 0 {
                seen.extend(drain(&mut reader));
            }
        }
        seen.extend(drain(&mut reader));
        let all: Vec<_> = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(seen, all);
        // A new reader begins with the oldest file that is left.
        assert_eq!(drain(&mut LogReader::open(&path).unwrap()), all[12..]);
        // Too slow: what fell off the end is missed, the rest is not.
        let mut slow = LogReader::open(&path).unwrap();
        assert_eq!(slow.next_entry().unwrap().unwrap().bytes, b"12");
        for number in 20..40 {
            log.write(UNIX_EPOCH, Stream::Stdout, format!("{number}\n").as_bytes());
        }
        assert_eq!(drain(&mut slow).last().unwrap(), "39");
    }

    #[test]
    fn the_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = writer(&path, 200_000);
        for number in 0..10_000 {
            log.write(UNIX_EPOCH, Stream::Stdout, format!("{number}\n").as_bytes());
        }
        let check = |lines: usize, first: usize| {
            let seen = drain(&mut LogReader::tail(&path, lines).unwrap());
            let expected: Vec<_> = (first..10_000).map(|number| number.to_string()).collect();
            assert_eq!(seen, expected, "{lines}");
        };
        check(0, 10_000);
        check(1, 9_999);
        check(2_000, 8_000);
        check(9_000, 1_000);
        check(usize::MAX, 0);
        // The unfinished one counts, and lines go on to come.
        log.write(UNIX_EPOCH, Stream::Stdout, b"half");
        let mut reader = LogReader::tail(&path, 2).unwrap();
        assert_eq!(drain(&mut reader), ["9999"]);
        log.write(UNIX_EPOCH, Stream::Stdout, b" whole\n");
        assert_eq!(drain(&mut reader), ["half whole"]);
        // The beginning of a line lies before ends of the other stream.
        log.write(UNIX_EPOCH, Stream::Stdout, b"head ");
        log.write(UNIX_EPOCH, Stream::Stderr, b"x\ny\n");
        log.write(UNIX_EPOCH, Stream::Stdout, b"tail\n");
        assert_eq!(
            drain(&mut LogReader::tail(&path, 1).unwrap()),
            ["head tail"]
        );
        assert_eq!(
            drain(&mut LogReader::tail(dir.path().join("none"), 3).unwrap()),
            [""; 0]
        );
    }
}

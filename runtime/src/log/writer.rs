//! Writing a container's output to its log, file after file. Nothing here ever stops the container: when the disk is full, entries
//! are dropped and counted, and the count is noted as soon as there is room again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::entry::{HEADER, Stream, header};
use super::time;

/// When a file is full, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Bytes of one file; 0 for no end.
    pub(crate) max_size: u64,
    /// Files in all, the one that is written included; at least 1.
    pub(crate) max_files: u32,
}

/// Content of one entry at most; longer lines go on in further ones.
const LONGEST: usize = 16 * 1024;
/// Entries are gathered up to this size for one write.
const GATHERED: usize = 64 * 1024;

/// The log of one container.
#[derive(Debug)]
pub(crate) struct LogWriter {
    path: PathBuf,
    file: File,
    size: u64,
    rotation: Rotation,
    /// Entries gathered for the next write, and how many they are.
    gathered: Vec<u8>,
    entries: u64,
    /// Entries dropped since the last note.
    dropped: u64,
}

impl LogWriter {
    /// Goes on with the log at `path`, or begins it (mode 0640).
    pub(crate) fn open(path: &Path, rotation: Rotation) -> io::Result<LogWriter> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(LogWriter {
            path: path.to_owned(),
            file,
            size,
            rotation,
            gathered: Vec::new(),
            entries: 0,
            dropped: 0,
        })
    }

    /// Logs what a container wrote at one moment.
    pub(crate) fn write(&mut self, now: SystemTime, stream: Stream, bytes: &[u8]) {
        if self.gathered.capacity() == 0 {
            // Not before there is output: an idle container costs nothing.
            self.gathered.reserve_exact(GATHERED);
        }
        let stamp = time::format(now);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, ended) = match line.split_last() {
                Some((b'\n', content)) => (content, true),
                _ => (line, false),
            };
            let mut pieces = content.chunks(LONGEST).peekable();
            if pieces.peek().is_none() {
                self.gather(&header(&stamp, stream, !ended), b"", now);
            }
            while let Some(piece) = pieces.next() {
                let last = pieces.peek().is_none();
                self.gather(&header(&stamp, stream, !(ended && last)), piece, now);
            }
        }
        self.flush(now);
    }

    fn gather(&mut self, header: &[u8; HEADER], content: &[u8], now: SystemTime) {
        if self.gathered.len() + HEADER + content.len() + 1 > GATHERED {
            self.flush(now);
        }
        self.gathered.extend_from_slice(header);
        self.gathered.extend_from_slice(content);
        self.gathered.push(b'\n');
        self.entries += 1;
    }

    fn flush(&mut self, now: SystemTime) {
        if self.gathered.is_empty() {
            return;
        }
        let length = self.gathered.len() as u64;
        let full = self.rotation.max_size > 0 && self.size + length > self.rotation.max_size;
        if full && self.size > 0 {
            // A log that can't be rotated grows on: better too long than lost.
            let _ = self.rotate();
        }
        if self.dropped > 0 {
            let note = note(now, self.dropped);
            if self.put(&note) {
                self.dropped = 0;
            }
        }
        let gathered = std::mem::take(&mut self.gathered);
        if self.dropped > 0 || !self.put(&gathered) {
            self.dropped += self.entries;
        }
        self.entries = 0;
        self.gathered = gathered;
        self.gathered.clear();
    }

    /// All or nothing: half an entry is taken back.
    fn put(&mut self, bytes: &[u8]) -> bool {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.size += bytes.len() as u64;
                true
            }
            Err(_) => {
                let _ = self.file.set_len(self.size);
                false
            }
        }
    }

    /// The present file becomes `.1`, `.1` becomes `.2` and so on; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        let fresh = numbered(&self.path, "new");
        let _ = fs::remove_file(&fresh);
        // The new one first: without it the present one must stay.
        let file = append(&fresh)?;
        let last = self.rotation.max_files.max(1) - 1;
        for number in (1..last).rev() {
            rename(
                &numbered(&self.path, number),
                &numbered(&self.path, number + 1),
            )?;
        }
        if last > 0 {
            rename(&self.path, &numbered(&self.path, 1))?;
        }
        fs::rename(&fresh, &self.path)?;
        self.file = file;
        self.size = 0;
        Ok(())
    }
}

/// The name of an older file of a log.
pub(super) fn numbered(path: &Path, suffix: impl std::fmt::Display) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    PathBuf::from(name)
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn note(now: SystemTime, dropped: u64) -> Vec<u8> {
    let mut note = header(&time::format(now), Stream::Stderr, false).to_vec();
    note.extend(
        format!("[{dropped} log entries were dropped here: they could not be written]\n").bytes(),
    );
    note
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn texts(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| line[super::super::time::LENGTH + 1..].to_owned())
            .collect()
    }

    #[test]
    fn lines_and_parts_of_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = LogWriter::open(
            &path,
            Rotation {
                max_size: 0,
                max_files: 1,
            },
        )
        .unwrap();
        log.write(UNIX_EPOCH, Stream::Stdout, b"one\n\ntwo");
        log.write(UNIX_EPOCH, Stream::Stderr, b"bad\n");
        log.write(UNIX_EPOCH, Stream::Stdout, b"\n");
        assert_eq!(
            texts(&path),
            [
                "stdout F one",
                "stdout F ",
                "stdout P two",
                "stderr F bad",
                "stdout F "
            ]
        );
        log.write(
            UNIX_EPOCH,
            Stream::Stdout,
            &[vec![b'x'; 40_000], b"\n".to_vec()].concat(),
        );
        let long = texts(&path).split_off(5);
        let shapes: Vec<_> = long
            .iter()
            .map(|line| (&line[..9], line.len() - 9))
            .collect();
        assert_eq!(
            shapes,
            [
                ("stdout P ", 16_384),
                ("stdout P ", 16_384),
                ("stdout F ", 7_232)
            ]
        );
        // A second life of the container goes on in the same file.
        let mut log = LogWriter::open(
            &path,
            Rotation {
                max_size: 0,
                max_files: 1,
            },
        )
        .unwrap();
        log.write(UNIX_EPOCH, Stream::Stdout, b"again\n");
        assert_eq!(texts(&path).last().unwrap(), "stdout F again");
    }

    #[test]
    fn files_are_rotated() {
        let check = |max_files: u32, expected: &[(&str, &str)]| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            // Room for two entries.
            let mut log = LogWriter::open(
                &path,
                Rotation {
                    max_size: 90,
                    max_files,
                },
            )
            .unwrap();
            for number in 1..=7 {
                log.write(UNIX_EPOCH, Stream::Stdout, format!("{number}\n").as_bytes());
            }
            let mut names: Vec<_> = fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            let seen: Vec<_> = names
                .iter()
                .map(|name| {
                    let texts = texts(&dir.path().join(name));
                    (
                        name.as_str(),
                        texts
                            .iter()
                            .map(|text| text[9..].to_owned())
                            .collect::<String>(),
                    )
                })
                .collect();
            let seen: Vec<_> = seen
                .iter()
                .map(|(name, text)| (*name, text.as_str()))
                .collect();
            assert_eq!(seen, expected, "{max_files}");
        };
        check(1, &[("log", "7")]);
        check(2, &[("log", "7"), ("log.1", "56")]);
        check(3, &[("log", "7"), ("log.1", "56"), ("log.2", "34")]);
    }

    /// Whole entries or none, and a note of what is missing.
    #[test]
    fn a_full_disk_costs_entries_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = LogWriter::open(
            &path,
            Rotation {
                max_size: 0,
                max_files: 1,
            },
        )
        .unwrap();
        log.write(UNIX_EPOCH, Stream::Stdout, b"before\n");
        let good = std::mem::replace(
            &mut log.file,
            OpenOptions::new().write(true).open("/dev/full").unwrap(),
        );
        log.write(UNIX_EPOCH, Stream::Stdout, b"lost\nlost too\n");
        log.file = good;
        log.write(UNIX_EPOCH, Stream::Stdout, b"after\n");
        let note = "stderr F [2 log entries were dropped here: they could not be written]";
        assert_eq!(texts(&path), ["stdout F before", note, "stdout F after"]);
    }
}

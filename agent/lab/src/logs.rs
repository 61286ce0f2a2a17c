//! What daemons print.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// Copies a log to `out`. With `follow` it goes on with what is added, until the lab is taken down.
///
/// # Errors
/// When the log cannot be read or `out` cannot be written.
pub fn copy_log(path: &Path, follow: bool, out: &mut dyn Write) -> Result<()> {
    let mut log = File::open(path).map_err(Error::system("open", path.display()))?;
    let copy = |log: &mut File, out: &mut dyn Write| {
        io::copy(log, out)
            .and_then(|_| out.flush())
            .map_err(Error::system("copy", path.display()))
    };
    copy(&mut log, out)?;
    if !follow {
        return Ok(());
    }
    loop {
        let is_there = log.metadata().is_ok_and(|of_open| {
            fs::metadata(path).is_ok_and(|of_path| of_path.ino() == of_open.ino())
        });
        if is_there {
            thread::sleep(Duration::from_millis(100));
        }
        copy(&mut log, out)?;
        if !is_there {
            return Ok(());
        }
    }
}

/// The end of a log, for an error: at most ten lines; empty when there is none.
pub(crate) fn last_lines(path: &Path) -> String {
    const BYTES: u64 = 4096;
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_end_of_a_log() {
        fn check(text: &str, expected: &str) {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), text).unwrap();
            assert_eq!(last_lines(file.path()), expected);
        }
        check("", "");
        check("a\nb\n", "a\nb");
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n",
            "3\n4\n5\n6\n7\n8\n9\n10\n11\n12",
        );
        assert_eq!(last_lines(Path::new("/nowhere/log")), "");
    }

    #[test]
    fn a_log_is_followed_until_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "one\n").unwrap();
        let followed = path.clone();
        let reader = thread::spawn(move || {
            let mut out = Vec::new();
            copy_log(&followed, true, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        });
        thread::sleep(Duration::from_millis(50));
        let mut log = File::options().append(true).open(&path).unwrap();
        writeln!(log, "two").unwrap();
        thread::sleep(Duration::from_millis(150));
        fs::remove_file(&path).unwrap();
        assert_eq!(reader.join().unwrap(), "one\ntwo\n");
    }
}

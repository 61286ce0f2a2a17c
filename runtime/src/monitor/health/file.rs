//! The results of the last probes, where others read them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Health, Status};

/// As many are kept.
const MOST: usize = 5;

/// The file's content.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Results {
    status: Status,
    failing_streak: u32,
    /// The oldest first.
    log: Vec<Entry>,
}

/// How one probe went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// RFC 3339, as `end`.
    pub(super) start: String,
    pub(super) end: String,
    /// The program's, or 128 and the signal; -1 when it was not executed or did not end in time.
    pub(super) exit_code: i32,
    pub(super) output: String,
}

/// Begins the file anew, with no result in it.
pub(super) fn begin(path: &Path) -> io::Result<()> {
    replace(path, Health::UNKNOWN, Vec::new())
}

/// Adds a result, and forgets the oldest when there are too many.
pub(super) fn add(path: &Path, health: Health, entry: Entry) -> io::Result<()> {
    let mut log = fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice::<Results>(&text).ok())
        .map(|results| results.log)
        .unwrap_or_default();
    log.push(entry);
    log.drain(..log.len().saturating_sub(MOST));
    replace(path, health, log)
}

/// Written beside and renamed: a reader sees the old or the new one whole.
fn replace(path: &Path, health: Health, log: Vec<Entry>) -> io::Result<()> {
    let text = serde_json::to_vec(&Results {
        status: health.status,
        failing_streak: health.failing_streak,
        log,
    })?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    // What a probe prints is nobody else's business.
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(draft)?.write_all(&text)?;
    fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: i32) -> Entry {
        Entry {
            start: "a".to_owned(),
            end: "b".to_owned(),
            exit_code: number,
            output: "text".to_owned(),
        }
    }

    #[test]
    fn the_last_five_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("health.json");
        begin(&path).unwrap();
        let text = || fs::read_to_string(&path).unwrap();
        assert_eq!(
            text(),
            r#"{"status":"starting","failing_streak":0,"log":[]}"#
        );
        let health = Health {
            status: Status::Unhealthy,
            failing_streak: 7,
        };
        for number in 1..=7 {
            add(&path, health, entry(number)).unwrap();
        }
        let results: Results = serde_json::from_str(&text()).unwrap();
        assert_eq!((results.status, results.failing_streak), (health.status, 7));
        assert_eq!(results.log, [3, 4, 5, 6, 7].map(entry));
        // What can't be read is begun anew, and nothing lies beside it.
        fs::write(&path, "{").unwrap();
        add(&path, Health::UNKNOWN, entry(8)).unwrap();
        assert!(
            text().contains(r#""log":[{"start":"a","end":"b","exit_code":8,"output":"text"}]"#)
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

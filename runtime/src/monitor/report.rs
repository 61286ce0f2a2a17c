//! What is said to whoever started the monitor: one line.

use std::fs::File;
use std::io::Write;
use std::os::fd::RawFd;

use serde::Serialize;

use crate::Error;
use crate::sys::descriptors;

/// The other side of `--report-fd`.
pub(super) struct Report(Option<File>);

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Pid(i32),
    Error { kind: &'a str, message: &'a str },
}

impl Report {
    pub(super) fn take(fd: RawFd) -> Report {
        Report(descriptors::inherited(fd).map(File::from))
    }

    pub(super) fn started(self, pid: i32) {
        self.say(&Line::Pid(pid));
    }

    pub(super) fn failed(self, error: &Error) {
        self.say(&Line::Error {
            kind: error.kind().as_str(),
            message: &error.chain(),
        });
    }

    fn say(self, line: &Line<'_>) {
        let Some(mut file) = self.0 else { return };
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        // Who doesn't listen has gone.
        let _ = file.write_all(&text);
    }
}

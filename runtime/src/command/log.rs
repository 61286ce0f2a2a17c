//! The file that whoever calls minirun reads errors from.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::state::timestamp;

/// Where messages go beside standard error.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) file: Option<PathBuf>,
    pub(super) format: Format,
    /// Warnings to standard error.
    pub(super) aloud: bool,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
}

impl Format {
    pub(super) fn parse(text: &str) -> Result<Format, String> {
        match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(format!("log format {text:?} is neither text nor json")),
        }
    }
}

impl Log {
    /// Appends one line. A log that can't be written must not keep a container from what it does.
    pub(super) fn write(&self, level: &str, message: &str) {
        if self.aloud && level == "warning" {
            let _ = writeln!(std::io::stderr(), "minirun: warning: {message}");
        }
        let Some(path) = &self.file else { return };
        let now = timestamp(
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        );
        let line = line(self.format, level, message, &now);
        if let Ok(mut file) = File::options().append(true).create(true).open(path) {
            let _ = file.write_all(line.as_bytes());
        }
    }
}

fn line(format: Format, level: &str, message: &str, time: &str) -> String {
    match format {
        Format::Text => format!("time={time:?} level={level} msg={message:?}\n"),
        Format::Json => format!(
            "{}\n",
            serde_json::json!({"level": level, "msg": message, "time": time})
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let check =
            |format, expected: &str| assert_eq!(line(format, "error", "a \"b\"", "T"), expected);
        check(Format::Text, "time=\"T\" level=error msg=\"a \\\"b\\\"\"\n");
        check(
            Format::Json,
            "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\",\"time\":\"T\"}\n",
        );
    }
}

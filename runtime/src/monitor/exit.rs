//! How a container ended, as it is recorded.

use std::time::SystemTime;

use serde::Serialize;

use crate::log::rfc3339;

/// The exit file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Exit {
    /// The program's, or 128 and the signal.
    pub(super) exit_code: i32,
    signal: Option<i32>,
    oom_killed: bool,
    pid: i32,
    started_at: String,
    finished_at: String,
    error: Option<String>,
}

impl Exit {
    /// From the status that waitpid(2) gave, if it gave one.
    pub(super) fn new(
        status: Option<i32>,
        pid: i32,
        started: SystemTime,
        finished: SystemTime,
        oom_killed: bool,
    ) -> Exit {
        let (exit_code, signal, error) = match status {
            Some(status) if libc::WIFEXITED(status) => (libc::WEXITSTATUS(status), None, None),
            Some(status) if libc::WIFSIGNALED(status) => {
                let signal = libc::WTERMSIG(status);
                (128 + signal, Some(signal), None)
            }
            _ => (
                255,
                None,
                Some("the exit status of the container was lost".to_owned()),
            ),
        };
        let (started_at, finished_at) = (rfc3339(started), rfc3339(finished));
        Exit {
            exit_code,
            signal,
            oom_killed,
            pid,
            started_at,
            finished_at,
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn exits_are_recorded() {
        let check = |status: Option<i32>, oom: bool, expected: &str| {
            let exit = Exit::new(status, 7, UNIX_EPOCH, UNIX_EPOCH, oom);
            let times = r#""pid":7,"started_at":"1970-01-01T00:00:00.000000000Z","finished_at":"1970-01-01T00:00:00.000000000Z""#;
            assert_eq!(
                serde_json::to_string(&exit).unwrap(),
                expected.replace("TIMES", times)
            );
        };
        check(
            Some(3 << 8),
            false,
            r#"{"exit_code":3,"signal":null,"oom_killed":false,TIMES,"error":null}"#,
        );
        check(
            Some(9),
            true,
            r#"{"exit_code":137,"signal":9,"oom_killed":true,TIMES,"error":null}"#,
        );
        check(
            Some(37),
            false,
            r#"{"exit_code":165,"signal":37,"oom_killed":false,TIMES,"error":null}"#,
        );
        check(
            None,
            false,
            r#"{"exit_code":255,"signal":null,"oom_killed":false,TIMES,"error":"the exit status of the container was lost"}"#,
        );
    }
}

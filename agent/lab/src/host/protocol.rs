//! What is said between a command and a holder: a line of JSON each way. Both ends are of one build.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a holder is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// How is the daemon?
    Status,
    /// Start it with this command line.
    Start { command: Vec<String> },
    /// End it with SIGKILL.
    Kill,
    /// Stop it with SIGSTOP.
    Pause,
    /// Let it go on with SIGCONT.
    Unpause,
}

/// What comes of it, or why not (words that follow the node's name).
pub(crate) type Answer = Result<Status, String>;

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The holder's pid. It lives at least as long as the connection.
    pub(crate) holder: i32,
    pub(crate) daemon: Daemon,
}

/// The daemon of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Daemon {
    /// It was never started.
    Absent,
    /// It has this pid and runs.
    Running(i32),
    /// It has this pid and is stopped.
    Paused(i32),
    /// It has ended by itself with this code.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
}

impl Daemon {
    /// The pid of one that lives.
    pub(crate) fn pid(self) -> Option<i32> {
        match self {
            Daemon::Running(pid) | Daemon::Paused(pid) => Some(pid),
            Daemon::Absent | Daemon::Exited(_) | Daemon::Killed(_) => None,
        }
    }

    /// Why `request` makes no sense for it, if so: words that follow the node's name.
    pub(crate) fn refusal(self, request: &Request) -> Option<String> {
        let refused = match (request, self) {
            (Request::Status, _) => false,
            (Request::Start { .. }, daemon) => daemon.pid().is_some(),
            (Request::Kill, daemon) => daemon.pid().is_none(),
            (Request::Pause, daemon) => !matches!(daemon, Daemon::Running(_)),
            (Request::Unpause, daemon) => !matches!(daemon, Daemon::Paused(_)),
        };
        let hint = match (request, self) {
            (_, Daemon::Absent) => "; start it with `minictl lab start`",
            (Request::Kill | Request::Pause | Request::Unpause, daemon)
                if daemon.pid().is_none() =>
            {
                "; start it again with `minictl lab start`"
            }
            (Request::Start { .. }, Daemon::Paused(_)) => {
                "; let it go on with `minictl lab unpause`"
            }
            _ => "",
        };
        refused.then(|| format!("{self}{hint}"))
    }
}

impl fmt::Display for Daemon {
    /// What follows a node's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Daemon::Absent => f.write_str("was never started"),
            Daemon::Running(_) => f.write_str("is running"),
            Daemon::Paused(_) => f.write_str("is paused"),
            Daemon::Exited(code) => write!(f, "exited with code {code}"),
            Daemon::Killed(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        fn check(request: Request, daemon: Daemon, expected: Option<&str>) {
            assert_eq!(daemon.refusal(&request).as_deref(), expected, "{request:?}");
        }
        let start = || Request::Start { command: vec![] };
        check(Request::Status, Daemon::Absent, None);
        check(start(), Daemon::Absent, None);
        check(start(), Daemon::Killed(9), None);
        check(start(), Daemon::Exited(0), None);
        check(start(), Daemon::Running(7), Some("is running"));
        check(
            start(),
            Daemon::Paused(7),
            Some("is paused; let it go on with `minictl lab unpause`"),
        );
        check(Request::Kill, Daemon::Running(7), None);
        check(Request::Kill, Daemon::Paused(7), None);
        check(
            Request::Kill,
            Daemon::Killed(9),
            Some("was killed by signal 9; start it again with `minictl lab start`"),
        );
        check(
            Request::Kill,
            Daemon::Absent,
            Some("was never started; start it with `minictl lab start`"),
        );
        check(Request::Pause, Daemon::Running(7), None);
        check(Request::Pause, Daemon::Paused(7), Some("is paused"));
        check(Request::Unpause, Daemon::Paused(7), None);
        check(Request::Unpause, Daemon::Running(7), Some("is running"));
        check(
            Request::Unpause,
            Daemon::Exited(1),
            Some("exited with code 1; start it again with `minictl lab start`"),
        );
    }
}

//! The process that is started, decided.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    IOPriorityClass, LinuxSchedulerFlag, LinuxSchedulerPolicy, LinuxSeccomp, PosixRlimit, Process,
    Scheduler,
};

use crate::capabilities::{self, Sets};
use crate::error::{Error, ErrorKind, Result};
use crate::rlimits::{self, Rlimit};
use crate::seccomp;
use crate::sys::process::Scheduling;

/// Everything that the process is to be when its program is executed.
#[derive(Clone, Debug)]
pub(crate) struct ProcessPlan {
    pub(crate) args: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: PathBuf,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) umask: u32,
    /// A specification that doesn't speak of them gives none.
    pub(crate) capabilities: Sets,
    pub(crate) no_new_privileges: bool,
    pub(crate) rlimits: Vec<Rlimit>,
    pub(crate) oom_score_adj: Option<i32>,
    /// Columns and rows when a terminal is asked for.
    pub(crate) terminal: Option<(u16, u16)>,
    pub(crate) seccomp: Option<Filter>,
    /// Written to `/proc/self/attr/exec` and `/proc/self/attr/apparmor/exec`.
    pub(crate) selinux_label: Option<String>,
    pub(crate) apparmor_profile: Option<String>,
    /// Class and priority.
    pub(crate) io_priority: Option<(u32, u32)>,
    pub(crate) scheduling: Option<Scheduling>,
    /// What could not be granted, for a log.
    pub(crate) warnings: Vec<String>,
}

/// A compiled seccomp program.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) program: Vec<libc::sock_filter>,
    pub(crate) flags: u32,
}

impl ProcessPlan {
    /// Decides the process of a specification, under the filter of its container.
    pub(crate) fn new(spec: &Process, filter: Option<&LinuxSeccomp>) -> Result<ProcessPlan> {
        let args = spec
            .args()
            .iter()
            .flatten()
            .map(|arg| terminated("args", arg))
            .collect::<Result<Vec<_>>>()?;
        if args.is_empty() {
            return Err(Error::invalid(
                "process.args is empty: there is no program to execute",
            ));
        }
        let mut env = Vec::new();
        for variable in spec.env().iter().flatten() {
            if !variable.contains('=') || variable.starts_with('=') {
                return Err(Error::invalid(format!(
                    "process.env: {variable:?} is not NAME=VALUE"
                )));
            }
            env.push(terminated("env", variable)?);
        }
        let cwd = spec.cwd().clone();
        if !cwd.is_absolute() {
            return Err(Error::invalid(format!(
                "process.cwd must be an absolute path, it is {:?}",
                cwd.display().to_string()
            )));
        }
        let user = spec.user();
        let groups = user.additional_gids().clone().unwrap_or_default();
        for id in [user.uid(), user.gid()].iter().chain(&groups) {
            if *id == u32::MAX {
                return Err(Error::invalid(format!(
                    "process.user: {id} is no user or group id"
                )));
            }
        }
        let sets = spec
            .capabilities()
            .as_ref()
            .map(Sets::from_spec)
            .unwrap_or_default();
        let (capabilities, lacking) = sets.within(capabilities::own()?);
        let warnings = match lacking.as_slice() {
            [] => Vec::new(),
            lacking => vec![format!(
                "this host has no {}: not granted",
                lacking.join(", ")
            )],
        };
        let no_new_privileges = spec.no_new_privileges().unwrap_or(false);
        if spec
            .oom_score_adj()
            .is_some_and(|value| !(-1000..=1000).contains(&value))
        {
            return Err(Error::invalid(
                "process.oomScoreAdj must be between -1000 and 1000",
            ));
        }
        Ok(ProcessPlan {
            args,
            env,
            cwd,
            uid: user.uid(),
            gid: user.gid(),
            groups,
            umask: user.umask().unwrap_or(0o022) & 0o777,
            capabilities,
            no_new_privileges,
            rlimits: limits(spec.rlimits().as_deref().unwrap_or_default())?,
            oom_score_adj: spec.oom_score_adj(),
            terminal: spec.terminal().unwrap_or(false).then(|| {
                let size = spec.console_size().unwrap_or_default();
                let side = |length: u64| u16::try_from(length).unwrap_or(u16::MAX);
                (side(size.width()), side(size.height()))
            }),
            seccomp: filter.map(self::filter).transpose()?,
            selinux_label: spec
                .selinux_label()
                .clone()
                .filter(|label| !label.is_empty()),
            apparmor_profile: spec
                .apparmor_profile()
                .clone()
                .filter(|profile| !profile.is_empty()),
            io_priority: spec.io_priority().as_ref().map(|io| {
                let class = match io.class() {
                    IOPriorityClass::IoprioClassRt => 1,
                    IOPriorityClass::IoprioClassBe => 2,
                    IOPriorityClass::IoprioClassIdle => 3,
                };
                (class, u32::try_from(io.priority().clamp(0, 7)).unwrap_or(0))
            }),
            scheduling: spec.scheduler().as_ref().map(scheduling),
            warnings,
        })
    }

    /// The value of an environment variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&[u8]> {
        self.env.iter().rev().find_map(|variable| {
            variable
                .as_bytes()
                .strip_prefix(name.as_bytes())?
                .strip_prefix(b"=")
        })
    }

    /// Where the program may be: itself if it has a slash in it, else in each directory of PATH.
    pub(crate) fn candidates(&self) -> Vec<PathBuf> {
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        let name = self
            .args
            .first()
            .map_or(b"".as_slice(), |name| name.as_bytes());
        if name.contains(&b'/') {
            return vec![path(name)];
        }
        if name.is_empty() {
            return Vec::new();
        }
        let search = self
            .variable("PATH")
            .unwrap_or(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let directory = |bytes: &[u8]| {
            if bytes.is_empty() {
                PathBuf::from(".")
            } else {
                path(bytes)
            }
        };
        search
            .split(|byte| *byte == b':')
            .map(|part| directory(part).join(path(name)))
            .collect()
    }

    /// Its name, for messages.
    pub(crate) fn name(&self) -> String {
        self.args
            .first()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

fn limits(spec: &[PosixRlimit]) -> Result<Vec<Rlimit>> {
    rlimits::resolve(spec).map_err(|error| {
        match spec
            .iter()
            .find(|limit| rlimits::resolve(std::slice::from_ref(limit)).is_err())
        {
            Some(limit) => error.within(format!("process.rlimits: {}", limit.typ())),
            None => error.within("process.rlimits"),
        }
    })
}

fn filter(spec: &LinuxSeccomp) -> Result<Filter> {
    if spec.listener_path().is_some() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "linux.seccomp.listenerPath is not supported",
        ));
    }
    Ok(Filter {
        program: seccomp::compile(spec)?,
        flags: seccomp::flags(spec),
    })
}

fn terminated(what: &str, text: &str) -> Result<CString> {
    CString::new(text)
        .map_err(|_| Error::invalid(format!("process.{what}: {text:?} has a zero byte in it")))
}

fn scheduling(spec: &Scheduler) -> Scheduling {
    let policy = match spec.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let flag = |flag: &LinuxSchedulerFlag| match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    };
    Scheduling {
        size: 0,
        policy,
        flags: spec
            .flags()
            .iter()
            .flatten()
            .fold(0, |bits, one| bits | flag(one)),
        nice: spec.nice().unwrap_or(0),
        priority: u32::try_from(spec.priority().unwrap_or(0)).unwrap_or(0),
        runtime: spec.runtime().unwrap_or(0),
        deadline: spec.deadline().unwrap_or(0),
        period: spec.period().unwrap_or(0),
    }
}

/// Reads `UID[:GID]`, numbers alone.
///
/// # Errors
/// For anything else: names, signs, spaces, an empty part, and the number that means "none".
pub(crate) fn parse_user(text: &str) -> Result<(u32, Option<u32>)> {
    let id = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u32>()
            .ok()
            .filter(|id| digits && *id != u32::MAX)
    };
    let parsed = match text.split_once(':') {
        None => id(text).map(|uid| (uid, None)),
        Some((uid, gid)) => id(uid).zip(id(gid)).map(|(uid, gid)| (uid, Some(gid))),
    };
    parsed.ok_or_else(|| {
        Error::invalid(format!(
            "invalid user {text:?}: give UID or UID:GID, as in 1000:1000"
        ))
    })
}

/// Reads the file of a process, for exec.
pub(crate) fn read(path: &Path) -> Result<Process> {
    let text = std::fs::read(path).map_err(Error::sys("read", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::caused(
            ErrorKind::InvalidSpec,
            format!("read {}", path.display()),
            error,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_decided() {
        let check = |json: &str, refused: Option<&str>| {
            let plan = serde_json::from_str::<Process>(json)
                .map_err(|error| error.to_string())
                .and_then(|spec| ProcessPlan::new(&spec, None).map_err(|error| error.chain()));
            match refused {
                None => assert!(plan.is_ok(), "{json}: {plan:?}"),
                Some(part) => assert!(
                    plan.as_ref().is_err_and(|error| error.contains(part)),
                    "{json}: {plan:?}"
                ),
            }
        };
        let with = |more: &str| format!(r#"{{"args": ["sh"], "cwd": "/", "user": {{}}{more}}}"#);
        check(&with(""), None);
        check(r#"{"args": [], "cwd": "/", "user": {}}"#, Some("args"));
        check(r#"{"args": ["sh"], "cwd": "tmp", "user": {}}"#, Some("cwd"));
        check(
            r#"{"args": ["sh"], "cwd": "/", "user": {"uid": 4294967295}}"#,
            Some("4294967295"),
        );
        check(
            r#"{"args": ["sh"], "cwd": "/", "user": {"uid": -1}}"#,
            Some("-1"),
        );
        check(
            r#"{"args": ["a\u0000b"], "cwd": "/", "user": {}}"#,
            Some("zero byte"),
        );
        check(&with(r#", "env": ["A"]"#), Some("NAME=VALUE"));
        check(&with(r#", "env": ["=A"]"#), Some("NAME=VALUE"));
        check(&with(r#", "oomScoreAdj": 1001"#), Some("oomScoreAdj"));
        check(
            &with(r#", "rlimits": [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}]"#),
            Some("RLIMIT_NOSUCH"),
        );
    }

    #[test]
    fn programs_are_looked_for() {
        let check = |json: &str, expected: &[&str]| {
            let plan = ProcessPlan::new(&serde_json::from_str(json).unwrap(), None).unwrap();
            let found: Vec<_> = plan
                .candidates()
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            assert_eq!(found, expected, "{json}");
        };
        check(
            r#"{"args": ["sh"], "env": ["PATH=/a::/b"], "cwd": "/", "user": {}}"#,
            &["/a/sh", "./sh", "/b/sh"],
        );
        check(
            r#"{"args": ["./sh"], "env": ["PATH=/a"], "cwd": "/", "user": {}}"#,
            &["./sh"],
        );
        check(
            r#"{"args": [""], "env": ["PATH=/a"], "cwd": "/", "user": {}}"#,
            &[],
        );
    }

    #[test]
    fn users_are_numbers() {
        let check = |text: &str, expected: Option<(u32, Option<u32>)>| {
            assert_eq!(parse_user(text).ok(), expected, "{text:?}")
        };
        check("0", Some((0, None)));
        check("7:8", Some((7, Some(8))));
        for wrong in [
            "1000:",
            "-1",
            "4294967295",
            "4294967296",
            "root",
            "0:x",
            "",
            " 0",
            "0x0",
            "+1",
            ":1",
            "1:2:3",
        ] {
            check(wrong, None);
        }
    }
}

//! Makes holders, and asks them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::protocol::{Answer, Request, Status};
use super::serve::READY;
use crate::error::{Error, Result};
use crate::plan::Plan;

/// Variables that would tell a host's programs of the machine's own containers and daemons.
const OF_THE_MACHINE: [&str; 5] = [
    "MINI_HOST",
    "MINI_DATA_ROOT",
    "MINI_RUN_ROOT",
    "MINI_CGROUP_PARENT",
    "MINI_LAB_ROOT",
];

/// A holder that was started and has not yet said whether it is ready.
#[derive(Debug)]
pub(crate) struct Starting {
    child: Child,
    host: String,
}

/// Starts the holder of a host; `door` leads into the host's cgroup.
pub(crate) fn start(plan: &Plan, host: &str, command: &[OsString], door: File) -> Result<Starting> {
    let failed = |source| Error::System {
        operation: "start the process of host",
        object: host.to_owned(),
        source,
    };
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
    let log = plan.log(host);
    let errors = File::options().append(true).create(true).open(&log);
    let errors = errors.map_err(Error::system("open", log.display()))?;
    let mut holder = Command::new(program);
    holder
        .args(arguments)
        .arg(plan.host_socket(host))
        .arg(host)
        .arg(&log)
        .stdin(door)
        .stdout(Stdio::piped())
        .stderr(errors);
    for variable in OF_THE_MACHINE {
        holder.env_remove(variable);
    }
    Ok(Starting {
        child: holder.spawn().map_err(failed)?,
        host: host.to_owned(),
    })
}

impl Starting {
    /// Waits for the holder's word.
    pub(crate) fn ready(mut self) -> Result<()> {
        let mut said = String::new();
        if let Some(out) = self.child.stdout.take() {
            // Bounded, for nobody knows what the host command prints when it is not ours.
            let _ = BufReader::new(out.take(4096)).read_line(&mut said);
        }
        // Should this process live as long as the host, it reaps it.
        let mut child = self.child;
        let reaper = thread::Builder::new().stack_size(64 * 1024);
        let _ = reaper.spawn(move || child.wait());
        match said.trim_end() {
            READY => Ok(()),
            "" => Err(Error::Host {
                node: self.host,
                reason: "its process ended without a word; see its minid.log".to_owned(),
            }),
            reason => Err(Error::Host {
                node: self.host,
                reason: reason.to_owned(),
            }),
        }
    }
}

/// An open connection to a holder, which lives at least as long as it is not shown to have ended.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) status: Status,
    _connection: UnixStream,
}

/// Asks a holder.
pub(crate) fn ask(plan: &Plan, host: &str, request: &Request) -> Result<Asked> {
    let lost = |_| Error::Lost {
        lab: plan.name.clone(),
        node: host.to_owned(),
    };
    let connection = UnixStream::connect(plan.host_socket(host)).map_err(lost)?;
    let mut line = serde_json::to_string(request)
        .map_err(std::io::Error::from)
        .map_err(Error::system("write a request to host", host))?;
    line.push('\n');
    (&connection).write_all(line.as_bytes()).map_err(lost)?;
    let mut text = String::new();
    BufReader::new(&connection)
        .read_line(&mut text)
        .map_err(lost)?;
    if text.is_empty() {
        return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
    }
    let answer: Answer = serde_json::from_str(&text)
        .map_err(std::io::Error::from)
        .map_err(Error::system("read the answer of host", host))?;
    match answer {
        Ok(status) => Ok(Asked {
            status,
            _connection: connection,
        }),
        Err(reason) => Err(Error::Refused {
            node: host.to_owned(),
            reason,
        }),
    }
}

/// A namespace of a host: `net`, `mnt` or `uts`.
pub(crate) fn namespace(asked: &Asked, kind: &str) -> Result<OwnedFd> {
    let path = format!("/proc/{}/ns/{kind}", asked.status.holder);
    let file = File::open(&path).map_err(Error::system("open", &path))?;
    Ok(file.into())
}

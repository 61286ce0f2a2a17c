//! Starting the monitor, and what it reports.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio as ProcessStdio};

use nix::fcntl::OFlag;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe2;
use serde::Deserialize;

use crate::attach::AttachClient;
use crate::container::{Record, short};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::request::Stdio;
use crate::sys;

/// What the monitor is started with.
pub(crate) struct Launch<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) record: &'a Record,
    pub(crate) stdio: Stdio,
    /// A health check was written.
    pub(crate) probed: bool,
    /// The monitor's lock, held: there is no moment in which a monitor lives and the lock is free.
    pub(crate) lock: OwnedFd,
    /// Namespaces and sockets that it keeps open as long as the container lives, under their own numbers.
    pub(crate) inherited: Vec<OwnedFd>,
}

/// When a log file is full, and how many are kept.
const LOG_SIZE: u64 = 10 << 20;
const LOG_FILES: u32 = 3;
/// More than any report.
const MOST_OF_REPORT: u64 = 64 << 10;

/// Starts the monitor and the container in it; returns when the container's process has been executed.
pub(crate) fn launch(launch: Launch<'_>) -> Result<Option<AttachClient>> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(Error::errno("make", "a pipe"))?;
    let mut command = Command::new(&launch.engine.config.minirun);
    arguments(&mut command, &launch);
    command
        .arg("--report-fd")
        .arg(writer.as_raw_fd().to_string());
    command
        .arg("--lock-fd")
        .arg(launch.lock.as_raw_fd().to_string());
    let mut inherited = launch.inherited;
    inherited.extend([writer, launch.lock]);
    let mut attach = None;
    if let Stdio::Attached { .. } = launch.stdio {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(Error::errno("make", "a pair of sockets"))?;
        command
            .arg("--attach-fd")
            .arg(theirs.as_raw_fd().to_string());
        inherited.push(theirs);
        attach = Some(AttachClient::new(ours));
    }
    command.arg(&launch.record.id);
    sys::inherit(&mut command, inherited);
    let mut child = command
        .spawn()
        .map_err(|source| not_started(&launch.engine.config.minirun, source))?;
    // With the command go our copies of what the monitor holds: the report ends when the monitor closes it.
    drop(command);
    let mut report = Vec::new();
    let read = File::from(reader)
        .take(MOST_OF_REPORT)
        .read_to_end(&mut report);
    let status = child.wait().map_err(Error::io("wait for", "the monitor"))?;
    read.map_err(Error::io("read", "the monitor's report"))?;
    match serde_json::from_slice::<Report>(&report) {
        Ok(Report {
            error: None,
            pid: Some(_),
        }) => Ok(attach),
        Ok(Report {
            error: Some(failure),
            ..
        }) => Err(Error::Start {
            container: launch.record.name.clone(),
            kind: kind(&failure.kind),
            message: without_id(failure.message, &launch.record.id),
        }),
        _ => Err(Error::Environment(format!(
            "cannot start container {}: the monitor ended without a report ({status}); is {} of the same version?",
            launch.record.name,
            launch.engine.config.minirun.display()
        ))),
    }
}

fn arguments(command: &mut Command, launch: &Launch<'_>) {
    let engine = launch.engine;
    let layout = &engine.layout;
    let record = launch.record;
    let id = &record.id;
    let spec = &record.spec;
    command
        .arg("--root")
        .arg(layout.runtime())
        .arg("monitor")
        .arg("--bundle")
        .arg(layout.container(id))
        .arg("--log")
        .arg(layout.log(id))
        .arg("--log-max-size")
        .arg(
            spec.log_max_size
                .map_or(LOG_SIZE, |size| size.0)
                .to_string(),
        )
        .arg("--log-max-files")
        .arg(spec.log_max_files.unwrap_or(LOG_FILES).to_string())
        .arg("--exit-file")
        .arg(layout.exit(id))
        .arg("--attach-socket")
        .arg(layout.attach_socket(id));
    if record.process.stdin {
        command.arg("--stdin");
    }
    if launch.probed {
        command
            .arg("--health-check")
            .arg(layout.health_check(id))
            .arg("--health-file")
            .arg(layout.health(id));
    }
    for argument in engine.exit_command(id) {
        // One word each, so that a word that begins with a dash is not taken for an option.
        let mut option = std::ffi::OsString::from("--exit-command=");
        option.push(argument);
        command.arg(option);
    }
    // The monitor outlives us: nothing of our environment, terminal or directory stays with it.
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .current_dir("/")
        .stdin(ProcessStdio::null())
        .stdout(ProcessStdio::null())
        .stderr(ProcessStdio::null());
}

#[derive(Debug, Deserialize)]
struct Report {
    #[serde(default)]
    pid: Option<i32>,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    kind: String,
    message: String,
}

/// The monitor knows only the id; the person's name for the container stands before the message already.
fn without_id(message: String, id: &str) -> String {
    match message.strip_prefix(&format!("create container {}: ", short(id))) {
        Some(rest) => rest.to_owned(),
        None => message,
    }
}

fn kind(name: &str) -> ErrorKind {
    runtime::ErrorKind::from_name(name).map_or(ErrorKind::Environment, crate::classify::runtime)
}

fn not_started(minirun: &std::path::Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::Environment(format!(
            "the runtime {} is missing: install minirun beside minictl, or name it in MINI_MINIRUN",
            minirun.display()
        )),
        _ => Error::io("execute", minirun)(source),
    }
}

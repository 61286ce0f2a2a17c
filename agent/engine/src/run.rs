//! The runtime as the engine uses it.

use runtime::{ContainerId, Runtime};

use crate::container::{Record, Status};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::parse::ParseError;

/// A running container as the runtime sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunStatus {
    pub(crate) pid: i32,
    /// Running or paused.
    pub(crate) status: Status,
}

/// `None` when the container doesn't run.
pub(crate) fn status(runtime: &Runtime, id: &str) -> Option<RunStatus> {
    let state = runtime.state(&container_id(id).ok()?).ok()?;
    let status = match state.status {
        runtime::Status::Running => Status::Running,
        runtime::Status::Paused => Status::Paused,
        _ => return None,
    };
    (state.pid > 0).then_some(RunStatus {
        pid: state.pid,
        status,
    })
}

/// Sends a signal to the first process.
pub(crate) fn kill(engine: &Engine, record: &Record, signal: i32) -> Result<()> {
    engine
        .runtime
        .kill(&container_id(&record.id)?, signal, false)
        .map_err(failed("kill", &record.name))
}

/// Freezes.
pub(crate) fn pause(engine: &Engine, record: &Record) -> Result<()> {
    engine
        .runtime
        .pause(&container_id(&record.id)?)
        .map_err(failed("pause", &record.name))
}

/// Thaws.
pub(crate) fn resume(engine: &Engine, record: &Record) -> Result<()> {
    engine
        .runtime
        .resume(&container_id(&record.id)?)
        .map_err(failed("unpause", &record.name))
}

/// Removes the runtime's state and cgroups; whatever still runs there is killed. Nothing there is fine.
pub(crate) fn delete(runtime: &Runtime, id: &str) -> Result<()> {
    runtime
        .delete(&container_id(id)?, true)
        .map_err(failed("delete", crate::container::short(id)))
}

/// The processes.
pub(crate) fn pids(engine: &Engine, record: &Record) -> Result<Vec<i32>> {
    engine
        .runtime
        .pids(&container_id(&record.id)?)
        .map_err(failed("list the processes of", &record.name))
}

/// What it uses.
pub(crate) fn stats(engine: &Engine, record: &Record) -> Result<runtime::cgroup::Stats> {
    engine
        .runtime
        .stats(&container_id(&record.id)?)
        .map_err(failed("measure", &record.name))
}

/// A signal by name or number.
pub(crate) fn signal(text: &str) -> Result<i32, ParseError> {
    runtime::signal::parse(text).ok_or_else(|| {
        ParseError::new(
            "signal",
            text,
            "there is none of this name or number",
            "SIGTERM, HUP or 9",
        )
    })
}

fn container_id(id: &str) -> Result<ContainerId> {
    id.parse().map_err(failed("name", id))
}

fn failed(operation: &'static str, container: &str) -> impl FnOnce(runtime::Error) -> Error {
    let container = container.to_owned();
    move |source| Error::Runtime {
        operation,
        container,
        source,
    }
}

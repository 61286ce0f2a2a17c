//! Who does what was decided: the trait that a worker drives. `contract` holds what every implementation keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use api::v1::{ExecInput, ExecOutput, ExecSpec};
use bytes::Bytes;
use model::TaskAddress;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::step::Seen;
use crate::work::Work;

/// The container of a task as it is seen at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// What it does.
    pub seen: Seen,
    /// Its addresses; known while it lives.
    pub addresses: Vec<TaskAddress>,
}

/// Runs the containers of tasks. Every method may be called again after it failed, or after the daemon was killed in the middle of
/// it. A container goes on when the executor is dropped.
#[tonic::async_trait]
pub trait Executor: Send + Sync + 'static {
    /// The containers of tasks that are on this node, whoever has made them, by task.
    async fn find(&self) -> Result<BTreeMap<String, Container>, Failure>;

    /// Pulls the image, makes networks and files, and makes the container; does not start it. The one that the task has already
    /// is returned as it is.
    async fn prepare(&self, work: &Work) -> Result<Container, Failure>;

    /// Starts a container that was made. Returns when its process has been executed; one that lives is left as it is.
    async fn start(&self, work: &Work, container: &str) -> Result<Container, Failure>;

    /// Waits until a container is seen otherwise than so, and says how. One that is not there any more is [`Seen::Nothing`].
    async fn next(&self, container: &str, seen: &Seen) -> Result<Container, Failure>;

    /// Ends a container: the stop signal, after `grace` SIGKILL; none for the container's own. Returns when it has ended.
    async fn stop(&self, container: &str, grace: Option<Duration>) -> Result<Container, Failure>;

    /// Removes what there is of a task: its container (whatever it does), its files, networks that nobody else uses.
    async fn remove(&self, task: &str, container: Option<&str>) -> Result<(), Failure>;

    /// What living containers have used; those that cannot be measured are left out.
    async fn usage(&self, containers: Vec<String>) -> BTreeMap<String, Reading>;

    /// What it has pulled since it began.
    fn pulled(&self) -> Pulled {
        Pulled::default()
    }

    /// Reads a container's log.
    async fn logs(&self, container: &str, options: LogOptions) -> Result<Logs, Failure>;

    /// Runs a further process in a container until it ends. Ends it when dropped, as far as it lets itself be ended.
    async fn exec(
        &self,
        container: &str,
        spec: &ExecSpec,
        input: mpsc::Receiver<ExecInput>,
        output: mpsc::Sender<ExecOutput>,
    ) -> Result<(), Failure>;
}

/// Pulls of images, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Those that went well.
    pub done: u64,
    /// Those that failed.
    pub failed: u64,
    /// Time spent on both.
    pub took: Duration,
}

/// What a container has used up to one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Nanoseconds of processor time since its start.
    pub cpu_nanoseconds: u64,
    /// Nanoseconds on a clock that only goes forward.
    pub at_nanoseconds: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

/// What of a log to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on with what comes, until the container ends.
    pub follow: bool,
    /// The last lines only.
    pub tail: Option<u64>,
    /// Nothing before this: milliseconds since 1970 (UTC); 0 for from the beginning.
    pub since_ms: i64,
    /// Nothing after this; 0 for to the end.
    pub until_ms: i64,
}

/// A log being read. Reading ends when this is dropped.
#[derive(Debug)]
pub struct Logs {
    /// Its lines, in order; the last one may be a failure.
    pub lines: mpsc::Receiver<Result<LogLine, Failure>>,
    /// Wakes a reader that waits for more.
    pub(crate) _end: oneshot::Sender<()>,
}

/// A piece of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Nanoseconds since 1970 (UTC).
    pub at_ns: i64,
    /// Whether it was written to standard error.
    pub stderr: bool,
    /// The bytes, with the newline that ends a whole line.
    pub data: Bytes,
}

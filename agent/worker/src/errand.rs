//! Things that a manager wants done once: a log read, a process run in a container.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::v1::dispatcher_client::DispatcherClient;
use api::v1::errand::What;
use api::v1::{
    Errand, ExecErrand, ExecInput, ExecOutput, LogsErrand, NodeExec, NodeLogLine, NodeLogs,
};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::executor::{Executor, LogLine, LogOptions, Logs};
use crate::failure::Failure;
use crate::worker::Worker;

/// Most lines, and about most bytes, of one message.
const LINES: usize = 256;
const BYTES: usize = 256 << 10;
/// Messages that wait to be sent.
const AHEAD: usize = 4;
/// How long a manager may take to hear the end of a process.
const FAREWELL: Duration = Duration::from_secs(5);

/// The errands of one session; they end with it.
pub(crate) struct Errands {
    worker: Worker,
    dispatcher: DispatcherClient<Channel>,
    running: BTreeMap<String, AbortHandle>,
    jobs: JoinSet<String>,
}

impl Errands {
    pub(crate) fn new(worker: Worker, dispatcher: DispatcherClient<Channel>) -> Self {
        Errands {
            worker,
            dispatcher,
            running: BTreeMap::new(),
            jobs: JoinSet::new(),
        }
    }

    /// Begins an errand, or cancels one.
    pub(crate) fn begin(&mut self, errand: Errand) {
        let id = errand.id;
        let dispatcher = self.dispatcher.clone();
        let executor = self.worker.executor().clone();
        let container = |task: &str| {
            self.worker.shared().container_of(task).ok_or_else(|| {
                Failure::Invalid(format!("task {task} has no container on its node"))
            })
        };
        let running = match errand.what {
            None => return,
            Some(What::Cancel(cancelled)) => {
                if let Some(running) = self.running.remove(&cancelled) {
                    running.abort();
                }
                return;
            }
            Some(What::Logs(asked)) => {
                let container = container(&asked.task_id);
                let errand = id.clone();
                self.jobs.spawn(async move {
                    logs(dispatcher, executor, &errand, container, &asked).await;
                    errand
                })
            }
            Some(What::Exec(asked)) => {
                let container = container(&asked.task_id);
                let errand = id.clone();
                self.jobs.spawn(async move {
                    exec(dispatcher, executor, &errand, container, asked).await;
                    errand
                })
            }
        };
        self.running.insert(id, running);
    }

    /// Waits for the end of an errand and forgets it; for ever while there is none.
    pub(crate) async fn tidy(&mut self) {
        match self.jobs.join_next().await {
            Some(Ok(errand)) => drop(self.running.remove(&errand)),
            Some(Err(_)) => {}
            None => std::future::pending().await,
        }
    }
}

async fn logs(
    mut dispatcher: DispatcherClient<Channel>,
    executor: Arc<dyn Executor>,
    errand: &str,
    container: Result<String, Failure>,
    asked: &LogsErrand,
) {
    let options = LogOptions {
        follow: asked.follow,
        tail: asked.tail,
        since_ms: asked.since_ms,
        until_ms: asked.until_ms,
    };
    let opened = match container {
        Ok(container) => executor.logs(&container, options).await,
        Err(failure) => Err(failure),
    };
    let (sends, sent) = mpsc::channel(AHEAD);
    let first = NodeLogs {
        errand: errand.to_owned(),
        ..NodeLogs::default()
    };
    let call = dispatcher.send_logs(ReceiverStream::new(sent));
    tokio::pin!(call);
    let answer = tokio::select! {
        // Nobody wants more.
        answer = &mut call => answer,
        () = feed(sends, first, opened) => call.as_mut().await,
    };
    if let Err(status) = answer {
        tracing::debug!(errand, reason = status.message(), "a log was not taken");
    }
}

/// Sends a log, as many lines at once as there are.
async fn feed(sends: mpsc::Sender<NodeLogs>, mut message: NodeLogs, opened: Result<Logs, Failure>) {
    let mut logs = match opened {
        Ok(logs) => logs,
        Err(failure) => {
            message.error = failure.to_string();
            // The manager has gone: so has who asked.
            let _ = sends.send(message).await;
            return;
        }
    };
    if sends.send(std::mem::take(&mut message)).await.is_err() {
        return;
    }
    while let Some(first) = logs.lines.recv().await {
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(line) = next.take() {
            match line {
                Ok(line) => {
                    bytes += line.data.len();
                    message.lines.push(wire(line));
                }
                Err(failure) => message.error = failure.to_string(),
            }
            if message.lines.len() < LINES && bytes < BYTES {
                next = logs.lines.try_recv().ok();
            }
        }
        if sends.send(std::mem::take(&mut message)).await.is_err() {
            return;
        }
    }
}

fn wire(line: LogLine) -> NodeLogLine {
    NodeLogLine {
        at_ns: line.at_ns,
        stderr: line.stderr,
        data: line.data,
    }
}

async fn exec(
    mut dispatcher: DispatcherClient<Channel>,
    executor: Arc<dyn Executor>,
    errand: &str,
    container: Result<String, Failure>,
    asked: ExecErrand,
) {
    let (sends, sent) = mpsc::channel(AHEAD);
    let first = NodeExec {
        errand: errand.to_owned(),
        ..NodeExec::default()
    };
    // The receiver is in hand.
    let _ = sends.send(first).await;
    let mut typed = match dispatcher.send_exec(ReceiverStream::new(sent)).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            tracing::debug!(
                errand,
                reason = status.message(),
                "nobody waits for an exec"
            );
            return;
        }
    };
    let (input, inputs) = mpsc::channel::<ExecInput>(AHEAD);
    let (output, mut outputs) = mpsc::channel::<ExecOutput>(AHEAD);
    // The end of what is typed is not the end of the process; a broken connection is.
    let passing = async {
        while let Some(message) = typed.message().await.map_err(|_| Gone)? {
            if input.send(message).await.is_err() {
                break;
            }
        }
        drop(input);
        std::future::pending::<Result<(), Gone>>().await
    };
    let telling = async {
        loop {
            let output = tokio::select! {
                output = outputs.recv() => output,
                () = sends.closed() => return Err(Gone),
            };
            let Some(output) = output else {
                return Ok(());
            };
            let message = NodeExec {
                output: Some(output),
                ..NodeExec::default()
            };
            sends.send(message).await.map_err(|_| Gone)?;
        }
    };
    let spec = asked.spec.unwrap_or_default();
    let running = async {
        Ok(match container {
            Ok(container) => executor.exec(&container, &spec, inputs, output).await,
            Err(failure) => {
                drop(output);
                Err(failure)
            }
        })
    };
    let done = tokio::select! {
        Err(Gone) = passing => return,
        done = async { tokio::try_join!(running, telling) } => done,
    };
    if let Ok((Err(failure), ())) = done {
        let last = NodeExec {
            error: failure.to_string(),
            ..NodeExec::default()
        };
        // Who asked may have gone.
        let _ = sends.send(last).await;
    }
    // To let go of the call now would take back what is on its way.
    drop(sends);
    let over = async { while let Ok(Some(_)) = typed.message().await {} };
    let _ = timeout(FAREWELL, over).await;
}

/// Who asked does not listen any more.
struct Gone;

//! What tasks have printed, fetched from their nodes and merged.

mod follow;
mod source;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::v1::{LogLine, LogsReply, LogsRequest};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use store::View;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::FromLogs;
use super::merge::Merge;
use crate::clock::now_ms;
use crate::manager::Manager;
use crate::services::find;
use follow::Wanted;
use source::{Heard, Reading, Source};

/// While following, a line waits so long for older ones of other nodes.
const PATIENCE: Duration = Duration::from_millis(150);
/// Most lines of one source that wait; then it is not read from.
const WAITING: usize = 1000;
/// Most lines, and most bytes, of one reply.
const TOGETHER: usize = 256;
const BYTES: usize = 64 << 10;
/// How often tasks that came or came back are looked for, at least.
const LOOK: Duration = Duration::from_secs(1);

/// The logs that are asked for, as they come.
pub(crate) async fn logs(
    manager: &Manager,
    asked: LogsRequest,
) -> Result<impl Stream<Item = Result<LogsReply, Status>> + Send + use<>, Status> {
    let view = manager.read().await?;
    let wanted = wanted(&view, &asked)?;
    let (tells, hears) = mpsc::channel(16);
    let patience = asked.follow.then_some(PATIENCE);
    let collector = Collector {
        manager: manager.clone(),
        wanted,
        asked,
        tells,
        merge: Merge::new(patience),
        reading: FuturesUnordered::new(),
        paused: BTreeMap::new(),
        labels: BTreeMap::new(),
        started: BTreeMap::new(),
        drawn: 0,
        begun_ms: now_ms(),
    };
    tokio::spawn(collector.run());
    Ok(ReceiverStream::new(hears))
}

fn wanted(view: &View, asked: &LogsRequest) -> Result<Wanted, Status> {
    match (
        asked.service.as_str(),
        asked.task.as_str(),
        asked.stack.as_str(),
    ) {
        (service, "", "") if !service.is_empty() => Ok(Wanted::Service(
            find::find(view.services(), service)?.id.clone(),
        )),
        ("", task, "") if !task.is_empty() => {
            Ok(Wanted::Task(find::find(view.tasks(), task)?.id.clone()))
        }
        ("", "", stack) if !stack.is_empty() => {
            Ok(Wanted::Stack(find::find(view.stacks(), stack)?.id.clone()))
        }
        _ => Err(Status::invalid_argument(
            "name one service, one task or one stack whose logs are wanted",
        )),
    }
}

/// How lines of a source are labelled.
struct Label {
    task_id: String,
    task_name: String,
    node_name: String,
}

/// How far a task's log has been read.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Time of the last line.
    last_ns: i64,
    /// Whether it is being read, or has been to its end.
    settled: bool,
    /// Whether a warning about it was given.
    warned: bool,
}

struct Collector {
    manager: Manager,
    wanted: Wanted,
    asked: LogsRequest,
    tells: mpsc::Sender<Result<LogsReply, Status>>,
    merge: Merge<LogLine>,
    reading: FuturesUnordered<Reading>,
    /// Sources that have more lines waiting than is good.
    paused: BTreeMap<usize, Source>,
    labels: BTreeMap<usize, Label>,
    /// By task id.
    started: BTreeMap<String, Progress>,
    drawn: usize,
    /// When it was asked: milliseconds since 1970 (UTC).
    begun_ms: i64,
}

impl Collector {
    async fn run(mut self) {
        let mut version = self.manager.replica().version();
        let mut follower = self.asked.follow.then(|| self.manager.replica().follow());
        let mut look = true;
        loop {
            version.borrow_and_update();
            let view = match &mut follower {
                Some(follower) => {
                    let (view, happened) = follower.take();
                    look |= self.wanted.concerned(&view, happened.as_deref());
                    view
                }
                None => self.manager.replica().view(),
            };
            if look && self.start_new(&view).await.is_err() {
                return;
            }
            look = false;
            if self.hand_on().await.is_err() {
                return;
            }
            let idle = self.reading.is_empty() && self.paused.is_empty() && self.merge.is_done();
            if idle && (!self.asked.follow || self.wanted.is_over(&view)) {
                return;
            }
            let due = self.merge.due().map(tokio::time::Instant::from_std);
            tokio::select! {
                Some((source, heard)) = self.reading.next(), if !self.reading.is_empty() => {
                    if self.hear(source, heard).await.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {}
                changed = version.changed(), if self.asked.follow => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK), if self.asked.follow => look = true,
                () = self.tells.closed() => return,
            }
        }
    }

    /// Sends nodes for the logs of tasks that are not being read yet.
    async fn start_new(&mut self, view: &View) -> Result<(), ()> {
        for task in self.wanted.tasks(view) {
            let progress = self.started.get(&task.id).copied().unwrap_or_default();
            if progress.settled || !follow::has_log(&task) {
                continue;
            }
            let label = follow::label(view, &task);
            match source::start(
                &self.manager,
                view,
                &task,
                &self.asked,
                progress.last_ns,
                self.begun_ms,
            ) {
                Ok(mut source) => {
                    self.drawn += 1;
                    source.number = self.drawn;
                    self.merge.open(source.number);
                    self.labels.insert(source.number, label);
                    self.settle(&task.id, true);
                    self.reading.push(source.read());
                }
                Err(reason) => {
                    // While following it is tried again, for the node may come back.
                    self.settle(&task.id, !self.asked.follow);
                    self.warn(&task.id, format!("{}: {reason}", label.task_name))
                        .await?;
                }
            }
        }
        Ok(())
    }

    fn settle(&mut self, task_id: &str, settled: bool) {
        self.started.entry(task_id.to_owned()).or_default().settled = settled;
    }

    async fn warn(&mut self, task_id: &str, warning: String) -> Result<(), ()> {
        let progress = self.started.entry(task_id.to_owned()).or_default();
        if std::mem::replace(&mut progress.warned, true) {
            return Ok(());
        }
        let reply = LogsReply {
            lines: Vec::new(),
            warning,
        };
        self.tells.send(Ok(reply)).await.map_err(drop)
    }

    async fn hear(&mut self, source: Source, heard: Heard) -> Result<(), ()> {
        let number = source.number;
        let Some(label) = self.labels.get(&number) else {
            return Ok(());
        };
        let (task_id, task_name) = (label.task_id.clone(), label.task_name.clone());
        match heard {
            Heard::Message(FromLogs::Lines(lines)) => {
                let progress = self.started.entry(task_id).or_default();
                let now = Instant::now();
                for line in lines {
                    // What was read before the node was lost comes again.
                    if line.at_ns <= source.after_ns {
                        continue;
                    }
                    progress.last_ns = progress.last_ns.max(line.at_ns);
                    let line = LogLine {
                        task_id: label.task_id.clone(),
                        task_name: label.task_name.clone(),
                        node_name: label.node_name.clone(),
                        at_ns: line.at_ns,
                        stderr: line.stderr,
                        data: line.data,
                    };
                    self.merge.push(number, line.at_ns, line, now);
                }
                progress.warned = false;
                self.go_on(source);
            }
            Heard::Message(FromLogs::Trouble(reason)) => {
                self.warn(&task_id, format!("{task_name}: {reason}"))
                    .await?;
                self.go_on(source);
            }
            Heard::Message(FromLogs::End) => self.merge.close(number),
            Heard::Lost(reason) => {
                self.merge.close(number);
                self.settle(&task_id, !self.asked.follow);
                self.warn(&task_id, format!("{task_name}: {reason}"))
                    .await?;
            }
        }
        Ok(())
    }

    /// Reads on from a source, unless too much of it waits already.
    fn go_on(&mut self, source: Source) {
        if self.merge.waiting(source.number) >= WAITING {
            self.paused.insert(source.number, source);
        } else {
            self.reading.push(source.read());
        }
    }

    /// Hands on what can be, at the caller's pace.
    async fn hand_on(&mut self) -> Result<(), ()> {
        loop {
            let (now, mut lines, mut bytes) = (Instant::now(), Vec::new(), 0);
            while lines.len() < TOGETHER
                && bytes < BYTES
                && let Some((_, line)) = self.merge.pop(now)
            {
                bytes += line.data.len();
                lines.push(line);
            }
            let waiting = std::mem::take(&mut self.paused);
            for source in waiting.into_values() {
                self.go_on(source);
            }
            if lines.is_empty() {
                return Ok(());
            }
            let reply = LogsReply {
                lines,
                warning: String::new(),
            };
            self.tells.send(Ok(reply)).await.map_err(drop)?;
        }
    }
}

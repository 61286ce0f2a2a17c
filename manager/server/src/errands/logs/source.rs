//! One task's log, on its way from its node.

use std::pin::Pin;
use std::time::Duration;

use api::v1::{LogsErrand, LogsRequest, errand};
use model::{NodeState, Task};
use store::View;
use tokio::sync::mpsc;

use super::super::{Ends, FromLogs, Given};
use crate::manager::Manager;

/// How long a node may take to call back.
const CALL_BACK: Duration = Duration::from_secs(5);
/// Messages of a node that wait.
const WAITING: usize = 4;

/// One task's log, on its way.
pub(super) struct Source {
    pub(super) number: usize,
    /// What is not newer was read before.
    pub(super) after_ns: i64,
    arrivals: mpsc::Receiver<FromLogs>,
    given: Given,
    node_name: String,
}

/// What is heard of a source.
pub(super) enum Heard {
    /// Something.
    Message(FromLogs),
    /// Nothing will come any more, though that was not all.
    Lost(String),
}

/// The next that is heard of a source.
pub(super) type Reading = Pin<Box<dyn Future<Output = (Source, Heard)> + Send>>;

/// Sends the task's node for its log, or says why that can't be.
pub(super) fn start(
    manager: &Manager,
    view: &View,
    task: &Task,
    asked: &LogsRequest,
    after_ns: i64,
    begun_ms: i64,
) -> Result<Source, String> {
    let Some(node) = view.nodes().get(&task.node_id) else {
        return Err(format!(
            "its node {} was removed from the cluster",
            task.node_id
        ));
    };
    let node_name = node.description.hostname.clone();
    let feed = manager
        .sessions()
        .feed(&task.node_id)
        .filter(|_| node.status.state() == NodeState::Ready);
    let Some(feed) = feed else {
        return Err(format!(
            "the node {node_name} is down: what was printed there cannot be read"
        ));
    };
    let (tells, arrivals) = mpsc::channel(WAITING);
    // What is younger than the question is wanted from its first line on.
    let is_whole = after_ns != 0 || task.meta.created_ms > begun_ms;
    let what = errand::What::Logs(LogsErrand {
        task_id: task.id.clone(),
        follow: asked.follow,
        tail: if is_whole { None } else { asked.tail },
        since_ms: asked.since_ms.max(after_ns / 1_000_000),
        until_ms: asked.until_ms,
    });
    let given = manager
        .errands()
        .give(&task.node_id, feed, what, Ends::Logs(tells));
    Ok(Source {
        number: 0,
        after_ns,
        arrivals,
        given,
        node_name,
    })
}

impl Source {
    /// Reads on.
    pub(super) fn read(mut self) -> Reading {
        Box::pin(async move {
            let heard = self.next().await;
            (self, heard)
        })
    }

    async fn next(&mut self) -> Heard {
        let call_back = async {
            tokio::time::sleep(CALL_BACK).await;
            if self.given.is_taken() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            message = self.arrivals.recv() => match message {
                Some(message) => Heard::Message(message),
                None => Heard::Lost(format!("the connection of the node {} was lost", self.node_name)),
            },
            () = self.given.node_lost() => Heard::Lost(format!("the node {} was lost", self.node_name)),
            () = call_back => Heard::Lost(format!("the node {} does not answer", self.node_name)),
        }
    }
}

//! A further process in a task's container: the caller's stream and the node's are joined.

use std::sync::Arc;
use std::time::Duration;

use api::v1::{ExecErrand, ExecInput, ExecOutput, ExecSpec, errand};
use model::{NodeState, Task};
use store::View;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::{Ends, Given};
use crate::manager::Manager;
use crate::services::find;

/// How long a node may take to call back.
const CALL_BACK: Duration = Duration::from_secs(10);
/// Messages that wait, each way.
const WAITING: usize = 16;

/// Runs a process where the first message says, and joins the streams.
pub(crate) async fn exec(
    manager: &Manager,
    mut typed: impl Stream<Item = Result<ExecInput, Status>> + Send + Unpin + 'static,
) -> Result<ReceiverStream<Result<ExecOutput, Status>>, Status> {
    let first = typed.next().await.transpose()?;
    let spec = first
        .and_then(|first| first.spec)
        .ok_or_else(|| Status::invalid_argument("the first message has to say what is to run"))?;
    if spec.command.is_empty() {
        return Err(Status::invalid_argument("no command was given"));
    }
    let view = manager.read().await?;
    let task = running_task(&view, &spec.task)?;
    let node = view
        .nodes()
        .get(&task.node_id)
        .filter(|node| node.status.state() == NodeState::Ready);
    let feed = node.and_then(|node| manager.sessions().feed(&node.id));
    let (Some(node), Some(feed)) = (node, feed) else {
        return Err(Status::unavailable(format!(
            "the node of the task {} is down",
            task.id
        )));
    };
    let (typing, input) = mpsc::channel(WAITING);
    let (output, printed) = mpsc::channel(WAITING);
    let what = errand::What::Exec(ExecErrand {
        task_id: task.id.clone(),
        spec: Some(ExecSpec {
            task: task.id.clone(),
            ..spec
        }),
    });
    let (ends_with, ended) = oneshot::channel();
    let ends = Ends::Exec {
        input,
        output: output.clone(),
        ends_with,
    };
    let given = manager.errands().give(&node.id, feed, what, ends);
    let hostname = node.description.hostname.clone();
    tokio::spawn(watch_over(given, hostname, typed, typing, output, ended));
    Ok(ReceiverStream::new(printed))
}

/// Passes on what the caller types, and tells it when the node is lost. Returns when the caller is gone or the process has ended.
async fn watch_over(
    given: Given,
    node: String,
    mut typed: impl Stream<Item = Result<ExecInput, Status>> + Send + Unpin,
    typing: mpsc::Sender<ExecInput>,
    output: mpsc::Sender<Result<ExecOutput, Status>>,
    ended: oneshot::Receiver<()>,
) {
    let pass_on = async {
        while let Some(Ok(message)) = typed.next().await {
            if typing.send(message).await.is_err() {
                return std::future::pending().await;
            }
        }
        // The caller says no more; it may still listen. The node is told of the end of the input, not of the caller's.
        let end = ExecInput {
            stdin_closed: true,
            ..ExecInput::default()
        };
        drop(typing.send(end).await);
        std::future::pending::<()>().await;
    };
    let call_back = async {
        tokio::time::sleep(CALL_BACK).await;
        if given.is_taken() {
            std::future::pending::<()>().await;
        }
    };
    let trouble = tokio::select! {
        () = pass_on => return,
        _ = ended => return,
        () = output.closed() => return,
        () = given.node_lost() => format!("the node {node} was lost; what it runs may go on"),
        () = call_back => format!("the node {node} does not answer"),
    };
    let _ = output.send(Err(Status::unavailable(trouble))).await;
}

/// A task that runs: by its id or the beginning of it, by its name, or any of a service.
fn running_task(view: &View, wanted: &str) -> Result<Arc<Task>, Status> {
    let running = |task: &&Arc<Task>| task.is_live() && task.is_wanted();
    let named = match find::by_name(view.services(), wanted) {
        Some(service) => Some(view.tasks_of(&service.id).collect::<Vec<_>>()),
        None => find::tasks_named(view, wanted),
    };
    let task = match named {
        Some(tasks) => tasks.into_iter().find(running),
        None if view.tasks().with_prefix(wanted).next().is_none() => {
            return Err(Status::not_found(format!(
                "there is no service and no task `{wanted}`; see `minictl service ls`"
            )));
        }
        None => Some(find::find(view.tasks(), wanted)?).filter(running),
    };
    task.cloned().ok_or_else(|| {
        Status::failed_precondition(format!(
            "no task of `{wanted}` runs now; see `minictl service ps`"
        ))
    })
}

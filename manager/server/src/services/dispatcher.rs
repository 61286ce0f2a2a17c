//! Nodes: they come, they speak, they are told what changes for them and what they are to run, they tell what has become of it.

use std::pin::Pin;
use std::time::Instant;

use api::v1::dispatcher_server::Dispatcher as Service;
use api::v1::{
    AssignmentsMessage, AssignmentsRequest, ExecInput, ExecOutput, GoodbyeReply, GoodbyeRequest,
    HeartbeatReply, HeartbeatRequest, NodeExec, NodeLogs, SendLogsReply, SessionMessage,
    SessionRequest, UpdateTasksReply, UpdateTasksRequest,
};
use model::{Node, NodeState, NodeStatus};
use store::Change;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::caller;
use crate::dispatcher::{Verdict, assign, inform, judge};
use crate::errands::{Ends, Errands, FromLogs};
use crate::manager::Manager;

/// Who speaks in a session that is over is told to come again.
const OVER: &str = "this session is over: begin another one";

pub(crate) struct Dispatcher(pub(crate) Manager);

#[tonic::async_trait]
impl Service for Dispatcher {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionMessage, Status>> + Send>>;
    type AssignmentsStream = ReceiverStream<Result<AssignmentsMessage, Status>>;
    type SendExecStream = Pin<Box<dyn Stream<Item = Result<ExecInput, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<SessionRequest>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let caller = caller(&request)?;
        let node_id = caller.node_id()?.to_owned();
        let from = caller.address.clone().unwrap_or_default();
        let asked = request.into_inner();
        let address = if asked.address.is_empty() {
            from.clone()
        } else {
            asked.address
        };
        let description = asked.description.unwrap_or_default();
        self.0
            .change("", |view| {
                let known = view.nodes().get(&node_id).ok_or_else(|| {
                    Status::unauthenticated("this node was removed from the cluster")
                })?;
                let mut node = Node::clone(known);
                node.description = description.clone();
                node.status = NodeStatus {
                    state: NodeState::Ready.into(),
                    message: String::new(),
                    address: address.clone(),
                };
                Ok(if node == **known {
                    Vec::new()
                } else {
                    vec![Change::update(node)]
                })
            })
            .await?;
        let term = self.0.status().leadership.term;
        let opened = self
            .0
            .sessions()
            .open(&node_id, &from, term, Instant::now());
        if let Some(other) = opened.ousted {
            tracing::warn!(
                node = node_id,
                hosts = format!("{other}, {from}"),
                "one identity on two hosts: let one of them leave by force and join anew"
            );
        }
        let session_id = opened.id;
        tracing::info!(node = node_id, session = session_id, "a node has come");
        let (tells, hears) = mpsc::channel(4);
        self.0.counters().session_begun();
        tokio::spawn(inform(
            self.0.clone(),
            node_id,
            session_id,
            opened.feed,
            tells,
        ));
        Ok(Response::new(Box::pin(ReceiverStream::new(hears))))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatReply>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        let (said, now) = (request.get_ref(), Instant::now());
        let period = {
            let mut sessions = self.0.sessions();
            if !sessions.heard(&node_id, &said.session_id, now) {
                return Err(Status::not_found(OVER));
            }
            sessions.period()
        };
        if !said.usage.is_empty() {
            let view = self.0.replica().view();
            let mut usages = self.0.dispatching().usages();
            usages.put(&view, &node_id, &said.usage, now);
        }
        let next_ms = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        Ok(Response::new(HeartbeatReply { next_ms }))
    }

    async fn goodbye(
        &self,
        request: Request<GoodbyeRequest>,
    ) -> Result<Response<GoodbyeReply>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        self.0.sessions().close(&node_id);
        self.0
            .change("", |view| {
                let Some(known) = view.nodes().get(&node_id) else {
                    return Ok(Vec::new());
                };
                let mut node = Node::clone(known);
                node.status.state = NodeState::Down.into();
                node.status.message = "it has left the cluster".to_owned();
                Ok(vec![Change::update(node)])
            })
            .await?;
        Ok(Response::new(GoodbyeReply {}))
    }

    async fn assignments(
        &self,
        request: Request<AssignmentsRequest>,
    ) -> Result<Response<Self::AssignmentsStream>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        let feed = {
            let sessions = self.0.sessions();
            let holds = sessions.holds(&node_id, &request.get_ref().session_id);
            sessions.feed(&node_id).filter(|_| holds)
        };
        let feed = feed.ok_or_else(|| Status::not_found(OVER))?;
        let (tells, hears) = mpsc::channel(1);
        tokio::spawn(assign(self.0.clone(), node_id, feed, tells));
        Ok(Response::new(ReceiverStream::new(hears)))
    }

    async fn update_tasks(
        &self,
        request: Request<UpdateTasksRequest>,
    ) -> Result<Response<UpdateTasksReply>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        let told = request.into_inner();
        if !self.0.sessions().holds(&node_id, &told.session_id) {
            return Err(Status::not_found(OVER));
        }
        self.0.counters().reports_heard(told.updates.len());
        let view = self.0.replica().view();
        let mut unknown = Vec::new();
        let mut news = Vec::new();
        for update in told.updates {
            let status = update.status.unwrap_or_default();
            match judge(&view, &node_id, &update.task_id, &status) {
                Verdict::Unknown => unknown.push(update.task_id),
                Verdict::Old => {}
                Verdict::News(status) => news.push((update.task_id, status)),
            }
        }
        if !news.is_empty() {
            let receipt = self.0.dispatching().statuses().report(&node_id, news);
            if !receipt.written().await {
                return Err(Status::unavailable(
                    "what has become of the tasks could not be written down: tell it again",
                ));
            }
        }
        Ok(Response::new(UpdateTasksReply { unknown }))
    }

    async fn send_logs(
        &self,
        request: Request<Streaming<NodeLogs>>,
    ) -> Result<Response<SendLogsReply>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        let mut sent = request.into_inner();
        let first = first(sent.message().await?)?;
        let errand = first.errand.clone();
        let Ends::Logs(tells) = self.0.errands().take(&errand, &node_id)? else {
            return Err(Status::invalid_argument("this errand is not for logs"));
        };
        let mut message = Some(first);
        while let Some(part) = message {
            if !part.error.is_empty() && tells.send(FromLogs::Trouble(part.error)).await.is_err() {
                return Ok(Response::new(SendLogsReply {}));
            }
            if tells.send(FromLogs::Lines(part.lines)).await.is_err() {
                return Ok(Response::new(SendLogsReply {}));
            }
            message = tokio::select! {
                next = sent.message() => next?,
                () = tells.closed() => return Ok(Response::new(SendLogsReply {})),
            };
        }
        self.0.errands().done(&errand);
        let _ = tells.send(FromLogs::End).await;
        Ok(Response::new(SendLogsReply {}))
    }

    async fn send_exec(
        &self,
        request: Request<Streaming<NodeExec>>,
    ) -> Result<Response<Self::SendExecStream>, Status> {
        let node_id = caller(&request)?.node_id()?.to_owned();
        let mut sent = request.into_inner();
        let first = first(sent.message().await?)?;
        let Ends::Exec {
            input,
            output,
            ends_with,
        } = self.0.errands().take(&first.errand, &node_id)?
        else {
            return Err(Status::invalid_argument("this errand is for logs"));
        };
        let errands = self.0.errands().clone();
        tokio::spawn(async move {
            pass_back(first, sent, &output, &errands).await;
            drop((output, ends_with));
        });
        let input = ReceiverStream::new(input).map(Ok);
        Ok(Response::new(Box::pin(input)))
    }
}

fn first<T>(message: Option<T>) -> Result<T, Status> {
    message
        .ok_or_else(|| Status::invalid_argument("the first message has to say which errand it is"))
}

/// Passes on what a process prints, until it has ended or its caller is gone.
async fn pass_back(
    first: NodeExec,
    mut sent: Streaming<NodeExec>,
    output: &mpsc::Sender<Result<ExecOutput, Status>>,
    errands: &Errands,
) {
    let errand = first.errand.clone();
    let mut message = Some(first);
    let mut ended = false;
    while let Some(part) = message {
        if !part.error.is_empty() {
            errands.done(&errand);
            let _ = output
                .send(Err(Status::failed_precondition(part.error)))
                .await;
            return;
        }
        if let Some(printed) = part.output {
            ended |= printed.exit_code.is_some();
            if output.send(Ok(printed)).await.is_err() {
                return;
            }
        }
        message = tokio::select! {
            next = sent.message() => next.unwrap_or_default(),
            () = output.closed() => return,
        };
    }
    errands.done(&errand);
    if !ended {
        let lost = "the connection of the task's node was lost; what it runs may go on";
        let _ = output.send(Err(Status::unavailable(lost))).await;
    }
}

//! Raft messages of other managers.

use std::io;

use api::v1::raft_server::Raft as Service;
use api::v1::{DescribeReply, DescribeRequest, RaftMessage};
use consensus::{Rpc, ServeError};
use futures_util::StreamExt;
use tonic::{Request, Response, Status, Streaming};

use crate::manager::Manager;

pub(crate) struct Raft(pub(crate) Manager);

impl Raft {
    async fn serve(
        &self,
        rpc: Rpc,
        request: Request<RaftMessage>,
    ) -> Result<Response<RaftMessage>, Status> {
        let body = self
            .0
            .consensus()
            .serve(rpc, request.into_inner().body)
            .await
            .map_err(failure)?;
        Ok(Response::new(RaftMessage { body }))
    }
}

fn failure(error: ServeError) -> Status {
    match error {
        ServeError::Garbled(_) => Status::invalid_argument(error.to_string()),
        ServeError::Stopped(_) => Status::unavailable(error.to_string()),
        ServeError::Snapshot(_) | ServeError::BrokenOff(_) => Status::aborted(error.to_string()),
    }
}

#[tonic::async_trait]
impl Service for Raft {
    async fn append(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        self.serve(Rpc::Append, request).await
    }

    async fn vote(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        self.serve(Rpc::Vote, request).await
    }

    async fn pre_vote(
        &self,
        request: Request<RaftMessage>,
    ) -> Result<Response<RaftMessage>, Status> {
        self.serve(Rpc::PreVote, request).await
    }

    async fn transfer(
        &self,
        request: Request<RaftMessage>,
    ) -> Result<Response<RaftMessage>, Status> {
        self.serve(Rpc::Transfer, request).await
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<RaftMessage>>,
    ) -> Result<Response<RaftMessage>, Status> {
        let records = request.into_inner().map(|message| {
            message
                .map(|message| message.body)
                .map_err(io::Error::other)
        });
        let body = self
            .0
            .consensus()
            .serve_snapshot(Box::pin(records))
            .await
            .map_err(failure)?;
        Ok(Response::new(RaftMessage { body }))
    }

    async fn describe(
        &self,
        _: Request<DescribeRequest>,
    ) -> Result<Response<DescribeReply>, Status> {
        let status = self.0.status();
        Ok(Response::new(DescribeReply {
            node_id: self.0.node_id().to_owned(),
            raft_id: status.id,
            term: status.leadership.term,
            last_index: status.last_index.unwrap_or(0),
            committed: status.committed.unwrap_or(0),
            applied: status.applied.unwrap_or(0),
            snapshot: status.snapshot.unwrap_or(0),
            version: self.0.version().to_owned(),
        }))
    }
}

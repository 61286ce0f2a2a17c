//! The control API: each question goes to the file of its noun.

use std::pin::Pin;

use api::v1::control_server::Control as Service;
use api::v1::*;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::{cluster, configs, nodes, request_id, watch};
use crate::manager::Manager;

pub(crate) struct Control(pub(crate) Manager);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Service for Control {
    type BackupStream = Pin<Box<dyn Stream<Item = Result<BackupChunk, Status>> + Send>>;
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchEvent, Status>> + Send>>;

    async fn get_cluster(&self, _: Request<GetClusterRequest>) -> Answer<ClusterView> {
        cluster::get(&self.0).await.map(Response::new)
    }

    async fn update_cluster(&self, request: Request<UpdateClusterRequest>) -> Answer<ClusterView> {
        let id = request_id(&request)?;
        cluster::update(&self.0, &id, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_join_tokens(&self, _: Request<GetJoinTokensRequest>) -> Answer<JoinTokensReply> {
        cluster::tokens(&self.0).await.map(Response::new)
    }

    async fn rotate_join_token(
        &self,
        request: Request<RotateJoinTokenRequest>,
    ) -> Answer<JoinTokensReply> {
        let id = request_id(&request)?;
        cluster::rotate_token(&self.0, &id, request.get_ref().role())
            .await
            .map(Response::new)
    }

    async fn get_unlock_key(&self, _: Request<GetUnlockKeyRequest>) -> Answer<UnlockKeyReply> {
        cluster::unlock_key(&self.0).await.map(Response::new)
    }

    async fn rotate_root(&self, request: Request<RotateRootRequest>) -> Answer<ClusterView> {
        let id = request_id(&request)?;
        cluster::rotate_root(&self.0, &id).await.map(Response::new)
    }

    async fn get_status(&self, _: Request<GetStatusRequest>) -> Answer<StatusReply> {
        Ok(Response::new(cluster::status(&self.0).await))
    }

    async fn backup(&self, _: Request<BackupRequest>) -> Answer<Self::BackupStream> {
        let stream = crate::backup::stream(&self.0).await?;
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_nodes(&self, _: Request<ListNodesRequest>) -> Answer<ListNodesReply> {
        nodes::list(&self.0).await.map(Response::new)
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Answer<NodeReply> {
        nodes::get(&self.0, &request.get_ref().node)
            .await
            .map(Response::new)
    }

    async fn update_node(&self, request: Request<UpdateNodeRequest>) -> Answer<NodeReply> {
        let id = request_id(&request)?;
        nodes::update(&self.0, &id, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn remove_node(&self, request: Request<RemoveNodeRequest>) -> Answer<RemoveNodeReply> {
        let id = request_id(&request)?;
        nodes::remove(&self.0, &id, request.get_ref())
            .await
            .map(Response::new)
    }

    async fn list_tasks(&self, request: Request<ListTasksRequest>) -> Answer<ListTasksReply> {
        nodes::tasks(&self.0, &request.get_ref().node)
            .await
            .map(Response::new)
    }

    async fn create_config(&self, request: Request<CreateConfigRequest>) -> Answer<ConfigReply> {
        let id = request_id(&request)?;
        configs::create(&self.0, &id, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_config(&self, request: Request<GetConfigRequest>) -> Answer<ConfigReply> {
        configs::get(&self.0, &request.get_ref().config)
            .await
            .map(Response::new)
    }

    async fn list_configs(&self, _: Request<ListConfigsRequest>) -> Answer<ListConfigsReply> {
        configs::list(&self.0).await.map(Response::new)
    }

    async fn remove_config(
        &self,
        request: Request<RemoveConfigRequest>,
    ) -> Answer<RemoveConfigReply> {
        let id = request_id(&request)?;
        configs::remove(&self.0, &id, &request.get_ref().config)
            .await
            .map(Response::new)
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let stream = watch::watch(&self.0, request.get_ref().after_version).await?;
        Ok(Response::new(Box::pin(stream)))
    }
}

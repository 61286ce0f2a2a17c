//! The control API: each question goes to the file of its noun.

use std::pin::Pin;

use api::v1::control_server::Control as Service;
use api::v1::*;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    cluster, configs, networks, nodes, request_id, secrets, services, stacks, tasks, watch,
};
use crate::errands::{exec, logs};
use crate::manager::Manager;

pub(crate) struct Control(pub(crate) Manager);

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Service for Control {
    type BackupStream = Pin<Box<dyn Stream<Item = Result<BackupChunk, Status>> + Send>>;
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchEvent, Status>> + Send>>;
    type LogsStream = Pin<Box<dyn Stream<Item = Result<LogsReply, Status>> + Send>>;
    type ExecStream = Pin<Box<dyn Stream<Item = Result<ExecOutput, Status>> + Send>>;

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
        tasks::list(&self.0, request.get_ref())
            .await
            .map(Response::new)
    }

    async fn get_task(&self, request: Request<GetTaskRequest>) -> Answer<TaskView> {
        tasks::get(&self.0, request.get_ref())
            .await
            .map(Response::new)
    }

    async fn create_service(&self, request: Request<CreateServiceRequest>) -> Answer<ServiceReply> {
        let id = request_id(&request)?;
        services::create(&self.0, &id, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn update_service(&self, request: Request<UpdateServiceRequest>) -> Answer<ServiceReply> {
        let id = request_id(&request)?;
        services::update(&self.0, &id, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn rollback_service(
        &self,
        request: Request<RollbackServiceRequest>,
    ) -> Answer<ServiceReply> {
        let id = request_id(&request)?;
        services::roll_back(&self.0, &id, &request.get_ref().service)
            .await
            .map(Response::new)
    }

    async fn get_service(&self, request: Request<GetServiceRequest>) -> Answer<ServiceReply> {
        services::get(&self.0, &request.get_ref().service)
            .await
            .map(Response::new)
    }

    async fn list_services(
        &self,
        request: Request<ListServicesRequest>,
    ) -> Answer<ListServicesReply> {
        services::list(&self.0, &request.get_ref().stack)
            .await
            .map(Response::new)
    }

    async fn remove_service(
        &self,
        request: Request<RemoveServiceRequest>,
    ) -> Answer<RemoveServiceReply> {
        let id = request_id(&request)?;
        services::remove(&self.0, &id, &request.get_ref().service)
            .await
            .map(Response::new)
    }

    async fn deploy_stack(&self, request: Request<DeployStackRequest>) -> Answer<DeployStackReply> {
        let id = request_id(&request)?;
        stacks::deploy(&self.0, &id, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn rollback_stack(
        &self,
        request: Request<RollbackStackRequest>,
    ) -> Answer<DeployStackReply> {
        let id = request_id(&request)?;
        stacks::roll_back(&self.0, &id, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_stack(&self, request: Request<GetStackRequest>) -> Answer<StackView> {
        stacks::get(&self.0, &request.get_ref().stack)
            .await
            .map(Response::new)
    }

    async fn list_stacks(&self, _: Request<ListStacksRequest>) -> Answer<ListStacksReply> {
        stacks::list(&self.0).await.map(Response::new)
    }

    async fn remove_stack(&self, request: Request<RemoveStackRequest>) -> Answer<RemoveStackReply> {
        let id = request_id(&request)?;
        stacks::remove(&self.0, &id, &request.get_ref().stack)
            .await
            .map(Response::new)
    }

    async fn logs(&self, request: Request<LogsRequest>) -> Answer<Self::LogsStream> {
        let stream = logs::logs(&self.0, request.into_inner()).await?;
        Ok(Response::new(Box::pin(stream)))
    }

    async fn exec(&self, request: Request<Streaming<ExecInput>>) -> Answer<Self::ExecStream> {
        let stream = exec::exec(&self.0, request.into_inner()).await?;
        Ok(Response::new(Box::pin(stream)))
    }

    async fn create_secret(&self, request: Request<CreateSecretRequest>) -> Answer<SecretReply> {
        let id = request_id(&request)?;
        secrets::create(&self.0, &id, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_secret(&self, request: Request<GetSecretRequest>) -> Answer<SecretReply> {
        secrets::get(&self.0, &request.get_ref().secret)
            .await
            .map(Response::new)
    }

    async fn list_secrets(&self, _: Request<ListSecretsRequest>) -> Answer<ListSecretsReply> {
        secrets::list(&self.0).await.map(Response::new)
    }

    async fn remove_secret(
        &self,
        request: Request<RemoveSecretRequest>,
    ) -> Answer<RemoveSecretReply> {
        let id = request_id(&request)?;
        secrets::remove(&self.0, &id, &request.get_ref().secret)
            .await
            .map(Response::new)
    }

    async fn create_network(&self, request: Request<CreateNetworkRequest>) -> Answer<NetworkReply> {
        let id = request_id(&request)?;
        networks::create(&self.0, &id, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_network(&self, request: Request<GetNetworkRequest>) -> Answer<NetworkReply> {
        networks::get(&self.0, &request.get_ref().network)
            .await
            .map(Response::new)
    }

    async fn list_networks(&self, _: Request<ListNetworksRequest>) -> Answer<ListNetworksReply> {
        networks::list(&self.0).await.map(Response::new)
    }

    async fn remove_network(
        &self,
        request: Request<RemoveNetworkRequest>,
    ) -> Answer<RemoveNetworkReply> {
        let id = request_id(&request)?;
        networks::remove(&self.0, &id, &request.get_ref().network)
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

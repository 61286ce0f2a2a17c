//! The node's worker: what it runs containers with, and its conversation beside a session.

use std::sync::Arc;
use std::time::Duration;

use api::v1::dispatcher_client::DispatcherClient;
use engine::Config;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Status};
use worker::{EngineExecutor, Executor, NodeFacts, Unable, Worker};

use crate::cluster::Member;
use crate::description::hostname;
use crate::options::Options;

/// How long a node that leaves waits for its containers to end.
const LEAVE: Duration = Duration::from_secs(60);

/// What runs the containers of this node; where that cannot be, what says why.
pub(crate) fn executor(options: &Options, node_id: &str) -> Arc<dyn Executor> {
    let config = Config {
        data_root: options.data_root.clone(),
        run_root: options.run_root.clone(),
        cgroup_parent: options.cgroup_parent.clone(),
        minirun: options.minirun.clone(),
        minictl: options.minictl.clone(),
        insecure_registries: options.insecure_registries.clone(),
    };
    let node = NodeFacts {
        id: node_id.to_owned(),
        hostname: hostname(options),
    };
    match EngineExecutor::open(config, node) {
        Ok(executor) => Arc::new(executor),
        Err(failure) => {
            tracing::warn!(%failure, "this node takes part, and rejects tasks");
            Arc::new(Unable(failure.to_string()))
        }
    }
}

/// Ends and removes all containers of the cluster on this host.
pub(crate) async fn end(worker: &Worker) {
    if tokio::time::timeout(LEAVE, worker.leave()).await.is_err() {
        tracing::warn!(
            "not all containers of the cluster have ended; remove them with `minictl rm -f`"
        );
    }
}

/// Lets this process watch as many containers as it may: each takes a descriptor.
pub(crate) fn raise_limits() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(errno) = raised {
        tracing::debug!(%errno, "the limit of open files stays as it is");
    }
}

/// The worker's conversation, as long as the session that it is beside.
#[derive(Default)]
pub(crate) struct Serving(JoinSet<Status>);

impl Serving {
    /// Begins it anew.
    pub(crate) fn begin(
        &mut self,
        member: &Member,
        dispatcher: &DispatcherClient<Channel>,
        session_id: &str,
    ) {
        self.0.abort_all();
        let (worker, dispatcher) = (member.worker().clone(), dispatcher.clone());
        let session_id = session_id.to_owned();
        self.0
            .spawn(async move { worker.serve(dispatcher, &session_id).await });
    }

    /// Waits until it is over for a reason that ends the session too. A manager of an earlier version assigns nothing.
    pub(crate) async fn ended(&mut self) -> Status {
        loop {
            match self.0.join_next().await {
                Some(Ok(status)) if status.code() == Code::Unimplemented => {
                    tracing::info!("this manager assigns no tasks yet");
                }
                Some(Ok(status)) => return status,
                // It was begun anew.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

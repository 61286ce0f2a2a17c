//! Talking to a daemon: which one, how it is reached, and what is done when it doesn't answer at once.

mod dial;
mod endpoint;
pub(crate) mod saved;

use std::error::Error;
use std::future::Future;
use std::io;
use std::time::Duration;

use api::v1::host_client::HostClient;
use api::v1::{GetHostRequest, HostReply};
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

pub(crate) use endpoint::{Endpoint, TlsFiles};

use crate::context::Context;
use crate::failure::Failure;

/// For how long a request is begun again while nobody leads, or a manager is lost. A manager waits as long for a leader itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two attempts: the first, doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A way to a daemon.
pub(crate) struct Client {
    runtime: Runtime,
    channel: Channel,
    endpoint: Endpoint,
}

impl Client {
    /// The daemon that the command line names, or the context, or this host's.
    pub(crate) fn of(context: &Context) -> Result<Self, Failure> {
        Client::to(context.endpoint()?)
    }

    /// The daemon at this endpoint.
    pub(crate) fn to(endpoint: Endpoint) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let channel = {
            let _inside = runtime.enter();
            endpoint.channel()?
        };
        Ok(Client {
            runtime,
            channel,
            endpoint,
        })
    }

    /// Asks, and asks again under the same request id while nobody can answer.
    pub(crate) fn ask<Q: Clone, A, F>(
        &self,
        question: Q,
        call: impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A, Failure>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.run(self.asked(question, call))
            .map_err(|status| self.failure(&status))
    }

    /// The same within work that [`Client::run`] carries out, and with the status that tells one refusal from another.
    pub(crate) async fn asked<Q: Clone, A, F>(
        &self,
        question: Q,
        call: impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let id = identity::new_id();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut request = Request::new(question.clone());
            if let Ok(id) = id.parse() {
                request.metadata_mut().insert(api::metadata::REQUEST_ID, id);
            }
            let status = match call(self.channel.clone(), request).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => status,
            };
            let again = status.code() == Code::Unavailable && absent(&status).is_none();
            if !again || tokio::time::Instant::now() + pause > deadline {
                return Err(status);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Carries work out to its end.
    pub(crate) fn run<A>(&self, work: impl Future<Output = A>) -> A {
        self.runtime.block_on(work)
    }

    /// The way to the daemon itself, for streams.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Carries out something that is more than one question and one answer.
    pub(crate) fn carry_out<A>(
        &self,
        work: impl AsyncFnOnce(Channel) -> Result<A, Status>,
    ) -> Result<A, Failure> {
        self.runtime
            .block_on(work(self.channel.clone()))
            .map_err(|status| self.failure(&status))
    }

    /// What the daemon says of its host.
    pub(crate) fn host(&self) -> Result<HostReply, Failure> {
        self.ask(GetHostRequest {}, |channel, request| async move {
            HostClient::new(channel).get_host(request).await
        })
    }

    /// The same, asked once: who sums up a host doesn't wait for a daemon that may not be there.
    pub(crate) fn host_at_once(&self) -> Result<HostReply, Failure> {
        self.carry_out(async |channel| {
            let asked = HostClient::new(channel).get_host(GetHostRequest {}).await;
            asked.map(Response::into_inner)
        })
    }

    /// What a person is told of a refusal.
    pub(crate) fn failure(&self, status: &Status) -> Failure {
        match absent(status) {
            Some(kind) => Failure::new(self.endpoint.explain(kind)),
            None => Failure::new(status.message()),
        }
    }
}

/// Whether nobody is there at all: then it is of no use to ask again.
fn absent(status: &Status) -> Option<io::ErrorKind> {
    let mut cause: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let kind = error.kind();
            let nobody = [
                io::ErrorKind::NotFound,
                io::ErrorKind::ConnectionRefused,
                io::ErrorKind::PermissionDenied,
            ];
            return nobody.contains(&kind).then_some(kind);
        }
        cause = error.source();
    }
    None
}

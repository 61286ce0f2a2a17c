//! Does this manager lead? If not, the leader is asked in the caller's name, and its answer passed back.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use api::metadata;
use consensus::Member;
use http::{HeaderValue, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::{Service, ServiceExt};
use tracing::Instrument;

use crate::clock::now_ms;
use crate::failure;
use crate::gate::{Caller, Connection, Refusal, admit};
use crate::manager::Manager;

/// How long a request waits for a leader to be found.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest request id.
pub(crate) const LONGEST_ID: usize = 64;

/// Who is on the other side of a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The cluster's port.
    Network,
    /// The host's socket: people.
    Socket,
}

/// A door of a manager: gate, forwarding, services.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) manager: Manager,
    pub(crate) routes: Routes,
    pub(crate) door: Door,
}

impl Service<Request<Body>> for Entrance {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let entrance = self.clone();
        let span = span(&request);
        let answering = async move {
            let begun = Instant::now();
            let answered = entrance.answer(request).await;
            let answered = answered.unwrap_or_else(|status| status.into_http());
            if !tracing::Span::current().is_none() {
                let code = Status::from_header_map(answered.headers())
                    .map_or(tonic::Code::Ok, |status| status.code());
                tracing::debug!(?code, took = ?begun.elapsed(), "answered");
            }
            Ok(answered)
        };
        Box::pin(answering.instrument(span))
    }
}

/// What is logged of a person's request tells its id, on every manager that it passes.
fn span(request: &Request<Body>) -> tracing::Span {
    let Some(method) = request.uri().path().strip_prefix("/mini.v1.Control/") else {
        return tracing::Span::none();
    };
    let id = request.headers().get(metadata::REQUEST_ID);
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    match id.len() <= LONGEST_ID {
        true => tracing::info_span!("request", method, id),
        false => tracing::info_span!("request", method, id = "too long"),
    }
}

impl Entrance {
    async fn answer(self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        let path = request.uri().path().to_owned();
        let admitted = self.ask_gate(&request);
        let caller = match &admitted {
            Ok(caller) => caller,
            Err(Refusal::ByView(_, caller)) if led(&path) => caller,
            Err(Refusal::ByView(status, _) | Refusal::Final(status)) => return Err(status.clone()),
        };
        if led(&path)
            && let Leader::Other(leader) = self.manager.leader(PATIENCE, caller.forwarded).await?
        {
            return self.pass_on(request, caller, &leader).await;
        }
        let caller = match admitted {
            Ok(caller) => caller,
            // What this manager leads and has not heard, nobody has; but it may have been chosen a moment ago.
            Err(_) => {
                self.manager.read().await?;
                self.ask_gate(&request).map_err(Refusal::into_status)?
            }
        };
        request.extensions_mut().insert(caller);
        let answered = self.routes.oneshot(request).await;
        Ok(answered.unwrap_or_else(|never| match never {}))
    }

    /// Asks the gate. What it refuses only by what this manager has heard so far is the leader's to refuse.
    fn ask_gate(&self, request: &Request<Body>) -> Result<Caller, Refusal> {
        if self.door == Door::Socket {
            return Ok(Caller::person());
        }
        let Some(connection) = request.extensions().get::<Connection>() else {
            let status = Status::internal("a connection of unknown origin");
            return Err(Refusal::Final(status));
        };
        admit(
            request.uri().path(),
            connection,
            request.headers(),
            self.manager.cluster_id(),
            &self.manager.replica().view(),
            now_ms(),
        )
    }

    async fn pass_on(
        &self,
        mut request: Request<Body>,
        caller: &Caller,
        leader: &Member,
    ) -> Result<Response<Body>, Status> {
        let header = |value: &str| {
            HeaderValue::from_str(value).map_err(|_| Status::internal("a name that fits no header"))
        };
        let headers = request.headers_mut();
        headers.insert(metadata::FORWARDED_BY, header(self.manager.node_id())?);
        headers.remove(metadata::CALLER_NODE);
        headers.remove(metadata::CALLER_ROLE);
        headers.remove(metadata::CALLER_ADDRESS);
        if let Some((id, role)) = &caller.node {
            headers.insert(metadata::CALLER_NODE, header(id)?);
            headers.insert(metadata::CALLER_ROLE, header(role.name())?);
        }
        if let Some(address) = &caller.address {
            headers.insert(metadata::CALLER_ADDRESS, header(address)?);
        }
        let unreachable = |reason: String| {
            Status::unavailable(format!("the leader {leader} cannot be reached: {reason}"))
        };
        let lost = |error: tonic::transport::Error| unreachable(failure::cause(&error));
        let mut channel = self
            .manager
            .peers()
            .channel(leader)
            .map_err(|error| unreachable(error.to_string()))?;
        let channel = channel.ready().await.map_err(lost)?;
        tokio::select! {
            answered = channel.call(request) => answered.map_err(lost),
            // One that is frozen or cut off would be waited for until its connection is given up.
            () = self.manager.succeeded(leader) => Err(unreachable(
                "another manager leads by now; what was asked may have been done or not".to_owned(),
            )),
        }
    }
}

/// Who leads.
pub(crate) enum Leader {
    /// This manager, and it is ready to.
    This,
    /// That one.
    Other(Member),
}

/// Whether the leader alone answers.
fn led(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next()) {
        // How the managers agree is what one asks when they don't.
        (Some("mini.v1.Control"), method) => method != Some("GetStatus"),
        (Some("mini.v1.Dispatcher" | "mini.v1.Membership"), _) => true,
        (Some("mini.v1.Authority"), method) => method != Some("GetRoots"),
        _ => false,
    }
}

//! The answers: one file per service, and one per noun of the control API.

mod authority;
mod cluster;
mod configs;
mod control;
mod dispatcher;
mod membership;
mod nodes;
mod raft;
mod watch;

use api::LARGEST_MESSAGE;
use api::metadata::REQUEST_ID;
use api::v1::authority_server::AuthorityServer;
use api::v1::control_server::ControlServer;
use api::v1::dispatcher_server::DispatcherServer;
use api::v1::membership_server::MembershipServer;
use api::v1::raft_server::RaftServer;
use tonic::service::Routes;
use tonic::{Request, Status};

use crate::gate::Caller;
use crate::manager::Manager;

pub use cluster::check_spec;
pub(crate) use cluster::trust;

/// All services of a manager.
pub(crate) fn routes(manager: &Manager) -> Routes {
    let raft = RaftServer::new(raft::Raft(manager.clone()))
        .max_decoding_message_size(1 << 30)
        .max_encoding_message_size(1 << 30);
    let control = ControlServer::new(control::Control(manager.clone()))
        .max_decoding_message_size(LARGEST_MESSAGE);
    Routes::new(raft)
        .add_service(control)
        .add_service(AuthorityServer::new(authority::Authority(manager.clone())))
        .add_service(MembershipServer::new(membership::Membership(
            manager.clone(),
        )))
        .add_service(DispatcherServer::new(dispatcher::Dispatcher(
            manager.clone(),
        )))
}

/// Who asks; the gate has found out.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request
        .extensions()
        .get::<Caller>()
        .cloned()
        .ok_or_else(|| Status::internal("a request that passed no gate"))
}

/// What makes this request safe to repeat; empty when the caller didn't say.
fn request_id<T>(request: &Request<T>) -> Result<String, Status> {
    let Some(id) = request.metadata().get(REQUEST_ID) else {
        return Ok(String::new());
    };
    let id = id
        .to_str()
        .map_err(|_| Status::invalid_argument("the request id is not text"))?;
    if id.len() > 64 {
        return Err(Status::invalid_argument(
            "the request id is longer than 64 characters",
        ));
    }
    Ok(id.to_owned())
}

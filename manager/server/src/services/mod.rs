//! The answers: one file per service, and one per noun of the control API.

mod authority;
mod cluster;
mod configs;
mod control;
mod dispatcher;
pub(crate) mod find;
mod membership;
mod networks;
mod nodes;
mod raft;
mod secrets;
#[expect(
    clippy::module_inception,
    reason = "one file for each noun, and service is one"
)]
mod services;
mod stacks;
mod strip;
mod tasks;
mod uses;
mod watch;

use api::LARGEST_MESSAGE;
use api::metadata::REQUEST_ID;
use api::v1::authority_server::AuthorityServer;
use api::v1::control_server::ControlServer;
use api::v1::dispatcher_server::DispatcherServer;
use api::v1::membership_server::MembershipServer;
use api::v1::raft_server::RaftServer;
use prost::Message;
use store::Change;
use tonic::service::Routes;
use tonic::{Request, Status};

use crate::forward::LONGEST_ID;
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
        .add_service(
            DispatcherServer::new(dispatcher::Dispatcher(manager.clone()))
                .max_decoding_message_size(LARGEST_MESSAGE),
        )
}

/// Most bytes of what is changed together: the managers have to send it to each other, and sync it, within a heartbeat.
const LARGEST_CHANGE: usize = 4 << 20;

/// Refuses what is too large for one transaction.
fn check_size(what: &str, changes: &[Change]) -> Result<(), Status> {
    let bytes: usize = changes.iter().map(Change::encoded_len).sum();
    if bytes <= LARGEST_CHANGE {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "{what} has {bytes} bytes, at most {LARGEST_CHANGE} can be changed together: put large contents into configs, or split it"
    )))
}

/// Refuses what is no name.
fn check_name(noun: &str, name: &str) -> Result<(), Status> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err(Status::invalid_argument(format!(
            "`{name}` is no name for a {noun}: 1 to 64 of a-z A-Z 0-9 . _ -"
        )));
    }
    Ok(())
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
    if id.len() > LONGEST_ID {
        return Err(Status::invalid_argument(format!(
            "the request id is longer than {LONGEST_ID} characters"
        )));
    }
    Ok(id.to_owned())
}

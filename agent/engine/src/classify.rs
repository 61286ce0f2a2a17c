//! The errors of the rooms below in the engine's words: their kinds, and containers where the network knows endpoints.

use crate::container::short;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::records;

/// The network's error, endpoints called by the names of their containers.
pub(crate) fn named(engine: &Engine, error: network::Error) -> Error {
    let name = |id: &str| container_name(engine, id);
    match error {
        network::Error::PortTaken {
            address,
            port,
            protocol,
            holder: Some(network::Holder::Endpoint(id)),
        } => Error::State {
            operation: "publish",
            object: format!("port {address}:{port}/{protocol}"),
            why: format!(
                "it is already in use by container {}; stop that one, or choose another port",
                name(&id)
            ),
        },
        network::Error::InUse { network, endpoints } => Error::State {
            operation: "remove",
            object: format!("network {network}"),
            why: format!(
                "it is in use by {}; stop or remove the container first",
                endpoints
                    .iter()
                    .map(|id| name(id))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        },
        network::Error::AddressTaken {
            network,
            address,
            owner,
        } => Error::State {
            operation: "join",
            object: format!("network {network}"),
            why: format!(
                "address {address} is in use by container {}; choose another one",
                name(&owner)
            ),
        },
        other => other.into(),
    }
}

/// The image store's error, the container called by its name.
pub(crate) fn in_use(engine: &Engine, error: images::StoreError) -> Error {
    match error {
        images::StoreError::InUse { image, container } => Error::State {
            operation: "remove",
            object: format!("image {image}"),
            why: format!(
                "it is in use by container {}; remove the container first",
                container_name(engine, &container)
            ),
        },
        other => other.into(),
    }
}

/// What people call the container of this id.
fn container_name(engine: &Engine, id: &str) -> String {
    match records::read(&engine.layout, id) {
        Ok(Some(record)) => record.name,
        _ => short(id).to_owned(),
    }
}

pub(crate) fn network(error: &network::Error) -> ErrorKind {
    match error {
        network::Error::Invalid { .. } | network::Error::Ambiguous { .. } => ErrorKind::Invalid,
        network::Error::NetworkNotFound(_) => ErrorKind::NotFound,
        network::Error::NameTaken(_)
        | network::Error::Overlap { .. }
        | network::Error::InUse { .. }
        | network::Error::AddressTaken { .. }
        | network::Error::AlreadyConnected { .. }
        | network::Error::PortTaken { .. } => ErrorKind::Conflict,
        network::Error::Predefined(_) => ErrorKind::Refused,
        _ => ErrorKind::Environment,
    }
}

pub(crate) fn image(error: &images::Error) -> ErrorKind {
    match error.kind() {
        images::ErrorKind::NotFound | images::ErrorKind::NoPlatform => ErrorKind::NotFound,
        images::ErrorKind::Invalid | images::ErrorKind::Ambiguous => ErrorKind::Invalid,
        images::ErrorKind::InUse => ErrorKind::Conflict,
        _ => ErrorKind::Environment,
    }
}

pub(crate) fn runtime(kind: runtime::ErrorKind) -> ErrorKind {
    match kind {
        runtime::ErrorKind::NotFound => ErrorKind::NotFound,
        runtime::ErrorKind::AlreadyExists | runtime::ErrorKind::WrongStatus => ErrorKind::Conflict,
        runtime::ErrorKind::InvalidSpec => ErrorKind::Invalid,
        runtime::ErrorKind::CommandNotFound => ErrorKind::CommandNotFound,
        runtime::ErrorKind::CommandNotExecutable => ErrorKind::CommandNotExecutable,
        _ => ErrorKind::Environment,
    }
}

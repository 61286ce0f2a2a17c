//! The kinds of errors of the rooms below, in the engine's words.

use crate::error::ErrorKind;

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

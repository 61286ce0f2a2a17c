//! What went wrong, as callers are told.

use consensus::{MembershipError, ProposeError, ReadError};
use identity::IdentityError;
use store::Refusal;
use store::transaction::RefusalKind;
use tonic::Status;

/// What is at the bottom of an error: "connection refused" tells more than "transport error".
pub(crate) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

pub(crate) fn proposal(error: ProposeError) -> Status {
    match error {
        ProposeError::NotLeader(_) => Status::unavailable(error.to_string()),
        ProposeError::Unknown(_) => Status::unknown(error.to_string()),
    }
}

pub(crate) fn read(error: ReadError) -> Status {
    Status::unavailable(error.to_string())
}

pub(crate) fn refusal(refusal: Refusal) -> Status {
    match RefusalKind::try_from(refusal.kind) {
        Ok(RefusalKind::Missing) => Status::not_found(refusal.message),
        Ok(RefusalKind::Exists) => Status::already_exists(refusal.message),
        Ok(RefusalKind::Overtaken) => Status::aborted(refusal.message),
        Ok(RefusalKind::Fenced) => Status::unavailable(refusal.message),
        Ok(RefusalKind::Invalid) | Err(_) => Status::invalid_argument(refusal.message),
    }
}

pub(crate) fn membership(error: MembershipError) -> Status {
    match error {
        MembershipError::NotLeader(_) => Status::unavailable(error.to_string()),
        MembershipError::Busy => Status::aborted(error.to_string()),
        MembershipError::Refused(_) => Status::failed_precondition(error.to_string()),
        MembershipError::Unknown(_) => Status::unknown(error.to_string()),
    }
}

pub(crate) fn identity(error: IdentityError) -> Status {
    Status::invalid_argument(error.to_string())
}

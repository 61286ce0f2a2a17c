//! The cluster as a whole: one file per verb. `swarm` is another name for it.

mod backup;
mod ca;
mod init;
mod join;
mod join_token;
mod leave;
mod restore;
mod settings;
mod status;
mod unlock;
mod unlock_key;
mod update;
pub(crate) mod words;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;

pub(crate) use init::{Place, found};
pub(crate) use join::enter;

/// `minictl cluster ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    Init(Box<init::Args>),
    Join(join::Args),
    Leave(leave::Args),
    JoinToken(join_token::Args),
    Status(status::Args),
    Update(update::Args),
    Ca(ca::Args),
    Unlock(unlock::Args),
    UnlockKey(unlock_key::Args),
    Backup(backup::Args),
    Restore(restore::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: ClusterCommand, context: &Context) -> Outcome {
    match command {
        ClusterCommand::Init(args) => init::init(*args, context),
        ClusterCommand::Join(args) => join::join(args, context),
        ClusterCommand::Leave(args) => leave::leave(&args, context),
        ClusterCommand::JoinToken(args) => join_token::join_token(&args, context),
        ClusterCommand::Status(args) => status::status(&args, context),
        ClusterCommand::Update(args) => update::update(&args, context),
        ClusterCommand::Ca(args) => ca::ca(&args, context),
        ClusterCommand::Unlock(args) => unlock::unlock(&args, context),
        ClusterCommand::UnlockKey(args) => unlock_key::unlock_key(&args, context),
        ClusterCommand::Backup(args) => backup::backup(&args, context),
        ClusterCommand::Restore(args) => restore::restore(args, context),
    }
}

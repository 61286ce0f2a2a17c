//! What is started, and as whom.

use clap::Args;
use model::{ServiceSpec, Words};

use super::super::values::milliseconds;
use super::super::words::words;

/// Flags about the process of a task.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Process")]
pub(crate) struct ProcessOptions {
    /// Replace the image's entrypoint; nothing for none
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// User: name or uid, with :group or :gid
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Host name inside the container; may hold {{.Task.Slot}} and the like
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Run a small init that reaps processes and passes signals on
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    init: Option<bool>,
    /// Make the root file system read-only
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    read_only: Option<bool>,
    /// Give the process a terminal
    #[arg(short, long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    tty: Option<bool>,
    /// How long it may take to end before it is killed: 10s
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    stop_grace_period: Option<u64>,
    /// Signal that ends it
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Capability to add: NET_ADMIN, ALL
    #[arg(long = "cap-add", value_name = "CAPABILITY")]
    cap_add: Vec<String>,
    /// Capability to take away: CHOWN, ALL
    #[arg(long = "cap-drop", value_name = "CAPABILITY")]
    cap_drop: Vec<String>,
}

impl ProcessOptions {
    pub(super) fn apply(&self, spec: &mut ServiceSpec) -> Result<(), String> {
        let container = &mut spec.task.container;
        if let Some(line) = &self.entrypoint {
            container.entrypoint = Some(Words {
                words: words(line)?,
            });
        }
        let texts = [
            (&self.workdir, &mut container.dir),
            (&self.user, &mut container.user),
            (&self.hostname, &mut container.hostname),
            (&self.stop_signal, &mut container.stop_signal),
        ];
        for (given, field) in texts {
            if let Some(given) = given {
                field.clone_from(given);
            }
        }
        let flags = [
            (self.init, &mut container.init),
            (self.read_only, &mut container.read_only),
            (self.tty, &mut container.tty),
        ];
        for (given, field) in flags {
            if let Some(given) = given {
                *field = given;
            }
        }
        if let Some(grace) = self.stop_grace_period {
            container.stop_grace_ms = Some(grace);
        }
        for capability in &self.cap_add {
            move_to(capability, &mut container.cap_drop, &mut container.cap_add);
        }
        for capability in &self.cap_drop {
            move_to(capability, &mut container.cap_add, &mut container.cap_drop);
        }
        Ok(())
    }
}

/// A capability that was taken away and is added again is as the engine has it, and the other way round.
fn move_to(capability: &str, from: &mut Vec<String>, to: &mut Vec<String>) {
    let name = |text: &str| text.to_uppercase().trim_start_matches("CAP_").to_owned();
    let wanted = name(capability);
    let before = from.len();
    from.retain(|known| name(known) != wanted);
    if from.len() == before && !to.iter().any(|known| name(known) == wanted) {
        to.push(wanted);
    }
}

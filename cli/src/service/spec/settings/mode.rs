//! How many tasks there are.

use clap::Args;
use model::{Global, GlobalJob, Replicated, ReplicatedJob, ServiceMode};

/// Flags that both verbs have.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Number of tasks")]
pub(crate) struct ModeOptions {
    /// How many tasks; of a job, how many have to end well
    #[arg(long, value_name = "NUMBER")]
    pub(super) replicas: Option<u64>,
    /// How many tasks of a job run at once (all of them without this)
    #[arg(long, value_name = "NUMBER")]
    pub(super) max_concurrent: Option<u64>,
}

/// The word after `--mode`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Replicated,
    Global,
    ReplicatedJob,
    GlobalJob,
}

/// Reads that word.
pub(crate) fn mode(word: &str) -> Result<Mode, String> {
    match word {
        "replicated" => Ok(Mode::Replicated),
        "global" => Ok(Mode::Global),
        "replicated-job" => Ok(Mode::ReplicatedJob),
        "global-job" => Ok(Mode::GlobalJob),
        _ => Err(format!(
            "{word:?} is none of replicated, global, replicated-job and global-job"
        )),
    }
}

impl ModeOptions {
    /// The mode of a new service.
    pub(in super::super) fn make(&self, mode: Mode) -> Result<ServiceMode, String> {
        let mut made = match mode {
            Mode::Replicated => ServiceMode::Replicated(Replicated { replicas: 1 }),
            Mode::Global => ServiceMode::Global(Global {}),
            Mode::ReplicatedJob => ServiceMode::ReplicatedJob(ReplicatedJob {
                completions: 1,
                concurrent: 0,
            }),
            Mode::GlobalJob => ServiceMode::GlobalJob(GlobalJob {}),
        };
        self.change(&mut made)?;
        Ok(made)
    }

    /// The mode with what was given in place.
    pub(in super::super) fn change(&self, mode: &mut ServiceMode) -> Result<(), String> {
        match (self.replicas, &mut *mode) {
            (None, _) => {}
            (Some(replicas), ServiceMode::Replicated(mode)) => mode.replicas = replicas,
            (Some(replicas), ServiceMode::ReplicatedJob(mode)) => mode.completions = replicas,
            (Some(_), ServiceMode::Global(_) | ServiceMode::GlobalJob(_)) => {
                return Err(
                    "--replicas does not fit a global service: it has one task on each node"
                        .to_owned(),
                );
            }
        }
        match (self.max_concurrent, mode) {
            (None, _) => Ok(()),
            (Some(concurrent), ServiceMode::ReplicatedJob(mode)) => {
                mode.concurrent = concurrent;
                Ok(())
            }
            (Some(_), _) => Err("--max-concurrent fits a replicated-job alone".to_owned()),
        }
    }
}

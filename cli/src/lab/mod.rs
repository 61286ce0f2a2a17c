//! A cluster on this one machine: one file per verb.

pub(crate) mod cluster;
pub(crate) mod down;
pub(crate) mod exec;
pub(crate) mod heal;
pub(crate) mod host;
pub(crate) mod kill;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod partition;
pub(crate) mod pause;
pub(crate) mod start;
pub(crate) mod unpause;
pub(crate) mod up;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use ::lab::{Cluster, DEFAULT_NAME, DEFAULT_ROOT, Error, Lab, Labs};
use clap::Subcommand;

use crate::failure::{Failure, Outcome, for_each, print};

/// `minictl lab ...`
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    Up(up::Args),
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Exec(exec::Args),
    Kill(kill::Args),
    Start(start::Args),
    Pause(pause::Args),
    Unpause(unpause::Args),
    Partition(partition::Args),
    Heal(heal::Args),
    Logs(logs::Args),
    Down(down::Args),
}

/// Which lab is meant.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// The lab's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_NAME)]
    name: String,
    /// Labs lie here
    #[arg(
        long,
        env = "MINI_LAB_ROOT",
        hide_env_values = true,
        value_name = "DIR",
        default_value = DEFAULT_ROOT
    )]
    root: PathBuf,
}

/// Carries the verb out; `cluster` makes the calls to daemons that form one.
pub(crate) fn perform(command: LabCommand, cluster: &dyn Cluster) -> Outcome {
    match command {
        LabCommand::Up(args) => up::up(args, cluster),
        LabCommand::Ls(args) => ls::list(args),
        LabCommand::Exec(args) => exec::exec(args),
        LabCommand::Kill(args) => kill::kill(args),
        LabCommand::Start(args) => start::start(args),
        LabCommand::Pause(args) => pause::pause(args),
        LabCommand::Unpause(args) => unpause::unpause(args),
        LabCommand::Partition(args) => partition::partition(args),
        LabCommand::Heal(args) => heal::heal(args),
        LabCommand::Logs(args) => logs::logs(args),
        LabCommand::Down(args) => down::down(args),
    }
}

impl Which {
    /// All labs of the root. Their hosts are held by this program's `internal lab-host`.
    fn labs(&self) -> Result<Labs, Failure> {
        let own = std::env::current_exe()?;
        let command: [OsString; 3] = [own.into(), "internal".into(), "lab-host".into()];
        Ok(Labs::new(&self.root, command.into())?)
    }

    /// The lab, which is up.
    fn lab(&self) -> Result<Lab, Failure> {
        Ok(self.labs()?.open(&self.name)?)
    }
}

/// Does `each` for every node and prints the names of those it went well with.
fn for_nodes(
    which: &Which,
    nodes: &[String],
    each: impl Fn(&Lab, &str) -> ::lab::Result<()>,
) -> Outcome {
    let lab = which.lab()?;
    for_each(nodes, |node| {
        each(&lab, node)?;
        print(&format!("{node}\n"))
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::System { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
                Failure::from(source)
            }
            other => Failure::of(&other),
        }
    }
}

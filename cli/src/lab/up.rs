//! `minictl lab up`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use ::lab::{Cluster, Ipv4Net, Spec};

use super::Which;
use crate::failure::{Failure, Outcome, print};

/// Bring up a cluster on this machine: every node a host of its own, with a daemon
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl lab up
  minictl lab exec node1 -- minictl node ls
  minictl lab partition node1
  minictl lab down

  minictl lab up --no-cluster --managers 3 --workers 0
  minictl lab exec node1 -- minictl cluster init")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// How many managers
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    managers: usize,
    /// How many workers
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    workers: usize,
    /// Where the nodes' addresses come from; nothing of it is seen outside of the lab
    #[arg(long, value_name = "CIDR", default_value = "10.66.0.0/24")]
    subnet: Ipv4Net,
    /// Leave the hosts without a cluster, to make one by hand
    #[arg(long)]
    no_cluster: bool,
    /// The daemon's program (minid beside minictl, or in PATH)
    #[arg(long, value_name = "PATH")]
    minid: Option<PathBuf>,
}

/// Brings it up and says what to do with it.
pub(crate) fn up(args: Args, cluster: &dyn Cluster) -> Outcome {
    let begun = Instant::now();
    let spec = Spec {
        name: args.which.name.clone(),
        managers: args.managers,
        workers: args.workers,
        subnet: args.subnet,
        minid: minid(args.minid)?,
    };
    let labs = args.which.labs()?;
    let lab = labs.up(&spec, (!args.no_cluster).then_some(cluster))?;
    print(&format!(
        "lab {}: {} up in {:.1} s\n",
        spec.name,
        counted(lab.plan().nodes.len(), "node"),
        begun.elapsed().as_secs_f64()
    ))?;
    Ok(0)
}

/// The daemon's program, absolute.
fn minid(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return Ok(std::path::absolute(path)?);
    }
    let own = env::current_exe()?;
    let beside = own.parent().map(|directory| directory.join("minid"));
    let path: OsString = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|directory| directory.join("minid"));
    let found = beside
        .into_iter()
        .chain(in_path)
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::new("there is no minid beside minictl and none in PATH: name it with --minid")
    })
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

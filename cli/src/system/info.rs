//! `minictl info`: this host, summed up.

use engine::Status;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::size::binary;
use crate::output::table::Table;
use crate::output::template::Template;
use crate::system::version::architecture;
use crate::system::{cluster, host};

/// Sum up this host
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl info --format '{{.ContainersRunning}}'")]
pub(crate) struct Args {
    /// json, or a template such as '{{.Containers}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints what there is and where it lies.
pub(crate) fn info(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    let containers = engine.containers(true)?;
    let count = |status: Status| {
        containers
            .iter()
            .filter(|container| container.state.status == status)
            .count()
    };
    let (running, paused) = (count(Status::Running), count(Status::Paused));
    let stopped = containers.len() - running - paused;
    let (images, networks, volumes) = (
        engine.images()?.len(),
        engine.networks()?.len(),
        engine.volumes()?.len(),
    );
    let cluster = cluster::ask(context);
    let config = engine.config();
    let object = json!({
        "Containers": containers.len(),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": stopped,
        "Images": images,
        "Networks": networks,
        "Volumes": volumes,
        "ServerVersion": env!("CARGO_PKG_VERSION"),
        "Driver": "overlay",
        "LoggingDriver": "cri",
        "DataRoot": config.data_root,
        "DockerRootDir": config.data_root,
        "RunRoot": config.run_root,
        "CgroupParent": config.cgroup_parent,
        "CgroupVersion": host::cgroup_version(),
        "KernelVersion": host::kernel(),
        "OperatingSystem": host::distribution(),
        "OSType": "linux",
        "Architecture": architecture(),
        "NCPU": host::processors(),
        "MemTotal": host::memory(),
        "Name": host::name(),
        "Runtime": config.minirun,
        "Swarm": cluster::object(&cluster),
    });
    let text = match args.format.as_deref() {
        Some("json") => format!("{object}\n"),
        Some(template) if !template.is_empty() => {
            format!("{}\n", Template::parse(template)?.render(&object)?)
        }
        _ => {
            let mut table = Table::bare();
            let counts = format!(
                "{} ({running} running, {paused} paused, {stopped} stopped)",
                containers.len()
            );
            table.row(["Containers:", &counts]);
            table.row(["Images:", &images.to_string()]);
            table.row(["Networks:", &networks.to_string()]);
            table.row(["Volumes:", &volumes.to_string()]);
            table.row(["Version:", env!("CARGO_PKG_VERSION")]);
            table.row(["Runtime:", &config.minirun.display().to_string()]);
            table.row(["Data root:", &config.data_root.display().to_string()]);
            table.row(["Run root:", &config.run_root.display().to_string()]);
            table.row(["Cgroup parent:", &config.cgroup_parent]);
            table.row(["Cgroup version:", host::cgroup_version()]);
            table.row(["Kernel:", &host::kernel()]);
            table.row(["Operating system:", &host::distribution()]);
            table.row(["Architecture:", architecture()]);
            table.row(["Processors:", &host::processors().to_string()]);
            table.row(["Memory:", &binary(host::memory())]);
            table.row(["Name:", &host::name()]);
            for (name, value) in cluster::lines(&cluster) {
                table.row([name, &value]);
            }
            table.to_string()
        }
    };
    print(&text)?;
    Ok(0)
}

//! The tree of verbs: what is typed, and the file that does it.

use clap::{ArgAction, Parser, Subcommand};

use crate::cluster::{self, ClusterCommand};
use crate::config::{self, ConfigCommand};
use crate::container::{self, ContainerCommand};
use crate::context::{Context, Global};
use crate::contexts::{self, ContextCommand};
use crate::events;
use crate::failure::Outcome;
use crate::image::{self, ImageCommand};
use crate::inspect;
use crate::internal::{self, InternalCommand};
use crate::lab::{self, LabCommand};
use crate::network::{self, NetworkCommand};
use crate::node::{self, NodeCommand};
use crate::secret::{self, SecretCommand};
use crate::service::{self, ServiceCommand};
use crate::stack::{self, StackCommand};
use crate::system::{self, SystemCommand};
use crate::task::{self, TaskCommand};
use crate::volume::{self, VolumeCommand};

/// The top of `minictl --help`: the verbs in the groups people look for them in.
const HELP: &str = "\
Run containers, with no daemon; join hosts into a cluster, with one (minid).

Usage: minictl [OPTIONS] COMMAND

Run and stop:
  run         Make a container from an image and start it
  create      Make a container without starting it
  start       Start containers that are stopped
  stop        Stop running containers
  restart     Stop and start containers
  kill        Send a signal to running containers
  pause       Freeze all processes of containers
  unpause     Let frozen containers go on
  rm          Remove containers
  rename      Give a container another name

Look and talk:
  ps          List containers
  logs        Show what a container has printed
  exec        Run a command in a running container
  attach      Connect this terminal to a running container
  wait        Wait until containers end, and print their exit codes
  inspect     Show everything about containers, images, networks and volumes
  stats       Show what containers use up
  top         List the processes of a container
  port        List the published ports of a container

Images:
  pull        Fetch an image from a registry
  images      List images
  rmi         Remove images

A cluster (ask the daemon minid, of this host or of the one that -H names):
  cluster     Make, join and leave a cluster, and keep it (also: swarm)
  node        Its machines
  context     Names for daemons elsewhere
  lab         A cluster of several hosts on this one machine, to try things out

What runs on a cluster:
  stack       Services of a compose file, deployed together
  service     What runs for as long as it is wanted, on whatever node
  task        The single containers of services
  secret      What services are given and nobody else may read
  config      Configuration files that services are given
  events      Show what changes in the cluster, as it changes

Nouns, each with its own verbs (minictl network --help):
  container   image   network   volume   system

The installation:
  info        Sum up this host
  version     Show versions

Options:
{options}

Examples:
  minictl run -it --rm debian bash
  minictl run -d --name web -p 8080:80 nginx
  minictl logs -f web
  minictl exec -it web sh
  minictl rm -f web
  minictl stack up -c compose.yaml blog
  minictl service scale web=10

`minictl COMMAND --help` tells more about one command.
";

/// Run containers, with no daemon
#[derive(Debug, Parser)]
#[command(
    name = "minictl",
    version,
    help_template = HELP,
    disable_version_flag = true,
    args_override_self = true,
    max_term_width = 120
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    /// Print version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Every verb that stands alone, and the nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<container::run::Args>),
    Create(Box<container::create::Args>),
    Start(container::start::Args),
    Stop(container::stop::Args),
    Restart(container::restart::Args),
    Kill(container::kill::Args),
    Pause(container::pause::Args),
    Unpause(container::unpause::Args),
    Rm(container::rm::Args),
    Rename(container::rename::Args),
    Ps(container::ps::Args),
    Logs(container::logs::Args),
    Exec(container::exec::Args),
    Attach(container::attach::Args),
    Wait(container::wait::Args),
    Inspect(inspect::Args),
    Stats(container::stats::Args),
    Top(container::top::Args),
    Port(container::port::Args),
    Pull(image::pull::Args),
    Images(image::ls::Args),
    Rmi(image::rm::Args),
    /// Containers
    #[command(subcommand)]
    Container(ContainerCommand),
    /// Images
    #[command(subcommand)]
    Image(ImageCommand),
    /// Networks
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Volumes
    #[command(subcommand)]
    Volume(VolumeCommand),
    /// The installation as a whole
    #[command(subcommand)]
    System(SystemCommand),
    /// A cluster of hosts
    #[command(subcommand, visible_alias = "swarm")]
    Cluster(ClusterCommand),
    /// The machines of a cluster
    #[command(subcommand)]
    Node(NodeCommand),
    /// Services of a compose file, deployed together
    #[command(subcommand)]
    Stack(StackCommand),
    /// What runs for as long as it is wanted, on whatever node
    #[command(subcommand)]
    Service(ServiceCommand),
    /// The single containers of services
    #[command(subcommand)]
    Task(TaskCommand),
    /// What services are given and nobody else may read
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Configuration files that services are given
    #[command(subcommand)]
    Config(ConfigCommand),
    Events(events::Args),
    /// Names for daemons elsewhere
    #[command(subcommand)]
    Context(ContextCommand),
    /// A cluster on this one machine, every node a host of its own
    #[command(subcommand)]
    Lab(LabCommand),
    Info(system::info::Args),
    Version(system::version::Args),
    #[command(subcommand, hide = true)]
    Internal(InternalCommand),
}

/// Carries the verb out.
pub(crate) fn perform(command: Command, context: &Context) -> Outcome {
    use ContainerCommand as C;
    let of_container = match command {
        Command::Run(args) => C::Run(args),
        Command::Create(args) => C::Create(args),
        Command::Start(args) => C::Start(args),
        Command::Stop(args) => C::Stop(args),
        Command::Restart(args) => C::Restart(args),
        Command::Kill(args) => C::Kill(args),
        Command::Pause(args) => C::Pause(args),
        Command::Unpause(args) => C::Unpause(args),
        Command::Rm(args) => C::Rm(args),
        Command::Rename(args) => C::Rename(args),
        Command::Ps(args) => C::Ls(args),
        Command::Logs(args) => C::Logs(args),
        Command::Exec(args) => C::Exec(args),
        Command::Attach(args) => C::Attach(args),
        Command::Wait(args) => C::Wait(args),
        Command::Stats(args) => C::Stats(args),
        Command::Top(args) => C::Top(args),
        Command::Port(args) => C::Port(args),
        Command::Container(command) => command,
        Command::Inspect(args) => return inspect::inspect(args, context),
        Command::Pull(args) => return image::pull::pull(args, context),
        Command::Images(args) => return image::ls::list(args, context),
        Command::Rmi(args) => return image::rm::remove(args, context),
        Command::Image(command) => return image::perform(command, context),
        Command::Network(command) => return network::perform(command, context),
        Command::Volume(command) => return volume::perform(command, context),
        Command::System(command) => return system::perform(command, context),
        Command::Info(args) => return system::info::info(args, context),
        Command::Version(args) => return system::version::version(args, context),
        Command::Cluster(command) => return cluster::perform(command, context),
        Command::Node(command) => return node::perform(command, context),
        Command::Stack(command) => return stack::perform(command, context),
        Command::Service(command) => return service::perform(command, context),
        Command::Task(command) => return task::perform(command, context),
        Command::Secret(command) => return secret::perform(command, context),
        Command::Config(command) => return config::perform(command, context),
        Command::Events(args) => return events::events(&args, context),
        Command::Context(command) => return contexts::perform(command),
        Command::Lab(command) => return lab::perform(command, &lab::cluster::Daemons),
        Command::Internal(command) => return internal::perform(command, context),
    };
    container::perform(of_container, context)
}

#[cfg(test)]
mod tests;

//! `minictl service update`.

use super::rollback::return_to_previous;
use super::spec::{Changes, Settings, change};
use super::{Waiting, get};
use crate::context::Context;
use crate::converge::tell;
use crate::failure::{Failure, Outcome, print};
use crate::registry::{RegistryArgs, Resolve};
use crate::remote::Client;

/// Change what is wanted of a service; its tasks are replaced step by step where they must be
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl service update --image nginx:1.27 --update-failure-action rollback web
  minictl service update --env-add LOG=debug --env-rm TRACE --limit-memory 512m web
  minictl service update --force web
  minictl service update --rollback web")]
pub(crate) struct Args {
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Take the image's name as it is: each node finds out for itself what it stands for
    #[arg(long)]
    no_resolve_image: bool,
    /// Return to what was wanted before the last update; nothing else is changed
    #[arg(long)]
    rollback: bool,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    changes: Changes,
    /// How the service is reached: vip (one address) or dnsrr (those of its tasks)
    #[arg(long, value_name = "MODE", value_parser = super::spec::endpoint)]
    endpoint_mode: Option<model::EndpointMode>,
    /// Name or id
    #[arg(value_name = "SERVICE")]
    service: String,
}

/// Changes it, prints its name, and stays until the change is carried out.
pub(crate) fn update(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let name = &args.service;
    if args.rollback {
        return return_to_previous(&client, name, args.waiting);
    }
    let ours = |name: &str| std::env::var(name).ok();
    let refused = |why: String| Failure::new(why).with_code(125);
    // Registries are asked once, before anything is changed.
    let (service, _) = get(&client, name)?;
    let mut spec = service.spec;
    change(&mut spec, &args.settings, &args.changes, &ours).map_err(refused)?;
    let resolve = match args.changes.image.is_some() && !args.no_resolve_image {
        true => Resolve::Always,
        false => Resolve::Never,
    };
    args.registry.prepare([&mut spec], &[], resolve, context)?;
    let prepared = spec.task;
    let changed = super::change(&client, name, |spec| {
        change(spec, &args.settings, &args.changes, &ours).map_err(refused)?;
        if resolve == Resolve::Always {
            spec.task
                .container
                .image
                .clone_from(&prepared.container.image);
            spec.task
                .placement
                .platforms
                .clone_from(&prepared.placement.platforms);
        }
        if let Some(auth) = &prepared.container.registry_auth {
            spec.task.container.registry_auth = Some(auth.clone());
        }
        if let Some(mode) = args.endpoint_mode {
            spec.endpoint.mode = mode.into();
        }
        Ok(())
    })?;
    print(&format!("{name}\n"))?;
    let ended = args.waiting.with(&client, &changed)?;
    tell(&format!("update of service {name}"), &ended)
}

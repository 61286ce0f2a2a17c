//! `minictl service create`.

use std::path::PathBuf;

use api::v1::CreateServiceRequest;

use super::spec::{Lists, Settings, new, variables};
use super::{Changed, Waiting, warn};
use crate::context::Context;
use crate::converge::tell;
use crate::failure::{Failure, Outcome, print};
use crate::registry::{RegistryArgs, Resolve};
use crate::remote::Client;

/// Run an image on the cluster, for as long as it is wanted
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "minictl service create [OPTIONS] IMAGE [COMMAND] [ARG...]",
    after_help = "\
Examples:
  minictl service create --name web --replicas 3 -p 8080:80 nginx
  minictl service create --name db --constraint node.labels.disk==ssd --mount source=data,target=/data --health-cmd pg_isready postgres
  minictl service create --name migrate --mode replicated-job --depends-on db:service_healthy blog:2 migrate
  minictl service create --name api --autoscale min=2,max=10,cpu=60% blog:2"
)]
pub(crate) struct Args {
    /// Name of the service (one made up from the image's without this)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Take the image's name as it is: each node finds out for itself what it stands for
    #[arg(long)]
    no_resolve_image: bool,
    /// Read environment variables from a file, one a line
    #[arg(long = "env-file", value_name = "FILE")]
    env_files: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    lists: Lists,
    /// How the service is reached: vip (one address) or dnsrr (those of its tasks)
    #[arg(long, value_name = "MODE", default_value = "vip", value_parser = super::spec::endpoint)]
    endpoint_mode: model::EndpointMode,
    /// Image, then the command to run in it and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_name = "IMAGE",
        hide = true
    )]
    image_and_command: Vec<String>,
}

/// Creates it, prints its id, and stays until its tasks run.
pub(crate) fn create(args: &Args, context: &Context) -> Outcome {
    let image = args.image_and_command.first().map_or("", String::as_str);
    let name = match &args.name {
        Some(name) => name.clone(),
        None => made_up(image, &identity::new_id()),
    };
    let mut files = Vec::new();
    for path in &args.env_files {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("read {}: {error}", path.display())))?;
        files.extend(variables(&text));
    }
    let ours = |name: &str| std::env::var(name).ok();
    let (settings, lists) = (&args.settings, &args.lists);
    let mut spec = new(
        &name,
        &args.image_and_command,
        settings,
        lists,
        &files,
        &ours,
    )
    .map_err(|why| Failure::new(why).with_code(125))?;
    spec.endpoint.mode = args.endpoint_mode.into();
    let resolve = match args.no_resolve_image {
        true => Resolve::Never,
        false => Resolve::Always,
    };
    args.registry.prepare([&mut spec], &[], resolve, context)?;
    let client = Client::of(context)?;
    let asked = CreateServiceRequest { spec: Some(spec) };
    let reply = client.ask(asked, |channel, request| async move {
        api::control(channel).create_service(request).await
    })?;
    reply.warnings.iter().for_each(|warning| warn(warning));
    let service = reply
        .service
        .unwrap_or_default()
        .service
        .unwrap_or_default();
    print(&format!("{}\n", service.id))?;
    let made = Changed {
        service,
        before: None,
    };
    let ended = args.waiting.with(&client, &made)?;
    tell(&format!("service {name}"), &ended)
}

/// The last part of the image's name and something that no other service has.
fn made_up(image: &str, id: &str) -> String {
    let name = image.split('@').next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    let last = last.split(':').next().unwrap_or_default();
    let kept: String = last
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        .collect();
    let tail: String = id.chars().take(6).collect();
    match kept.as_str() {
        "" => format!("service-{tail}"),
        kept => format!("{kept}-{tail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::made_up;

    #[test]
    fn a_name_is_made_up_from_the_images() {
        fn check(image: &str, expected: &str) {
            assert_eq!(made_up(image, "0123456789"), expected);
        }
        check("nginx", "nginx-012345");
        check("host:5000/team/api:2@sha256:aa", "api-012345");
        check("", "service-012345");
    }
}

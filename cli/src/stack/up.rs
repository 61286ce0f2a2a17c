//! `minictl stack up`.

use std::collections::BTreeSet;
use std::time::Duration;

use api::v1::DeployStackReply;
use api::v1::planned_change::What;

use super::plan::{exit_code, text};
use super::source::{Deploy, deploy};
use crate::context::Context;
use crate::converge::{Stay, Subject, stay, tell_stack};
use crate::failure::{Outcome, print};
use crate::output::age::parse_age;
use crate::remote::Client;

/// Deploy what compose files describe, and stay until it runs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl stack up
  minictl stack up -c compose.yaml -c production.yaml --prune blog
  minictl stack deploy -d -c - blog < compose.yaml
  minictl stack up --wait-timeout 2m --with-registry-auth blog

Leaving with Ctrl-C leaves the deployment going. Exit codes: 0 everything is as it is wanted, 1 something failed, 2 it took longer than
--wait-timeout, 3 something was rolled back.")]
pub(crate) struct Args {
    #[command(flatten)]
    deploy: Deploy,
    #[command(flatten)]
    stay: StayArgs,
    /// Change nothing: print what would be changed, as stack plan does
    #[arg(long)]
    dry_run: bool,
}

/// Flags of verbs that stay with a stack.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct StayArgs {
    /// Don't stay until the services are as they are wanted
    #[arg(short, long, num_args = 0..=1, default_missing_value = "true", default_value = "false", hide_default_value = true, require_equals = true, value_name = "BOOL")]
    pub(super) detach: bool,
    /// Stay no longer than this: 120 (seconds) or 2m
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub(super) wait_timeout: Option<Duration>,
    /// Don't show how far it has come
    #[arg(short, long)]
    pub(super) quiet: bool,
}

fn limit(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => parse_age(text)
            .ok_or_else(|| format!("{text:?} is no duration: write 120 (seconds) or 2m")),
    }
}

/// Deploys, and stays.
pub(crate) fn up(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let spec = args.deploy.spec(&client, context)?;
    let name = spec.name.clone();
    let reply = deploy(&client, spec, args.dry_run)?;
    if args.dry_run {
        print(&text(&reply.changes))?;
        return Ok(exit_code(&reply.changes));
    }
    follow(&client, &name, &reply, args.stay)
}

/// Says what was done, and stays until it has come about.
pub(super) fn follow(
    client: &Client,
    stack: &str,
    reply: &DeployStackReply,
    args: StayArgs,
) -> Outcome {
    let nothing = reply.changes.is_empty();
    let done = match nothing {
        true => "nothing to change",
        false => "deployed",
    };
    print(&format!(
        "stack {stack}: {done} (deployment {})\n",
        reply.deployment
    ))?;
    if args.detach {
        return Ok(0);
    }
    let subject = Subject::Stack {
        name: stack.to_owned(),
        changed: changed(reply),
    };
    let how = Stay {
        limit: args.wait_timeout,
        quiet: args.quiet,
    };
    let ended = stay(client, &subject, how)?;
    tell_stack(&format!("stack {stack}"), &ended)
}

/// The services whose tasks the deployment makes or replaces.
fn changed(reply: &DeployStackReply) -> BTreeSet<String> {
    let services = reply.changes.iter();
    services
        .filter(|change| change.noun == "service")
        .filter(|change| matches!(change.what(), What::Create | What::Update))
        .map(|change| change.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use api::v1::PlannedChange;

    use super::*;

    #[test]
    fn a_limit_is_seconds_or_a_duration() {
        assert_eq!(limit("90"), Ok(Duration::from_secs(90)));
        assert_eq!(limit("2m"), Ok(Duration::from_secs(120)));
        assert!(limit("soon").is_err());
    }

    #[test]
    fn rollouts_are_those_of_services_whose_tasks_are_replaced() {
        let change = |what: What, noun: &str, name: &str| PlannedChange {
            what: what.into(),
            noun: noun.to_owned(),
            name: name.to_owned(),
            ..PlannedChange::default()
        };
        let reply = DeployStackReply {
            changes: vec![
                change(What::Create, "network", "a"),
                change(What::Create, "service", "b"),
                change(What::Update, "service", "c"),
                change(What::Adjust, "service", "e"),
                change(What::Remove, "service", "d"),
            ],
            ..DeployStackReply::default()
        };
        let changed: Vec<String> = changed(&reply).into_iter().collect();
        assert_eq!(changed, ["b", "c"]);
    }
}

//! `minictl stack down`.

use api::v1::RemoveStackRequest;

use super::up::StayArgs;
use crate::context::Context;
use crate::converge::{Stay, Subject, stay, tell_stack};
use crate::failure::{Outcome, for_each, print};
use crate::remote::Client;

/// Remove stacks: services end before those that they depend on; stays until they are gone
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl stack down blog
  minictl stack rm -d blog shop

Volumes of nodes stay.")]
pub(crate) struct Args {
    #[command(flatten)]
    stay: StayArgs,
    /// Their names
    #[arg(required = true, value_name = "STACK")]
    stacks: Vec<String>,
}

/// Removes all of them, then stays until each is gone.
pub(crate) fn down(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let mut going = Vec::new();
    let mut code = for_each(&args.stacks, |name| {
        let asked = RemoveStackRequest {
            stack: name.to_owned(),
        };
        client.ask(asked, |channel, request| async move {
            api::control(channel).remove_stack(request).await
        })?;
        going.push(name.to_owned());
        print(&format!("{name}\n"))
    })?;
    if args.stay.detach {
        return Ok(code);
    }
    for name in going {
        let how = Stay {
            limit: args.stay.wait_timeout,
            quiet: args.stay.quiet,
        };
        let ended = stay(&client, &Subject::Leaving(name.clone()), how)?;
        code = code.max(tell_stack(&format!("removal of stack {name}"), &ended)?);
    }
    Ok(code)
}

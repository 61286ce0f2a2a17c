//! `minictl cluster unlock`.

use std::io::{BufRead, IsTerminal};

use api::v1::UnlockRequest;
use api::v1::host_client::HostClient;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::context::Context;
use crate::failure::{Failure, Outcome, say};
use crate::remote::Client;

/// Unlock the manager on this host, with the key from a prompt or from standard input
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl cluster unlock")]
pub(crate) struct Args {}

/// Unlocks it.
pub(crate) fn unlock(_: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let key = read_key()?;
    client
        .carry_out(async |channel| HostClient::new(channel).unlock(UnlockRequest { key }).await)?;
    Ok(0)
}

/// A line that a terminal does not show.
fn read_key() -> Result<String, Failure> {
    let input = std::io::stdin();
    let hidden = if input.is_terminal() {
        say("Please enter unlock key: ");
        let shown = tcgetattr(&input).map_err(std::io::Error::from)?;
        let mut silent = shown.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&input, SetArg::TCSANOW, &silent).map_err(std::io::Error::from)?;
        Some(shown)
    } else {
        None
    };
    let mut line = String::new();
    let read = input.lock().read_line(&mut line);
    if let Some(shown) = hidden {
        tcsetattr(&input, SetArg::TCSANOW, &shown).map_err(std::io::Error::from)?;
        say("\n");
    }
    read?;
    Ok(line.trim().to_owned())
}

//! `minictl internal dial-stdio`: the far end of a daemon that is asked through ssh.

use tokio::io::{copy_bidirectional, join, stdin, stdout};
use tokio::net::UnixStream;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::remote::Endpoint;

/// Join standard input and output to the daemon's socket
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Until one end closes.
pub(super) fn dial(_: &Args, context: &Context) -> Outcome {
    let Endpoint::Unix(path) = context.endpoint()? else {
        return Err(Failure::new(
            "this host's own daemon is asked through ssh, no other",
        ));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut socket = UnixStream::connect(path).await?;
        let mut near = join(stdin(), stdout());
        copy_bidirectional(&mut near, &mut socket).await
    })?;
    Ok(0)
}

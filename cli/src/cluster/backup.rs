//! `minictl cluster backup`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use api::v1::BackupRequest;
use tonic::Status;

use crate::context::Context;
use crate::failure::{Failure, Outcome, complain};
use crate::remote::Client;

/// Write everything the cluster knows to a file, while it goes on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: minictl cluster backup -o cluster.backup

The file holds the cluster's keys: who has it can let anybody in. Begin a cluster from it with `minictl cluster restore`.")]
pub(crate) struct Args {
    /// The file; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// Writes it, as a whole or not at all.
pub(crate) fn backup(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    if args.output == Path::new("-") {
        if io::stdout().is_terminal() {
            return Err(Failure::new(
                "a backup is no text: name a file with -o, or send standard output to one",
            ));
        }
        fetch(&client, &mut io::stdout().lock())?;
        return Ok(0);
    }
    let mut draft = args.output.clone().into_os_string();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    let failed =
        |error: io::Error| Failure::new(format!("write {}: {error}", args.output.display()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed)?;
    let written = fetch(&client, &mut file)
        .and_then(|()| finish(&file, &draft, &args.output).map_err(failed));
    if written.is_err() {
        // A draft that cannot be removed either is told of by the error.
        let _ = fs::remove_file(&draft);
    }
    written?;
    complain("the backup holds the cluster's keys: keep it where they would be safe");
    Ok(0)
}

fn finish(file: &File, draft: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(draft, path)
}

fn fetch(client: &Client, to: &mut impl Write) -> Result<(), Failure> {
    client.carry_out(async |channel| {
        let mut chunks = api::control(channel)
            .backup(BackupRequest {})
            .await?
            .into_inner();
        while let Some(chunk) = chunks.message().await? {
            to.write_all(&chunk.data)
                .map_err(|error| Status::internal(format!("write the backup: {error}")))?;
        }
        to.flush()
            .map_err(|error| Status::internal(format!("write the backup: {error}")))
    })
}

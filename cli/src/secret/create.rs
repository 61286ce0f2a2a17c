//! `minictl secret create`.

use std::io::Read;

use api::v1::CreateSecretRequest;
use model::SecretSpec;

use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::output::pairs;
use crate::remote::Client;

/// Most bytes of a secret.
const LARGEST: u64 = 500 << 10;

/// Let the cluster keep a secret
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl secret create db_password ./password.txt
  minictl secret create --label env=prod db_password - < password.txt")]
pub(crate) struct Args {
    /// Label; may be given several times
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Name, which no other secret has
    #[arg(value_name = "NAME")]
    name: String,
    /// The file; - for standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,
}

/// Sends it and prints its id.
pub(crate) fn create(args: &Args, context: &Context) -> Outcome {
    let mut data = Vec::new();
    let read = match args.file.as_str() {
        "-" => std::io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut data),
        path => {
            std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut data))
        }
    };
    read.map_err(|error| Failure::new(format!("read {}: {error}", args.file)))?;
    if data.is_empty() {
        return Err(Failure::new(format!(
            "{} is empty: a secret holds something",
            args.file
        )));
    }
    if data.len() as u64 > LARGEST {
        return Err(Failure::new(format!(
            "{} is larger than the 500 KiB that a secret may have",
            args.file
        )));
    }
    let spec = SecretSpec {
        name: args.name.clone(),
        labels: pairs(&args.label),
        data: data.into(),
    };
    let asked = CreateSecretRequest { spec: Some(spec) };
    let reply = Client::of(context)?.ask(asked, |channel, request| async move {
        api::control(channel).create_secret(request).await
    })?;
    print(&format!("{}\n", reply.secret.unwrap_or_default().id))?;
    Ok(0)
}

//! `minictl config create`.

use std::io::Read;

use api::v1::CreateConfigRequest;
use model::ConfigSpec;

use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::output::pairs;
use crate::remote::Client;

/// Let the cluster keep a configuration file
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl config create nginx.conf ./nginx.conf")]
pub(crate) struct Args {
    /// Label; may be given several times
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Name, which no other config has
    #[arg(value_name = "NAME")]
    name: String,
    /// The file; - for standard input
    #[arg(value_name = "FILE")]
    file: String,
}

/// Sends it and prints its id.
pub(crate) fn create(args: &Args, context: &Context) -> Outcome {
    let mut data = Vec::new();
    let read = match args.file.as_str() {
        "-" => std::io::stdin().lock().read_to_end(&mut data),
        path => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut data)),
    };
    read.map_err(|error| Failure::new(format!("read {}: {error}", args.file)))?;
    let spec = ConfigSpec {
        name: args.name.clone(),
        labels: pairs(&args.label),
        data: data.into(),
    };
    let asked = CreateConfigRequest { spec: Some(spec) };
    let reply = Client::of(context)?.ask(asked, |channel, request| async move {
        api::control(channel).create_config(request).await
    })?;
    print(&format!("{}\n", reply.config.unwrap_or_default().id))?;
    Ok(0)
}

//! `minictl config inspect`.

use api::v1::GetConfigRequest;
use jiff::Timestamp;
use serde_json::json;

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::template::Template;
use crate::remote::Client;

/// Show everything about configuration files
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl config inspect nginx.conf")]
pub(crate) struct Args {
    /// A template, such as '{{.Spec.Name}}'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// For people: the content as text
    #[arg(long)]
    pretty: bool,
    /// Names or ids
    #[arg(required = true, value_name = "CONFIG")]
    configs: Vec<String>,
}

/// Prints it. The content is base64, as Docker has it.
pub(crate) fn inspect(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let mut objects = Vec::new();
    for name in &args.configs {
        let asked = GetConfigRequest {
            config: name.clone(),
        };
        let reply = client.ask(asked, |channel, request| async move {
            api::control(channel).get_config(request).await
        })?;
        let config = reply.config.unwrap_or_default();
        if args.pretty {
            let labels = crate::output::joined(&config.spec.labels);
            print(&format!(
                "ID:      {}\nName:    {}\nLabels:  {labels}\nData:\n{}\n",
                config.id,
                config.spec.name,
                String::from_utf8_lossy(&config.spec.data)
            ))?;
            continue;
        }
        let time = |ms| {
            Timestamp::from_millisecond(ms)
                .unwrap_or_default()
                .to_string()
        };
        let object = json!({
            "ID": config.id,
            "Version": { "Index": config.meta.version },
            "CreatedAt": time(config.meta.created_ms),
            "UpdatedAt": time(config.meta.updated_ms),
            "Spec": { "Name": config.spec.name, "Labels": config.spec.labels, "Data": base64(&config.spec.data) },
        });
        match args.format.as_deref() {
            Some(template) if template != "json" => print(&format!(
                "{}\n",
                Template::parse(template)?.render(&object)?
            ))?,
            _ => objects.push(object),
        }
    }
    if !objects.is_empty() {
        let text = serde_json::to_string_pretty(&objects).map_err(std::io::Error::from)?;
        print(&format!("{text}\n"))?;
    }
    Ok(0)
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

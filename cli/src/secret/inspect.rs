//! `minictl secret inspect`.

use api::v1::GetSecretRequest;
use model::Secret;
use serde_json::{Value, json};

use crate::container::inspect::several;
use crate::context::Context;
use crate::failure::{Failure, Outcome, for_each, print};
use crate::output::age::moment_of;
use crate::remote::Client;

/// Show what is known of secrets, but not what they hold
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl secret inspect db_password")]
pub(crate) struct Args {
    /// json, or a template such as '{{.Spec.Name}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// For people
    #[arg(long, conflicts_with = "format")]
    pretty: bool,
    /// Names or ids
    #[arg(required = true, value_name = "SECRET")]
    secrets: Vec<String>,
}

/// Prints those that are there; 1 when one is not.
pub(crate) fn inspect(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    if args.pretty {
        return for_each(&args.secrets, |name| {
            let secret = get(&client, name)?;
            print(&format!(
                "ID:      {}\nName:    {}\nLabels:  {}\nCreated: {}\n",
                secret.id,
                secret.spec.name,
                crate::output::joined(&secret.spec.labels),
                moment_of(secret.meta.created_ms)
            ))
        });
    }
    several(&args.secrets, args.format.as_deref(), |name| {
        Ok(object(&get(&client, name)?))
    })
}

fn get(client: &Client, name: &str) -> Result<Secret, Failure> {
    let asked = GetSecretRequest {
        secret: name.to_owned(),
    };
    let reply = client.ask(asked, |channel, request| async move {
        api::control(channel).get_secret(request).await
    })?;
    Ok(reply.secret.unwrap_or_default())
}

/// What it holds is left out, even if it were here.
fn object(secret: &Secret) -> Value {
    json!({
        "ID": secret.id,
        "Version": { "Index": secret.meta.version },
        "CreatedAt": moment_of(secret.meta.created_ms),
        "UpdatedAt": moment_of(secret.meta.updated_ms),
        "Spec": { "Name": secret.spec.name, "Labels": secret.spec.labels },
    })
}

#[cfg(test)]
mod tests {
    use model::SecretSpec;

    use super::*;

    #[test]
    fn what_a_secret_holds_is_never_shown() {
        let secret = Secret {
            spec: SecretSpec {
                name: "key".to_owned(),
                data: b"hunter2".to_vec().into(),
                ..SecretSpec::default()
            },
            ..Secret::default()
        };
        let shown = object(&secret).to_string();
        assert!(shown.contains("\"key\""), "{shown}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("Data"),
            "{shown}"
        );
    }
}

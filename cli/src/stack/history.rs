//! `minictl stack history`.

use jiff::Timestamp;
use model::Deployment;
use serde_json::{Value, json};

use super::get;
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::age::{ago, moment_of};
use crate::output::format::{Columns, listing};
use crate::remote::Client;

const COLUMNS: Columns = Columns {
    all: &[
        ("Deployment", "DEPLOYMENT"),
        ("CreatedAt", "DEPLOYED"),
        ("Reason", "REASON"),
        ("Services", "SERVICES"),
        ("Images", "IMAGES"),
        ("Current", "CURRENT"),
        ("Time", "TIME"),
    ],
    shown: &["Deployment", "CreatedAt", "Reason", "Services", "Images"],
};

/// List the deployments of a stack, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: minictl stack history blog

Any of them can be returned to with minictl stack rollback --to NUMBER.")]
pub(crate) struct Args {
    /// json, table TEMPLATE or a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Its name
    #[arg(value_name = "STACK")]
    stack: String,
}

/// Lists them.
pub(crate) fn history(args: &Args, context: &Context) -> Outcome {
    let view = get(&Client::of(context)?, &args.stack)?;
    let newest = view.stack.unwrap_or_default().deployment;
    let plain = args.format.is_none();
    let rows: Vec<Value> = view
        .deployments
        .iter()
        .map(|deployment| row(deployment, newest, plain))
        .collect();
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn row(deployment: &Deployment, newest: u64, plain: bool) -> Value {
    let current = deployment.number == newest;
    let number = match current && plain {
        true => format!("{} *", deployment.number),
        false => deployment.number.to_string(),
    };
    let created = Timestamp::from_millisecond(deployment.meta.created_ms).unwrap_or_default();
    let images = deployment.spec.services.iter().map(|service| {
        let image = &service.task.container.image;
        image
            .split_once('@')
            .map_or(image.as_str(), |(name, _)| name)
    });
    let mut images: Vec<&str> = images.collect();
    images.sort_unstable();
    images.dedup();
    json!({
        "Deployment": number,
        "CreatedAt": ago(created, Timestamp::now()),
        "Reason": deployment.reason,
        "Services": deployment.spec.services.len(),
        "Images": images.join(","),
        "Current": current,
        "Time": moment_of(deployment.meta.created_ms),
    })
}

#[cfg(test)]
mod tests {
    use model::{ServiceSpec, StackSpec};

    use super::*;

    #[test]
    fn the_newest_is_marked_for_people() {
        let mut service = ServiceSpec::default();
        service.task.container.image = "blog:2@sha256:aa".to_owned();
        let deployment = Deployment {
            number: 3,
            spec: StackSpec {
                services: vec![service.clone(), service],
                ..StackSpec::default()
            },
            ..Deployment::default()
        };
        let shown = row(&deployment, 3, true);
        assert_eq!(shown["Deployment"], "3 *");
        assert_eq!(shown["Images"], "blog:2");
        assert_eq!(row(&deployment, 3, false)["Deployment"], "3");
        assert_eq!(row(&deployment, 4, true)["Deployment"], "3");
        for (field, _) in COLUMNS.all {
            assert!(shown.get(field).is_some(), "{field}");
        }
    }
}

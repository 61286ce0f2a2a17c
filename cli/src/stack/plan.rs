//! `minictl stack plan`.

use api::v1::PlannedChange;
use api::v1::planned_change::What;

use super::source::{Deploy, deploy};
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::remote::Client;

/// Print what stack up would change and why, and change nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: minictl stack plan -c compose.yaml blog

Services of a later wave wait for those of an earlier one. Exit codes: 0 nothing would change, 2 something would.")]
pub(crate) struct Args {
    #[command(flatten)]
    deploy: Deploy,
}

/// The exit code of a plan that changes something.
const CHANGES: i32 = 2;

/// Asks and prints.
pub(crate) fn plan(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let spec = args.deploy.spec(&client, context)?;
    let reply = deploy(&client, spec, true)?;
    print(&text(&reply.changes))?;
    Ok(exit_code(&reply.changes))
}

/// 0 when nothing changes.
pub(super) fn exit_code(changes: &[PlannedChange]) -> i32 {
    if changes.is_empty() { 0 } else { CHANGES }
}

/// The changes, grouped by wave; what is no service comes first, what goes comes last.
pub(super) fn text(changes: &[PlannedChange]) -> String {
    if changes.is_empty() {
        return "nothing would change\n".to_owned();
    }
    let (going, staying): (Vec<_>, Vec<_>) = changes
        .iter()
        .partition(|change| change.what() == What::Remove);
    let (services, others): (Vec<_>, Vec<_>) = staying
        .into_iter()
        .partition(|change| change.noun == "service");
    let mut text = String::new();
    group(&mut text, "first", &others);
    let mut waves: Vec<u32> = services.iter().map(|change| change.wave).collect();
    waves.sort_unstable();
    waves.dedup();
    for (place, wave) in waves.iter().enumerate() {
        let of: Vec<&PlannedChange> = services
            .iter()
            .copied()
            .filter(|change| change.wave == *wave)
            .collect();
        group(&mut text, &format!("wave {}", place + 1), &of);
    }
    group(&mut text, "last", &going);
    text.push_str(&sum(changes));
    text
}

fn group(text: &mut String, head: &str, changes: &[&PlannedChange]) {
    if changes.is_empty() {
        return;
    }
    text.push_str(&format!("{head}:\n"));
    for change in changes {
        let mark = match change.what() {
            What::Create => "+ create",
            What::Update => "~ update",
            What::Adjust => "~ adjust",
            What::Remove => "- remove",
        };
        text.push_str(&format!("  {mark} {} {}\n", change.noun, change.name));
        for detail in &change.details {
            text.push_str(&format!("      {detail}\n"));
        }
    }
}

fn sum(changes: &[PlannedChange]) -> String {
    let count = |what: What| {
        changes
            .iter()
            .filter(|change| change.what() == what)
            .count()
    };
    format!(
        "{} to create, {} to update, {} to adjust without replacing tasks, {} to remove\n",
        count(What::Create),
        count(What::Update),
        count(What::Adjust),
        count(What::Remove)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(what: What, noun: &str, name: &str, wave: u32, details: &[&str]) -> PlannedChange {
        PlannedChange {
            what: what.into(),
            noun: noun.to_owned(),
            name: name.to_owned(),
            details: details.iter().map(|text| (*text).to_owned()).collect(),
            wave,
        }
    }

    #[test]
    fn a_plan_is_grouped_by_wave() {
        let changes = [
            change(What::Create, "network", "blog_back", 0, &[]),
            change(
                What::Update,
                "service",
                "blog_web",
                2,
                &["image: blog:v1 -> blog:v2"],
            ),
            change(What::Create, "service", "blog_db", 0, &[]),
            change(
                What::Adjust,
                "service",
                "blog_log",
                0,
                &["replicas: 1 -> 2"],
            ),
            change(What::Remove, "service", "blog_old", 0, &[]),
        ];
        assert_eq!(
            text(&changes),
            "first:\n  + create network blog_back\nwave 1:\n  + create service blog_db\n  ~ adjust service blog_log\n      \
             replicas: 1 -> 2\nwave 2:\n  ~ update service blog_web\n      image: blog:v1 -> blog:v2\nlast:\n  - remove service \
             blog_old\n2 to create, 1 to update, 1 to adjust without replacing tasks, 1 to remove\n"
        );
        assert_eq!(exit_code(&changes), 2);
        assert_eq!(text(&[]), "nothing would change\n");
        assert_eq!(exit_code(&[]), 0);
    }
}

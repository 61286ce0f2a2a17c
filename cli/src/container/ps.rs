//! `minictl ps`: containers in rows.

use engine::{Container, MountKind};
use jiff::Timestamp;
use serde_json::Value;

use crate::container::view;
use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::output::filter::{self, Filter};
use crate::output::format::listing;
use crate::output::short_id;

/// List containers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: minictl ps -a --filter status=exited --format '{{.Names}}: {{.Status}}'"
)]
pub(crate) struct Args {
    /// Also those that don't run
    #[arg(short, long)]
    all: bool,
    /// Only the ids
    #[arg(short, long)]
    quiet: bool,
    /// Don't cut ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Only the newest, running or not
    #[arg(short, long)]
    latest: bool,
    /// Only the so many newest, running or not
    #[arg(short = 'n', long, value_name = "NUMBER")]
    last: Option<usize>,
    /// table, json, or a template such as '{{.ID}} {{.Names}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// name=, id=, status=, exited=, health=, label=, ancestor=, network=, volume=
    #[arg(short, long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
}

const FILTERS: [&str; 9] = [
    "name", "id", "status", "exited", "health", "label", "ancestor", "network", "volume",
];

/// Prints the rows.
pub(crate) fn list(args: Args, context: &Context) -> Outcome {
    let filters = filter::parse_all(&args.filters, &FILTERS)?;
    if let Some(filter) = filters.iter().find(|filter| filter.key == "health")
        && !view::HEALTHS.contains(&filter.value.as_str())
    {
        return Err(Failure::new(format!(
            "no health {:?}: there are {}",
            filter.value,
            view::HEALTHS.join(", ")
        )));
    }
    let newest = if args.latest { Some(1) } else { args.last };
    let asks_state = filters
        .iter()
        .any(|filter| matches!(filter.key.as_str(), "status" | "exited"));
    let engine = context.engine()?;
    let mut containers = engine.containers(args.all || newest.is_some() || asks_state)?;
    for error in engine.damaged_containers()? {
        Failure::from(error).report();
    }
    containers.retain(|container| passes(container, &filters));
    containers.truncate(newest.unwrap_or(usize::MAX));
    if args.quiet && args.format.is_none() {
        let ids: String = containers
            .iter()
            .map(|container| format!("{}\n", short_id(container.id(), args.no_trunc)))
            .collect();
        print(&ids)?;
        return Ok(0);
    }
    let now = Timestamp::now();
    let rows: Vec<Value> = containers
        .iter()
        .map(|container| view::row(container, args.no_trunc, now))
        .collect();
    print(&listing(&rows, &view::COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn passes(container: &Container, filters: &[Filter]) -> bool {
    let record = &container.record;
    filter::passes(filters, |key, value| match key {
        "name" => name_matches(&record.name, value),
        "id" => record.id.starts_with(value),
        "status" => container.state.status.to_string() == value,
        "exited" => container
            .state
            .exit_code
            .is_some_and(|code| !container.is_alive() && code.to_string() == value),
        "health" => view::health(container) == value,
        "label" => filter::has_label(&record.labels, value),
        "ancestor" => image_matches(&record.image, &record.image_id, value),
        "network" => view::networks(container).iter().any(|name| name == value),
        "volume" => record.mounts.iter().any(|mount| match &mount.kind {
            MountKind::Volume { name, .. } => name == value || mount.target.as_os_str() == value,
            _ => mount.target.as_os_str() == value,
        }),
        _ => false,
    })
}

/// Part of a name, or with `^` and `$` its beginning and end, as people write it for Docker.
fn name_matches(name: &str, wanted: &str) -> bool {
    let (wanted, from_start) = match wanted.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (wanted, false),
    };
    let wanted = wanted.strip_prefix('/').unwrap_or(wanted);
    match (wanted.strip_suffix('$'), from_start) {
        (Some(whole), true) => name == whole,
        (Some(end), false) => name.ends_with(end),
        (None, true) => name.starts_with(wanted),
        (None, false) => name.contains(wanted),
    }
}

fn image_matches(image: &str, image_id: &str, wanted: &str) -> bool {
    let untagged = |text: &str| match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name.to_owned(),
        _ => text.to_owned(),
    };
    let id = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let by_id = id.len() >= 4 && image_id.trim_start_matches("sha256:").starts_with(id);
    image == wanted || untagged(image) == wanted || by_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::sample;

    #[test]
    fn filters_choose_containers() {
        fn check(texts: &[&str], expected: bool) {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let filters = filter::parse_all(&texts, &FILTERS).unwrap();
            assert_eq!(
                passes(&sample::container(), &filters),
                expected,
                "{texts:?}"
            );
        }
        check(&["name=web"], true);
        check(&["name=e"], true);
        check(&["name=^web$"], true);
        check(&["name=^/web$"], true);
        check(&["name=^eb"], false);
        check(&["name=eb$"], true);
        check(&["id=0123"], true);
        check(&["id=123"], false);
        check(&["status=running"], true);
        check(&["status=exited"], false);
        check(&["exited=0"], false);
        check(&["health=none"], true);
        check(&["health=healthy"], false);
        check(&["label=app=shop"], true);
        check(&["ancestor=registry.example/shop:2"], true);
        check(&["ancestor=registry.example/shop"], true);
        check(&["ancestor=abababababab"], true);
        check(&["ancestor=shop"], false);
        check(&["network=shop"], true);
        check(&["volume=data"], true);
        check(&["volume=/srv/data"], true);
        check(&["volume=other"], false);
    }
}

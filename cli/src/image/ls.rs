//! `minictl images`: what is in the store.

use engine::ImageSummary;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::container::view::moment;
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::filter;
use crate::output::format::{Columns, listing};
use crate::output::size::decimal;
use crate::output::{age, short_id};

/// List images
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl images --format '{{.Repository}}:{{.Tag}}'")]
pub(crate) struct Args {
    /// Accepted for Docker's sake: there are no intermediate images
    #[arg(short, long)]
    all: bool,
    /// Only the ids
    #[arg(short, long)]
    quiet: bool,
    /// Don't cut ids
    #[arg(long)]
    no_trunc: bool,
    /// Show the digests of the manifests
    #[arg(long)]
    digests: bool,
    /// table, json, or a template such as '{{.ID}} {{.Repository}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// dangling=true|false, reference=
    #[arg(short, long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
    /// Only of this repository, or this reference
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
}

const ALL: &[(&str, &str)] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
];

const COLUMNS: Columns = Columns {
    all: ALL,
    shown: &["Repository", "Tag", "ID", "CreatedSince", "Size"],
};

const WITH_DIGESTS: Columns = Columns {
    all: ALL,
    shown: &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"],
};

/// Prints a row for each name of each image.
pub(crate) fn list(args: Args, context: &Context) -> Outcome {
    let filters = filter::parse_all(&args.filters, &["dangling", "reference"])?;
    let images = context.engine()?.images()?;
    let now = Timestamp::now();
    let mut rows: Vec<Value> = images
        .iter()
        .flat_map(|image| rows(image, args.no_trunc, now))
        .collect();
    rows.retain(|row| {
        let name = |field: &str| row[field].as_str().unwrap_or_default();
        let matches = |wanted: &str| is_meant(name("Repository"), name("Tag"), wanted);
        let dangling = name("Repository") == NONE;
        args.reference.as_deref().is_none_or(matches)
            && filter::passes(&filters, |key, value| match key {
                "dangling" => value == dangling.to_string(),
                _ => matches(value),
            })
    });
    if args.quiet && args.format.is_none() {
        let mut ids: Vec<&str> = rows.iter().filter_map(|row| row["ID"].as_str()).collect();
        ids.dedup();
        print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>())?;
        return Ok(0);
    }
    let columns = if args.digests {
        &WITH_DIGESTS
    } else {
        &COLUMNS
    };
    print(&listing(&rows, columns, args.format.as_deref())?)?;
    Ok(0)
}

const NONE: &str = "<none>";

fn rows(image: &ImageSummary, full: bool, now: Timestamp) -> Vec<Value> {
    let created: Option<Timestamp> = image.created.as_deref().and_then(|text| text.parse().ok());
    let row = |(repository, tag): (String, String)| {
        json!({
            "Repository": repository,
            "Tag": tag,
            "Digest": image.digest.to_string(),
            "ID": short_id(&image.id.to_string(), full),
            "CreatedSince": created.map_or_else(|| "N/A".to_owned(), |then| age::ago(then, now)),
            "CreatedAt": created.map_or_else(|| "N/A".to_owned(), moment),
            "Size": decimal(image.size),
        })
    };
    if image.references.is_empty() {
        return vec![row((NONE.to_owned(), NONE.to_owned()))];
    }
    image
        .references
        .iter()
        .map(|reference| row(split(&reference.to_string())))
        .collect()
}

/// A reference as people see it, in repository and tag.
pub(crate) fn split(reference: &str) -> (String, String) {
    let named = reference
        .split_once('@')
        .map_or(reference, |(named, _)| named);
    match named.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository.to_owned(), tag.to_owned()),
        _ => (named.to_owned(), NONE.to_owned()),
    }
}

/// Whether a row is meant by `redis`, `redis:7` or `redis:*`.
fn is_meant(repository: &str, tag: &str, wanted: &str) -> bool {
    let glob = |pattern: &str, text: &str| match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    };
    match split(wanted) {
        (name, none) if none == NONE => glob(&name, repository),
        (name, version) => glob(&name, repository) && glob(&version, tag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_split() {
        fn check(reference: &str, repository: &str, tag: &str) {
            assert_eq!(split(reference), (repository.to_owned(), tag.to_owned()));
        }
        check("redis:7", "redis", "7");
        check("host:5000/a/b:1.2", "host:5000/a/b", "1.2");
        check("host:5000/a/b", "host:5000/a/b", NONE);
        check("redis@sha256:aa", "redis", NONE);
        check("redis:7@sha256:aa", "redis", "7");
    }

    #[test]
    fn names_choose_rows() {
        fn check(wanted: &str, expected: bool) {
            assert_eq!(
                is_meant("host:5000/shop", "2.1", wanted),
                expected,
                "{wanted}"
            );
        }
        check("host:5000/shop", true);
        check("host:5000/shop:2.1", true);
        check("host:5000/shop:2", false);
        check("host:5000/*", true);
        check("host:5000/shop:2.*", true);
        check("shop", false);
    }
}

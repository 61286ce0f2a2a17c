//! `minictl system prune`: what nothing uses goes.

use engine::{PruneReport, PruneSpec};

use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::output::size::decimal;

/// Remove stopped containers, unused networks and images, and, asked to, volumes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl system prune -f --volumes")]
pub(crate) struct Args {
    /// All images that no container uses, not only those without a name
    #[arg(short, long)]
    all: bool,
    /// Unnamed volumes that no container uses, too
    #[arg(long)]
    volumes: bool,
    /// Don't ask
    #[arg(short, long)]
    force: bool,
}

/// Asks, removes, and tells what went.
pub(crate) fn prune(args: Args, context: &Context) -> Outcome {
    let images = if args.all {
        "all images without at least one container"
    } else {
        "all dangling images"
    };
    let volumes = if args.volumes {
        "\n  - all anonymous volumes not used by at least one container"
    } else {
        ""
    };
    let warning = format!(
        "This will remove:\n  - all stopped containers\n  - all networks not used by at least one container{volumes}\n  - {images}\n"
    );
    let spec = PruneSpec {
        containers: true,
        networks: true,
        volumes: args.volumes,
        images: true,
        all_images: args.all,
        ..PruneSpec::default()
    };
    carry_out(&spec, args.force, &warning, context)
}

/// Asks unless `force`, prunes, and tells what went.
pub(crate) fn carry_out(
    spec: &PruneSpec,
    force: bool,
    warning: &str,
    context: &Context,
) -> Outcome {
    if !force && !confirmed(warning)? {
        return Ok(0);
    }
    let report = context.engine()?.prune(spec)?;
    print(&told(&report))?;
    Ok(0)
}

fn confirmed(warning: &str) -> Result<bool, Failure> {
    print(&format!(
        "WARNING! {warning}\nAre you sure you want to continue? [y/N] "
    ))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn told(report: &PruneReport) -> String {
    let nouns = [
        ("Containers", &report.containers),
        ("Networks", &report.networks),
        ("Volumes", &report.volumes),
        ("Images", &report.images),
    ];
    let mut text = String::new();
    for (noun, names) in nouns {
        if !names.is_empty() {
            text.push_str(&format!("Deleted {noun}:\n{}\n\n", names.join("\n")));
        }
    }
    text.push_str(&format!(
        "Total reclaimed space: {}\n",
        decimal(report.space)
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_is_told() {
        fn check(report: &PruneReport, expected: &str) {
            assert_eq!(told(report), expected);
        }
        check(&PruneReport::default(), "Total reclaimed space: 0B\n");
        check(
            &PruneReport {
                containers: vec!["a".into(), "b".into()],
                space: 1500,
                ..PruneReport::default()
            },
            "Deleted Containers:\na\nb\n\nTotal reclaimed space: 1.5kB\n",
        );
    }
}

//! `minictl version`.

use std::env::consts;

use serde_json::json;

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::table::Table;
use crate::output::template::Template;
use crate::system::host;

/// Show versions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl version --format '{{.Kernel}}'")]
pub(crate) struct Args {
    /// json, or a template such as '{{.Version}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints the versions of the programs and of what they stand on.
pub(crate) fn version(args: Args, context: &Context) -> Outcome {
    let own = env!("CARGO_PKG_VERSION");
    let minirun = context.config()?.minirun;
    let runtime = host::minirun_version(&minirun);
    let platform = format!("{}/{}", consts::OS, architecture());
    let object = json!({
        "Version": own,
        "Runtime": runtime,
        "RuntimePath": minirun,
        "Kernel": host::kernel(),
        "Cgroup": host::cgroup_version(),
        "Platform": platform,
        "Client": { "Version": own },
        "Server": { "Version": own, "Os": consts::OS, "Arch": architecture(), "KernelVersion": host::kernel() },
    });
    let text = match args.format.as_deref() {
        None | Some("") => {
            let mut table = Table::bare();
            table.row(["minictl:", own]);
            table.row(["minirun:", &runtime]);
            table.row(["Kernel:", &host::kernel()]);
            table.row(["Cgroup version:", host::cgroup_version()]);
            table.row(["Platform:", &platform]);
            table.to_string()
        }
        Some("json") => format!("{object}\n"),
        Some(template) => format!("{}\n", Template::parse(template)?.render(&object)?),
    };
    print(&text)?;
    Ok(0)
}

/// The architecture as images name it.
pub(crate) fn architecture() -> &'static str {
    match consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

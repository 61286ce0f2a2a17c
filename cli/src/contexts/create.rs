//! `minictl context create`.

use std::path::PathBuf;

use super::{check, existing};
use crate::failure::{Failure, Outcome, print};
use crate::remote::TlsFiles;
use crate::remote::saved::{Contexts, DEFAULT, Saved};

/// Give a daemon a name
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl context create prod --endpoint ssh://root@node1
  minictl context create prod --endpoint tcp://node1:2377 --tls-ca ca.pem --tls-cert node.pem --tls-key node.key")]
pub(crate) struct Args {
    /// The name
    name: String,
    /// Where it is: unix:///PATH, ssh://[USER@]HOST or tcp://HOST:PORT
    #[arg(long, value_name = "HOST")]
    endpoint: String,
    /// A word about it
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// Root certificates of the cluster, PEM; with tcp
    #[arg(long, value_name = "FILE", requires = "tls_cert", requires = "tls_key")]
    tls_ca: Option<PathBuf>,
    /// A manager's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_cert: Option<PathBuf>,
    /// The key to it, PEM
    #[arg(long, value_name = "FILE", requires = "tls_ca")]
    tls_key: Option<PathBuf>,
}

/// Keeps it.
pub(super) fn create(args: Args, mut contexts: Contexts) -> Outcome {
    if args.name == DEFAULT || contexts.contexts.contains_key(&args.name) {
        return Err(Failure::new(format!(
            "there is a context `{}` already",
            args.name
        )));
    }
    let tls = match (args.tls_ca, args.tls_cert, args.tls_key) {
        (Some(ca), Some(cert), Some(key)) => Some(TlsFiles {
            ca: existing(ca)?,
            cert: existing(cert)?,
            key: existing(key)?,
        }),
        _ => None,
    };
    let saved = Saved {
        host: args.endpoint,
        description: args.description,
        tls,
    };
    check(&saved)?;
    contexts.contexts.insert(args.name.clone(), saved);
    contexts.save()?;
    print(&format!("{}\n", args.name))?;
    Ok(0)
}

//! `minictl internal lab-host`: the process that a host's namespaces live by.

use std::ffi::OsString;

use crate::failure::{Failure, Outcome};

/// Hold the namespaces of one host of a lab, and be its daemon's parent
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What `lab` has to say to it
    #[arg(required = true)]
    words: Vec<OsString>,
}

/// Holds until it is killed. What went wrong has been told to `lab up` by the library.
pub(crate) fn hold(args: Args) -> Outcome {
    match ::lab::serve_host(&args.words) {
        Ok(()) => Ok(0),
        Err(_) => Err(Failure::told(1)),
    }
}

//! Why something could not be done with a container.

use std::error::Error;
use std::io;

/// Why something could not be done with a container. Its text is for people, with all causes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The engine could not.
    #[error("{}", with_causes(.0))]
    Engine(#[from] engine::Error),
    /// What is asked for makes no sense here.
    #[error("{0}")]
    Invalid(String),
    /// The kernel refused.
    #[error("{operation} {object}: {source}")]
    Io {
        /// The verb.
        operation: &'static str,
        /// On what.
        object: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// This node runs no containers.
    #[error("this node cannot run containers: {0}")]
    Unable(String),
    /// The daemon is ending.
    #[error("{0} was interrupted")]
    Interrupted(&'static str),
}

impl Failure {
    pub(crate) fn io(
        operation: &'static str,
        object: impl std::fmt::Display,
    ) -> impl FnOnce(io::Error) -> Failure {
        let object = object.to_string();
        move |source| Failure::Io {
            operation,
            object,
            source,
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A transparent error tells what its cause tells.
        let told = error.to_string();
        if !text.ends_with(&told) {
            text += &format!(": {told}");
        }
        cause = error.source();
    }
    text
}

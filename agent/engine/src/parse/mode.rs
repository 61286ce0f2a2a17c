//! Choices of a few words: when to pull, which namespaces to share.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseError;

/// When to pull an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullPolicy {
    /// Always ask the registry.
    Always,
    /// When it is not in the store.
    #[default]
    Missing,
    /// Never: it must be in the store.
    Never,
}

impl FromStr for PullPolicy {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "always" => Ok(PullPolicy::Always),
            "missing" => Ok(PullPolicy::Missing),
            "never" => Ok(PullPolicy::Never),
            _ => Err(ParseError::new(
                "pull policy",
                text,
                "there are three",
                "always, missing or never",
            )),
        }
    }
}

/// With whom the container shares a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// With nobody.
    #[default]
    Private,
    /// With the host.
    Host,
    /// With another container, by name or id.
    Container(String),
}

macro_rules! sharing {
    ($(#[$doc:meta])* $name:ident, $what:literal, container: $container:literal, also: [$($word:literal),*], $example:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Sharing);

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let fail = |why: &str| ParseError::new($what, text, why, $example);
                match text {
                    "" | "private" $(| $word)* => Ok($name(Sharing::Private)),
                    "host" => Ok($name(Sharing::Host)),
                    _ => match text.strip_prefix("container:") {
                        Some("") => Err(fail("the container's name is missing")),
                        Some(container) if $container => Ok($name(Sharing::Container(container.to_owned()))),
                        _ => Err(fail("it is unknown")),
                    },
                }
            }
        }
    };
}

sharing!(
    /// `--ipc`; `shareable` is what private is here.
    IpcMode, "ipc mode", container: true, also: ["shareable"], "private, host or container:NAME"
);
sharing!(
    /// `--pid`.
    PidMode, "pid mode", container: true, also: [], "private, host or container:NAME"
);
sharing!(
    /// `--uts`.
    UtsMode, "uts mode", container: false, also: [], "private or host"
);
sharing!(
    /// `--cgroupns`.
    CgroupMode, "cgroup namespace mode", container: false, also: [], "private or host"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read() {
        fn check(text: &str, expected: Option<Sharing>) {
            assert_eq!(
                text.parse::<PidMode>().ok().map(|m| m.0),
                expected,
                "{text:?}"
            );
        }
        check("", Some(Sharing::Private));
        check("private", Some(Sharing::Private));
        check("host", Some(Sharing::Host));
        check("container:db", Some(Sharing::Container("db".to_owned())));
        check("container:", None);
        check("hosts", None);
        assert_eq!("shareable".parse(), Ok(IpcMode(Sharing::Private)));
        assert!("container:db".parse::<UtsMode>().is_err());
    }
}

//! Capabilities, security options and sysctls.

use std::path::PathBuf;
use std::str::FromStr;

use oci_spec::runtime::Capability;
use serde::{Deserialize, Serialize};

use super::ParseError;

/// `--cap-add` and `--cap-drop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapabilityName {
    /// Every capability.
    All,
    /// One of them.
    One(Capability),
}

impl FromStr for CapabilityName {
    type Err = ParseError;

    /// With or without `CAP_`, in either case.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if bare == "ALL" {
            return Ok(CapabilityName::All);
        }
        match bare.parse::<Capability>() {
            Ok(capability) => Ok(CapabilityName::One(capability)),
            Err(_) => Err(ParseError::new(
                "capability",
                text,
                "there is none of this name",
                "NET_ADMIN or ALL",
            )),
        }
    }
}

/// `--security-opt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityOption {
    /// `no-new-privileges[=true|false]`.
    NoNewPrivileges(bool),
    /// `seccomp=unconfined`.
    SeccompUnconfined,
    /// `seccomp=FILE`: a filter in the OCI form.
    SeccompFile(PathBuf),
    /// `apparmor=unconfined`, `label=disable`, `systempaths=...`: what is so here anyway.
    Nothing,
    /// `systempaths=unconfined`: nothing masked or read-only below /proc and /sys.
    SystemPathsUnconfined,
}

impl FromStr for SecurityOption {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail = |why: &str| {
            ParseError::new(
                "security option",
                text,
                why,
                "no-new-privileges, seccomp=FILE or seccomp=unconfined",
            )
        };
        let (key, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
        match (key, value) {
            ("no-new-privileges", "" | "true") => Ok(SecurityOption::NoNewPrivileges(true)),
            ("no-new-privileges", "false") => Ok(SecurityOption::NoNewPrivileges(false)),
            ("seccomp", "unconfined") => Ok(SecurityOption::SeccompUnconfined),
            ("seccomp", "") => Err(fail("the file is missing")),
            ("seccomp", file) => Ok(SecurityOption::SeccompFile(file.into())),
            ("systempaths", "unconfined") => Ok(SecurityOption::SystemPathsUnconfined),
            ("apparmor", "unconfined") | ("label", "disable") => Ok(SecurityOption::Nothing),
            ("apparmor" | "label", _) => {
                Err(fail("AppArmor and SELinux profiles are not applied here"))
            }
            _ => Err(fail("it is unknown")),
        }
    }
}

/// `--sysctl NAME=VALUE`: a kernel setting of one of the container's own namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// With dots.
    pub name: String,
    /// As it is written into the file.
    pub value: String,
}

const IPC_SYSCTLS: [&str; 9] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.domainname",
];

impl Sysctl {
    /// Whether it belongs to the network namespace.
    pub(crate) fn is_network(&self) -> bool {
        self.name.starts_with("net.")
    }
}

impl FromStr for Sysctl {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail = |why: &str| ParseError::new("sysctl", text, why, "net.core.somaxconn=1024");
        let (name, value) = text.split_once('=').ok_or_else(|| fail("there is no ="))?;
        let name = name.trim().replace('/', ".");
        let own = name.starts_with("net.")
            || name.starts_with("fs.mqueue.")
            || IPC_SYSCTLS.contains(&name.as_str());
        if name.is_empty() || name.split('.').any(str::is_empty) {
            return Err(fail("the name is not a dotted name"));
        }
        if !own {
            return Err(fail(
                "this setting belongs to the whole host, not to a namespace of the container",
            ));
        }
        Ok(Sysctl {
            name,
            value: value.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read() {
        fn check(text: &str, expected: Option<CapabilityName>) {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
        check("NET_ADMIN", Some(CapabilityName::One(Capability::NetAdmin)));
        check("net_admin", Some(CapabilityName::One(Capability::NetAdmin)));
        check(
            "CAP_SYS_ADMIN",
            Some(CapabilityName::One(Capability::SysAdmin)),
        );
        check("all", Some(CapabilityName::All));
        check("CAP_NOTHING", None);
        check("", None);
    }

    #[test]
    fn options_are_read() {
        fn check(text: &str, expected: Option<SecurityOption>) {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
        check(
            "no-new-privileges",
            Some(SecurityOption::NoNewPrivileges(true)),
        );
        check(
            "no-new-privileges:true",
            Some(SecurityOption::NoNewPrivileges(true)),
        );
        check(
            "no-new-privileges=false",
            Some(SecurityOption::NoNewPrivileges(false)),
        );
        check(
            "seccomp=unconfined",
            Some(SecurityOption::SeccompUnconfined),
        );
        check(
            "seccomp:/a/b.json",
            Some(SecurityOption::SeccompFile("/a/b.json".into())),
        );
        check("apparmor=unconfined", Some(SecurityOption::Nothing));
        check("apparmor=mine", None);
        check("seccomp=", None);
        check("what", None);
    }

    #[test]
    fn sysctls_of_the_host_are_refused() {
        fn check(text: &str, valid: bool) {
            assert_eq!(text.parse::<Sysctl>().is_ok(), valid, "{text:?}");
        }
        check("net.core.somaxconn=1024", true);
        check("net/ipv4/ip_forward=1", true);
        check("kernel.shmmax=1", true);
        check("fs.mqueue.msg_max=1", true);
        check("vm.swappiness=1", false);
        check("kernel.panic=1", false);
        check("net..x=1", false);
        check("net.core.somaxconn", false);
    }
}

//! Kernel settings that belong to namespaces, and so to the container alone.

use std::collections::HashMap;

use super::namespaces::{Kind, Namespaces};
use crate::error::{Error, Result};

/// A file below `/proc/sys` and what to write into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Setting {
    /// As the specification names it.
    pub(crate) name: String,
    /// Below `/proc`.
    pub(crate) path: String,
    pub(crate) value: String,
}

const IPC: [&str; 8] = [
    "msgmax",
    "msgmnb",
    "msgmni",
    "sem",
    "shmall",
    "shmmax",
    "shmmni",
    "shm_rmid_forced",
];

/// Decides the settings, in the order of their names. Whatever would reach beyond the container is refused.
pub(crate) fn plan(
    settings: Option<&HashMap<String, String>>,
    namespaces: &Namespaces,
) -> Result<Vec<Setting>> {
    let mut planned = Vec::new();
    for (name, value) in settings.into_iter().flatten() {
        let slashed = if name.contains('/') {
            name.clone()
        } else {
            name.replace('.', "/")
        };
        let parts: Vec<&str> = slashed.split('/').collect();
        if parts.iter().any(|part| ["", ".", ".."].contains(part)) {
            return Err(Error::invalid(format!(
                "sysctl {name} is not the name of a setting"
            )));
        }
        let owner = match parts.as_slice() {
            ["net", ..] => Kind::Network,
            ["kernel", leaf] if IPC.contains(leaf) => Kind::Ipc,
            ["fs", "mqueue", ..] => Kind::Ipc,
            ["kernel", "domainname" | "hostname"] => Kind::Uts,
            _ => {
                return Err(Error::invalid(format!(
                    "sysctl {name} is not a setting of a namespace: it would change the host"
                )));
            }
        };
        if !namespaces.has(owner) {
            return Err(Error::invalid(format!(
                "sysctl {name} needs a {} namespace of the container's own: it would change the host",
                owner.name()
            )));
        }
        planned.push(Setting {
            name: name.clone(),
            path: format!("sys/{slashed}"),
            value: value.clone(),
        });
    }
    planned.sort();
    Ok(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_namespaces_alone() {
        let namespaces = |kinds: &str| {
            let list: Vec<_> = kinds
                .split(' ')
                .filter(|kind| !kind.is_empty())
                .map(|kind| format!(r#"{{"type": "{kind}"}}"#))
                .collect();
            Namespaces::from_spec(
                &serde_json::from_str::<Vec<_>>(&format!("[{}]", list.join(","))).unwrap(),
            )
            .unwrap()
        };
        let check = |name: &str, kinds: &str, path: Option<&str>| {
            let settings = HashMap::from([(name.to_owned(), "1".to_owned())]);
            let planned = plan(Some(&settings), &namespaces(kinds));
            assert_eq!(
                planned
                    .as_ref()
                    .ok()
                    .map(|planned| planned[0].path.as_str()),
                path,
                "{name}: {planned:?}"
            );
            if let Err(error) = planned {
                assert!(error.chain().contains(name), "{name}: {}", error.chain());
            }
        };
        check(
            "net.ipv4.ip_forward",
            "network",
            Some("sys/net/ipv4/ip_forward"),
        );
        check(
            "net/ipv4/conf/eth0.5/forwarding",
            "network",
            Some("sys/net/ipv4/conf/eth0.5/forwarding"),
        );
        check("net.ipv4.ip_forward", "ipc", None);
        check("kernel.msgmax", "ipc", Some("sys/kernel/msgmax"));
        check("kernel.msgmax", "", None);
        check("fs.mqueue.msg_max", "ipc", Some("sys/fs/mqueue/msg_max"));
        check("kernel.domainname", "uts", Some("sys/kernel/domainname"));
        check("vm.swappiness", "ipc network uts", None);
        check("kernel.../../../etc/x", "ipc network uts", None);
        check("net/../vm/swappiness", "network", None);
        check("net..ipv4", "network", None);
        check("", "network", None);
        assert!(plan(None, &namespaces("")).unwrap().is_empty());
    }
}

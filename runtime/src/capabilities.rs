//! The five sets of capabilities(7), as bits.

use nix::errno::Errno;
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};

use crate::error::{Error, Result};
use crate::sys::process;

/// The five sets, bit n for capability n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    pub(crate) bounding: u64,
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
    pub(crate) ambient: u64,
}

impl Sets {
    /// As the specification says; a set that it leaves out is empty.
    pub(crate) fn from_spec(spec: &LinuxCapabilities) -> Sets {
        Sets {
            bounding: bits(spec.bounding().as_ref()),
            effective: bits(spec.effective().as_ref()),
            permitted: bits(spec.permitted().as_ref()),
            inheritable: bits(spec.inheritable().as_ref()),
            ambient: bits(spec.ambient().as_ref()),
        }
    }

    /// Without those that a process with `own` bounding and permitted capabilities can't give, and these by name.
    pub(crate) fn within(self, own: u64) -> (Sets, Vec<&'static str>) {
        let asked =
            self.bounding | self.effective | self.permitted | self.inheritable | self.ambient;
        let lacking = NAMES
            .iter()
            .filter(|(_, _, number)| asked & !own & 1 << number != 0)
            .map(|(_, name, _)| *name);
        let sets = Sets {
            bounding: self.bounding & own,
            effective: self.effective & own,
            permitted: self.permitted & own,
            inheritable: self.inheritable & own,
            ambient: self.ambient & own,
        };
        (sets, lacking.collect())
    }

    /// Limits the bounding set; needs CAP_SETPCAP, so it comes before the rest.
    pub(crate) fn apply_bounding(self) -> Result<()> {
        for number in 0..64 {
            if self.bounding & 1 << number != 0 {
                continue;
            }
            match process::in_bounding(number) {
                Ok(true) => process::drop_bounding(number)
                    .map_err(Error::sys("drop from the bounding set", name(number)))?,
                Ok(false) => {}
                // Beyond the last that this kernel knows.
                Err(Errno::EINVAL) => break,
                Err(errno) => {
                    return Err(Error::sys("read the bounding set", "of capabilities")(
                        errno,
                    ));
                }
            }
        }
        Ok(())
    }

    /// Sets the other four. What is left can only shrink from here.
    pub(crate) fn apply(self) -> Result<()> {
        process::set_capabilities(self.effective, self.permitted, self.inheritable)
            .map_err(Error::sys("set", "the capabilities"))?;
        process::clear_ambient().map_err(Error::sys("clear", "the ambient capabilities"))?;
        for number in (0..64).filter(|number| self.ambient & 1 << number != 0) {
            process::raise_ambient(number).map_err(Error::sys(
                "make ambient (which must be permitted and inheritable)",
                name(number),
            ))?;
        }
        Ok(())
    }
}

/// What this process can give: its permitted capabilities that are in its bounding set.
pub(crate) fn own() -> Result<u64> {
    let [_, permitted, _] =
        process::capabilities().map_err(Error::sys("read", "the capabilities of minirun"))?;
    let bounded =
        |number: &u32| permitted & 1 << number != 0 && process::in_bounding(*number) == Ok(true);
    Ok((0..64)
        .filter(bounded)
        .fold(0, |set, number| set | 1 << number))
}

/// A capability by its name, `CAP_CHOWN`.
pub(crate) fn parse(name: &str) -> Result<Capability> {
    let found = NAMES.iter().find(|(_, known, _)| *known == name);
    found.map(|entry| entry.0).ok_or_else(|| {
        Error::invalid(format!(
            "there is no capability {name:?}: they are spelt like CAP_CHOWN"
        ))
    })
}

/// The names of all known, in the order of their numbers.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(_, name, _)| *name)
}

fn bits(set: Option<&Capabilities>) -> u64 {
    let number = |wanted: &Capability| {
        NAMES
            .iter()
            .find(|(known, _, _)| known == wanted)
            .map_or(0, |entry| 1 << entry.2)
    };
    set.into_iter()
        .flatten()
        .fold(0, |bits, capability| bits | number(capability))
}

fn name(number: u32) -> String {
    NAMES
        .iter()
        .find(|entry| entry.2 == number)
        .map_or_else(|| number.to_string(), |entry| entry.1.to_owned())
}

const NAMES: [(Capability, &str, u32); 41] = [
    (Capability::Chown, "CAP_CHOWN", 0),
    (Capability::DacOverride, "CAP_DAC_OVERRIDE", 1),
    (Capability::DacReadSearch, "CAP_DAC_READ_SEARCH", 2),
    (Capability::Fowner, "CAP_FOWNER", 3),
    (Capability::Fsetid, "CAP_FSETID", 4),
    (Capability::Kill, "CAP_KILL", 5),
    (Capability::Setgid, "CAP_SETGID", 6),
    (Capability::Setuid, "CAP_SETUID", 7),
    (Capability::Setpcap, "CAP_SETPCAP", 8),
    (Capability::LinuxImmutable, "CAP_LINUX_IMMUTABLE", 9),
    (Capability::NetBindService, "CAP_NET_BIND_SERVICE", 10),
    (Capability::NetBroadcast, "CAP_NET_BROADCAST", 11),
    (Capability::NetAdmin, "CAP_NET_ADMIN", 12),
    (Capability::NetRaw, "CAP_NET_RAW", 13),
    (Capability::IpcLock, "CAP_IPC_LOCK", 14),
    (Capability::IpcOwner, "CAP_IPC_OWNER", 15),
    (Capability::SysModule, "CAP_SYS_MODULE", 16),
    (Capability::SysRawio, "CAP_SYS_RAWIO", 17),
    (Capability::SysChroot, "CAP_SYS_CHROOT", 18),
    (Capability::SysPtrace, "CAP_SYS_PTRACE", 19),
    (Capability::SysPacct, "CAP_SYS_PACCT", 20),
    (Capability::SysAdmin, "CAP_SYS_ADMIN", 21),
    (Capability::SysBoot, "CAP_SYS_BOOT", 22),
    (Capability::SysNice, "CAP_SYS_NICE", 23),
    (Capability::SysResource, "CAP_SYS_RESOURCE", 24),
    (Capability::SysTime, "CAP_SYS_TIME", 25),
    (Capability::SysTtyConfig, "CAP_SYS_TTY_CONFIG", 26),
    (Capability::Mknod, "CAP_MKNOD", 27),
    (Capability::Lease, "CAP_LEASE", 28),
    (Capability::AuditWrite, "CAP_AUDIT_WRITE", 29),
    (Capability::AuditControl, "CAP_AUDIT_CONTROL", 30),
    (Capability::Setfcap, "CAP_SETFCAP", 31),
    (Capability::MacOverride, "CAP_MAC_OVERRIDE", 32),
    (Capability::MacAdmin, "CAP_MAC_ADMIN", 33),
    (Capability::Syslog, "CAP_SYSLOG", 34),
    (Capability::WakeAlarm, "CAP_WAKE_ALARM", 35),
    (Capability::BlockSuspend, "CAP_BLOCK_SUSPEND", 36),
    (Capability::AuditRead, "CAP_AUDIT_READ", 37),
    (Capability::Perfmon, "CAP_PERFMON", 38),
    (Capability::Bpf, "CAP_BPF", 39),
    (Capability::CheckpointRestore, "CAP_CHECKPOINT_RESTORE", 40),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Sets {
        Sets::from_spec(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn sets_as_bits() {
        let sets = parse(
            r#"{"bounding": ["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"], "effective": ["CAP_KILL"]}"#,
        );
        assert_eq!(sets.bounding, 1 | 1 << 40);
        assert_eq!(sets.effective, 1 << 5);
        assert_eq!((sets.permitted, sets.inheritable, sets.ambient), (0, 0, 0));
        assert_eq!(parse("{}"), Sets::default());
        assert!(
            serde_json::from_str::<LinuxCapabilities>(r#"{"bounding": ["CAP_NOSUCH"]}"#).is_err()
        );
    }

    #[test]
    fn what_the_machine_lacks_is_named() {
        let sets = parse(r#"{"bounding": ["CAP_CHOWN", "CAP_BPF"], "permitted": ["CAP_BPF"]}"#);
        let (left, lacking) = sets.within(1);
        assert_eq!(
            (left.bounding, left.permitted, lacking),
            (1, 0, vec!["CAP_BPF"])
        );
    }

    #[test]
    fn numbers_are_in_order() {
        for (index, (capability, name, number)) in NAMES.iter().enumerate() {
            assert_eq!(index as u32, *number);
            assert_eq!(format!("CAP_{capability}"), *name);
        }
    }
}

//! Which capabilities a container gets.

use oci_spec::runtime::Capability;

use crate::parse::security::CapabilityName;
use crate::request::RunSpec;

/// Docker's default set.
const DEFAULT: [Capability; 14] = [
    Capability::AuditWrite,
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Mknod,
    Capability::NetBindService,
    Capability::NetRaw,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

/// The set: all of ours when privileged; else the default one, `--cap-drop` and `--cap-add` applied. A capability that
/// is added by name is in the set even if we don't hold it, so that the runtime says so.
pub(crate) fn effective(spec: &RunSpec, ours: &[Capability]) -> Vec<Capability> {
    if spec.privileged {
        return ours.to_vec();
    }
    let adds_all = spec.cap_add.contains(&CapabilityName::All);
    let drops_all = spec.cap_drop.contains(&CapabilityName::All);
    let named = |list: &[CapabilityName], capability: Capability| {
        list.contains(&CapabilityName::One(capability))
    };
    let base: Vec<Capability> = match (adds_all, drops_all) {
        (true, _) => ours.to_vec(),
        (false, true) => Vec::new(),
        (false, false) => DEFAULT
            .into_iter()
            .filter(|capability| ours.contains(capability))
            .collect(),
    };
    let mut result: Vec<Capability> = base
        .into_iter()
        .filter(|capability| !named(&spec.cap_drop, *capability))
        .collect();
    for add in &spec.cap_add {
        if let CapabilityName::One(capability) = add
            && !result.contains(capability)
        {
            result.push(*capability);
        }
    }
    result
}

/// The capabilities of a bit mask as in `CapEff` of /proc/self/status, by their numbers in linux/capability.h.
pub(crate) fn of_mask(mask: u64) -> Vec<Capability> {
    NUMBERED
        .iter()
        .enumerate()
        .filter(|(number, _)| mask & (1 << number) != 0)
        .map(|(_, capability)| *capability)
        .collect()
}

const NUMBERED: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_follow_add_and_drop() {
        fn check(add: &[&str], drop: &[&str], privileged: bool, has: &[Capability], count: usize) {
            let mut spec = RunSpec::new("i");
            spec.cap_add = add.iter().map(|name| name.parse().unwrap()).collect();
            spec.cap_drop = drop.iter().map(|name| name.parse().unwrap()).collect();
            spec.privileged = privileged;
            let set = effective(&spec, &of_mask(!(1 << 24)));
            assert_eq!(set.len(), count, "{add:?} {drop:?} {privileged}: {set:?}");
            assert!(
                has.iter().all(|capability| set.contains(capability)),
                "{add:?} {drop:?}: {set:?}"
            );
        }
        check(
            &[],
            &[],
            false,
            &[Capability::Chown, Capability::NetRaw],
            14,
        );
        check(&["NET_ADMIN"], &[], false, &[Capability::NetAdmin], 15);
        check(&["CHOWN"], &[], false, &[Capability::Chown], 14);
        check(&[], &["NET_RAW"], false, &[Capability::Chown], 13);
        check(&[], &["ALL"], false, &[], 0);
        check(&["NET_ADMIN"], &["ALL"], false, &[Capability::NetAdmin], 1);
        check(&["ALL"], &[], false, &[Capability::SysAdmin], 40);
        check(&["ALL"], &["SYS_ADMIN"], false, &[Capability::NetAdmin], 39);
        check(
            &["SYS_RESOURCE"],
            &[],
            false,
            &[Capability::SysResource],
            15,
        );
        check(&[], &[], true, &[Capability::SysAdmin], 40);
    }

    #[test]
    fn masks_are_read() {
        assert_eq!(
            of_mask(1 | 1 << 40),
            [Capability::Chown, Capability::CheckpointRestore]
        );
    }
}

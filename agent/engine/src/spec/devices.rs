//! Device nodes and the rules of the device cgroup.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};

use crate::parse::ParseError;

/// A device of the host as it is to appear in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) path: PathBuf,
    pub(crate) block: bool,
    pub(crate) major: u32,
    pub(crate) minor: u32,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Of `r`, `w` and `m`.
    pub(crate) access: String,
}

/// The nodes.
pub(crate) fn nodes(devices: &[Device]) -> Vec<LinuxDevice> {
    devices
        .iter()
        .map(|device| {
            let mut node = LinuxDevice::default();
            node.set_path(device.path.clone());
            node.set_typ(kind(device.block));
            node.set_major(device.major.into());
            node.set_minor(device.minor.into());
            node.set_file_mode(Some(device.mode));
            node.set_uid(Some(device.uid));
            node.set_gid(Some(device.gid));
            node
        })
        .collect()
}

/// The rules: nothing but the usual character devices and those asked for; everything when privileged.
pub(crate) fn rules(
    privileged: bool,
    devices: &[Device],
    given: &[String],
) -> Result<Vec<LinuxDeviceCgroup>, ParseError> {
    if privileged {
        return Ok(vec![rule(true, LinuxDeviceType::A, None, None, "rwm")]);
    }
    let character = |major, minor, access| rule(true, LinuxDeviceType::C, major, minor, access);
    let mut result = vec![
        rule(false, LinuxDeviceType::A, None, None, "rwm"),
        // Making any node is harmless as long as none can be opened.
        character(None, None, "m"),
        rule(true, LinuxDeviceType::B, None, None, "m"),
    ];
    result.extend(USUAL.map(|(major, minor)| character(Some(major), minor, "rwm")));
    for device in devices {
        let (major, minor) = (device.major.into(), device.minor.into());
        result.push(rule(
            true,
            kind(device.block),
            Some(major),
            Some(minor),
            &device.access,
        ));
    }
    for text in given {
        result.push(parse_rule(text)?);
    }
    Ok(result)
}

/// null, zero, full, random, urandom, tty, console, ptmx, and every pseudo-terminal.
const USUAL: [(i64, Option<i64>); 9] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(1)),
    (5, Some(2)),
    (136, None),
];

/// `c 42:* rmw`.
fn parse_rule(text: &str) -> Result<LinuxDeviceCgroup, ParseError> {
    let fail = || {
        ParseError::new(
            "device cgroup rule",
            text,
            "it is not TYPE MAJOR:MINOR ACCESS",
            "c 42:* rmw",
        )
    };
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [kind, numbers, access] = parts.as_slice() else {
        return Err(fail());
    };
    let kind = match *kind {
        "a" => LinuxDeviceType::A,
        "b" => LinuxDeviceType::B,
        "c" => LinuxDeviceType::C,
        _ => return Err(fail()),
    };
    let number = |text: &str| match text {
        "*" => Ok(None),
        _ => text
            .parse::<u32>()
            .map(|n| Some(i64::from(n)))
            .map_err(|_| fail()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(fail)?;
    if access.is_empty() || access.len() > 3 || !access.bytes().all(|b| b"rwm".contains(&b)) {
        return Err(fail());
    }
    Ok(rule(true, kind, number(major)?, number(minor)?, access))
}

fn rule(
    allow: bool,
    kind: LinuxDeviceType,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow);
    rule.set_typ(Some(kind));
    rule.set_major(major);
    rule.set_minor(minor);
    rule.set_access(Some(access.to_owned()));
    rule
}

fn kind(block: bool) -> LinuxDeviceType {
    match block {
        true => LinuxDeviceType::B,
        false => LinuxDeviceType::C,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        fn check(text: &str, expected: Option<(Option<i64>, Option<i64>, &str)>) {
            let read = parse_rule(text).ok();
            let read = read
                .as_ref()
                .map(|r| (r.major(), r.minor(), r.access().as_deref().unwrap()));
            assert_eq!(read, expected, "{text:?}");
        }
        check("c 42:* rmw", Some((Some(42), None, "rmw")));
        check("b 8:1 r", Some((Some(8), Some(1), "r")));
        check("c 42:* x", None);
        check("d 42:* r", None);
        check("c 42 r", None);
        check("", None);
    }

    #[test]
    fn a_privileged_container_has_one_rule() {
        assert_eq!(rules(true, &[], &[]).unwrap().len(), 1);
        let device = Device {
            path: "/dev/fuse".into(),
            block: false,
            major: 10,
            minor: 229,
            mode: 0o666,
            uid: 0,
            gid: 0,
            access: "rw".to_owned(),
        };
        let rules = rules(
            false,
            std::slice::from_ref(&device),
            &["c 1:2 r".to_owned()],
        )
        .unwrap();
        assert_eq!(rules.len(), 3 + USUAL.len() + 2);
        assert!(!rules[0].allow());
        assert_eq!(nodes(&[device])[0].minor(), 229);
    }
}

//! Which device files a container may make and open: the rules, and how cgroup v1 is told of them.

use std::path::Path;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::error::{CgroupError, Result};
use super::files;

/// Bits as the kernel has them (`BPF_DEVCG_ACC_*`).
pub(super) const MAKE: u8 = 1;
pub(super) const READ: u8 = 2;
pub(super) const WRITE: u8 = 4;
pub(super) const ALL: u8 = MAKE | READ | WRITE;

/// Block or character device, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Block,
    Character,
}

/// One rule; for each access the last rule that matches a device decides, and without any it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) allow: bool,
    pub(super) kind: Kind,
    /// `None` is every number.
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    pub(super) access: u8,
}

/// Those of a specification, followed by what every container may do: make any node, and use null, zero, full, random, urandom,
/// tty, console, ptmx and the pseudo terminals.
pub(super) fn rules(specified: &[LinuxDeviceCgroup]) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for rule in specified {
        let rule = parse(rule)?;
        if rule.kind == Kind::Any && rule.access == ALL {
            // Nothing before it matters any more.
            rules.clear();
        }
        rules.push(rule);
    }
    let allows_all = matches!(
        rules[..],
        [Rule {
            allow: true,
            kind: Kind::Any,
            access: ALL,
            ..
        }]
    );
    if !allows_all {
        rules.extend(defaults());
    }
    Ok(rules)
}

fn defaults() -> impl Iterator<Item = Rule> {
    let allow = |kind, major, minor, access| Rule {
        allow: true,
        kind,
        major,
        minor,
        access,
    };
    let character = move |(major, minor)| allow(Kind::Character, Some(major), minor, ALL);
    let nodes = [Kind::Character, Kind::Block]
        .into_iter()
        .map(move |kind| allow(kind, None, None, MAKE));
    let usable = [
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
    nodes.chain(usable.into_iter().map(character))
}

fn parse(rule: &LinuxDeviceCgroup) -> Result<Rule> {
    let bad = |why: String| CgroupError::Unsupported {
        limit: "device rule".to_owned(),
        why,
    };
    let kind = match rule.typ().unwrap_or_default() {
        LinuxDeviceType::A => Kind::Any,
        LinuxDeviceType::B => Kind::Block,
        LinuxDeviceType::C | LinuxDeviceType::U => Kind::Character,
        LinuxDeviceType::P => {
            return Err(bad("a FIFO is no device: leave the rule out".to_owned()));
        }
    };
    let number = |number: Option<i64>| match number {
        None | Some(-1) => Ok(None),
        Some(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| bad(format!("{number} is no device number"))),
    };
    let mut access = 0;
    for letter in rule.access().as_deref().unwrap_or("rwm").chars() {
        access |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MAKE,
            other => {
                return Err(bad(format!(
                    "access {other:?} is unknown: r, w and m are known"
                )));
            }
        };
    }
    // An empty access means all, and so does the type "a", whose numbers have no meaning.
    let (major, minor) = (number(rule.major())?, number(rule.minor())?);
    match kind {
        Kind::Any => Ok(Rule {
            allow: rule.allow(),
            kind,
            major: None,
            minor: None,
            access: ALL,
        }),
        _ => Ok(Rule {
            allow: rule.allow(),
            kind,
            major,
            minor,
            access: if access == 0 { ALL } else { access },
        }),
    }
}

impl Rule {
    /// Whether every device that `other` matches is matched by this one.
    fn covers(&self, other: &Rule) -> bool {
        let wider = |mine: Option<u32>, theirs: Option<u32>| mine.is_none() || mine == theirs;
        (self.kind == Kind::Any || self.kind == other.kind)
            && wider(self.major, other.major)
            && wider(self.minor, other.minor)
    }

    /// Whether some device is matched by both.
    fn meets(&self, other: &Rule) -> bool {
        let both = |mine: Option<u32>, theirs: Option<u32>| {
            mine.is_none() || theirs.is_none() || mine == theirs
        };
        (self.kind == Kind::Any || other.kind == Kind::Any || self.kind == other.kind)
            && both(self.major, other.major)
            && both(self.minor, other.minor)
    }

    /// As `devices.allow` and `devices.deny` read it.
    fn line(&self) -> String {
        let kind = match self.kind {
            Kind::Any => return "a".to_owned(),
            Kind::Block => 'b',
            Kind::Character => 'c',
        };
        let number = |number: Option<u32>| {
            number.map_or_else(|| "*".to_owned(), |number| number.to_string())
        };
        let mut access = String::new();
        for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MAKE, 'm')] {
            if self.access & bit != 0 {
                access.push(letter);
            }
        }
        format!(
            "{kind} {}:{} {access}",
            number(self.major),
            number(self.minor)
        )
    }
}

/// The lines for cgroup v1 in order, with the file of each: first all or nothing, then the exceptions to it.
///
/// v1 knows one list of exceptions, so a rule that takes away a part of an earlier exception can't be told.
pub(super) fn v1_lines(rules: &[Rule]) -> Result<Vec<(&'static str, String)>> {
    let base = rules
        .iter()
        .find(|rule| rule.kind == Kind::Any)
        .map(|rule| rule.allow)
        .unwrap_or(false);
    let mut exceptions: Vec<Rule> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.kind != Kind::Any) {
        if rule.allow != base {
            if !exceptions
                .iter()
                .any(|known| known.covers(rule) && known.access & rule.access == rule.access)
            {
                exceptions.push(*rule);
            }
            continue;
        }
        for exception in &mut exceptions {
            if rule.covers(exception) {
                exception.access &= !rule.access;
            } else if rule.meets(exception) && rule.access & exception.access != 0 {
                return Err(CgroupError::Unsupported {
                    limit: format!("device rule {:?} after {:?}", rule.line(), exception.line()),
                    why: "cgroup v1 can't take a part of a rule away again: put the narrower rule alone".to_owned(),
                });
            }
        }
        exceptions.retain(|exception| exception.access != 0);
    }
    let (all, one) = if base {
        ("devices.allow", "devices.deny")
    } else {
        ("devices.deny", "devices.allow")
    };
    let mut lines = vec![(all, "a".to_owned())];
    lines.extend(exceptions.iter().map(|exception| (one, exception.line())));
    Ok(lines)
}

/// Tells a v1 directory the rules.
pub(super) fn write_v1(rules: &[Rule], directory: &Path) -> Result<()> {
    for (name, line) in v1_lines(rules)? {
        let file = directory.join(name);
        files::write(&file, &line).map_err(|source| CgroupError::Refused {
            file: file.clone(),
            value: line.clone(),
            hint: "the parent cgroup allows less: a container can't have more than its parent"
                .to_owned(),
            source,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(specified: serde_json::Value) -> Result<Vec<Rule>> {
        rules(&serde_json::from_value::<Vec<LinuxDeviceCgroup>>(specified).unwrap())
    }

    #[test]
    fn v1_is_told_in_order() {
        let check = |specified: serde_json::Value, first: &[(&str, &str)], count: usize| {
            let lines = v1_lines(&of(specified.clone()).unwrap()).unwrap();
            let seen: Vec<_> = lines
                .iter()
                .map(|(file, line)| (*file, line.as_str()))
                .take(first.len())
                .collect();
            assert_eq!(seen, first, "{specified}");
            assert_eq!(lines.len(), count, "{lines:?}");
        };
        check(
            serde_json::json!([]),
            &[
                ("devices.deny", "a"),
                ("devices.allow", "c *:* m"),
                ("devices.allow", "b *:* m"),
                ("devices.allow", "c 1:3 rwm"),
            ],
            12,
        );
        check(
            serde_json::json!([{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rw"}]),
            &[("devices.deny", "a"), ("devices.allow", "c 10:200 rw")],
            13,
        );
        // Everything: nothing else needs saying.
        check(
            serde_json::json!([{"allow": false}, {"allow": true, "type": "a", "access": "rwm"}]),
            &[("devices.allow", "a")],
            1,
        );
        // Everything but one.
        check(
            serde_json::json!([{"allow": true}, {"allow": false, "type": "b", "major": 8, "access": "w"}]),
            &[("devices.allow", "a"), ("devices.deny", "b 8:* w")],
            2,
        );
        // Taken back whole.
        check(
            serde_json::json!([
                {"allow": true, "type": "b", "major": 8, "minor": 1, "access": "rwm"},
                {"allow": false, "type": "b", "major": 8, "access": "w"}]),
            &[
                ("devices.deny", "a"),
                ("devices.allow", "b 8:1 rm"),
                ("devices.allow", "c *:* m"),
            ],
            13,
        );
        // Said twice.
        check(
            serde_json::json!([{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]),
            &[("devices.deny", "a"), ("devices.allow", "c 1:3 rwm")],
            12,
        );
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let check = |specified: serde_json::Value, part: &str| {
            let error = of(specified)
                .and_then(|rules| v1_lines(&rules))
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{error}");
        };
        check(
            serde_json::json!([{"allow": true, "type": "b", "major": 8, "access": "r"}, {"allow": false, "type": "b", "major": 8, "minor": 1, "access": "r"}]),
            "\"b 8:1 r\" after \"b 8:* r\"",
        );
        check(
            serde_json::json!([{"allow": true, "type": "c", "access": "x"}]),
            "access 'x'",
        );
        check(serde_json::json!([{"allow": true, "type": "p"}]), "FIFO");
        check(
            serde_json::json!([{"allow": true, "type": "c", "major": -7}]),
            "-7 is no device number",
        );
    }
}

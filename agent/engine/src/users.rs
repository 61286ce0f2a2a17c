//! Users and groups by name, as the image's /etc/passwd and /etc/group (passwd(5), group(5)) know them.

use crate::error::{Error, Result};

/// Who a process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The primary group first.
    pub(crate) groups: Vec<u32>,
    /// The home directory; `/` when passwd doesn't know the user.
    pub(crate) home: String,
}

/// The largest id that every kernel interface takes.
const MAX_ID: u32 = i32::MAX as u32;

/// Resolves `USER[:GROUP]` (empty is root) and further groups. A name goes before a number that is spelt the same.
pub(crate) fn resolve(
    user: &str,
    further: &[String],
    passwd: &str,
    group: &str,
) -> Result<Identity> {
    let (user_part, group_part) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (user, None),
    };
    let user_part = if user_part.is_empty() { "0" } else { user_part };
    let number = number(user_part);
    let entry = entries(passwd)
        .find(|fields| fields[0] == user_part)
        .or_else(|| entries(passwd).find(|fields| number.is_some() && id(fields, 2) == number));
    let uid = match (&entry, number) {
        (Some(fields), _) => id(fields, 2),
        (None, number) => number,
    }
    .ok_or_else(|| {
        Error::Invalid(format!(
            "no such user in the container: {user_part}; its /etc/passwd doesn't name it and it is not a number from 0 to {MAX_ID}"
        ))
    })?;
    let gid = match group_part {
        None | Some("") => entry.as_ref().and_then(|fields| id(fields, 3)).unwrap_or(0),
        Some(name) => group_id(name, group)?,
    };
    let mut groups = vec![gid];
    if group_part.is_none_or(str::is_empty)
        && let Some(fields) = &entry
    {
        groups.extend(
            entries(group)
                .filter(|candidate| {
                    candidate
                        .get(3)
                        .is_some_and(|members| members.split(',').any(|m| m == fields[0]))
                })
                .filter_map(|candidate| id(&candidate, 2)),
        );
    }
    for name in further {
        groups.push(group_id(name, group)?);
    }
    let mut seen = Vec::new();
    groups.retain(|gid| match seen.contains(gid) {
        true => false,
        false => {
            seen.push(*gid);
            true
        }
    });
    let home = entry
        .as_ref()
        .and_then(|fields| fields.get(5))
        .filter(|home| !home.is_empty())
        .map_or_else(|| "/".to_owned(), |home| (*home).to_owned());
    Ok(Identity {
        uid,
        gid,
        groups,
        home,
    })
}

fn group_id(name: &str, group: &str) -> Result<u32> {
    entries(group)
        .find(|fields| fields[0] == name)
        .and_then(|fields| id(&fields, 2))
        .or_else(|| number(name))
        .ok_or_else(|| {
            Error::Invalid(format!(
                "no such group in the container: {name}; its /etc/group doesn't name it and it is not a number from 0 to {MAX_ID}"
            ))
        })
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.trim_end().split(':').collect::<Vec<_>>())
        .filter(|fields| fields.len() >= 3 && !fields[0].is_empty())
}

fn id(fields: &[&str], index: usize) -> Option<u32> {
    number(fields.get(index)?)
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id <= MAX_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# no\nweb:x:33:33::/srv:/bin/sh\n1000:x:5:6::/five:\nshort:x\nbig:x:4294967295:0::/:\n";
    const GROUP: &str = "root:x:0:\nweb:x:33:\nlog:x:4:syslog,web\nkvm:x:7:web\nfive:x:6:\n";

    #[test]
    fn users_are_resolved() {
        fn check(user: &str, further: &[&str], expected: Option<(u32, u32, &[u32], &str)>) {
            let further: Vec<String> = further.iter().map(|s| (*s).to_owned()).collect();
            let read = resolve(user, &further, PASSWD, GROUP).ok();
            let read = read
                .as_ref()
                .map(|i| (i.uid, i.gid, i.groups.as_slice(), i.home.as_str()));
            assert_eq!(read, expected, "{user:?} {further:?}");
        }
        check("", &[], Some((0, 0, &[0], "/root")));
        check("root", &[], Some((0, 0, &[0], "/root")));
        check("0", &[], Some((0, 0, &[0], "/root")));
        check("web", &[], Some((33, 33, &[33, 4, 7], "/srv")));
        check("33", &[], Some((33, 33, &[33, 4, 7], "/srv")));
        check("web:log", &[], Some((33, 4, &[4], "/srv")));
        check("web:99", &[], Some((33, 99, &[99], "/srv")));
        check(":log", &[], Some((0, 4, &[4], "/root")));
        check("1000", &[], Some((5, 6, &[6], "/five")));
        check("77", &[], Some((77, 0, &[0], "/")));
        check(
            "77:88",
            &["log", "9", "9"],
            Some((77, 88, &[88, 4, 9], "/")),
        );
        check("web:", &[], Some((33, 33, &[33, 4, 7], "/srv")));
        check("nobody", &[], None);
        check("web:nogroup", &[], None);
        check("web", &["nogroup"], None);
        check("-1", &[], None);
        check("+1", &[], None);
        check("4294967295", &[], None);
        check("2147483648", &[], None);
        check("big", &[], None);
    }

    #[test]
    fn an_image_without_passwd_has_numbers_alone() {
        assert_eq!(
            resolve("", &[], "", "").unwrap(),
            Identity {
                uid: 0,
                gid: 0,
                groups: vec![0],
                home: "/".to_owned()
            }
        );
        assert!(resolve("web", &[], "", "").is_err());
    }
}

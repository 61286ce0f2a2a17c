//! The options of a mount: fstab's words (mount(8)) and those that the runtime specification adds.

use nix::mount::MsFlags;

use crate::sys::mount::{Change, attr};

/// Options, sorted by who carries them out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `bind` or `rbind`, or a type `bind`.
    pub(crate) bind: Option<Bind>,
    /// Attributes of this mount alone.
    pub(crate) own: Change,
    /// Attributes of this mount and all beneath (`rro`, `rnosuid`, ...).
    pub(crate) all: Change,
    /// Propagation, in order; the last of each kind holds.
    pub(crate) propagation: Option<MsFlags>,
    /// Flags of the whole file system: `sync`, `dirsync`, ...
    pub(crate) superblock: Vec<&'static str>,
    /// A new tmpfs begins with what the image has at its place.
    pub(crate) copy_up: bool,
    /// Map the owners of files as the mappings of the mount, or the container's, say.
    pub(crate) id_map: Option<Bind>,
    /// What the file system itself understands.
    pub(crate) data: Vec<(String, Option<String>)>,
}

/// How much of a tree is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bind {
    /// One mount.
    One,
    /// With those beneath.
    Tree,
}

/// Sorts options; whatever has no meaning here is for the file system.
pub(crate) fn parse<'a>(options: impl IntoIterator<Item = &'a str>) -> Options {
    let mut parsed = Options::default();
    for option in options {
        apply(&mut parsed, option);
    }
    parsed
}

fn apply(parsed: &mut Options, option: &str) {
    if let Some((_, propagation)) = PROPAGATION.iter().find(|(name, _)| *name == option) {
        parsed.propagation = Some(*propagation);
        return;
    }
    let (name, all) = match option.strip_prefix('r') {
        Some(rest) if ATTRIBUTES.iter().any(|(name, ..)| *name == rest) => (rest, true),
        _ => (option, false),
    };
    if let Some((_, set, clear)) = ATTRIBUTES.iter().find(|(known, ..)| *known == name) {
        let change = if all {
            &mut parsed.all
        } else {
            &mut parsed.own
        };
        change.set = change.set & !clear | set;
        change.clear = change.clear & !set | clear;
        change.recursive = all;
        return;
    }
    if let Some(flag) = SUPERBLOCK.iter().find(|flag| **flag == option) {
        parsed.superblock.push(flag);
        return;
    }
    match option {
        "bind" => parsed.bind = Some(parsed.bind.unwrap_or(Bind::One)),
        "rbind" => parsed.bind = Some(Bind::Tree),
        "tmpcopyup" => parsed.copy_up = true,
        "idmap" => parsed.id_map = Some(Bind::One),
        "ridmap" => parsed.id_map = Some(Bind::Tree),
        // What is so anyway, or speaks to mount(8) and fstab alone.
        "" | "defaults" | "async" | "loud" | "nolazytime" | "nomand" | "norelatime" | "auto"
        | "noauto" | "user" | "nouser" | "users" | "owner" | "_netdev" | "nofail"
        | "nostrictatime" | "noiversion" => {}
        _ => parsed.data.push(match option.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (option.to_owned(), None),
        }),
    }
}

/// All words that mean something here rather than to a file system.
pub(crate) fn known() -> impl Iterator<Item = String> {
    let attributes = ATTRIBUTES
        .iter()
        .flat_map(|(name, ..)| [(*name).to_owned(), format!("r{name}")]);
    let others = ["bind", "rbind", "tmpcopyup", "defaults"]
        .iter()
        .chain(&SUPERBLOCK);
    attributes
        .chain(PROPAGATION.iter().map(|(name, _)| (*name).to_owned()))
        .chain(others.map(|name| (*name).to_owned()))
}

/// `rslave` and the like, also as the propagation of the root file system.
pub(crate) fn propagation(name: &str) -> Option<MsFlags> {
    PROPAGATION
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, propagation)| *propagation)
}

const PROPAGATION: [(&str, MsFlags); 8] = [
    ("private", MsFlags::MS_PRIVATE),
    ("rprivate", MsFlags::MS_PRIVATE.union(MsFlags::MS_REC)),
    ("shared", MsFlags::MS_SHARED),
    ("rshared", MsFlags::MS_SHARED.union(MsFlags::MS_REC)),
    ("slave", MsFlags::MS_SLAVE),
    ("rslave", MsFlags::MS_SLAVE.union(MsFlags::MS_REC)),
    ("unbindable", MsFlags::MS_UNBINDABLE),
    ("runbindable", MsFlags::MS_UNBINDABLE.union(MsFlags::MS_REC)),
];

/// Name, attributes to set, attributes to clear. With an `r` before it, on all mounts beneath as well.
const ATTRIBUTES: [(&str, u64, u64); 16] = [
    ("ro", attr::RDONLY, 0),
    ("rw", 0, attr::RDONLY),
    ("nosuid", attr::NOSUID, 0),
    ("suid", 0, attr::NOSUID),
    ("nodev", attr::NODEV, 0),
    ("dev", 0, attr::NODEV),
    ("noexec", attr::NOEXEC, 0),
    ("exec", 0, attr::NOEXEC),
    ("noatime", attr::NOATIME, attr::ATIME & !attr::NOATIME),
    ("atime", 0, attr::ATIME),
    ("relatime", 0, attr::ATIME),
    (
        "strictatime",
        attr::STRICTATIME,
        attr::ATIME & !attr::STRICTATIME,
    ),
    ("nodiratime", attr::NODIRATIME, 0),
    ("diratime", 0, attr::NODIRATIME),
    ("nosymfollow", attr::NOSYMFOLLOW, 0),
    ("symfollow", 0, attr::NOSYMFOLLOW),
];

const SUPERBLOCK: [&str; 5] = ["sync", "dirsync", "lazytime", "mand", "iversion"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted() {
        let check = |words: &str, expected: Options| {
            assert_eq!(parse(words.split(',')), expected, "{words}")
        };
        let own = |set, clear| Options {
            own: Change {
                set,
                clear,
                recursive: false,
            },
            ..Options::default()
        };
        let all = |set, clear| Options {
            all: Change {
                set,
                clear,
                recursive: true,
            },
            ..Options::default()
        };
        let data = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        check("", Options::default());
        check("defaults", Options::default());
        check("ro,nosuid", own(attr::RDONLY | attr::NOSUID, 0));
        check("ro,rw", own(0, attr::RDONLY));
        check("rw,ro", own(attr::RDONLY, 0));
        check(
            "strictatime",
            own(attr::STRICTATIME, attr::ATIME & !attr::STRICTATIME),
        );
        check("noatime,relatime", own(0, attr::ATIME));
        check("rro", all(attr::RDONLY, 0));
        check("rnosuid,rexec", all(attr::NOSUID, attr::NOEXEC));
        check(
            "rbind",
            Options {
                bind: Some(Bind::Tree),
                ..Options::default()
            },
        );
        check(
            "rbind,bind",
            Options {
                bind: Some(Bind::Tree),
                ..Options::default()
            },
        );
        check(
            "sync",
            Options {
                superblock: vec!["sync"],
                ..Options::default()
            },
        );
        check(
            "size=64k,huge",
            Options {
                data: vec![data("size", Some("64k")), data("huge", None)],
                ..Options::default()
            },
        );
        let rslave = Some(MsFlags::MS_SLAVE | MsFlags::MS_REC);
        check(
            "private,rslave",
            Options {
                propagation: rslave,
                ..Options::default()
            },
        );
        check(
            "context=a=b",
            Options {
                data: vec![data("context", Some("a=b"))],
                ..Options::default()
            },
        );
    }
}

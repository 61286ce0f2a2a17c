//! The names in a layer, before anything touches the disk: clamping, and what a whiteout's name means.

/// A name from an archive, made relative to the layer's root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clamped {
    /// Components joined by `/`, without `.`, `..`, empty ones, or a leading slash. Empty for the root itself.
    pub(super) path: Vec<u8>,
    /// The name tried to go above the root.
    pub(super) escaped: bool,
}

/// Reads a name as if the layer's root were `/`: absolute names start there, and `..` stops there.
pub(super) fn clamp(name: &[u8]) -> Clamped {
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut escaped = false;
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => escaped |= parts.pop().is_none(),
            _ => parts.push(part),
        }
    }
    Clamped {
        path: parts.join(&b'/'),
        escaped,
    }
}

/// The directory and the last component; the root has neither.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&path[..0], path),
    })
}

/// `directory/name`, or `name` in the root.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        name.to_vec()
    } else {
        [directory, b"/", name].concat()
    }
}

/// The path itself and each directory above it, the root left out, longest first.
pub(super) fn ancestry(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors((!path.is_empty()).then_some(path), |path| {
        split(path)
            .map(|(above, _)| above)
            .filter(|above| !above.is_empty())
    })
}

/// What a last component means (image-spec, layer.md, "Whiteouts").
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// An entry like any other.
    Plain,
    /// `.wh.NAME`: the lower layers' NAME is gone.
    Whiteout(&'a [u8]),
    /// `.wh..wh..opq`: everything of this directory in the lower layers is gone.
    Opaque,
    /// `.wh..wh.*`: the old AUFS driver's own bookkeeping; of no meaning to anyone else.
    Bookkeeping,
    /// `.wh.`, `.wh..`, `.wh...`: would hide the directory itself or the one above.
    Malformed,
}

/// Reads the last component of a name.
pub(super) fn meaning(name: &[u8]) -> Meaning<'_> {
    let Some(hidden) = name.strip_prefix(b".wh.") else {
        return Meaning::Plain;
    };
    match hidden {
        b"" | b"." | b".." => Meaning::Malformed,
        b".wh..opq" => Meaning::Opaque,
        _ if hidden.starts_with(b".wh.") => Meaning::Bookkeeping,
        _ => Meaning::Whiteout(hidden),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_clamped_to_the_root() {
        for (name, path, escaped) in [
            ("a/b", "a/b", false),
            ("./a//b/", "a/b", false),
            ("/a", "a", false),
            ("a/../b", "b", false),
            ("../a", "a", true),
            ("a/../../b", "b", true),
            ("", "", false),
            (".", "", false),
            ("/", "", false),
            ("..", "", true),
            ("...", "...", false),
        ] {
            let expected = Clamped {
                path: path.as_bytes().to_vec(),
                escaped,
            };
            assert_eq!(clamp(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn whiteouts_are_read_from_names() {
        for (name, expected) in [
            ("x", Meaning::Plain),
            (".wh", Meaning::Plain),
            (".wh.x", Meaning::Whiteout(b"x")),
            (".wh..x", Meaning::Whiteout(b".x")),
            (".wh..wh..opq", Meaning::Opaque),
            (".wh..wh.plnk", Meaning::Bookkeeping),
            (".wh.", Meaning::Malformed),
            (".wh..", Meaning::Malformed),
            (".wh...", Meaning::Malformed),
            (".wh....", Meaning::Whiteout(b"...")),
        ] {
            assert_eq!(meaning(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn paths_are_taken_apart_and_joined() {
        assert_eq!(split(b""), None);
        assert_eq!(split(b"a"), Some((&b""[..], &b"a"[..])));
        assert_eq!(split(b"a/b/c"), Some((&b"a/b"[..], &b"c"[..])));
        assert_eq!(join(b"", b"a"), b"a");
        assert_eq!(join(b"a/b", b"c"), b"a/b/c");
        assert_eq!(
            ancestry(b"a/b/c").collect::<Vec<_>>(),
            [&b"a/b/c"[..], b"a/b", b"a"]
        );
        assert_eq!(ancestry(b"").count(), 0);
    }

    proptest! {
        #[test]
        fn a_clamped_name_never_leaves(name in "[a.b/]{0,24}") {
            let clamped = clamp(name.as_bytes());
            for part in clamped.path.split(|byte| *byte == b'/').filter(|_| !clamped.path.is_empty()) {
                prop_assert!(!matches!(part, b"" | b"." | b".."));
            }
            let again = clamp(&clamped.path);
            prop_assert_eq!(again, Clamped { path: clamped.path, escaped: false });
        }
    }
}

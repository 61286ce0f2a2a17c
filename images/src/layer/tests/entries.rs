use super::*;

#[test]
fn plain_entries_become_what_they_say() {
    check(
        &[&[
            directory("etc").mode(0o700).owner(1, 2),
            file("etc/passwd", "root").mode(0o640).owner(3, 4),
            file("bin/su", "#").mode(0o4755),
            symlink("bin/sh", "../busybox").owner(5, 6),
            hardlink("bin/su2", "bin/su"),
            entry(EntryType::Fifo, "run/pipe").mode(0o600),
            entry(EntryType::Char, "dev/null").device(1, 3).mode(0o666),
            entry(EntryType::Block, "dev/sda")
                .device(8, 0)
                .mode(0o660)
                .owner(0, 6),
            directory("tmp").mode(0o1777),
        ]],
        &[
            "bin/ 755",
            "bin/sh -> ../busybox 5:6",
            "bin/su 4755 x2 \"#\"",
            "bin/su2 4755 x2 \"#\"",
            "dev/ 755",
            "dev/null c1:3 666",
            "dev/sda b8:0 660 0:6",
            "etc/ 700 1:2",
            "etc/passwd 640 3:4 \"root\"",
            "run/ 755",
            "run/pipe fifo 600",
            "tmp/ 1777",
        ],
    );
}

#[test]
fn the_root_entry_describes_the_root() {
    check(
        &[&[directory("./").mode(0o711).owner(7, 8)]],
        &["/ 711 7:8"],
    );
    check(
        &[&[directory("./").mode(0o711)], &[file("a", "")]],
        &["/ 711", "a 644 \"\""],
    );
    refused(&[&[symlink(".", "/etc")]], "root has to be a directory");
    refused(
        &[&[file("/", "x").mode(0o644).pax("path", b"..")]],
        "root has to be a directory",
    );
}

#[test]
fn names_are_clamped() {
    check(
        &[&[
            file("../../a", "1"),
            file("/b", "2"),
            file("c/../../d", "3"),
        ]],
        &["a 644 \"1\"", "b 644 \"2\"", "d 644 \"3\""],
    );
}

#[test]
fn the_last_of_several_entries_counts() {
    check(
        &[&[file("a", "1"), file("a", "2").mode(0o600)]],
        &["a 600 \"2\""],
    );
    check(
        &[&[directory("a"), file("a/b", ""), file("a", "2")]],
        &["a 644 \"2\""],
    );
    check(
        &[&[directory("a"), file("a/b", "1"), directory("a").mode(0o700)]],
        &["a/ 700", "a/b 644 \"1\""],
    );
    check(
        &[&[symlink("a", "b"), directory("a"), file("a/c", "")]],
        &["a/ 755", "a/c 644 \"\""],
    );
    check(
        &[&[file("a", "1"), hardlink("b", "a"), file("a", "2")]],
        &["a 644 \"2\"", "b 644 \"1\""],
    );
    check(
        &[&[file("x", "1"), hardlink("b", "x"), file("b", "2")]],
        &["b 644 \"2\"", "x 644 \"1\""],
    );
}

#[test]
fn symlinks_of_the_same_layer_are_followed_inside_it() {
    check(
        &[&[
            directory("usr/lib"),
            symlink("lib", "usr/lib"),
            file("lib/a", "1"),
        ]],
        &[
            "lib -> usr/lib",
            "usr/ 755",
            "usr/lib/ 755",
            "usr/lib/a 644 \"1\"",
        ],
    );
    check(
        &[&[
            directory("etc"),
            symlink("up", "../../../../etc"),
            file("up/a", "1"),
            hardlink("b", "up/a"),
        ]],
        &[
            "b 644 x2 \"1\"",
            "etc/ 755",
            "etc/a 644 x2 \"1\"",
            "up -> ../../../../etc",
        ],
    );
    refused(
        &[&[symlink("out", "/nowhere"), file("out/a", "1")]],
        "not in the layer",
    );
    refused(
        &[&[symlink("a", "b"), symlink("b", "a"), file("a/x", "1")]],
        "circles",
    );
    refused(&[&[file("a", ""), file("a/x", "1")]], "not a directory");
}

#[test]
fn a_lower_symlink_gives_way_to_a_directory() {
    check(
        &[&[symlink("a", "etc")], &[file("a/b", "1")]],
        &["a/ 755", "a/b 644 \"1\""],
    );
}

use super::*;

#[test]
fn whiteouts_hide_what_lies_below() {
    let lower: &[E] = &[
        directory("a").mode(0o711).owner(9, 9),
        file("a/x", "1"),
        file("a/y", "2"),
        symlink("l", "a"),
    ];
    let cases: &[(&[E], &[&str])] = &[
        (&[file("a/.wh.x", "")], &["a/ 711 9:9", "a/x whiteout"]),
        (
            &[file("a/x", "new"), file("a/.wh.x", "")],
            &["a/ 711 9:9", "a/x 644 \"new\""],
        ),
        (
            &[file("a/.wh.x", ""), file("a/x", "new")],
            &["a/ 711 9:9", "a/x 644 \"new\""],
        ),
        (&[file(".wh.a", "")], &["a whiteout"]),
        (
            &[file(".wh.a", ""), file("a/n", "")],
            &["a/ 755 opaque", "a/n 644 \"\""],
        ),
        (&[file("a/.wh..wh..opq", "")], &["a/ 711 9:9 opaque"]),
        (
            &[file("a/.wh..wh..opq", ""), file("a/n", "")],
            &["a/ 711 9:9 opaque", "a/n 644 \"\""],
        ),
        // Nothing to hide: nothing is made.
        (&[file("a/.wh.z", "")], &[]),
        (&[file("l/.wh.x", "")], &[]),
        (&[file("n/.wh..wh..opq", "")], &[]),
        (&[file("a/x/.wh.y", "")], &[]),
        (
            &[file(".wh..wh.plnk/1.2", ""), file(".wh..wh.aufs", "")],
            &[],
        ),
    ];
    for (upper, expected) in cases {
        check(&[lower, upper], expected);
    }
    for name in [".wh.", "a/.wh..", "a/.wh..."] {
        refused(&[lower, &[file(name, "")]], "names no entry");
    }
    refused(&[&[file(".wh.a/b", "")]], "not a directory");
    // Gone in the middle layer: the topmost has nothing to hide.
    check(
        &[
            lower,
            &[file("a/.wh.x", "")],
            &[file("a/.wh.x", ""), file("b", "")],
        ],
        &["b 644 \"\""],
    );
    check(
        &[
            lower,
            &[file("a/.wh..wh..opq", "")],
            &[file("a/.wh.y", ""), file("b", "")],
        ],
        &["b 644 \"\""],
    );
}

#[test]
fn an_opaque_root_hides_all_below() {
    if !is_root() {
        return;
    }
    let (tree, opaque) = stack(&[
        archive(&[file("a", "")]),
        archive(&[file(".wh..wh..opq", ""), file("b", "")]),
    ])
    .unwrap();
    assert_eq!((tree, opaque), (vec!["b 644 \"\"".to_owned()], true));
}

#[test]
fn hard_links_reach_into_lower_layers() {
    let lower: &[E] = &[
        directory("a").mode(0o711),
        file("a/x", "1").mode(0o4711).owner(5, 5),
        symlink("a/s", "x"),
    ];
    check(
        &[lower, &[hardlink("b", "a/x"), hardlink("c", "a/x")]],
        &[
            "a/ 711",
            "a/x 4711 5:5 x3 \"1\"",
            "b 4711 5:5 x3 \"1\"",
            "c 4711 5:5 x3 \"1\"",
        ],
    );
    check(
        &[lower, &[hardlink("t", "a/s")]],
        &["a/ 711", "a/s -> x", "t -> x"],
    );
    refused(&[lower, &[hardlink("b", "a/none")]], "does not exist");
    refused(&[lower, &[hardlink("b", "../../a/x")]], "leaves the layer");
    refused(&[lower, &[hardlink("b", "a")]], "hard link to a directory");
    refused(&[&[hardlink("b", "b")]], "hard link to itself");
    refused(
        &[&[directory("d"), hardlink("b", "d")]],
        "hard link to a directory",
    );
    refused(
        &[&[symlink("s", "/etc"), hardlink("b", "s/passwd")]],
        "does not exist",
    );
}

#[test]
fn directories_that_a_layer_lacks_look_as_below() {
    check(
        &[
            &[directory("tmp").mode(0o1777).owner(4, 4)],
            &[file("tmp/a", ""), file("new/b", "")],
        ],
        &[
            "new/ 755",
            "new/b 644 \"\"",
            "tmp/ 1777 4:4",
            "tmp/a 644 \"\"",
        ],
    );
    check(
        &[
            &[directory("d").mode(0o700)],
            &[file(".wh.d", ""), file("d/a", "")],
        ],
        &["d/ 755 opaque", "d/a 644 \"\""],
    );
}

use super::*;

fn shown(spec: &MountSpec) -> String {
    let source = match &spec.source {
        MountSource::Bind {
            source,
            create,
            recursive,
        } => format!(
            "bind {}{}{}",
            source.display(),
            if *create { " create" } else { "" },
            if *recursive { "" } else { " alone" }
        ),
        MountSource::Volume { name, nocopy } => {
            format!(
                "volume {}{}",
                name.as_deref().unwrap_or("-"),
                if *nocopy { " nocopy" } else { "" }
            )
        }
        MountSource::Tmpfs {
            size,
            mode,
            options,
        } => format!(
            "tmpfs {} {:o} {}",
            size.map_or(0, |s| s.0),
            mode.unwrap_or(0),
            options.join(",")
        ),
    };
    let access = if spec.read_only { "ro" } else { "rw" };
    let propagation = spec.propagation.as_deref().unwrap_or("-");
    format!(
        "{source} on {} {access} {propagation}",
        spec.target.display()
    )
}

fn compare(text: &str, read: Result<MountSpec, ParseError>, expected: Result<&str, &str>) {
    match (read, expected) {
        (Ok(spec), Ok(expected)) => assert_eq!(shown(&spec), expected, "{text:?}"),
        (Err(error), Err(expected)) => {
            assert!(error.to_string().contains(expected), "{text:?}: {error}")
        }
        (read, expected) => panic!("{text:?}: {read:?}, expected {expected:?}"),
    }
}

#[test]
fn volumes_are_read() {
    fn check(text: &str, expected: Result<&str, &str>) {
        compare(
            text,
            MountSpec::parse_volume(text, Path::new("/work")),
            expected,
        );
    }
    check("/data", Ok("volume - on /data rw -"));
    check("db:/data", Ok("volume db on /data rw -"));
    check("db:/data:ro", Ok("volume db on /data ro -"));
    check("db:/data:ro,nocopy", Ok("volume db nocopy on /data ro -"));
    check("/a:/b", Ok("bind /a create on /b rw -"));
    check("/a:/b:ro,z", Ok("bind /a create on /b ro -"));
    check("/a:/b:rshared", Ok("bind /a create on /b rw rshared"));
    check("./a:/b", Ok("bind /work/a create on /b rw -"));
    check("../a:/b", Ok("bind /a create on /b rw -"));
    check(".:/b", Ok("bind /work create on /b rw -"));
    check("/a/../c:/b//d/", Ok("bind /c create on /b/d rw -"));
    check("/data:ro", Ok("volume - on /data ro -"));
    check("db:data", Err("SOURCE:TARGET"));
    check("db:data:ro", Err("not absolute"));
    check("db:/", Err("root of the container"));
    check("/a:/b/..", Err("root of the container"));
    check(":/b", Err("source is empty"));
    check("a b:/c", Err("not a volume's name"));
    check("-x:/c", Err("not a volume's name"));
    check("a/b:/c", Err("not a volume's name"));
    check("db:/data:rshared", Err("does not fit"));
    check("/a:/b:nocopy", Err("does not fit"));
    check("/a:/b:shiny", Err("unknown"));
    check("/a:/b:ro:rw", Err("SOURCE:TARGET"));
    check("", Err("not absolute"));
}

#[test]
fn mounts_are_read() {
    fn check(text: &str, expected: Result<&str, &str>) {
        compare(
            text,
            MountSpec::parse_mount(text, Path::new("/work")),
            expected,
        );
    }
    check("type=bind,source=/a,target=/b", Ok("bind /a on /b rw -"));
    check("type=bind,src=/a,dst=/b,readonly", Ok("bind /a on /b ro -"));
    check(
        "type=bind,src=/a,dst=/b,readonly=false",
        Ok("bind /a on /b rw -"),
    );
    check(
        "type=bind,src=./a,dst=/b,bind-propagation=rslave",
        Ok("bind /work/a on /b rw rslave"),
    );
    check(
        "type=bind,src=/a,dst=/b,bind-nonrecursive",
        Ok("bind /a alone on /b rw -"),
    );
    check("source=db,target=/b", Ok("volume db on /b rw -"));
    check("type=volume,target=/b", Ok("volume - on /b rw -"));
    check(
        "type=volume,source=db,target=/b,volume-nocopy",
        Ok("volume db nocopy on /b rw -"),
    );
    check(
        "type=tmpfs,target=/b,tmpfs-size=1m,tmpfs-mode=1770",
        Ok("tmpfs 1048576 1770  on /b rw -"),
    );
    check("type=bind,target=/b", Err("source= is missing"));
    check("type=bind,source=a,target=/b", Err("a path"));
    check("type=volume,source=db", Err("target= is missing"));
    check(
        "type=npipe,source=a,target=/b",
        Err("not bind, volume or tmpfs"),
    );
    check("type=tmpfs,source=a,target=/b", Err("do not fit"));
    check("type=volume,tmpfs-size=1m,target=/b", Err("do not fit"));
    check("type=bind,source=/a,target=/b,color=red", Err("unknown"));
    check(
        "type=bind,source=/a,target=/b,ro=perhaps",
        Err("neither true nor false"),
    );
    check("type=tmpfs,target=/b,tmpfs-mode=99", Err("octal"));
    check(
        "type=bind,source=/a,target=/b,bind-propagation=x",
        Err("not one of"),
    );
}

#[test]
fn tmpfs_is_read() {
    fn check(text: &str, expected: Result<&str, &str>) {
        compare(text, MountSpec::parse_tmpfs(text), expected);
    }
    check("/run", Ok("tmpfs 0 0  on /run rw -"));
    check(
        "/run:size=64m,mode=1777,noexec",
        Ok("tmpfs 67108864 1777 noexec on /run rw -"),
    );
    check("/run:ro,uid=5", Ok("tmpfs 0 0 uid=5 on /run ro -"));
    check("run", Err("not absolute"));
    check("/run:size=x", Err("size"));
    check("/run:what", Err("unknown"));
}

#[test]
fn volumes_of_others_are_read() {
    fn check(text: &str, expected: Option<(&str, Option<bool>)>) {
        let read = text.parse::<VolumesFrom>().ok();
        assert_eq!(
            read.as_ref().map(|v| (v.container.as_str(), v.read_only)),
            expected,
            "{text:?}"
        );
    }
    check("db", Some(("db", None)));
    check("db:ro", Some(("db", Some(true))));
    check("db:rw", Some(("db", Some(false))));
    check("db:x", None);
    check("", None);
}

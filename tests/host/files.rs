//! What a container sees as files apart from volumes: the image's layers, devices, read-only roots, tmpfs.

use serde_json::json;
use tar::EntryType;
use tests::image::{Compression, Image, Layer, busybox_layer};

#[test]
fn layers_are_put_together_as_they_were_built() {
    let mut host = tests::host!();
    let image = Image::new()
        .layer(
            busybox_layer()
                .file("srv/below", 0o644, "below\n")
                .file("srv/both", 0o644, "below\n"),
            Compression::Gzip,
        )
        .layer(
            Layer::new()
                .file("srv/both", 0o600, "above\n")
                .whiteout("srv/below")
                .whiteout("srv/data")
                .file("srv/data/.wh..wh..opq", 0o644, [])
                .directory("srv/data", 0o755)
                .file("srv/data/fresh", 0o644, "fresh\n")
                .entry(
                    "srv/owned",
                    EntryType::Regular,
                    0o640,
                    (7, 8),
                    "",
                    b"owned\n",
                )
                .file("tmp/made", 0o644, "made\n")
                .symlink("srv/link", "/srv/both"),
            Compression::Zstd,
        )
        .layer(
            Layer::new()
                .hardlink("srv/hard", "srv/both")
                .file("srv/setuid", 0o4755, "x"),
            Compression::Plain,
        )
        .configured(json!({"Cmd": ["sh"]}));
    let image = host.registry().push("layers", "1", &image);
    let script = "cd /srv; cat both link hard data/fresh; ls -A . data; stat -c '%n %a %u:%g' owned both setuid /tmp /srv/data; stat -c %h both hard";
    host.minictl([
        "run",
        "--rm",
        "--network",
        "none",
        &image,
        "sh",
        "-c",
        script,
    ])
    .ok()
    .prints(
        "above\nabove\nabove\nfresh\n.:\nboth\ndata\nhard\nlink\nowned\nsetuid\n\ndata:\nfresh\n\
         owned 640 7:8\nboth 600 0:0\nsetuid 4755 0:0\n/tmp 1777 0:0\n/srv/data 755 0:0\n2\n2",
    );
}

#[test]
fn writes_stay_in_the_container() {
    let mut host = tests::host!();
    let image = host.busybox();
    let script =
        "echo changed > /srv/data/seed; rm -r /home/alice; echo x > /new; cat /srv/data/seed";
    host.minictl([
        "run",
        "--rm",
        "--network",
        "none",
        &image,
        "sh",
        "-c",
        script,
    ])
    .ok()
    .prints("changed");
    let script = "cat /srv/data/seed; ls -d /home/alice; test -e /new || echo clean";
    host.minictl([
        "run",
        "--rm",
        "--network",
        "none",
        &image,
        "sh",
        "-c",
        script,
    ])
    .ok()
    .prints("from the image\n/home/alice\nclean");
}

#[test]
fn a_read_only_root_is_one() {
    let mut host = tests::host!();
    let image = host.busybox();
    let run = |options: &[&str], script: &str| {
        let mut line = vec!["run", "--rm", "--network", "none", "--read-only"];
        line.extend(options);
        line.extend([image.as_str(), "sh", "-c", script]);
        host.minictl(line)
    };
    run(&[], "touch /x || exit 9").code(9);
    run(&[], "echo x > /dev/shm/x && cat /dev/shm/x")
        .ok()
        .prints("x");
    run(&["--tmpfs", "/tmp"], "echo x > /tmp/x && cat /tmp/x")
        .ok()
        .prints("x");
    run(
        &["--tmpfs", "/cache:size=1m,mode=700"],
        "stat -c %a /cache; dd if=/dev/zero of=/cache/big bs=1M count=2 2>/dev/null || echo full",
    )
    .ok()
    .prints("700\nfull");
    run(&["-w", "/srv"], "pwd").ok().prints("/srv");
}

#[test]
fn devices_are_the_usual_ones() {
    let mut host = tests::host!();
    let image = host.busybox();
    let sh = |options: &[&str], script: &str| {
        let mut line = vec!["run", "--rm", "--network", "none"];
        line.extend(options);
        line.extend([image.as_str(), "sh", "-c", script]);
        host.minictl(line)
    };
    sh(&[], "cd /dev; ls -1 | grep -v core | xargs")
        .ok()
        .prints("fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero");
    sh(&[], "echo x > /dev/null; head -c 3 /dev/zero | wc -c; readlink /dev/fd; echo x > /dev/full || echo full").ok().prints("3\n/proc/self/fd\nfull");
    sh(
        &[],
        "mknod /tmp/disk b 254 0 && cat /tmp/disk >/dev/null; echo $?",
    )
    .ok()
    .prints("1");
    sh(
        &["--device", "/dev/null:/dev/nothing"],
        "echo x > /dev/nothing && stat -c '%F %t:%T' /dev/nothing",
    )
    .ok()
    .prints("character special file 1:3");
    sh(&["--device", "/dev/nosuch"], "true").refused(125, &["/dev/nosuch"]);
    sh(
        &["--shm-size", "8m"],
        "df -k /dev/shm | tail -1 | awk '{print $2}'",
    )
    .ok()
    .prints("8192");
    sh(&[], "df -k /dev/shm | tail -1 | awk '{print $2}'")
        .ok()
        .prints("65536");
}

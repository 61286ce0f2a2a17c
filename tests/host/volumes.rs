//! Files that outlive a container or come from outside: named, anonymous, bind and tmpfs mounts.

use serde_json::json;
use tests::Host;
use tests::image::{Compression, Image, Layer};

#[track_caller]
fn sh(host: &Host, image: &str, options: &[&str], script: &str) -> tests::Done {
    let mut line = vec!["run", "--rm", "--network", "none"];
    line.extend(options);
    line.extend([image, "sh", "-c", script]);
    host.minictl(line)
}

#[test]
fn a_named_volume_is_kept_and_shared() {
    let mut host = tests::host!();
    let image = host.busybox();
    sh(
        &host,
        &image,
        &["-v", "store:/store"],
        "echo kept > /store/file",
    )
    .ok();
    sh(
        &host,
        &image,
        &["-v", "store:/elsewhere:ro"],
        "cat /elsewhere/file; touch /elsewhere/x || echo read-only",
    )
    .ok()
    .prints("kept\nread-only");
    sh(
        &host,
        &image,
        &["--mount", "type=volume,source=store,target=/m,readonly"],
        "cat /m/file",
    )
    .ok()
    .prints("kept");
    host.minictl("volume ls -q").ok().prints("store");
    let path = host
        .minictl("volume inspect -f {{.Mountpoint}} store")
        .ok()
        .text();
    assert_eq!(
        std::fs::read_to_string(format!("{path}/file")).expect("the file on the host"),
        "kept\n"
    );
    host.minictl("volume rm store").ok().prints("store");
    host.minictl("volume rm store").refused(1, &["store"]);
}

#[test]
fn an_empty_volume_takes_over_what_the_image_has_there() {
    let mut host = tests::host!();
    let image = host.busybox();
    let look = "cat /srv/data/seed; stat -c '%a %u:%g' /srv/data /srv/data/seed";
    sh(&host, &image, &["-v", "copied:/srv/data"], look)
        .ok()
        .prints("from the image\n750 1000:50\n640 1000:50");
    sh(
        &host,
        &image,
        &["-v", "copied:/srv/data"],
        "echo own > /srv/data/seed",
    )
    .ok();
    sh(
        &host,
        &image,
        &["-v", "copied:/srv/data"],
        "cat /srv/data/seed",
    )
    .ok()
    .prints("own");
    sh(
        &host,
        &image,
        &["-v", "bare:/srv/data:nocopy"],
        "ls -A /srv/data",
    )
    .ok()
    .prints("");
    host.minictl("volume rm copied bare").ok();
}

#[test]
fn copying_up_stays_inside_the_image() {
    let mut host = tests::host!();
    let secret = host.file("secret/key", "of the host\n");
    let target = secret.parent().expect("a directory").display().to_string();
    let hostile = Image::busybox().layer(
        Layer::new()
            .symlink("srv/out", &target)
            .symlink("srv/up", "../../../../../../etc"),
        Compression::Gzip,
    );
    let image = host.registry().push("hostile", "1", &hostile);
    let seen = sh(
        &host,
        &image,
        &["-v", "v1:/srv/out"],
        &format!("cat {target}/key; ls -A /srv/out/ | wc -l"),
    );
    assert!(!seen.stdout.contains("of the host"), "{seen}");
    sh(
        &host,
        &image,
        &["-v", "v2:/srv/up"],
        "cat /srv/up/passwd | head -1",
    )
    .ok()
    .prints("root:x:0:0:root:/root:/bin/sh");
    host.minictl("volume rm v1 v2").ok();
}

#[test]
fn a_bind_mount_shows_the_hosts_files() {
    let mut host = tests::host!();
    let image = host.busybox();
    let file = host.file("shared/file", "outside\n");
    let directory = file.parent().expect("a directory").display().to_string();
    sh(
        &host,
        &image,
        &["-v", &format!("{directory}:/in")],
        "cat /in/file; echo inside > /in/new",
    )
    .ok()
    .prints("outside");
    assert_eq!(
        std::fs::read_to_string(format!("{directory}/new")).expect("the new file"),
        "inside\n"
    );
    sh(
        &host,
        &image,
        &["-v", &format!("{directory}:/in:ro")],
        "touch /in/x || echo read-only",
    )
    .ok()
    .prints("read-only");
    sh(
        &host,
        &image,
        &["-v", &format!("{}:/etc/one", file.display())],
        "cat /etc/one",
    )
    .ok()
    .prints("outside");
    sh(
        &host,
        &image,
        &["--mount", &format!("type=bind,src={directory},dst=/in,ro")],
        "cat /in/file",
    )
    .ok()
    .prints("outside");
    let missing = host.path("missing").display().to_string();
    sh(
        &host,
        &image,
        &["--mount", &format!("type=bind,src={missing},dst=/in")],
        "true",
    )
    .refused(125, &[&missing]);
    sh(
        &host,
        &image,
        &["-v", &format!("{missing}:/in")],
        "ls -A /in",
    )
    .ok()
    .prints("");
    assert!(
        host.path("missing").is_dir(),
        "-v makes the directory, as Docker does"
    );
}

#[test]
fn read_only_covers_what_is_mounted_beneath() {
    let mut host = tests::host!();
    let image = host.busybox();
    let directory = host.path("tree").display().to_string();
    host.sh(&format!("mkdir -p {directory}/below; mount -t tmpfs none {directory}/below; touch {directory}/below/there")).ok();
    sh(
        &host,
        &image,
        &["-v", &format!("{directory}:/in:ro")],
        "ls /in/below; touch /in/below/x || echo read-only",
    )
    .ok()
    .prints("there\nread-only");
    host.sh(&format!("umount {directory}/below")).ok();
}

#[test]
fn tmpfs_mounts_are_in_memory() {
    let mut host = tests::host!();
    let image = host.busybox();
    sh(
        &host,
        &image,
        &["--tmpfs", "/fast:size=1m,mode=1770"],
        "stat -c %a /fast; grep -c '^tmpfs /fast' /proc/mounts",
    )
    .ok()
    .prints("1770\n1");
    sh(
        &host,
        &image,
        &["--mount", "type=tmpfs,dst=/fast,tmpfs-size=1048576"],
        "df -k /fast | tail -1 | awk '{print $2}'",
    )
    .ok()
    .prints("1024");
}

#[test]
fn anonymous_volumes_go_with_their_container() {
    let mut host = tests::host!();
    let image = host.registry().push(
        "declares",
        "1",
        &Image::busybox().configured(json!({"Volumes": {"/srv/data": {}}})),
    );
    sh(
        &host,
        &image,
        &[],
        "cat /srv/data/seed; mount | grep -c ' /srv/data '",
    )
    .ok()
    .prints("from the image\n1");
    host.minictl("volume ls -q").ok().prints("");
    host.minictl(format!("run --name one --network none {image} true"))
        .ok();
    assert_eq!(host.minictl("volume ls -q").ok().lines().len(), 1);
    let other = sh(
        &host,
        &image,
        &["--volumes-from", "one"],
        "cat /srv/data/seed",
    )
    .ok();
    assert_eq!(other.text(), "from the image");
    host.minictl("rm -v one").ok();
    host.minictl("volume ls -q").ok().prints("");
    sh(&host, &image, &["-v", "/own"], "mount | grep -c ' /own '")
        .ok()
        .prints("1");
    host.minictl("volume ls -q").ok().prints("");
    host.minictl(format!("run --name two --network none {image} true"))
        .ok();
    host.minictl("rm two").ok();
    host.minictl("volume prune -f").ok();
    host.minictl("volume ls -q").ok().prints("");
}

#[test]
fn a_volume_in_use_is_kept() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl("volume create used").ok().prints("used");
    host.minictl(format!(
        "run -d --name user --network none -v used:/x {image} sleep 1000"
    ))
    .ok();
    host.minictl("volume rm used")
        .refused(1, &["used", "in use"]);
    host.minictl("rm -f user").ok();
    host.minictl("volume rm used").ok();
}

#[test]
fn a_mount_that_makes_no_sense_is_refused() {
    let mut host = tests::host!();
    let image = host.busybox();
    for (option, value) in [
        ("-v", "relative/path:/x"),
        ("-v", "store:relative"),
        ("-v", "store:/x:nonsense"),
        ("-v", "bad name:/x"),
        ("-v", "store:/"),
        ("--mount", "type=nonsense,target=/x"),
        ("--mount", "type=bind,source=/tmp"),
        ("--mount", "target=/x,unknown=1"),
        ("--tmpfs", "relative"),
    ] {
        let done = host.minictl([
            "run",
            "--rm",
            "--network",
            "none",
            option,
            value,
            &image,
            "true",
        ]);
        assert!(
            done.code == 125 && !done.stderr.trim().is_empty(),
            "{option} {value}: {done}"
        );
    }
    host.minictl("volume ls -q").ok().prints("");
    assert!(host.containers().is_empty());
}

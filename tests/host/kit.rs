//! The kit tests itself: a check that can't fail proves nothing.

use tests::http;
use tests::image::Image;
use tests::leaks;
use tests::peer::Peer;

#[test]
fn a_host_starts_empty_and_ends_empty() {
    let host = tests::host!();
    host.sh("ip -o link | grep -c .").ok().prints("1");
    assert_eq!(host.leaks(), Vec::<String>::new());
}

#[test]
fn leaks_are_seen() {
    let mut host = tests::host!();
    host.without_check();
    let group = host.cgroup_parent().to_owned();
    host.sh("ip link add left0 type bridge; nft add table ip left; mount -t tmpfs none /mnt")
        .ok();
    host.sh("setsid sleep 60 >/dev/null 2>&1 </dev/null &").ok();
    for root in leaks::hierarchies() {
        std::fs::create_dir_all(root.join(group.trim_start_matches('/')).join("left"))
            .expect("a cgroup");
    }
    std::fs::create_dir_all(host.data().join("containers/left")).expect("a record");
    let left = host.leaks().join("\n");
    for kind in [
        "link left0",
        "nft table ip left",
        "mount /mnt",
        "sleep 60",
        "cgroup /sys/fs/cgroup",
        "file containers/left",
    ] {
        assert!(left.contains(kind), "{kind} should be seen in:\n{left}");
    }
}

#[test]
fn the_registry_serves_what_is_pushed() {
    let mut host = tests::host!();
    let reference = host.registry().push("busybox", "latest", &Image::busybox());
    assert_eq!(reference, "127.0.0.1:5000/busybox:latest");
    let copied = host.path("copied");
    host.sh(&format!(
        "skopeo copy -q --src-tls-verify=false docker://{reference} dir:{}",
        copied.display()
    ))
    .ok();
    host.registry().serve("blog-app");
    let manifest = http::get(
        host.spaces(),
        "127.0.0.1:5000",
        "/v2/blog-app/manifests/latest",
    )
    .expect("an answer");
    assert_eq!(manifest.status, 200, "{}", manifest.body);
}

#[test]
fn a_peer_is_another_machine() {
    let host = tests::host!();
    let peer = Peer::join(&host);
    let listener = peer
        .spaces()
        .enter(|| std::net::TcpListener::bind("192.0.2.2:80").expect("a port of the peer"));
    let server = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, from) = listener.accept().expect("a caller");
        write!(stream, "{}", from.ip()).expect("an answer");
    });
    assert_eq!(
        http::read(host.spaces(), "192.0.2.2:80").expect("the peer answers"),
        Peer::HOST
    );
    server.join().expect("the server ends");
}

//! Published ports: by 127.0.0.1, by the host's own address, from other hosts and from containers.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use tests::peer::Peer;
use tests::spaces::Spaces;
use tests::{Host, http};

/// A container that answers `hello` on its port 80.
fn web(host: &Host, name: &str, image: &str, options: &[&str]) {
    let script = "mkdir -p /www; echo hello-from-$0 > /www/index.html; echo ready; exec httpd -f -p 80 -h /www";
    let mut line = vec!["run", "-d", "--name", name];
    line.extend(options);
    line.extend([image, "sh", "-c", script, name]);
    host.minictl(line).ok();
    host.until_logged(name, "ready");
}

#[track_caller]
fn answers(spaces: &Spaces, address: &str, name: &str) {
    let body = tests::eventually(&format!("{address} answers"), || {
        http::get(spaces, address, "/").ok()
    });
    assert_eq!(body.body.trim(), format!("hello-from-{name}"), "{address}");
}

#[track_caller]
fn silent(spaces: &Spaces, address: &str) {
    assert!(
        http::get(spaces, address, "/").is_err(),
        "{address} should not answer"
    );
}

#[test]
fn a_published_port_is_reached_from_everywhere() {
    let mut host = tests::host!();
    let image = host.busybox();
    let peer = Peer::join(&host);
    web(&host, "web", &image, &["-p", "8080:80"]);
    answers(host.spaces(), "127.0.0.1:8080", "web");
    answers(host.spaces(), "192.0.2.1:8080", "web");
    answers(peer.spaces(), "192.0.2.1:8080", "web");
    let gateway = host
        .minictl("network inspect -f '{{(index .IPAM.Config 0).Gateway}}' bridge")
        .ok()
        .text();
    let from_inside = |target: &str, network: &str| {
        host.minictl([
            "run",
            "--rm",
            "--network",
            network,
            &image,
            "fetch",
            target,
            "8080",
            "/",
        ])
        .ok()
        .prints("hello-from-web");
    };
    // From another container by each address of the host, and from a container on another network.
    from_inside("192.0.2.1", "bridge");
    from_inside(&gateway, "bridge");
    host.minictl("network create other").ok();
    from_inside("192.0.2.1", "other");
    // From itself, by the host's address.
    host.minictl("exec web fetch 192.0.2.1 8080 /")
        .ok()
        .prints("hello-from-web");
    host.minictl("rm -f web").ok();
    silent(host.spaces(), "127.0.0.1:8080");
    host.minictl("network rm other").ok();
}

#[test]
fn the_clients_address_is_kept() {
    let mut host = tests::host!();
    let image = host.busybox();
    let peer = Peer::join(&host);
    let probe = format!("{}:/probe:ro", tests::host::binary("probe").display());
    host.minictl(format!(
        "run -d --name sees -p 8080:80 -v {probe} {image} /probe caller 80"
    ))
    .ok();
    host.until_logged("sees", "ready");
    let seen = tests::eventually("an answer", || {
        http::read(peer.spaces(), "192.0.2.1:8080")
            .ok()
            .filter(|text| !text.trim().is_empty())
    });
    assert!(seen.contains("192.0.2.2"), "the container sees {seen:?}");
    host.minictl("rm -f sees").ok();
}

#[test]
fn an_address_of_the_host_may_be_named() {
    let mut host = tests::host!();
    let image = host.busybox();
    let peer = Peer::join(&host);
    web(&host, "local", &image, &["-p", "127.0.0.1:8080:80"]);
    web(&host, "outer", &image, &["-p", "192.0.2.1:8081:80"]);
    answers(host.spaces(), "127.0.0.1:8080", "local");
    silent(host.spaces(), "192.0.2.1:8080");
    silent(peer.spaces(), "192.0.2.1:8080");
    answers(host.spaces(), "192.0.2.1:8081", "outer");
    answers(peer.spaces(), "192.0.2.1:8081", "outer");
    silent(host.spaces(), "127.0.0.1:8081");
    // A neighbour that sends packets for 127.0.0.1 over the wire gets nowhere.
    peer.spaces().enter(|| {
        let status = std::process::Command::new("sh")
            .args(["-c", "ip link set lo down; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip route add 127.0.0.1 via 192.0.2.1 2>/dev/null || true"])
            .status();
        assert!(status.is_ok());
    });
    silent(peer.spaces(), "127.0.0.1:8080");
    host.minictl(format!("run --rm -p 203.0.113.77:8082:80 {image} true"))
        .refused(125, &["203.0.113.77"]);
    host.minictl("rm -f local outer").ok();
}

#[test]
fn datagrams_are_published_too() {
    let mut host = tests::host!();
    let image = host.busybox();
    let peer = Peer::join(&host);
    let probe = format!("{}:/probe:ro", tests::host::binary("probe").display());
    host.minictl(format!(
        "run -d --name echo -p 5353:53/udp -v {probe} {image} /probe udp 53"
    ))
    .ok();
    host.until_logged("echo", "ready");
    for (spaces, target) in [
        (host.spaces(), "127.0.0.1:5353"),
        (host.spaces(), "192.0.2.1:5353"),
        (peer.spaces(), "192.0.2.1:5353"),
    ] {
        let answer = spaces.enter(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket
                .set_read_timeout(Some(Duration::from_secs(3)))
                .expect("a limit");
            socket.connect(target).expect("an address");
            socket.send(b"ping").expect("sent");
            let mut answer = [0; 16];
            socket
                .recv(&mut answer)
                .map(|length| answer[..length].to_vec())
        });
        assert_eq!(answer.expect(target), b"ping", "{target}");
    }
    silent(host.spaces(), "127.0.0.1:5353");
    host.minictl("rm -f echo").ok();
}

#[test]
fn ranges_and_free_ports() {
    let mut host = tests::host!();
    let image = host.busybox();
    web(&host, "range", &image, &["-p", "9000-9002:80-82"]);
    answers(host.spaces(), "127.0.0.1:9000", "range");
    host.minictl("port range")
        .ok()
        .prints("80/tcp -> 0.0.0.0:9000\n81/tcp -> 0.0.0.0:9001\n82/tcp -> 0.0.0.0:9002");
    web(&host, "free", &image, &["-p", "80"]);
    let target = host.minictl("port free 80").ok().text();
    let port: u16 = target
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    assert!(port >= 1024, "{target}");
    answers(host.spaces(), &format!("127.0.0.1:{port}"), "free");
    let exposes = tests::image::Image::busybox()
        .configured(serde_json::json!({"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}));
    let exposes = host.registry().push("exposes", "1", &exposes);
    web(&host, "all", &exposes, &["-P"]);
    assert_eq!(host.minictl("port all").ok().lines().len(), 2);
    host.minictl("rm -f range free all").ok();
}

#[test]
fn a_taken_port_is_refused_and_named() {
    let mut host = tests::host!();
    let image = host.busybox();
    let listener = host
        .spaces()
        .enter(|| TcpListener::bind("0.0.0.0:8080").expect("a port of the host"));
    host.minictl(format!("run --rm -p 8080:80 {image} true"))
        .refused(125, &["8080", "in use"]);
    drop(listener);
    web(&host, "first", &image, &["-p", "8080:80"]);
    host.minictl(format!("run -d --name second -p 8080:80 {image} sleep 1"))
        .refused(125, &["8080"]);
    host.minictl("rm -f second");
    let taken = host
        .spaces()
        .enter(|| TcpListener::bind("0.0.0.0:8080").map(|_| ()));
    assert!(
        taken.is_err(),
        "a process of the host can't take a published port"
    );
    answers(host.spaces(), "127.0.0.1:8080", "first");
    host.minictl("rm -f first").ok();
    host.spaces()
        .enter(|| TcpListener::bind("0.0.0.0:8080").map(|_| ()))
        .expect("free again");
}

#[test]
fn a_port_that_makes_no_sense_is_refused_with_an_example() {
    let mut host = tests::host!();
    let image = host.busybox();
    for port in [
        "0:80:80:80",
        "70000:80",
        "80:0",
        "a:80",
        "80:80/icmp",
        "8000-8002:80-81",
        "300.1.1.1:80:80",
        ":",
    ] {
        host.minictl(format!("run --rm -p {port} {image} true"))
            .refused(125, &[port]);
    }
    assert!(host.containers().is_empty());
}

#[test]
fn a_port_follows_its_container_through_stop_and_start() {
    let mut host = tests::host!();
    let image = host.busybox();
    web(&host, "web", &image, &["-p", "8080:80"]);
    answers(host.spaces(), "127.0.0.1:8080", "web");
    host.minictl("stop -t 0 web").ok();
    silent(host.spaces(), "127.0.0.1:8080");
    host.minictl("start web").ok();
    answers(host.spaces(), "127.0.0.1:8080", "web");
    host.minictl("rm -f web").ok();
}

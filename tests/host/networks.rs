//! Networks: the default bridge, those a person makes, `none`, `host`, another container's.

use std::io::Write;
use std::net::TcpListener;

use tests::Host;
use tests::peer::Peer;

#[track_caller]
fn sh(host: &Host, image: &str, options: &[&str], script: &str) -> tests::Done {
    let mut line = vec!["run", "--rm"];
    line.extend(options);
    line.extend([image, "sh", "-c", script]);
    host.minictl(line)
}

#[test]
fn the_default_bridge_leads_out_under_the_hosts_address() {
    let mut host = tests::host!();
    let image = host.busybox();
    let peer = Peer::join(&host);
    let listener = peer
        .spaces()
        .enter(|| TcpListener::bind("192.0.2.2:80").expect("a port of the peer"));
    let server = std::thread::spawn(move || {
        let (mut stream, from) = listener.accept().expect("a caller");
        writeln!(stream, "{}", from.ip()).expect("an answer");
    });
    sh(&host, &image, &[], "nc -w 3 192.0.2.2 80 </dev/null")
        .ok()
        .prints("192.0.2.1");
    server.join().expect("the server ends");
    sh(&host, &image, &[], "ip route | head -1 | cut -d' ' -f1,2; ip -o link | wc -l; ip -o link show eth0 | grep -c LOWER_UP")
        .ok()
        .prints("default via\n2\n1");
}

#[test]
fn containers_of_one_bridge_reach_each_other() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!(
        "run -d --name server {image} httpd -f -p 80 -h /etc"
    ))
    .ok();
    let address = host
        .minictl("inspect -f {{.NetworkSettings.IPAddress}} server")
        .ok()
        .text();
    sh(
        &host,
        &image,
        &[],
        &format!("fetch {address} 80 /group | head -1"),
    )
    .ok()
    .prints("root:x:0:");
    host.minictl("rm -f server").ok();
}

#[test]
fn networks_are_isolated_from_each_other() {
    let mut host = tests::host!();
    let image = host.busybox();
    for name in ["red", "blue"] {
        host.minictl(format!("network create {name}")).ok();
    }
    host.minictl(format!(
        "run -d --name server --network red {image} httpd -f -p 80 -h /etc"
    ))
    .ok();
    let address = host
        .minictl("inspect -f {{.NetworkSettings.Networks.red.IPAddress}} server")
        .ok()
        .text();
    let ask = format!("fetch {address} 80 /group >/dev/null && echo reached");
    sh(&host, &image, &["--network", "red"], &ask)
        .ok()
        .prints("reached");
    assert_ne!(
        sh(&host, &image, &["--network", "blue"], &ask).text(),
        "reached"
    );
    assert_ne!(sh(&host, &image, &[], &ask).text(), "reached");
    host.minictl("rm -f server").ok();
    host.minictl("network rm red blue").ok().prints("red\nblue");
}

#[test]
fn an_internal_network_leads_nowhere() {
    let mut host = tests::host!();
    let image = host.busybox();
    let peer = Peer::join(&host);
    let _listener = peer
        .spaces()
        .enter(|| TcpListener::bind("192.0.2.2:80").expect("a port of the peer"));
    host.minictl("network create --internal inner").ok();
    sh(
        &host,
        &image,
        &["--network", "inner"],
        "nc -w 2 192.0.2.2 80 </dev/null && echo out || echo in",
    )
    .ok()
    .prints("in");
    host.minictl(format!(
        "run -d --name server --network inner {image} httpd -f -p 80 -h /etc"
    ))
    .ok();
    sh(
        &host,
        &image,
        &["--network", "inner"],
        "fetch server 80 /group | head -1",
    )
    .ok()
    .prints("root:x:0:");
    host.minictl("rm -f server").ok();
    host.minictl("network rm inner").ok();
}

#[test]
fn no_network_is_a_loopback_alone() {
    let mut host = tests::host!();
    let image = host.busybox();
    sh(
        &host,
        &image,
        &["--network", "none"],
        "ip -o link | cut -d: -f2 | xargs; ip -o link show lo | grep -c UP; ip route | wc -l",
    )
    .ok()
    .prints("lo\n1\n0");
}

#[test]
fn the_hosts_network_is_the_hosts() {
    let mut host = tests::host!();
    let image = host.busybox();
    let own = host.sh("readlink /proc/self/ns/net").ok().text();
    sh(
        &host,
        &image,
        &["--network", "host"],
        "readlink /proc/self/ns/net",
    )
    .ok()
    .prints(&own);
    host.minictl(format!(
        "run -d --name server --network host {image} httpd -f -p 8099 -h /etc"
    ))
    .ok();
    let answer = tests::eventually("an answer", || {
        tests::http::get(host.spaces(), "127.0.0.1:8099", "/group").ok()
    });
    assert_eq!(answer.status, 200);
    host.minictl("rm -f server").ok();
}

#[test]
fn a_network_may_be_another_containers() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!(
        "run -d --name server --network none {image} httpd -f -p 80 -h /etc"
    ))
    .ok();
    sh(
        &host,
        &image,
        &["--network", "container:server"],
        "fetch 127.0.0.1 80 /group | head -1",
    )
    .ok()
    .prints("root:x:0:");
    host.minictl("rm -f server").ok();
    sh(&host, &image, &["--network", "container:server"], "true").refused(125, &["server"]);
}

#[test]
fn a_network_is_made_looked_at_and_removed() {
    let mut host = tests::host!();
    let image = host.busybox();
    let id = host
        .minictl("network create --subnet 10.123.0.0/24 own")
        .ok()
        .text();
    assert_eq!(id.len(), 64, "{id}");
    host.minictl("network ls --format '{{.Name}} {{.Driver}}'")
        .ok()
        .prints("bridge bridge\nhost host\nnone null\nown bridge");
    host.minictl("network inspect -f '{{(index .IPAM.Config 0).Subnet}}' own")
        .ok()
        .prints("10.123.0.0/24");
    host.minictl(format!(
        "run -d --name member --network own --ip 10.123.0.77 {image} sleep 1000"
    ))
    .ok();
    host.minictl([
        "exec",
        "member",
        "sh",
        "-c",
        "ip -o -4 address show eth0 | tr -s ' ' | cut -d' ' -f4",
    ])
    .ok()
    .prints("10.123.0.77/24");
    host.minictl(format!(
        "run --rm --network own --ip 10.123.0.77 {image} true"
    ))
    .refused(125, &["10.123.0.77"]);
    host.minictl(format!("run --rm --network own --ip 10.9.9.9 {image} true"))
        .refused(125, &["10.9.9.9"]);
    host.minictl("network rm own")
        .refused(1, &["own", "member"]);
    host.minictl("rm -f member").ok();
    host.minictl("network create own").refused(1, &["own"]);
    host.minictl("network create --subnet 10.123.0.128/25 overlaps")
        .refused(1, &["10.123.0"]);
    host.minictl("network rm own").ok().prints("own");
    for name in ["bridge", "host", "none"] {
        host.minictl(format!("network rm {name}"))
            .refused(1, &[name]);
    }
    host.minictl("network rm nosuch").refused(1, &["nosuch"]);
    host.minictl(format!("run --rm --network nosuch {image} true"))
        .refused(125, &["nosuch"]);
    assert!(host.containers().is_empty());
}

#[test]
fn a_subnet_of_the_hosts_own_is_left_alone() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.sh("ip link add wired type bridge; ip address add 10.88.0.1/16 dev wired; ip link set wired up").ok();
    let address = sh(
        &host,
        &image,
        &[],
        "ip -o -4 address show eth0 | tr -s ' ' | cut -d' ' -f4",
    )
    .ok()
    .text();
    assert!(!address.starts_with("10.88."), "{address}");
    host.minictl("network create --subnet 10.88.5.0/24 clash")
        .refused(1, &["10.88"]);
    host.sh("ip link delete wired").ok();
}

//! Names on the networks a person makes.

use std::net::UdpSocket;
use std::time::Duration;

use tests::peer::Peer;

#[test]
fn containers_find_each_other_by_name() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl("network create own").ok();
    for (name, alias) in [("one", "first"), ("two", "second")] {
        host.minictl(format!(
            "run -d --name {name} --network own --network-alias {alias} {image} sleep 1000"
        ))
        .ok();
    }
    let two = host
        .minictl("inspect -f {{.NetworkSettings.Networks.own.IPAddress}} two")
        .ok()
        .text();
    let id = host.inspect("two", "/Id").as_str().expect("an id")[..12].to_owned();
    for name in ["two", "second", "TWO", &id] {
        let found = host
            .minictl(format!("exec one nslookup -type=a {name}"))
            .ok();
        assert!(found.stdout.contains(&two), "{name} is {two}: {found}");
    }
    host.minictl("exec two ping -c1 -w3 one").ok();
    let unknown = host.minictl("exec one nslookup -type=a nobody");
    assert!(
        unknown.code != 0 && unknown.took < Duration::from_secs(4),
        "{unknown}"
    );
    host.minictl("rm -f two").ok();
    assert_ne!(
        host.minictl("exec one nslookup -type=a two").code,
        0,
        "a name goes with its container"
    );
    host.minictl("rm -f one").ok();
    host.minictl("network rm own").ok();
}

#[test]
fn a_name_is_known_in_its_own_network_only() {
    let mut host = tests::host!();
    let image = host.busybox();
    for network in ["red", "blue"] {
        host.minictl(format!("network create {network}")).ok();
    }
    host.minictl(format!("run -d --name db --network red {image} sleep 1000"))
        .ok();
    host.minictl(format!("run --rm --network red {image} ping -c1 -w3 db"))
        .ok();
    assert_ne!(
        host.minictl(format!(
            "run --rm --network blue {image} nslookup -type=a db"
        ))
        .code,
        0
    );
    assert_ne!(
        host.minictl(format!("run --rm {image} nslookup -type=a db"))
            .code,
        0
    );
    host.minictl("rm -f db").ok();
    host.minictl("network rm red blue").ok();
}

#[test]
fn other_names_are_asked_of_the_hosts_resolver() {
    let mut host = tests::host!();
    let image = host.busybox();
    let peer = Peer::join(&host);
    let resolv = host.file("resolv.conf", "nameserver 192.0.2.2\nsearch example.test\n");
    host.sh(&format!(
        "mount --bind {} /etc/resolv.conf",
        resolv.display()
    ))
    .ok();
    let socket = peer
        .spaces()
        .enter(|| UdpSocket::bind("192.0.2.2:53").expect("a port of the peer"));
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            let mut answer = question[..length].to_vec();
            // The question (without the additional section), then one A record for 203.0.113.5.
            let end = 12
                + question[12..length]
                    .iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(0)
                + 5;
            answer.truncate(end);
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 5]);
            let _ = socket.send_to(&answer, from);
        }
    });
    host.minictl("network create own").ok();
    let found = host
        .minictl(format!(
            "run --rm --network own {image} nslookup -type=a far.example.test"
        ))
        .ok();
    assert!(found.stdout.contains("203.0.113.5"), "{found}");
    // On the default bridge the host's resolver is asked directly.
    let found = host
        .minictl(format!(
            "run --rm {image} sh -c 'cat /etc/resolv.conf; nslookup -type=a far.example.test'"
        ))
        .ok();
    assert!(
        found.stdout.contains("nameserver 192.0.2.2") && found.stdout.contains("203.0.113.5"),
        "{found}"
    );
    let own = host
        .minictl(format!(
            "run --rm --dns 192.0.2.9 --dns-search other.test {image} cat /etc/resolv.conf"
        ))
        .ok();
    assert!(
        own.stdout.contains("nameserver 192.0.2.9") && own.stdout.contains("search other.test"),
        "{own}"
    );
    host.minictl("network rm own").ok();
    host.sh("umount /etc/resolv.conf").ok();
}

#[test]
fn addresses_are_named_back() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl("network create own").ok();
    host.minictl(format!("run -d --name db --network own {image} sleep 1000"))
        .ok();
    let address = host
        .minictl("inspect -f {{.NetworkSettings.Networks.own.IPAddress}} db")
        .ok()
        .text();
    let found = host.minictl(format!("run --rm --network own {image} nslookup {address}"));
    assert!(found.stdout.contains("db"), "{found}");
    host.minictl("rm -f db").ok();
    host.minictl("network rm own").ok();
}

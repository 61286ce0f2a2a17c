//! Many at once, and what dies on the way: healing leaves nothing.

use std::collections::BTreeSet;

use super::*;
use crate::NetworkSpec;

#[test]
fn a_netns_that_dies_takes_its_link_along() {
    let Some(host) = Host::new("a_netns_that_dies_takes_its_link_along") else {
        return;
    };
    let (netns, attachment) = host.connect("one", "bridge", &[port("", 8080, 80, Protocol::Tcp)]);
    let (keeper, _) = host.connect("keeper", "bridge", &[]);
    drop(netns);
    // As after a kill -9 of everything: the record stays, healing takes it.
    let report = host
        .on(|networks| networks.heal(&|id| id == "keeper"))
        .unwrap();
    assert_eq!(report.dropped, ["one"]);
    assert!(!report.table_rewritten);
    let (_again, second) = host.connect("one", "bridge", &[port("", 8080, 80, Protocol::Tcp)]);
    assert_ne!(
        second.endpoint.ip, attachment.endpoint.ip,
        "addresses go round"
    );
    // The table was flushed by somebody.
    host.on(|_| Nft::open().unwrap().remove()).unwrap();
    assert!(
        host.on(|networks| networks.heal(&|_| true))
            .unwrap()
            .table_rewritten
    );
    assert_eq!(
        host.on(|networks| networks.heal(&|_| true)).unwrap(),
        Default::default()
    );
    let _server = Server::tcp(&_again, "one", 80);
    assert!(ask_tcp(&host.netns, "127.0.0.1:8080", PATIENCE).is_some());
    drop(keeper);
    host.on(|networks| networks.heal(&|_| false)).unwrap();
    host.assert_clean();
}

const CHURN_ROOTS: &str = "MINI_TEST_CHURN_ROOTS";

#[test]
#[ignore = "not a test: it is the process that the test below kills"]
fn churn_process() {
    let Some(roots) = std::env::var_os(CHURN_ROOTS) else {
        return;
    };
    let networks = Host::open(roots.as_ref(), vec![]);
    for number in 0.. {
        let id = format!("e{number}");
        let netns = Netns::create().unwrap();
        let ports = [
            port("", 8080, 80, Protocol::Tcp),
            port(HOST, 8081, 80, Protocol::Udp),
        ];
        networks
            .connect(&spec(&id, &netns, ["bridge", "red"][number % 2], &ports))
            .unwrap();
        drop(netns);
        networks.release(&id).unwrap();
        networks.sweep().unwrap();
    }
}

#[test]
fn killed_anywhere_it_is_healed() {
    let Some(host) = Host::new("killed_anywhere_it_is_healed") else {
        return;
    };
    let make = NetworkSpec {
        name: "red".into(),
        ..NetworkSpec::default()
    };
    host.on(|networks| networks.create(&make)).unwrap();
    let (_keeper, _) = host.connect("keeper", "bridge", &[]);
    for round in 0..40u64 {
        let alone = round >= 20;
        if round == 20 {
            host.on(|networks| networks.disconnect("keeper")).unwrap();
        }
        let mut child = inside(&host.netns, || {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([
                "lab::faults::churn_process",
                "--exact",
                "--ignored",
                "--test-threads=1",
            ]);
            command
                .env(CHURN_ROOTS, host.roots.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        });
        std::thread::sleep(Duration::from_micros(8_000 + round * 1_370));
        assert!(
            child.try_wait().unwrap().is_none(),
            "it was to run until it is killed"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        host.on(|networks| networks.heal(&|id| id == "keeper"))
            .unwrap();
        if alone {
            host.assert_clean();
        } else {
            assert_eq!(
                host.networks.endpoints().unwrap().len(),
                1,
                "the keeper alone is left"
            );
            let listing = inside(&host.netns, || {
                Command::new("nft")
                    .args(["list", "table", "ip", "mini"])
                    .output()
            });
            if let Ok(listing) = listing {
                let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
                assert!(
                    !listing.contains("8080") && !listing.contains("8081"),
                    "{listing}"
                );
            }
        }
    }
}

#[test]
fn run_root_is_lost() {
    let Some(host) = Host::new("run_root_is_lost") else {
        return;
    };
    let _one = host.connect("one", "bridge", &[]);
    std::fs::remove_dir_all(host.roots.path().join("run")).unwrap();
    host.on(|networks| networks.heal(&|_| false)).unwrap();
    // What sysctls were is lost with it.
    assert!(sh(&host.netns, "echo 0 > /proc/sys/net/ipv4/ip_forward"));
    host.assert_clean();
    let _two = host.connect("two", "bridge", &[]);
    host.on(|networks| networks.disconnect("two")).unwrap();
    host.assert_clean();
}

#[test]
fn fifty_at_once() {
    let Some(host) = Host::new("fifty_at_once") else {
        return;
    };
    let started = Instant::now();
    let connected: Vec<(OwnedFd, Attachment)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50u16)
            .map(|number| {
                let host = &host;
                scope.spawn(move || {
                    host.connect(
                        &format!("e{number}"),
                        "bridge",
                        &[port("", 9000 + number, 80, Protocol::Tcp)],
                    )
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    println!("50 connects at once: {:?}", started.elapsed());
    let addresses: BTreeSet<Ipv4Addr> = connected
        .iter()
        .map(|(_, attachment)| attachment.endpoint.ip)
        .collect();
    assert_eq!(addresses.len(), 50);
    let server = Server::tcp(&connected[49].0, "last", 80);
    assert!(ask_tcp(&host.outside, "192.0.2.10:9049", PATIENCE).is_some());

    drop(server);

    let started = Instant::now();
    drop(connected);
    std::thread::scope(|scope| {
        for number in 0..50 {
            let host = &host;
            scope.spawn(move || {
                host.on(|networks| networks.release(&format!("e{number}")))
                    .unwrap()
            });
        }
    });
    println!("50 releases at once: {:?}", started.elapsed());
    host.on(|networks| networks.sweep()).unwrap();
    println!("and swept: {:?}", started.elapsed());
    host.assert_clean();
}

//! Names, end to end: the server is this test binary, started as `minictl` would start it.

use std::net::SocketAddr;
use std::path::Path;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::NetworkSpec;
use crate::resolver::upstream::Servers;

const RUN_ROOT: &str = "MINI_TEST_RUN_ROOT";

#[test]
#[ignore = "not a test: it is the resolver's process of the tests below"]
fn resolver_process() {
    if let Some(root) = std::env::var_os(RUN_ROOT) {
        crate::resolver::serve(Path::new(&root)).unwrap();
    }
}

fn named_host(test: &str) -> Option<Host> {
    let mut host = Host::new(test)?;
    let root = host.roots.path().join("run");
    let program = std::env::current_exe().unwrap();
    let words = [
        "/usr/bin/env".into(),
        format!("{RUN_ROOT}={}", root.display()).into(),
        program.into_os_string(),
        "lab::names::resolver_process".into(),
        "--exact".into(),
        "--ignored".into(),
        "--test-threads=1".into(),
    ];
    host.networks = Host::open(host.roots.path(), words.into());
    Some(host)
}

fn ask(
    netns: &OwnedFd,
    gateway: Ipv4Addr,
    name: &str,
    kind: RecordType,
    tcp: bool,
) -> Option<(ResponseCode, String)> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let bytes = question.to_vec().unwrap();
    let server = SocketAddr::from((gateway, 53));
    let answer = inside(netns, || {
        if tcp {
            let mut stream = TcpStream::connect_timeout(&server, PATIENCE).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
                .write_all(&[&(bytes.len() as u16).to_be_bytes(), bytes.as_slice()].concat())
                .ok()?;
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut answer).ok()?;
            Some(answer)
        } else {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(3 * PATIENCE)).unwrap();
            socket.connect(server).ok()?;
            socket.send(&bytes).ok()?;
            let mut answer = vec![0; 4096];
            let length = socket.recv(&mut answer).ok()?;
            answer.truncate(length);
            Some(answer)
        }
    })?;
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!(answer.metadata.id, question.metadata.id);
    let data: Vec<String> = answer
        .answers
        .iter()
        .map(|record| record.data.to_string())
        .collect();
    Some((answer.metadata.response_code, data.join(" ")))
}

fn resolver_pid(host: &Host) -> Option<Pid> {
    let path = host.roots.path().join("run/network/resolver.lock");
    let pid = std::fs::read_to_string(path).ok()?.trim().parse().ok()?;
    let lives = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z "));
    lives.then(|| Pid::from_raw(pid))
}

fn wait_for_end(host: &Host) {
    let deadline = Instant::now() + Duration::from_secs(3);
    while resolver_pid(host).is_some() {
        assert!(Instant::now() < deadline, "the resolver should have ended");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn names_on_a_user_made_network() {
    let Some(host) = named_host("names_on_a_user_made_network") else {
        return;
    };
    let make = |name: &str, internal| {
        let spec = NetworkSpec {
            name: name.into(),
            internal,
            ..NetworkSpec::default()
        };
        host.on(|networks| networks.create(&spec)).unwrap()
    };
    let (red, vault) = (make("red", false), make("vault", true));
    assert_eq!(host.networks.resolver_conf(&red), Some(red.gateway));
    let (web, _) = host.connect("web", "red", &[port("", 53, 53, Protocol::Udp)]);
    let first = resolver_pid(&host).expect("a resolver runs");
    let (_db, db) = host.connect("db", "red", &[]);
    let (safe, kept) = host.connect("safe", "vault", &[]);
    assert_eq!(resolver_pid(&host), Some(first), "one resolver serves all");

    let ip = |attachment: &Attachment| attachment.endpoint.ip.to_string();
    let ok = |data: String| Some((ResponseCode::NoError, data));
    for tcp in [false, true] {
        assert_eq!(
            ask(&web, red.gateway, "db.", RecordType::A, tcp),
            ok(ip(&db)),
            "tcp: {tcp}"
        );
        assert_eq!(
            ask(&web, red.gateway, "DB.red.", RecordType::A, tcp),
            ok(ip(&db)),
            "tcp: {tcp}"
        );
        assert_eq!(
            ask(&web, red.gateway, "db.", RecordType::AAAA, tcp),
            ok(String::new()),
            "tcp: {tcp}"
        );
        assert_eq!(
            ask(&safe, vault.gateway, "safe.", RecordType::A, tcp),
            ok(ip(&kept)),
            "tcp: {tcp}"
        );
        let outside = ask(&safe, vault.gateway, "example.com.", RecordType::A, tcp);
        assert_eq!(
            outside,
            Some((ResponseCode::Refused, String::new())),
            "tcp: {tcp}"
        );
    }
    passes_on(&host, &web, red.gateway);

    // kill -9: the next one who connects, or heals, brings it back.
    kill(first, Signal::SIGKILL).unwrap();
    wait_for_end(&host);
    let (_late, late) = host.connect("late", "red", &[]);
    assert_eq!(
        ask(&web, red.gateway, "late.", RecordType::A, false),
        ok(ip(&late))
    );
    kill(resolver_pid(&host).unwrap(), Signal::SIGKILL).unwrap();
    wait_for_end(&host);
    host.on(|networks| networks.heal(&|_| true)).unwrap();
    assert_eq!(
        ask(&web, red.gateway, "late.", RecordType::A, false),
        ok(ip(&late))
    );

    // Who is gone has no name.
    host.on(|networks| networks.disconnect("late")).unwrap();
    assert_ne!(
        ask(&web, red.gateway, "late.", RecordType::A, false),
        ok(ip(&late))
    );
    for id in ["web", "db", "safe"] {
        host.on(|networks| networks.disconnect(id)).unwrap();
    }
    wait_for_end(&host);
    host.assert_clean();
}

/// Other names are asked of the host's resolvers; here the other host plays them.
fn passes_on(host: &Host, web: &OwnedFd, gateway: Ipv4Addr) {
    let servers: Vec<Ipv4Addr> = Servers::read().v4().collect();
    if servers.is_empty()
        || servers.iter().any(|server| {
            server.is_loopback() || server.is_private() && server.octets()[..2] == [10, 88]
        })
    {
        println!(
            "passing on is not tried: this machine's resolv.conf has no server that can be played"
        );
        return;
    }
    for server in &servers {
        assert!(sh(
            &host.outside,
            &format!("ip addr add {server}/32 dev lo")
        ));
    }
    let listening: Vec<UdpSocket> = inside(&host.outside, || {
        servers
            .iter()
            .map(|server| UdpSocket::bind((*server, 53)).unwrap())
            .collect()
    });
    let _upstream: Vec<Server> = listening
        .into_iter()
        .map(|socket| {
            socket.set_nonblocking(true).unwrap();
            Server::spin(move || {
                let mut buffer = [0; 512];
                if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                    let mut answer = buffer[..length].to_vec();
                    answer[2] |= 0x80;
                    answer[7] = 1;
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 203, 0, 113, 7]);
                    let _ = socket.send_to(&answer, peer);
                }
            })
        })
        .collect();
    for tcp in [false, true] {
        let answer = ask(web, gateway, "example.com.", RecordType::A, tcp);
        assert_eq!(
            answer,
            Some((ResponseCode::NoError, "203.0.113.7".to_owned())),
            "tcp: {tcp}"
        );
    }
}

#[test]
fn fifty_with_names_at_once() {
    let Some(host) = named_host("fifty_with_names_at_once") else {
        return;
    };
    let spec = NetworkSpec {
        name: "red".into(),
        ..NetworkSpec::default()
    };
    let red = host.on(|networks| networks.create(&spec)).unwrap();
    let started = Instant::now();
    let connected: Vec<(OwnedFd, Attachment)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50)
            .map(|number| {
                let host = &host;
                scope.spawn(move || host.connect(&format!("e{number}"), "red", &[]))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    println!("50 connects with names at once: {:?}", started.elapsed());
    for (number, (_, attachment)) in connected.iter().enumerate() {
        let answer = ask(
            &connected[0].0,
            red.gateway,
            &format!("e{number}."),
            RecordType::A,
            false,
        );
        assert_eq!(
            answer,
            Some((ResponseCode::NoError, attachment.endpoint.ip.to_string()))
        );
    }
    drop(connected);
    host.on(|networks| networks.heal(&|_| false)).unwrap();
    wait_for_end(&host);
    host.assert_clean();
}

#[test]
fn a_resolver_that_does_not_come_is_told() {
    let Some(mut host) = Host::new("a_resolver_that_does_not_come_is_told") else {
        return;
    };
    host.networks = Host::open(host.roots.path(), vec!["/bin/false".into()]);
    let spec_red = NetworkSpec {
        name: "red".into(),
        ..NetworkSpec::default()
    };
    host.on(|networks| networks.create(&spec_red)).unwrap();
    let netns = Netns::create().unwrap();
    let error = host
        .on(|networks| networks.connect(&spec("web", &netns, "red", &[])))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("start the resolver for network \"red\": /bin/false ended with"),
        "{error}"
    );
    host.assert_clean();
}

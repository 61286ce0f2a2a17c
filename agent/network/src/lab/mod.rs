//! For tests that need the kernel: hosts made of network namespaces, and small servers and clients inside them.

mod faults;
mod names;
mod networks;
mod speed;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;

use crate::netlink::Route;
use crate::nft::Nft;
use crate::{Attachment, EndpointSpec, Netns, Networks, Options, PortMapping, Protocol};

/// Runs `work` in a thread with its own network namespace; without root it says so and returns.
pub(crate) fn in_own_netns(test: &str, work: impl FnOnce() + Send) {
    if !geteuid().is_root() {
        println!("{test} skipped: needs root for a network namespace of its own");
        return;
    }
    let netns = Netns::create().unwrap();
    inside(&netns, work);
}

/// Runs `work` in a thread inside the namespace.
fn inside<T: Send>(netns: impl AsFd, work: impl FnOnce() -> T + Send) -> T {
    Netns::enter(netns, || Ok(work())).unwrap()
}

/// A host with a wire to another one, state directories of its own, and nothing else.
struct Host {
    netns: OwnedFd,
    /// The other host: 192.0.2.20, which knows no route to any endpoint.
    outside: OwnedFd,
    networks: Networks,
    roots: tempfile::TempDir,
}

const HOST: &str = "192.0.2.10";
const OUTSIDE: &str = "192.0.2.20";

impl Host {
    /// `None` without root.
    fn new(test: &str) -> Option<Host> {
        if !geteuid().is_root() {
            println!("{test} skipped: needs root for network namespaces");
            return None;
        }
        let (netns, outside) = (Netns::create().unwrap(), Netns::create().unwrap());
        inside(&netns, || {
            let mut route = Route::open().unwrap();
            let mac = crate::names::mac_of(Ipv4Addr::new(192, 0, 2, 20));
            route
                .create_bridge(
                    "wire",
                    crate::names::mac_of(Ipv4Addr::new(192, 0, 2, 10)),
                    1400,
                )
                .unwrap();
            let wire = route.link("wire").unwrap().unwrap();
            let veth = crate::netlink::Veth {
                host_name: "port",
                bridge: &wire,
                netns: &outside,
                name: "eth0",
                mac,
                mtu: 1400,
            };
            route.create_veth(&veth).unwrap();
            route.add_address(&wire, HOST.parse().unwrap(), 24).unwrap();
            route.set_up("wire").unwrap();
            route.add_default_route(OUTSIDE.parse().unwrap()).unwrap();
        });
        let mut route = Route::open_in(&outside).unwrap();
        let eth0 = route.link("eth0").unwrap().unwrap();
        route
            .add_address(&eth0, OUTSIDE.parse().unwrap(), 24)
            .unwrap();
        route.set_up("eth0").unwrap();
        let roots = tempfile::tempdir().unwrap();
        let networks = Host::open(roots.path(), Vec::new());
        Some(Host {
            netns,
            outside,
            networks,
            roots,
        })
    }

    fn open(roots: &std::path::Path, resolver: Vec<OsString>) -> Networks {
        let options = Options {
            data_root: roots.join("data"),
            run_root: roots.join("run"),
            resolver,
        };
        Networks::open(options).unwrap()
    }

    /// Runs `work` on the host.
    fn on<T: Send>(&self, work: impl FnOnce(&Networks) -> T + Send) -> T {
        inside(&self.netns, || work(&self.networks))
    }

    fn connect(&self, id: &str, network: &str, ports: &[PortMapping]) -> (OwnedFd, Attachment) {
        let netns = Netns::create().unwrap();
        let attachment = self
            .on(|networks| networks.connect(&spec(id, &netns, network, ports)))
            .unwrap();
        (netns, attachment)
    }

    /// What a test may not leave behind: links, the table, records, leases, the sysctl.
    fn assert_clean(&self) {
        self.on(|networks| {
            // A link dies a little after its namespace.
            let deadline = Instant::now() + Duration::from_secs(3);
            loop {
                let mut links: Vec<String> = Route::open()
                    .unwrap()
                    .links()
                    .unwrap()
                    .into_iter()
                    .map(|l| l.name)
                    .collect();
                links.retain(|name| {
                    !["lo", "wire", "port", "ifb0", "ifb1"].contains(&name.as_str())
                });
                if links.is_empty() {
                    break;
                }
                assert!(Instant::now() < deadline, "links are left: {links:?}");
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(!Nft::open().unwrap().exists().unwrap(), "the table is left");
            assert_eq!(networks.endpoints().unwrap(), []);
            assert_eq!(networks.state.leases().unwrap(), []);
            assert_eq!(
                std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
                    .unwrap()
                    .trim(),
                "0"
            );
        });
    }
}

fn spec<'a>(
    id: &'a str,
    netns: &'a OwnedFd,
    network: &'a str,
    ports: &[PortMapping],
) -> EndpointSpec<'a> {
    EndpointSpec {
        id,
        netns,
        network,
        ifname: "eth0",
        hostname: id.to_owned(),
        aliases: vec![],
        ip: None,
        ports: ports.to_vec(),
    }
}

fn port(host_ip: &str, host_port: u16, container_port: u16, protocol: Protocol) -> PortMapping {
    PortMapping {
        host_ip: host_ip.parse().ok(),
        host_port,
        container_port,
        protocol,
    }
}

/// A server that answers each connection or packet with `NAME PEER`.
struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn tcp(netns: &OwnedFd, name: &str, port: u16) -> Server {
        let listener = inside(netns, || TcpListener::bind(("0.0.0.0", port)).unwrap());
        listener.set_nonblocking(true).unwrap();
        let name = name.to_owned();
        Server::spin(move || {
            if let Ok((mut stream, peer)) = listener.accept() {
                let _ = stream.write_all(format!("{name} {}", peer.ip()).as_bytes());
            }
        })
    }

    fn udp(netns: &OwnedFd, name: &str, port: u16) -> Server {
        let socket = inside(netns, || UdpSocket::bind(("0.0.0.0", port)).unwrap());
        socket.set_nonblocking(true).unwrap();
        let name = name.to_owned();
        Server::spin(move || {
            let mut buffer = [0; 100];
            if let Ok((_, peer)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(format!("{name} {}", peer.ip()).as_bytes(), peer);
            }
        })
    }

    fn spin(mut step: impl FnMut() + Send + 'static) -> Server {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                step();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Server {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const PATIENCE: Duration = Duration::from_millis(1000);
/// For what must not be answered.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// What a TCP server says to a client in `netns`; `None` when it is not reached.
fn ask_tcp(netns: &OwnedFd, to: &str, patience: Duration) -> Option<String> {
    inside(netns, || {
        let mut stream =
            TcpStream::connect_timeout(&to.parse::<SocketAddr>().unwrap(), patience).ok()?;
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    })
}

fn ask_udp(netns: &OwnedFd, to: &str, patience: Duration) -> Option<String> {
    inside(netns, || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.connect(to.parse::<SocketAddr>().unwrap()).ok()?;
        socket.send(b"?").ok()?;
        let mut buffer = [0; 100];
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    })
}

fn sh(netns: &OwnedFd, command: &str) -> bool {
    inside(netns, || {
        Command::new("sh")
            .args(["-c", command])
            .status()
            .is_ok_and(|status| status.success())
    })
}

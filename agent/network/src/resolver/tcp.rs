//! Questions over TCP (RFC 7766): a thread for each connection, with a bound on how long and how many.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::op::Message;

use super::answer::{Verdict, answer};
use super::relay::{answers, server_failure};
use super::upstream;
use super::zone::Directory;

/// What connections share with the server's loop.
pub(crate) struct Shared {
    pub(crate) directory: Mutex<Arc<Directory>>,
    pub(crate) upstream: Mutex<upstream::Watched>,
    pub(crate) turn: AtomicUsize,
    connections: AtomicUsize,
}

/// As many as are served at once.
const CONNECTIONS: usize = 64;
/// How long a client may be idle.
const IDLE: Duration = Duration::from_secs(10);
/// How long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

impl Shared {
    pub(crate) fn new(upstream: upstream::Watched) -> Shared {
        Shared {
            directory: Mutex::default(),
            upstream: Mutex::new(upstream),
            turn: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        }
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(
            &self
                .directory
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The host's resolvers, none of which is one of our own gateways.
    pub(crate) fn servers(&self) -> Vec<IpAddr> {
        let gateways = self.directory().gateways();
        let mut servers = self
            .upstream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .servers()
            .0;
        servers.retain(|server| !matches!(server, IpAddr::V4(v4) if gateways.contains(v4)));
        servers
    }

    pub(crate) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}

/// Serves a connection in a thread of its own; one too many is closed.
pub(crate) fn accept(stream: TcpStream, gateway: Ipv4Addr, shared: &Arc<Shared>) {
    if shared.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
        shared.connections.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let owned = Arc::clone(shared);
    let thread = std::thread::Builder::new()
        .name("tcp".into())
        .stack_size(256 * 1024)
        .spawn(move || {
            // A client that goes away or talks nonsense is closed, and that is all there is to say to it.
            let _ = converse(stream, gateway, &owned);
            owned.connections.fetch_sub(1, Ordering::Relaxed);
        });
    if thread.is_err() {
        shared.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn converse(mut stream: TcpStream, gateway: Ipv4Addr, shared: &Shared) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    let SocketAddr::V4(client) = stream.peer_addr()? else {
        return Ok(());
    };
    loop {
        let bytes = read_message(&mut stream)?;
        let question = Message::from_vec(&bytes).map_err(io::Error::other)?;
        let zone = shared.directory().zone(gateway, *client.ip());
        let response = match answer(&question, &zone, shared.next_turn()) {
            Verdict::Answer(response) => response.to_vec().map_err(io::Error::other)?,
            Verdict::Forward => forward(&bytes, &shared.servers()),
        };
        write_message(&mut stream, &response)?;
    }
}

/// Asks each server, by TCP and where that fails by UDP.
fn forward(question: &[u8], servers: &[IpAddr]) -> Vec<u8> {
    for server in servers {
        let answered = by_tcp(question, *server).or_else(|_| by_udp(question, *server));
        if let Ok(answer) = answered
            && answers(&answer, question)
        {
            return answer;
        }
    }
    server_failure(question)
}

fn by_tcp(question: &[u8], server: IpAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&(server, 53).into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write_message(&mut stream, question)?;
    read_message(&mut stream)
}

fn by_udp(question: &[u8], server: IpAddr) -> io::Result<Vec<u8>> {
    let any = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect((server, 53))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(question)?;
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn write_message(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat())
}

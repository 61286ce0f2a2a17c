//! UDP questions that were passed on and wait for an answer: who asked, whom we asked, until when we wait.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};

use super::answer::{Verdict, failure};

/// How long one server is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Each server is asked this many times.
const ROUNDS: usize = 2;
/// Longest answer: what UDP can carry.
const LARGEST: usize = 65_535;

/// One question on its way.
pub(crate) struct Relay {
    /// Whom to answer, and from which gateway.
    pub(crate) client: SocketAddr,
    pub(crate) gateway: Ipv4Addr,
    /// When the next server has its turn.
    pub(crate) deadline: Instant,
    pub(crate) socket: UdpSocket,
    question: Vec<u8>,
    servers: Vec<IpAddr>,
    asked: usize,
    done: bool,
}

/// How a relay stands.
pub(crate) enum Progress {
    /// Bytes for the client; the relay is done.
    Answered(Vec<u8>),
    /// Still on its way.
    Waiting,
}

impl Relay {
    /// Passes a question on to the first server.
    pub(crate) fn start(
        question: &[u8],
        client: SocketAddr,
        gateway: Ipv4Addr,
        servers: &[IpAddr],
        now: Instant,
    ) -> Result<Relay, Vec<u8>> {
        let mut turn = 0;
        let asked = ask_in_turn(question, servers, &mut turn);
        let Some(socket) = asked else {
            return Err(server_failure(question));
        };
        Ok(Relay {
            client,
            gateway,
            deadline: now + PATIENCE,
            socket,
            question: question.to_vec(),
            servers: servers.to_vec(),
            asked: turn,
            done: false,
        })
    }

    /// Whether the client has its answer.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    pub(crate) fn finish(&mut self) {
        self.done = true;
    }

    /// Too many others wait.
    pub(crate) fn give_up(&self) -> Progress {
        Progress::Answered(server_failure(&self.question))
    }

    /// Something arrived, or an error did.
    pub(crate) fn receive(&mut self, now: Instant) -> Progress {
        let mut buffer = vec![0; LARGEST];
        match self.socket.recv(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                if !answers(&buffer, &self.question) {
                    return Progress::Waiting;
                }
                // A server that is not able or willing: the next may be. The last one's word counts.
                let unable = matches!(buffer[3] & 0x0f, 2 | 4 | 5);
                if unable && self.asked < self.servers.len() {
                    self.next(now)
                } else {
                    Progress::Answered(buffer)
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Waiting,
            // Port unreachable: nobody there.
            Err(_) => self.next(now),
        }
    }

    /// The server's time is over: the next one has its turn.
    pub(crate) fn next(&mut self, now: Instant) -> Progress {
        match ask_in_turn(&self.question, &self.servers, &mut self.asked) {
            Some(socket) => {
                self.socket = socket;
                self.deadline = now + PATIENCE;
                Progress::Waiting
            }
            None => Progress::Answered(server_failure(&self.question)),
        }
    }
}

/// Sends the question to the next server that can be sent to; a socket of its own for each, so that the kernel picks
/// an unguessable port and lets through nothing but that server's answer.
fn ask_in_turn(question: &[u8], servers: &[IpAddr], turn: &mut usize) -> Option<UdpSocket> {
    while *turn < servers.len() * ROUNDS {
        let server = servers[*turn % servers.len()];
        *turn += 1;
        if let Ok(socket) = connected(server)
            && socket.send(question).is_ok()
        {
            return Some(socket);
        }
    }
    None
}

/// A non-blocking socket to a server.
fn connected(server: IpAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((server, 53))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether a datagram is the answer to this question: same id, marked as a response, the same question in it.
pub(crate) fn answers(datagram: &[u8], question: &[u8]) -> bool {
    let (Some(head), Some(asked)) = (datagram.get(..12), question.get(..12)) else {
        return false;
    };
    let Some(end) = question_end(question) else {
        return false;
    };
    let same_question = datagram
        .get(12..end)
        .is_some_and(|theirs| theirs.eq_ignore_ascii_case(&question[12..end]));
    // An error may come without the question.
    head[..2] == asked[..2]
        && head[2] & 0x80 != 0
        && (same_question || (head[4..6] == [0, 0] && head[3] & 0x0f != 0))
}

/// Where the one question of a message ends (RFC 1035, 4.1.2).
fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = 12;
    loop {
        match *message.get(at)? {
            0 => break,
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
    let end = at + 5;
    (message.len() >= end).then_some(end)
}

/// The answer "I could not find out".
pub(crate) fn server_failure(question: &[u8]) -> Vec<u8> {
    let Ok(message) = Message::from_vec(question) else {
        return Vec::new();
    };
    match failure(&message, ResponseCode::ServFail) {
        Verdict::Answer(response) => response.to_vec().unwrap_or_default(),
        Verdict::Forward => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u16, flags: [u8; 2], questions: u16, name: &[u8]) -> Vec<u8> {
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend(flags);
        bytes.extend(questions.to_be_bytes());
        bytes.extend([0; 6]);
        if questions > 0 {
            bytes.extend(name);
            bytes.extend([0, 0, 1, 0, 1]);
        }
        bytes
    }

    #[test]
    fn which_datagrams_are_answers() {
        let question = message(7, [1, 0], 1, b"\x03web");
        let check = |datagram: &[u8], expected: bool| {
            assert_eq!(answers(datagram, &question), expected, "{datagram:?}")
        };
        check(&message(7, [0x81, 0x80], 1, b"\x03web"), true);
        check(&message(7, [0x81, 0x80], 1, b"\x03WEB"), true);
        check(&message(8, [0x81, 0x80], 1, b"\x03web"), false);
        check(&message(7, [0x01, 0x00], 1, b"\x03web"), false);
        check(&message(7, [0x81, 0x80], 1, b"\x03wob"), false);
        check(&message(7, [0x81, 0x82], 0, b""), true);
        check(&message(7, [0x81, 0x80], 0, b""), false);
        check(&[], false);
        check(&question[..5], false);
    }
}

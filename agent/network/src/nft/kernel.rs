//! The conversation with nf_tables: batches in, acknowledgement or the first refusal out.

use std::io;
use std::os::fd::AsRawFd;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};

use super::ruleset::BRIDGES;
use super::table::{self, Datum, Element, NAME, Table};
use super::wire::{self, Attributes, Batch, DUMP, FAMILY_BRIDGE, FAMILY_IP, Kind};
use crate::error::{Error, Result};
use crate::netlink::split_message;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_ACK: u16 = 4;

/// A socket to nf_tables in the calling thread's network namespace.
#[derive(Debug)]
pub(crate) struct Nft {
    socket: Socket,
}

impl Nft {
    pub(crate) fn open() -> Result<Nft> {
        let mut socket =
            Socket::new(NETLINK_NETFILTER).map_err(Error::system("open", "nfnetlink socket"))?;
        socket
            .bind_auto()
            .map_err(Error::system("bind", "nfnetlink socket"))?;
        Ok(Nft { socket })
    }

    /// Replaces our table.
    pub(crate) fn replace(&mut self, table: &Table) -> Result<()> {
        self.commit("write", table.replace())
    }

    /// Replaces the table of a switch.
    pub(crate) fn replace_bridge(&mut self, table: &Table) -> Result<()> {
        self.commit("write", table.replace_in(FAMILY_BRIDGE))
    }

    /// Deletes our table, if it is there.
    pub(crate) fn remove(&mut self) -> Result<()> {
        self.commit("delete", table::removal())
    }

    /// Adds elements to sets and maps of our table.
    pub(crate) fn add(&mut self, elements: &[(&str, &[Element])]) -> Result<()> {
        let mut batch = Batch::new();
        for (set, elements) in elements {
            table::add_elements(&mut batch, set, elements);
        }
        self.commit("add", batch.finish())
    }

    /// Deletes elements; what is gone already is well gone.
    pub(crate) fn delete(&mut self, elements: &[(&str, &[Element])]) -> Result<()> {
        let mut batch = Batch::new();
        for (set, elements) in elements {
            table::delete_elements(&mut batch, set, elements);
        }
        match self.commit("delete", batch.finish()) {
            Err(error) if is_absent(&error) => self.delete_one_by_one(elements),
            other => other,
        }
    }

    fn delete_one_by_one(&mut self, elements: &[(&str, &[Element])]) -> Result<()> {
        for (set, elements) in elements {
            for element in *elements {
                let mut batch = Batch::new();
                table::delete_elements(&mut batch, set, std::slice::from_ref(element));
                match self.commit("delete", batch.finish()) {
                    Err(error) if !is_absent(&error) => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Whether our table is there.
    pub(crate) fn exists(&mut self) -> Result<bool> {
        let mut name = Attributes::default();
        name.put_str(1, NAME);
        self.is_found(Kind::GetTable, &name.bytes)
    }

    /// Whether our table is there and knows this bridge. Tables are only ever replaced whole, so it then holds every
    /// rule of the bridge.
    pub(crate) fn knows_bridge(&mut self, bridge: &str) -> Result<bool> {
        let element = Element {
            key: vec![Datum::Link(bridge.to_owned())],
            value: vec![],
        };
        self.has_element(BRIDGES, &element)
    }

    /// Whether a set or map of our table has this key.
    pub(crate) fn has_element(&mut self, set: &str, element: &Element) -> Result<bool> {
        let key = Element {
            key: element.key.clone(),
            value: vec![],
        };
        let mut question = Attributes::default();
        question.put_str(1, NAME).put_str(2, set).nest(3, |list| {
            list.nest(1, |e| key.encode(e));
        });
        self.is_found(Kind::GetSetElem, &question.bytes)
    }

    fn is_found(&mut self, kind: Kind, attributes: &[u8]) -> Result<bool> {
        let request = wire::request(kind, NLM_F_ACK, FAMILY_IP, attributes);
        match self.ask(&request) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(Error::system("look up", "table ip mini")(error)),
        }
    }

    /// Every base chain of every family: (family, table, chain, hook number, policy).
    pub(crate) fn base_chains(&mut self) -> Result<Vec<BaseChain>> {
        let request = wire::request(Kind::GetChain, DUMP, 0, &[]);
        let answers = self
            .ask(&request)
            .map_err(Error::system("list", "nftables chains"))?;
        Ok(answers
            .iter()
            .filter_map(|message| read_chain(message))
            .collect())
    }

    /// Sends a question and collects the answers up to the acknowledgement.
    fn ask(&mut self, request: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.socket.send(request, 0)?;
        let mut answers = Vec::new();
        let mut buffer = vec![0u8; 64 * 1024];
        loop {
            let received = receive(&self.socket, &mut buffer, MsgFlags::empty())?;
            let mut rest = &buffer[..received];
            while let Some((message, next)) = split_message(rest) {
                rest = next;
                match kind_of(message) {
                    NLMSG_DONE => return Ok(answers),
                    NLMSG_ERROR => return verdict(message).map_or(Ok(answers), Err),
                    _ => answers.push(message.to_vec()),
                }
            }
        }
    }

    /// Commits a finished batch. The kernel does all work and queues all answers before `send` returns.
    fn commit(&mut self, operation: &'static str, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let family = if batch.family == FAMILY_BRIDGE {
            "bridge"
        } else {
            "ip"
        };
        let failed = |subject: &str, error| {
            let object = format_args!("{subject} of table {family} mini");
            Error::system(operation, object)(error)
        };
        if batch.bytes.len() > 64 * 1024 {
            setsockopt(&self.socket, sockopt::SndBufForce, &(2 * batch.bytes.len()))
                .map_err(|errno| failed("all", io::Error::from(errno)))?;
        }
        self.socket
            .send(&batch.bytes, 0)
            .map_err(|error| failed("all", error))?;

        let mut buffer = vec![0u8; 64 * 1024];
        let mut outcome = None;
        loop {
            let received = match receive(&self.socket, &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(failed("all", error)),
            };
            let mut rest = &buffer[..received];
            while let Some((message, next)) = split_message(rest) {
                rest = next;
                if kind_of(message) != NLMSG_ERROR {
                    continue;
                }
                let sequence = message
                    .get(8..12)
                    .map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
                match verdict(message) {
                    Some(error) if !matches!(outcome, Some(Err(_))) => {
                        let subject = batch.subjects.iter().find(|(s, _)| *s == sequence);
                        outcome = Some(Err(failed(
                            subject.map_or("all", |(_, words)| words),
                            error,
                        )));
                    }
                    None if outcome.is_none() => outcome = Some(Ok(())),
                    _ => {}
                }
            }
        }
        outcome.unwrap_or_else(|| Err(failed("all", io::Error::other("the kernel gave no answer"))))
    }
}

/// A chain that the kernel calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseChain {
    /// `NFPROTO_*`.
    pub(crate) family: u8,
    pub(crate) table: String,
    pub(crate) name: String,
    /// `NF_INET_*`.
    pub(crate) hook: u32,
    /// Whether what no rule lets pass is dropped.
    pub(crate) drops: bool,
}

fn read_chain(message: &[u8]) -> Option<BaseChain> {
    let family = *message.get(16)?;
    let (mut table, mut name, mut hook, mut policy) = (String::new(), String::new(), None, 1);
    for (kind, value) in wire::attributes(message.get(wire::PAYLOAD.start..)?) {
        match kind {
            1 => table = text(value),
            3 => name = text(value),
            4 => {
                hook = wire::attributes(value)
                    .find(|(kind, _)| *kind == 1)
                    .and_then(|(_, v)| number(v))
            }
            5 => policy = number(value)?,
            _ => {}
        }
    }
    Some(BaseChain {
        family,
        table,
        name,
        hook: hook?,
        drops: policy == 0,
    })
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned()
}

fn is_absent(error: &Error) -> bool {
    matches!(error, Error::System { source, .. } if source.raw_os_error() == Some(libc::ENOENT))
}

fn receive(socket: &Socket, buffer: &mut [u8], flags: MsgFlags) -> io::Result<usize> {
    loop {
        match recv(socket.as_raw_fd(), buffer, flags) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

fn kind_of(message: &[u8]) -> u16 {
    message
        .get(4..6)
        .map_or(0, |b| u16::from_ne_bytes([b[0], b[1]]))
}

/// The error in an NLMSG_ERROR message; none in an acknowledgement.
fn verdict(message: &[u8]) -> Option<io::Error> {
    let code = message
        .get(16..20)
        .map_or(-libc::EIO, |b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    (code != 0).then(|| io::Error::from_raw_os_error(-code))
}

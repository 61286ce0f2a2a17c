//! The sockets and the loop.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use hickory_proto::op::Message;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::answer::{Verdict, answer, pack};
use super::relay::{Progress, Relay};
use super::tcp::{self, Shared};
use super::upstream::Watched;
use super::zone::Directory;
use crate::error::{Error, Result};
use crate::nft::ruleset::RESOLVER_PORT;
use crate::state::{State, make_dir};

/// As many questions are on their way at once; a further one displaces the oldest.
const RELAYS: usize = 512;

/// The server of one host.
pub(crate) struct Server {
    state: State,
    watch: Inotify,
    gates: BTreeMap<Ipv4Addr, Gate>,
    relays: Vec<Relay>,
    shared: Arc<Shared>,
}

/// The sockets on one gateway.
struct Gate {
    udp: UdpSocket,
    tcp: TcpListener,
}

/// What a poll has found ready.
enum Ready {
    Watch,
    Udp(Ipv4Addr),
    Tcp(Ipv4Addr),
    Relay(usize),
}

impl Server {
    /// Reads the records and listens on every gateway.
    pub(crate) fn open(state: State, resolv_conf: Watched) -> Result<Server> {
        let directory = state.endpoints_dir();
        make_dir(&directory)?;
        let watch = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .map_err(Error::system("open", "inotify"))?;
        let changes = AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_DELETE_SELF;
        watch
            .add_watch(&directory, changes)
            .map_err(Error::system("watch", directory.display()))?;
        let shared = Arc::new(Shared::new(resolv_conf));
        let mut server = Server {
            state,
            watch,
            gates: BTreeMap::new(),
            relays: Vec::new(),
            shared,
        };
        // What cannot be bound is the starter's business to know; later on it is tried again with every change.
        server.reload()?;
        Ok(server)
    }

    /// Serves until no user-made network has an endpoint.
    pub(crate) fn run(&mut self) -> Result<()> {
        while !self.shared.directory().gateways().is_empty() {
            for ready in self.wait()? {
                match ready {
                    Ready::Watch => {
                        while self
                            .watch
                            .read_events()
                            .is_ok_and(|events| !events.is_empty())
                        {}
                        // A gateway that is not there (yet) leaves the others as they are.
                        let _ = self.reload();
                    }
                    Ready::Udp(gateway) => self.receive(gateway),
                    Ready::Tcp(gateway) => {
                        if let Some(gate) = self.gates.get(&gateway)
                            && let Ok((stream, _)) = gate.tcp.accept()
                        {
                            tcp::accept(stream, gateway, &self.shared);
                        }
                    }
                    Ready::Relay(index) => self.advance(index, |relay, now| relay.receive(now)),
                }
            }
            let now = Instant::now();
            for index in 0..self.relays.len() {
                if self.relays[index].deadline <= now {
                    self.advance(index, |relay, now| relay.next(now));
                }
            }
            self.relays.retain(|relay| !relay.is_done());
        }
        Ok(())
    }

    /// Takes in the records, and binds and closes sockets as networks come and go.
    fn reload(&mut self) -> Result<()> {
        let directory = Directory::of(self.state.endpoints()?);
        let gateways = directory.gateways();
        *self
            .shared
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
        self.gates.retain(|gateway, _| gateways.contains(gateway));
        let mut outcome = Ok(());
        for gateway in gateways {
            let Entry::Vacant(place) = self.gates.entry(gateway) else {
                continue;
            };
            match Gate::open(gateway) {
                Ok(gate) => {
                    place.insert(gate);
                }
                Err(error) => {
                    let address = SocketAddr::from((gateway, RESOLVER_PORT));
                    outcome = Err(Error::system("listen on", address)(error));
                }
            }
        }
        outcome
    }

    fn wait(&self) -> Result<Vec<Ready>> {
        let mut what = vec![Ready::Watch];
        let mut descriptors = vec![PollFd::new(self.watch.as_fd(), PollFlags::POLLIN)];
        for (gateway, gate) in &self.gates {
            what.extend([Ready::Udp(*gateway), Ready::Tcp(*gateway)]);
            descriptors.push(PollFd::new(gate.udp.as_fd(), PollFlags::POLLIN));
            descriptors.push(PollFd::new(gate.tcp.as_fd(), PollFlags::POLLIN));
        }
        for (index, relay) in self.relays.iter().enumerate() {
            what.push(Ready::Relay(index));
            descriptors.push(PollFd::new(relay.socket.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut descriptors, self.timeout()) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Error::system("poll", "sockets")(errno)),
        }
        // The watch comes first: a question that follows an endpoint's record is answered out of it.
        let ready = descriptors
            .iter()
            .map(|d| d.any().unwrap_or(false))
            .collect::<Vec<_>>();
        Ok(what
            .into_iter()
            .zip(ready)
            .filter_map(|(what, ready)| ready.then_some(what))
            .collect())
    }

    /// Until the first relay's time is over.
    fn timeout(&self) -> PollTimeout {
        let Some(first) = self.relays.iter().map(|relay| relay.deadline).min() else {
            return PollTimeout::NONE;
        };
        let milliseconds = first.saturating_duration_since(Instant::now()).as_millis() + 1;
        PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
    }

    fn receive(&mut self, gateway: Ipv4Addr) {
        let mut buffer = [0; 4096];
        let Some(gate) = self.gates.get(&gateway) else {
            return;
        };
        let Ok((length, client)) = gate.udp.recv_from(&mut buffer) else {
            return;
        };
        let bytes = &buffer[..length];
        // What is no message gets no answer.
        let (Ok(question), IpAddr::V4(address)) = (Message::from_vec(bytes), client.ip()) else {
            return;
        };
        let zone = self.shared.directory().zone(gateway, address);
        match answer(&question, &zone, self.shared.next_turn()) {
            Verdict::Answer(response) => {
                let limit = usize::from(question.max_payload()).clamp(512, 4096);
                if let Some(bytes) = pack(&response, limit) {
                    let _ = gate.udp.send_to(&bytes, client);
                }
            }
            Verdict::Forward => match Relay::start(
                bytes,
                client,
                gateway,
                &self.shared.servers(),
                Instant::now(),
            ) {
                Ok(relay) => {
                    if self.relays.len() >= RELAYS {
                        self.advance(0, |relay, _| relay.give_up());
                        self.relays.remove(0);
                    }
                    self.relays.push(relay);
                }
                Err(failure) => drop(gate.udp.send_to(&failure, client)),
            },
        }
    }

    fn advance(&mut self, index: usize, step: impl FnOnce(&mut Relay, Instant) -> Progress) {
        let Some(relay) = self.relays.get_mut(index).filter(|relay| !relay.is_done()) else {
            return;
        };
        if let Progress::Answered(bytes) = step(relay, Instant::now()) {
            if let Some(gate) = self.gates.get(&relay.gateway) {
                let _ = gate.udp.send_to(&bytes, relay.client);
            }
            relay.finish();
        }
    }
}

impl Gate {
    fn open(gateway: Ipv4Addr) -> io::Result<Gate> {
        let udp = UdpSocket::bind((gateway, RESOLVER_PORT))?;
        udp.set_nonblocking(true)?;
        let tcp = TcpListener::bind((gateway, RESOLVER_PORT))?;
        tcp.set_nonblocking(true)?;
        Ok(Gate { udp, tcp })
    }
}

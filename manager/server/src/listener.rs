//! The cluster's port: TLS connections, each with who is at the other end.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use identity::peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::gate::Connection;
use crate::tls::Tls;

/// How long a handshake may take: who says nothing is not waited for.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes at once; more wait in the kernel's queue.
const AT_ONCE: usize = 1024;
/// Of these from one address: who begins more at once is hung up on, so that nobody keeps the others waiting.
const FROM_ONE: usize = 128;

/// A port that is taken, before anybody is served on it.
pub struct Listening(TcpListener);

impl Listening {
    /// Takes a port.
    pub async fn on(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Listening)
    }

    /// The address that was taken.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Connections whose handshake is done. Ends when the receiver is dropped.
    pub(crate) fn connections(self, tls: Tls) -> mpsc::Receiver<io::Result<Incoming>> {
        let (done, connections) = mpsc::channel(64);
        tokio::spawn(async move {
            let room = Arc::new(Semaphore::new(AT_ONCE));
            let crowd = Crowd::default();
            loop {
                let Ok(permit) = room.clone().acquire_owned().await else {
                    return;
                };
                let accepted = tokio::select! {
                    accepted = self.0.accept() => accepted,
                    () = done.closed() => return,
                };
                let (stream, address) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Out of descriptors, most likely: others may close theirs.
                        tracing::warn!(%error, "accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let Some(seat) = crowd.enter(address.ip()) else {
                    tracing::debug!(%address, "too many handshakes at once");
                    continue;
                };
                let (tls, done) = (tls.clone(), done.clone());
                tokio::spawn(async move {
                    if let Some(incoming) = shake_hands(stream, address, &tls).await {
                        // Nobody serves any more.
                        let _ = done.send(Ok(incoming)).await;
                    }
                    drop((permit, seat));
                });
            }
        });
        connections
    }
}

/// How many handshakes each address has begun.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them, until it is dropped.
struct Seat {
    crowd: Crowd,
    address: IpAddr,
}

impl Crowd {
    /// None when that address has as many as it may.
    fn enter(&self, address: IpAddr) -> Option<Seat> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        (*count < FROM_ONE).then(|| {
            *count += 1;
            Seat {
                crowd: self.clone(),
                address,
            }
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

async fn shake_hands(stream: TcpStream, address: SocketAddr, tls: &Tls) -> Option<Incoming> {
    let _ = stream.set_nodelay(true);
    let shaking = TlsAcceptor::from(tls.server()).accept(stream);
    let stream = match tokio::time::timeout(HANDSHAKE, shaking).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "a connection without TLS, or of a stranger");
            return None;
        }
        Err(_) => return None,
    };
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first());
    let peer = match certificate.map(|certificate| peer(certificate)).transpose() {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%address, %error, "a certificate of this cluster that is no node's");
            return None;
        }
    };
    Some(Incoming {
        stream,
        connection: Connection { peer, address },
    })
}

/// A connection with who is at the other end.
pub(crate) struct Incoming {
    stream: TlsStream<TcpStream>,
    connection: Connection,
}

impl Connected for Incoming {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.connection.clone()
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::{Crowd, FROM_ONE};
    use std::net::IpAddr;

    #[test]
    fn one_address_cannot_take_all_the_room() {
        let crowd = Crowd::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut seats: Vec<_> = (0..FROM_ONE).map(|_| crowd.enter(one)).collect();
        assert!(seats.iter().all(Option::is_some));
        assert!(crowd.enter(one).is_none(), "full");
        assert!(crowd.enter(other).is_some(), "for that one alone");
        seats.pop();
        assert!(crowd.enter(one).is_some());
        drop(seats);
        assert!(crowd.0.lock().expect("a lock").is_empty(), "forgotten");
    }
}

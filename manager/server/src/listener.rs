//! The cluster's port: TLS connections, each with who is at the other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
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
const AT_ONCE: usize = 256;

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
            let room = std::sync::Arc::new(Semaphore::new(AT_ONCE));
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
                let (tls, done) = (tls.clone(), done.clone());
                tokio::spawn(async move {
                    if let Some(incoming) = shake_hands(stream, address, &tls).await {
                        // Nobody serves any more.
                        let _ = done.send(Ok(incoming)).await;
                    }
                    drop(permit);
                });
            }
        });
        connections
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

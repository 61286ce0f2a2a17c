//! Ways to connect: over a host's unix socket, and to a manager over TLS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);

/// A channel over a unix socket; connects when it is first used.
pub fn unix(path: &Path) -> Channel {
    let path: PathBuf = path.to_owned();
    endpoint().connect_with_connector_lazy(service_fn(move |_: Uri| {
        let path = path.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
    }))
}

/// A channel to `address` (`host:port`) over TLS; connects when it is first used, and again when the connection is lost. Each
/// connection shows what `config` returns then: certificates are renewed.
pub fn tls(
    address: &str,
    config: impl Fn() -> Arc<ClientConfig> + Send + Sync + Clone + 'static,
    server: ServerName<'static>,
) -> Channel {
    let address = address.to_owned();
    endpoint().connect_with_connector_lazy(service_fn(move |_: Uri| {
        let (address, connector, server) = (
            address.clone(),
            TlsConnector::from(config()),
            server.clone(),
        );
        async move {
            let connecting = async {
                let stream = TcpStream::connect(&address).await?;
                stream.set_nodelay(true)?;
                connector.connect(server, stream).await
            };
            let timed_out = |_| {
                io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("{address} does not answer"),
                )
            };
            let stream = tokio::time::timeout(CONNECT, connecting)
                .await
                .map_err(timed_out)??;
            Ok::<_, io::Error>(TokioIo::new(stream))
        }
    }))
}

/// A channel over whatever `open` returns; called when it is first used, and again when the connection is lost.
pub fn through<I, F>(open: impl Fn() -> F + Send + Sync + Clone + 'static) -> Channel
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<I>> + Send + 'static,
{
    endpoint().connect_with_connector_lazy(service_fn(move |_: Uri| {
        let opening = open();
        async move { Ok::<_, io::Error>(TokioIo::new(opening.await?)) }
    }))
}

fn endpoint() -> Endpoint {
    // The authority is never looked up: the connector knows where to go.
    Endpoint::from_static("http://mini")
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .tcp_nodelay(true)
}

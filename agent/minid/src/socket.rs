//! The socket on which people are answered: the host's own questions here, the cluster's by the manager, if there is one here.

use std::convert::Infallible;
use std::future::Future;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use api::v1::host_server::HostServer;
use http::{Request, Response};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::service::Routes;
use tower::{Service, ServiceExt};

use crate::cluster::Daemon;
use crate::host::Host;
use crate::options::Options;

const GROUP: &str = "mini";

/// The socket, taken.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Takes the socket, from a daemon that is gone but not from one that lives.
    pub(crate) fn take(options: &Options) -> Result<Self, String> {
        let path = options.socket.clone();
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            format!("{what} {}: {error}", path.display())
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|error| failed("make the directory of", &error))?;
        }
        if let Ok(found) = std::fs::symlink_metadata(&path) {
            if !found.file_type().is_socket() {
                return Err(format!("{} is in the way: it is no socket", path.display()));
            }
            if std::os::unix::net::UnixStream::connect(&path).is_ok() {
                return Err(format!("another minid answers on {}", path.display()));
            }
            std::fs::remove_file(&path).map_err(|error| failed("remove the old socket", &error))?;
        }
        let listener = UnixListener::bind(&path).map_err(|error| failed("listen on", &error))?;
        let group = group(options)?;
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
            .map_err(|error| failed("set the mode of", &error))?;
        if let Some(group) = group {
            nix::unistd::chown(&path, None, Some(group))
                .map_err(|error| failed("give to its group", &error))?;
        }
        Ok(Socket { listener, path })
    }

    /// Answers until the daemon ends.
    pub(crate) async fn serve(self, daemon: Daemon) -> Result<(), String> {
        let _gone_at_the_end = Remove(self.path);
        let host =
            HostServer::new(Host(daemon.clone())).max_decoding_message_size(api::LARGEST_MESSAGE);
        let door = tower::layer::layer_fn(move |routes: Routes| Door {
            daemon: daemon.clone(),
            routes,
        });
        let served = tonic::transport::Server::builder()
            .layer(door)
            .add_service(host)
            .serve_with_incoming(UnixListenerStream::new(self.listener))
            .await;
        served.map_err(|error| format!("serve the socket: {error}"))
    }
}

struct Remove(PathBuf);

impl Drop for Remove {
    fn drop(&mut self) {
        // The next daemon removes it otherwise.
        let _ = std::fs::remove_file(Path::new(&self.0));
    }
}

fn group(options: &Options) -> Result<Option<nix::unistd::Gid>, String> {
    let name = options.socket_group.as_deref().unwrap_or(GROUP);
    let found = nix::unistd::Group::from_name(name)
        .map_err(|error| format!("look up the group {name}: {error}"))?;
    match (found, &options.socket_group) {
        (Some(group), _) => Ok(Some(group.gid)),
        (None, Some(_)) => Err(format!(
            "there is no group {name}: make it with `groupadd --system {name}`"
        )),
        (None, None) => Ok(None),
    }
}

#[derive(Clone)]
struct Door {
    daemon: Daemon,
    routes: Routes,
}

impl Service<Request<Body>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Door { daemon, routes } = self.clone();
        Box::pin(async move {
            if !request.uri().path().starts_with("/mini.v1.Control/") {
                return routes.oneshot(request).await;
            }
            Ok(match daemon.manager() {
                Ok(manager) => manager.answer(request).await,
                Err(status) => status.into_http(),
            })
        })
    }
}

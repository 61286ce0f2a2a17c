//! A daemon on another host, through ssh: there `minictl internal dial-stdio` joins its socket to our end.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tonic::transport::Channel;

pub(super) fn channel(host: &str) -> Channel {
    let host = host.to_owned();
    api::connect::through(move || {
        let host = host.clone();
        async move { Pipe::open(&host) }
    })
}

/// The two ends of an ssh that runs.
struct Pipe {
    _ssh: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Pipe {
    fn open(host: &str) -> io::Result<Self> {
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "BatchMode=yes", "-T"]);
        // ssh(1) takes the port apart from the host.
        match host.rsplit_once(':') {
            Some((name, port)) => ssh.args(["-p", port, "--", name]),
            None => ssh.args(["--", host]),
        };
        let mut child = ssh
            .args(["minictl", "internal", "dial-stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("ssh was started without pipes");
        Ok(Pipe {
            to: child.stdin.take().ok_or_else(missing)?,
            from: child.stdout.take().ok_or_else(missing)?,
            _ssh: child,
        })
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.from).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.to).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.to).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.to).poll_shutdown(context)
    }
}

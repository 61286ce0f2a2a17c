//! What both groups can be asked to do.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cleanup;

/// A client of one member; clones share its connection.
pub(crate) trait Client: Clone + Send + 'static {
    /// Writes a value; whether it was acknowledged.
    fn put(&mut self, key: String, value: Vec<u8>) -> impl Future<Output = bool> + Send;

    /// Reads it, linearizably; whether it was answered.
    fn get(&mut self, key: String) -> impl Future<Output = bool> + Send;
}

/// Three members.
pub(crate) trait Group {
    type Client: Client;
    /// What the table calls it.
    const NAME: &'static str;

    /// Brings three members up, and returns when one leads.
    async fn start(directory: &Path) -> Self;

    /// A client of that member.
    fn client(&self, member: usize) -> Self::Client;

    /// Which member leads; waits for one.
    async fn leader(&self) -> usize;

    /// Its processes.
    fn members(&mut self) -> &mut Vec<Member>;
}

/// A process; it is killed when it is dropped.
pub(crate) struct Member {
    command: Box<dyn Fn() -> Command + Send>,
    child: Child,
}

impl Member {
    pub(crate) fn start(command: impl Fn() -> Command + Send + 'static) -> Self {
        let child = Member::spawn(&command);
        Member {
            command: Box::new(command),
            child,
        }
    }

    fn spawn(command: &impl Fn() -> Command) -> Child {
        let mut command = command();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("the member starts");
        cleanup::expect_process(child.id());
        child
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        self.child = Member::spawn(&self.command);
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Where a member's standard error goes.
pub(crate) fn log(path: &Path) -> Stdio {
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path);
    file.expect("a log").into()
}

/// Asks until it answers, for half a minute.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < end, "it never came about: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

//! What the crate's tests start in place of `minictl` and `minid`. The first word says which: `host`, `up`, `down`, `exec`, or a
//! flag for the daemon.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use lab::{Cluster, ClusterResult, Labs, Spec, Tokens};

fn main() {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let text = |index: usize| words[index].to_str().expect("words are UTF-8");
    let done = match text(0) {
        "host" => lab::serve_host(&words[1..]),
        "up" => labs(Path::new(&words[1]))
            .up(&spec(text(2), text(3), text(4)), Some(&Daemons))
            .map(drop),
        "down" => labs(Path::new(&words[1])).down(text(2)),
        "exec" => labs(Path::new(&words[1]))
            .open(text(2))
            .and_then(|lab| lab.exec(text(3), &words[4..]))
            .map(|never| match never {}),
        _ => {
            daemon(&words).expect("the fake daemon serves");
            Ok(())
        }
    };
    if let Err(error) = done {
        eprintln!("{error}: {:?}", std::error::Error::source(&error));
        std::process::exit(1);
    }
}

fn labs(root: &Path) -> Labs {
    let own = env::current_exe().expect("this program has a path");
    Labs::new(root, vec![own.into(), "host".into()]).expect("a root of labs")
}

fn spec(name: &str, managers: &str, workers: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        managers: managers.parse().expect("a number"),
        workers: workers.parse().expect("a number"),
        subnet: "10.66.0.0/24".parse().expect("a subnet"),
        minid: env::current_exe().expect("this program has a path"),
    }
}

/// Sends each daemon a line and has one back.
struct Daemons;

impl Cluster for Daemons {
    fn init(&self, socket: &Path, advertise: &str) -> ClusterResult<Tokens> {
        let said = tell(socket, &format!("init {advertise}"))?;
        Ok(Tokens {
            manager: format!("{said}-manager"),
            worker: format!("{said}-worker"),
        })
    }

    fn join(&self, socket: &Path, own: &str, token: &str, all: &[String]) -> ClusterResult<()> {
        tell(socket, &format!("join {own} {token} {}", all.join(",")))?;
        Ok(())
    }
}

fn tell(socket: &Path, line: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    writeln!(stream, "{line}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Listens on its socket, where it logs what it is told, and on TCP port 7000, where it sends back what it gets. It leaves an
/// orphan in a session of its own, as a daemon with containers does.
fn daemon(words: &[OsString]) -> io::Result<()> {
    let flag = |name: &str| {
        let at = words.iter().position(|word| word == name);
        let value = at.and_then(|at| words.get(at + 1));
        value.and_then(|value| value.to_str()).expect(name)
    };
    let socket = flag("--socket");
    if Path::new(flag("--data-root")).join("refuse").exists() {
        println!("refused to start");
        std::process::exit(3);
    }
    Command::new("setsid")
        .args(["--fork", "sleep", "1000"])
        .stdin(Stdio::null())
        .status()?;
    let _ = fs::remove_file(socket);
    let echo = TcpListener::bind("0.0.0.0:7000")?;
    let name = flag("--name").to_owned();
    let listener = UnixListener::bind(socket)?;
    println!("{name} listens");
    thread::spawn(move || {
        for stream in echo.incoming().flatten() {
            thread::spawn(move || {
                let mut bytes = [0; 64];
                while let Ok(count @ 1..) = (&stream).read(&mut bytes) {
                    let _ = (&stream).write_all(&bytes[..count]);
                }
            });
        }
    });
    for stream in listener.incoming().flatten() {
        let mut line = String::new();
        // One that only looks whether the daemon listens says nothing.
        if BufReader::new(&stream).read_line(&mut line)? > 0 {
            println!("{}", line.trim());
            writeln!(&stream, "{name}")?;
        }
    }
    Ok(())
}

//! The least HTTP client that a test needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::spaces::Spaces;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

/// Asks `http://address/path` from inside `spaces`.
pub fn get(spaces: &Spaces, address: &str, path: &str) -> std::io::Result<Answer> {
    spaces.enter(|| {
        let mut stream = connect(address)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or_else(|| std::io::Error::other("no head in the answer"))?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other("no status in the answer"))?;
        Ok(Answer {
            status,
            body: body.to_owned(),
        })
    })
}

/// Connects from inside `spaces` and returns what the server says before it closes.
pub fn read(spaces: &Spaces, address: &str) -> std::io::Result<String> {
    spaces.enter(|| {
        let mut text = String::new();
        connect(address)?.read_to_string(&mut text)?;
        Ok(text)
    })
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(3))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

//! Connections that make no sense.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// How many are open at once.
const AT_ONCE: usize = 200;

/// Makes them, and prints how many came about.
pub(crate) fn flood(to: SocketAddr, kind: &str, count: usize) {
    let said: &[u8] = match kind {
        "noise" => &[0xa5; 700],
        "http" => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        // A TLS record that promises a ClientHello of 16 KiB and does not bring it.
        "hello" => &[0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3],
        "silent" => &[],
        other => panic!("no such kind: {other}"),
    };
    let mut made = 0;
    let mut left = count;
    let mut staying = Vec::new();
    while left > 0 {
        let round = left.min(AT_ONCE);
        left -= round;
        let connect = move || TcpStream::connect_timeout(&to, Duration::from_secs(5)).ok();
        let threads: Vec<_> = (0..round)
            .map(|_| {
                thread::spawn(move || {
                    let mut stream = connect()?;
                    // It may have been closed before all was said.
                    let _ = stream.write_all(said);
                    Some(stream)
                })
            })
            .collect();
        let streams = threads.into_iter().filter_map(|thread| thread.join().ok()?);
        let streams: Vec<TcpStream> = streams.collect();
        made += streams.len();
        match kind {
            "silent" | "hello" => staying.extend(streams),
            _ => streams.into_iter().for_each(hear_out),
        }
    }
    if !staying.is_empty() {
        thread::sleep(Duration::from_secs(2));
    }
    println!("{made}");
}

/// Waits until the other side has had enough.
fn hear_out(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let mut bytes = [0; 256];
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
}

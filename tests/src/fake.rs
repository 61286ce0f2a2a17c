//! A registry that misbehaves on demand, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::host::Host;
use crate::image::Image;

/// What goes wrong with one answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This status and body instead of the content, with further header lines.
    Status(u16, &'static str, &'static str),
    /// The head says the full length, the connection closes after so many bytes.
    Truncated(usize),
    /// One byte in the middle is another.
    Corrupt,
    /// After so many bytes nothing more comes, and the connection stays open.
    Stalled(usize),
    /// So many bytes at a time, with a pause between.
    Slow(usize, Duration),
    /// Not HTTP at all.
    Garbage,
    /// A Range request is answered from the start with 200.
    IgnoresRange,
}

/// One request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// GET, HEAD, ...
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<String, (String, Vec<u8>)>,
    tags: BTreeMap<String, String>,
    faults: Vec<(String, Fault, usize)>,
    requests: Vec<Request>,
    token: Option<Token>,
}

#[derive(Debug)]
struct Token {
    basic: Option<String>,
    issued: usize,
    lives_for: Option<usize>,
    uses: usize,
}

/// The server. It lives as long as the test's process.
#[derive(Debug, Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    address: String,
}

impl Fake {
    /// Starts one on a free port of the host's loopback.
    pub fn start(host: &Host) -> Fake {
        let state = Arc::new(Mutex::new(State::default()));
        let listener = host
            .spaces()
            .enter(|| TcpListener::bind("127.0.0.1:0").expect("a port of the loopback"));
        let address = listener.local_addr().expect("a bound address").to_string();
        let fake = Fake {
            state: Arc::clone(&state),
            address,
        };
        let server = fake.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || {
                    let _ = server.converse(stream);
                });
            }
        });
        fake
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes `image` available and returns its reference.
    pub fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        let mut state = self.state.lock().expect("the fake's state");
        for blob in image.blobs().into_iter().chain(image.manifests()) {
            state
                .blobs
                .insert(blob.digest, (blob.media_type, blob.bytes));
        }
        state
            .tags
            .insert(format!("{name}:{tag}"), crate::image::digest(image.top()));
        format!("{}/{name}:{tag}", self.address)
    }

    /// The next `times` GET requests whose path contains `part` go wrong.
    pub fn fault(&self, part: &str, fault: Fault, times: usize) {
        self.state
            .lock()
            .expect("the fake's state")
            .faults
            .push((part.to_owned(), fault, times));
    }

    /// Nothing goes wrong from now on.
    pub fn behave(&self) {
        self.state.lock().expect("the fake's state").faults.clear();
    }

    /// From now on a token is needed; `basic` is the `name:password` in base64 that buys one (anyone gets one without), and
    /// each is good for `lives_for` requests (for ever without).
    pub fn want_token(&self, basic: Option<&str>, lives_for: Option<usize>) {
        let token = Token {
            basic: basic.map(|text| format!("Basic {text}")),
            issued: 0,
            lives_for,
            uses: 0,
        };
        self.state.lock().expect("the fake's state").token = Some(token);
    }

    /// Everything asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state
            .lock()
            .expect("the fake's state")
            .requests
            .clone()
    }

    /// How many GET requests there were whose path contains `part`.
    pub fn gets(&self, part: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.method == "GET" && request.path.contains(part))
            .count()
    }

    fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = read_request(&mut reader)? {
            let (answer, fault) = {
                let mut state = self.state.lock().expect("the fake's state");
                state.requests.push(request.clone());
                let fault = state.next_fault(&request);
                (state.answer(&request, &self.address), fault)
            };
            if !answer.send(&mut stream, &request, fault)? {
                break;
            }
        }
        Ok(())
    }
}

impl State {
    fn next_fault(&mut self, request: &Request) -> Option<Fault> {
        if request.method != "GET" {
            return None;
        }
        let found = self
            .faults
            .iter_mut()
            .find(|(part, _, left)| *left > 0 && request.path.contains(part.as_str()))?;
        found.2 -= 1;
        Some(found.1.clone())
    }

    fn answer(&mut self, request: &Request, address: &str) -> Answer {
        if let Some(token) = &mut self.token {
            if request.path.starts_with("/token") {
                return token.buy(request);
            }
            if !token.accepts(request) {
                let challenge = format!(
                    "WWW-Authenticate: Bearer realm=\"http://{address}/token\",service=\"fake\",scope=\"repository:app:pull\"\r\n"
                );
                return Answer::error(401, "UNAUTHORIZED").with(challenge);
            }
        }
        let Some(path) = request.path.strip_prefix("/v2/") else {
            return Answer::error(404, "NOT_FOUND");
        };
        if path.is_empty() {
            return Answer::new(200, "application/json", b"{}".to_vec());
        }
        let digest = if let Some((name, reference)) = path.split_once("/manifests/") {
            if reference.starts_with("sha256:") {
                Some(reference)
            } else {
                self.tags
                    .get(&format!("{name}:{reference}"))
                    .map(String::as_str)
            }
        } else {
            path.split_once("/blobs/").map(|(_, digest)| digest)
        };
        match digest.and_then(|digest| self.blobs.get_key_value(digest)) {
            Some((digest, (kind, bytes))) => Answer::new(200, kind, bytes.clone())
                .with(format!("Docker-Content-Digest: {digest}\r\n")),
            None if path.contains("/blobs/") => Answer::error(404, "BLOB_UNKNOWN"),
            None => Answer::error(404, "MANIFEST_UNKNOWN"),
        }
    }
}

impl Token {
    fn buy(&mut self, request: &Request) -> Answer {
        if self
            .basic
            .as_ref()
            .is_some_and(|wanted| request.headers.get("authorization") != Some(wanted))
        {
            return Answer::error(401, "UNAUTHORIZED");
        }
        self.issued += 1;
        self.uses = 0;
        let body = format!("{{\"token\":\"t{}\",\"expires_in\":300}}", self.issued);
        Answer::new(200, "application/json", body.into_bytes())
    }

    fn accepts(&mut self, request: &Request) -> bool {
        self.uses += 1;
        let good = self.issued > 0 && self.lives_for.is_none_or(|limit| self.uses <= limit);
        good && request.headers.get("authorization") == Some(&format!("Bearer t{}", self.issued))
    }
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, kind: &str, body: Vec<u8>) -> Answer {
        Answer {
            status,
            headers: format!("Content-Type: {kind}\r\n"),
            body,
        }
    }

    fn error(status: u16, code: &str) -> Answer {
        let body = format!(
            "{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"{}\"}}]}}",
            code.to_lowercase()
        );
        Answer::new(status, "application/json", body.into_bytes())
    }

    fn with(mut self, header: String) -> Answer {
        self.headers.push_str(&header);
        self
    }

    /// Whether the connection can go on afterwards.
    fn send(
        mut self,
        stream: &mut TcpStream,
        request: &Request,
        fault: Option<Fault>,
    ) -> std::io::Result<bool> {
        let ignores_range = matches!(fault, Some(Fault::IgnoresRange));
        let (mut limit, mut pace, mut stall) = (usize::MAX, None, false);
        match fault {
            Some(Fault::Garbage) => {
                stream.write_all(b"\x00\x01this is not a registry\r\n\r\n")?;
                return Ok(false);
            }
            Some(Fault::Status(status, header, body)) => {
                self = Answer::new(status, "application/json", body.as_bytes().to_vec())
                    .with(header.to_owned());
            }
            Some(Fault::Truncated(bytes)) => limit = bytes,
            Some(Fault::Stalled(bytes)) => (limit, stall) = (bytes, true),
            Some(Fault::Slow(bytes, pause)) => pace = Some((bytes, pause)),
            Some(Fault::Corrupt) => {
                let middle = self.body.len() / 2;
                self.body[middle] ^= 0xff;
            }
            Some(Fault::IgnoresRange) | None => {}
        }
        if self.status == 200 && !ignores_range {
            self.cut_to_range(request);
        }
        let length = self.body.len();
        write!(
            stream,
            "HTTP/1.1 {} Fake\r\nContent-Length: {length}\r\n{}\r\n",
            self.status, self.headers
        )?;
        if request.method == "HEAD" {
            return Ok(true);
        }
        let sent = &self.body[..length.min(limit)];
        match pace {
            Some((bytes, pause)) => {
                for chunk in sent.chunks(bytes) {
                    stream.write_all(chunk)?;
                    thread::sleep(pause);
                }
            }
            None => stream.write_all(sent)?,
        }
        if stall {
            // Held open until the client gives up: then there is nothing more to read.
            let _ = stream.read(&mut [0; 1]);
        }
        Ok(sent.len() == length)
    }

    fn cut_to_range(&mut self, request: &Request) {
        let range = request
            .headers
            .get("range")
            .and_then(|text| text.strip_prefix("bytes="));
        let Some(start) = range
            .and_then(|text| text.split('-').next())
            .and_then(|text| text.parse::<usize>().ok())
        else {
            return;
        };
        let total = self.body.len();
        if start >= total {
            *self = Answer::error(416, "RANGE_INVALID")
                .with(format!("Content-Range: bytes */{total}\r\n"));
            return;
        }
        self.status = 206;
        self.headers.push_str(&format!(
            "Content-Range: bytes {start}-{}/{total}\r\n",
            total - 1
        ));
        self.body.drain(..start);
    }
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Some(Request {
                method,
                path,
                headers,
            }));
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
}

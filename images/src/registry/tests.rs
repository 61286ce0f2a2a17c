//! A registry in this process, which answers as a test tells it to and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::digest::Digest;

/// One request. Header names are in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// How many with this method and path came before.
    pub(crate) before: usize,
}

/// What is sent back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// So many bytes of the body are sent; then the connection is closed, or left open and silent.
    pub(crate) cut: Option<(usize, Cut)>,
    /// Instead of all that.
    pub(crate) raw: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Closed,
    Silent(Duration),
}

pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer {
        status,
        body: body.into(),
        ..Answer::default()
    }
}

impl Answer {
    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Answer {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn cut(mut self, bytes: usize, cut: Cut) -> Answer {
        self.cut = Some((bytes, cut));
        self
    }
}

/// The server; its thread ends with the process.
pub(crate) struct Fake {
    pub(crate) address: String,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    pub(crate) fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Fake {
        Fake::start_with(|_| handler)
    }

    /// `make` is told the address first.
    pub(crate) fn start_with<H: Fn(&Request) -> Answer + Send + Sync + 'static>(
        make: impl FnOnce(&str) -> H,
    ) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let log: Arc<Mutex<Vec<Request>>> = Arc::default();
        let handler = Arc::new(make(&address));
        let fake = Fake {
            address,
            log: Arc::clone(&log),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                thread::spawn(move || {
                    let _ = converse(&stream, &log, &*handler);
                });
            }
        });
        fake
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    /// The requests whose path contains `part`.
    pub(crate) fn asked(&self, part: &str) -> Vec<Request> {
        self.requests()
            .into_iter()
            .filter(|request| request.path.contains(part))
            .collect()
    }
}

fn converse(
    stream: &TcpStream,
    log: &Mutex<Vec<Request>>,
    handler: &dyn Fn(&Request) -> Answer,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    // The first byte of TLS.
    if reader.fill_buf()?.first() == Some(&0x16) {
        return Ok(());
    }
    while let Some(mut request) = read_request(&mut reader)? {
        {
            let mut log = log.lock().unwrap();
            let same =
                |other: &&Request| (&other.method, &other.path) == (&request.method, &request.path);
            request.before = log.iter().filter(same).count();
            log.push(request.clone());
        }
        let answer = handler(&request);
        if let Some(raw) = answer.raw {
            writer.write_all(&raw)?;
            return Ok(());
        }
        write!(
            writer,
            "HTTP/1.1 {} X\r\nContent-Length: {}\r\n",
            answer.status,
            answer.body.len()
        )?;
        for (name, value) in &answer.headers {
            write!(writer, "{name}: {value}\r\n")?;
        }
        writer.write_all(b"\r\n")?;
        if request.method == "HEAD" {
            continue;
        }
        match answer.cut {
            None => writer.write_all(&answer.body)?,
            Some((bytes, cut)) => {
                writer.write_all(&answer.body[..bytes.min(answer.body.len())])?;
                if let Cut::Silent(time) = cut {
                    thread::sleep(time);
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default().trim().to_owned();
    let mut request = Request {
        method: word(),
        path: word(),
        headers: BTreeMap::new(),
        body: String::new(),
        before: 0,
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        request
            .headers
            .insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = request
        .headers
        .get("content-length")
        .and_then(|length| length.parse().ok());
    reader
        .take(length.unwrap_or(0))
        .read_to_string(&mut request.body)?;
    Ok(Some(request))
}

/// An image `app:1` of small layers, and how a good registry serves it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) layers: Vec<Digest>,
    /// What the tag stands for.
    pub(crate) top: Vec<u8>,
}

impl Sample {
    /// An image for this machine, with a layer of each content.
    pub(crate) fn new(contents: &[&[u8]]) -> Sample {
        Sample::of(contents, std::env::consts::ARCH)
    }

    pub(crate) fn of(contents: &[&[u8]], architecture: &str) -> Sample {
        let mut sample = Sample::default();
        let mut diff_ids = Vec::new();
        let mut descriptors = Vec::new();
        for (place, content) in contents.iter().enumerate() {
            let tar = tar(&format!("file{place}"), content);
            let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
            encoder.write_all(&tar).unwrap();
            let compressed = encoder.finish().unwrap();
            let digest = Digest::of(&compressed);
            diff_ids.push(Digest::of(&tar).to_string());
            descriptors.push(serde_json::json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": compressed.len(),
            }));
            sample.layers.push(digest);
            sample
                .blobs
                .insert(Digest::of(&compressed).to_string(), compressed);
        }
        let architecture = crate::Platform::new("linux", architecture, None).architecture;
        let config = serde_json::to_vec(&serde_json::json!({
            "os": "linux", "architecture": architecture, "config": {"Cmd": ["true"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }));
        let config = config.unwrap();
        sample.manifest = serde_json::to_vec(&serde_json::json!({
            "schemaVersion": 2, "mediaType": crate::media_type::OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(&config), "size": config.len()},
            "layers": descriptors,
        }))
        .unwrap();
        sample.blobs.insert(Digest::of(&config).to_string(), config);
        sample.top = sample.manifest.clone();
        sample.add(sample.manifest.clone());
        sample
    }

    /// The digest of the manifest.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// Wraps what the tag stands for in an index that says it is for `platform` (nothing, if empty).
    pub(crate) fn wrapped(mut self, platform: &str) -> Sample {
        let mut entry = serde_json::json!({
            "mediaType": crate::media_type::OCI_MANIFEST, "digest": Digest::of(&self.top), "size": self.top.len(),
        });
        if let Some((os, architecture)) = platform.split_once('/') {
            entry["platform"] = serde_json::json!({"os": os, "architecture": architecture});
        }
        let index = serde_json::json!({"schemaVersion": 2, "mediaType": crate::media_type::OCI_INDEX, "manifests": [entry]});
        self.top = serde_json::to_vec(&index).unwrap();
        self.add(self.top.clone());
        self
    }

    fn add(&mut self, document: Vec<u8>) {
        self.blobs
            .insert(Digest::of(&document).to_string(), document);
    }

    /// As a good registry answers.
    pub(crate) fn serve(&self, request: &Request) -> Answer {
        let bytes = match request.path.rsplit_once('/') {
            Some(("/v2/app/manifests", "1")) => Some(&self.top),
            Some(("/v2/app/manifests" | "/v2/app/blobs", digest)) => self.blobs.get(digest),
            _ => None,
        };
        let Some(bytes) = bytes else {
            return answer(
                404,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
            );
        };
        let range = request.headers.get("range").and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        });
        let good = match range {
            Some(start) if start < bytes.len() => answer(206, &bytes[start..]).header(
                "Content-Range",
                format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len()),
            ),
            Some(_) => answer(416, ""),
            None => answer(200, bytes.clone()),
        };
        if request.path.contains("/manifests/") {
            let kind: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            let kind = kind["mediaType"].as_str().unwrap_or_default().to_owned();
            return good
                .header("Content-Type", kind)
                .header("Docker-Content-Digest", Digest::of(bytes));
        }
        good
    }
}

/// An archive of one file, owned by whoever runs the test.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_uid(nix::unistd::geteuid().as_raw().into());
    header.set_gid(nix::unistd::getegid().as_raw().into());
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

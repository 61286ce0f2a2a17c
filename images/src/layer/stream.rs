//! A layer's bytes on their way in: decompressed, counted against a cap, hashed for the diffID.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

const COMPRESSED_BUFFER: usize = 128 * 1024;
const EXPANDED_BUFFER: usize = 256 * 1024;

/// How a layer is compressed, told from its first bytes: media types are wrong often enough in practice, and the diffID decides in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

/// Expanded buffers on their way between the two threads of a layer.
const QUEUE: usize = 4;

/// The expanded bytes, offered as slices of large buffers so that file contents are copied once, by `write`.
///
/// Decompressing and hashing take as long as writing files, so they are done by a thread of their own.
pub(super) struct Stream<'a> {
    incoming: Receiver<Message>,
    /// Takes used buffers back.
    used: Sender<Vec<u8>>,
    buffer: Vec<u8>,
    start: usize,
    total: u64,
    end: Option<[u8; 32]>,
    progress: &'a mut dyn FnMut(u64),
}

enum Message {
    Bytes(Vec<u8>),
    /// The SHA-256 of all bytes.
    End([u8; 32]),
    Failed(io::Error),
}

/// Decompresses what `reader` yields, for `consumer` to take. `limit` caps the expanded bytes; `progress` is told their number so far.
pub(super) fn expand<T>(
    reader: impl Read + Send,
    limit: u64,
    progress: &mut dyn FnMut(u64),
    consumer: impl FnOnce(Stream<'_>) -> T,
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let (outgoing, incoming) = sync_channel(QUEUE);
        let (used, spare) = channel();
        std::thread::Builder::new()
            .name("expand layer".to_owned())
            .spawn_scoped(scope, move || {
                let last = match decode(reader, limit, &outgoing, &spare) {
                    Ok(sha256) => Message::End(sha256),
                    Err(error) => Message::Failed(error),
                };
                // A consumer that has given up wants to hear no more.
                let _ = outgoing.send(last);
            })?;
        Ok(consumer(Stream {
            incoming,
            used,
            buffer: Vec::new(),
            start: 0,
            total: 0,
            end: None,
            progress,
        }))
    })
}

impl Stream<'_> {
    /// Up to `want` bytes, at least one unless the stream is over.
    pub(super) fn chunk(&mut self, want: u64) -> io::Result<&[u8]> {
        if self.start == self.buffer.len() && self.end.is_none() {
            self.receive()?;
        }
        let length = usize::try_from(want)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len() - self.start);
        Ok(&self.buffer[self.start..self.start + length])
    }

    /// Marks bytes of the last chunk as used.
    pub(super) fn consume(&mut self, length: usize) {
        self.start = (self.start + length).min(self.buffer.len());
    }

    /// The next `N` bytes; `None` at the end of the stream, an error when it ends within them.
    pub(super) fn block<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut block = [0; N];
        let mut filled = 0;
        while filled < N {
            let chunk = self.chunk((N - filled) as u64)?;
            if chunk.is_empty() {
                return if filled == 0 {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            let length = chunk.len();
            block[filled..filled + length].copy_from_slice(chunk);
            self.consume(length);
            filled += length;
        }
        Ok(Some(block))
    }

    /// Passes over `length` bytes.
    pub(super) fn skip(&mut self, mut length: u64) -> io::Result<()> {
        while length > 0 {
            let taken = self.chunk(length)?.len();
            if taken == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.consume(taken);
            length -= taken as u64;
        }
        Ok(())
    }

    /// Reads to the end and returns the SHA-256 and number of all expanded bytes.
    pub(super) fn finish(mut self) -> io::Result<([u8; 32], u64)> {
        loop {
            let taken = self.chunk(u64::MAX)?.len();
            if let (0, Some(sha256)) = (taken, self.end) {
                return Ok((sha256, self.total));
            }
            self.consume(taken);
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        let used = std::mem::take(&mut self.buffer);
        self.start = 0;
        if !used.is_empty() {
            // The other side may have ended already.
            let _ = self.used.send(used);
        }
        match self.incoming.recv() {
            Ok(Message::Bytes(bytes)) => {
                self.total += bytes.len() as u64;
                self.buffer = bytes;
                (self.progress)(self.total);
                Ok(())
            }
            Ok(Message::End(sha256)) => {
                self.end = Some(sha256);
                Ok(())
            }
            Ok(Message::Failed(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The expanding thread: sends full buffers until the end, and returns the SHA-256 of all bytes.
fn decode(
    reader: impl Read,
    limit: u64,
    outgoing: &SyncSender<Message>,
    spare: &Receiver<Vec<u8>>,
) -> io::Result<[u8; 32]> {
    let mut reader = BufReader::with_capacity(COMPRESSED_BUFFER, reader);
    let (magic, length) = peek(&mut reader)?;
    let reader = Read::chain(io::Cursor::new(magic).take(length as u64), reader);
    let mut source: Box<dyn Read + '_> = match detect(&magic[..length]) {
        Compression::None => Box::new(reader),
        Compression::Gzip => Box::new(MultiGzDecoder::new(reader)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
    };
    let mut hasher = Sha256::new();
    let mut total = 0;
    loop {
        let mut buffer = spare.try_recv().unwrap_or_default();
        buffer.resize(EXPANDED_BUFFER, 0);
        let filled = fill(&mut source, &mut buffer)?;
        buffer.truncate(filled);
        if buffer.is_empty() {
            return Ok(hasher.finalize().into());
        }
        hasher.update(&buffer);
        total += filled as u64;
        if total > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the layer expands to more than {limit} bytes"),
            ));
        }
        if outgoing.send(Message::Bytes(buffer)).is_err() {
            // The consumer has its reason to stop, and tells it.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
}

/// Fills the buffer as far as the source gives: hashing large pieces at once is what keeps it cheap.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The first four bytes, or fewer in a shorter stream.
fn peek(reader: &mut impl BufRead) -> io::Result<([u8; 4], usize)> {
    let mut magic = [0; 4];
    let filled = fill(reader, &mut magic)?;
    Ok((magic, filled))
}

fn detect(magic: &[u8]) -> Compression {
    match magic {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        // A frame (RFC 8878, 3.1.1) or a skippable frame (3.1.2).
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Compression::Zstd,
        _ => Compression::None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn check(input: &[u8], limit: u64, expected: Result<&[u8], io::ErrorKind>) {
        let mut seen = 0;
        let mut progress = |total| seen = total;
        let result = expand(input, limit, &mut progress, |stream| stream.finish()).flatten();
        match expected {
            Ok(bytes) => {
                let digest: [u8; 32] = Sha256::digest(bytes).into();
                assert_eq!(result.unwrap(), (digest, bytes.len() as u64));
                assert_eq!(seen, bytes.len() as u64);
            }
            Err(kind) => assert_eq!(result.unwrap_err().kind(), kind),
        }
    }

    #[test]
    fn every_compression_is_recognised() {
        let text = b"some bytes ".repeat(40_000);
        check(&text, u64::MAX, Ok(&text));
        check(&gzip(&text), u64::MAX, Ok(&text));
        check(
            &[gzip(&text[..1000]), gzip(&text[1000..])].concat(),
            u64::MAX,
            Ok(&text),
        );
        check(
            &zstd::encode_all(&text[..], 3).unwrap(),
            u64::MAX,
            Ok(&text),
        );
        check(
            &[
                zstd::encode_all(&text[..7], 3).unwrap(),
                zstd::encode_all(&text[7..], 3).unwrap(),
            ]
            .concat(),
            u64::MAX,
            Ok(&text),
        );
        check(b"", u64::MAX, Ok(b""));
        check(b"abc", u64::MAX, Ok(b"abc"));
    }

    #[test]
    fn damage_and_bombs_are_errors() {
        let text = b"some bytes ".repeat(40_000);
        let whole = gzip(&text);
        check(
            &whole[..whole.len() / 2],
            u64::MAX,
            Err(io::ErrorKind::UnexpectedEof),
        );
        check(
            &[&whole[..], b"garbage that is no member"].concat(),
            u64::MAX,
            Err(io::ErrorKind::InvalidInput),
        );
        check(&whole, 1000, Err(io::ErrorKind::InvalidData));
        let whole = zstd::encode_all(&text[..], 3).unwrap();
        check(
            &whole[..whole.len() / 2],
            u64::MAX,
            Err(io::ErrorKind::UnexpectedEof),
        );
    }
}

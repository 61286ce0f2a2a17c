//! One layer: its bytes go into the store and to the thread that unpacks them as they come in.

use std::io::{self, Read};
use std::thread::{self, Scope};
use std::time::Duration;

use tokio::sync::oneshot;

use super::document::Blob;
use super::feed::{Feed, feed};
use super::options::PullOptions;
use super::report::Report;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer::{self, Unpacked};
use crate::progress::LayerState;
use crate::registry::{Client, Failure, jitter, wait};
use crate::store::{Admission, Ingest, StagingDir, Store, StoreError, StoreResult};

/// Between two looks at a download that somebody else makes.
const POLL: Duration = Duration::from_millis(50);
/// Bytes that an attempt has to bring to count as progress.
const GOOD_PART: u64 = 256 << 10;

/// An unpacked layer, to be committed with its image.
pub(super) type Ready = (StagingDir, Unpacked);

/// What all layers of a pull have in common.
pub(super) struct Workshop<'scope, 'env> {
    pub(super) scope: &'scope Scope<'scope, 'env>,
    pub(super) store: &'env Store,
    pub(super) client: &'env Client,
    pub(super) options: &'env PullOptions,
}

impl<'scope, 'env> Workshop<'scope, 'env> {
    /// Brings one layer here and unpacks it; `None` when the store has it unpacked already.
    pub(super) async fn layer(
        &self,
        blob: &'env Blob,
        chain: &Digest,
        report: &'env Report<'env>,
    ) -> Result<Option<Ready>> {
        if self.store.has_layer(chain) {
            report.state(LayerState::Exists);
            return Ok(None);
        }
        let mut waiting = false;
        let mut anew = false;
        loop {
            let store = self.store;
            // What an earlier pull left is hashed first, and that may take a while.
            let admission = self
                .blocking("ingest", move || store.ingest(&blob.digest, blob.size))
                .await??;
            match admission {
                Admission::Present => {
                    report.complete();
                    let file = self.store.blob(&blob.digest)?;
                    let file = file.ok_or_else(|| StoreError::Missing {
                        object: format!("blob {}", blob.digest),
                    })?;
                    let unpacked = self.unpack(blob, file, report)?;
                    let ready = received(unpacked)
                        .await?
                        .map_err(|error| self.bad_layer(blob, error))?;
                    report.state(LayerState::Done);
                    return Ok(Some(ready));
                }
                Admission::Busy => {
                    if !waiting {
                        report.state(LayerState::Waiting);
                        waiting = true;
                    }
                    tokio::time::sleep(POLL).await;
                }
                Admission::Granted(ingest) => {
                    match self.download(blob, ingest, !anew, report).await? {
                        Some(ready) => {
                            report.state(LayerState::Done);
                            return Ok(Some(ready));
                        }
                        None => {
                            anew = true;
                            report.again();
                        }
                    }
                }
            }
        }
    }

    /// Downloads what is missing and unpacks all of it at the same time. `None` when what was on the disk, or what a mirror sent, was
    /// wrong and is to be fetched anew.
    async fn download(
        &self,
        blob: &'env Blob,
        mut ingest: Ingest,
        may_begin_anew: bool,
        report: &'env Report<'env>,
    ) -> Result<Option<Ready>> {
        let resumed = ingest.offset();
        let start = if resumed > 0 {
            Some(ingest.reader()?.take(resumed))
        } else {
            None
        };
        let (feed, food) = feed();
        let reader: Box<dyn Read + Send> = match start {
            Some(start) => Box::new(start.chain(food)),
            None => Box::new(food),
        };
        let mut line = Line {
            feed: Some(feed),
            unpacked: Some(self.unpack(blob, reader, report)?),
            outcome: None,
            fed: resumed,
        };
        report.downloaded(resumed);
        self.receive(blob, &mut ingest, &mut line, report).await?;
        if let Err(error) = ingest.commit() {
            let wrong = matches!(error, StoreError::Mismatch { .. });
            if wrong && may_begin_anew && (self.client.pass_over_mirror() || resumed > 0) {
                return Ok(None);
            }
            return Err(match error {
                StoreError::Mismatch {
                    expected, actual, ..
                } => Error::DigestMismatch {
                    object: format!("layer {} of {}", blob.digest, self.client.image()),
                    expected,
                    actual,
                },
                error => error.into(),
            });
        }
        report.complete();
        let outcome = line.finish().await?;
        outcome
            .map(Some)
            .map_err(|error| self.bad_layer(blob, error))
    }

    /// Makes requests until all bytes are here.
    async fn receive(
        &self,
        blob: &Blob,
        ingest: &mut Ingest,
        line: &mut Line,
        report: &Report<'_>,
    ) -> Result<()> {
        let mut made = 0;
        loop {
            let before = ingest.offset();
            if before == blob.size && blob.size > 0 {
                return Ok(());
            }
            let failure = match self.receive_once(blob, ingest, line, report).await? {
                None => return Ok(()),
                Some(failure) => failure,
            };
            if self.client.pass_over_mirror() {
                made = 0;
                continue;
            }
            // An attempt that brought a good part counts as the first of a new row.
            made = if ingest.offset() > before + GOOD_PART {
                1
            } else {
                made + 1
            };
            let wait = failure
                .class
                .and_then(|class| wait(class, made, self.client.attempts(), jitter()));
            let Some(wait) = wait else {
                return Err(failure.error);
            };
            report.state(LayerState::Retrying {
                attempt: made + 1,
                wait,
                why: failure.why(),
            });
            tokio::time::sleep(wait).await;
        }
    }

    /// One request, from where the last one stopped. `None` when all is here.
    async fn receive_once(
        &self,
        blob: &Blob,
        ingest: &mut Ingest,
        line: &mut Line,
        report: &Report<'_>,
    ) -> Result<Option<Failure>> {
        let mut incoming = match self
            .client
            .blob(&blob.digest, ingest.offset(), blob.size)
            .await
        {
            Ok(incoming) => incoming,
            Err(failure) => return Ok(Some(failure)),
        };
        if incoming.from_start && ingest.offset() > 0 {
            ingest.restart()?;
        }
        loop {
            let bytes = match incoming.next().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) if ingest.offset() == blob.size => return Ok(None),
                Ok(None) => return Ok(Some(incoming.ended_early(ingest.offset(), blob.size))),
                Err(failure) => return Ok(Some(failure)),
            };
            ingest.write(&bytes).map_err(|error| match error {
                StoreError::Mismatch {
                    expected, actual, ..
                } => Error::DigestMismatch {
                    object: format!("layer {} of {}", blob.digest, self.client.image()),
                    expected,
                    actual,
                },
                error => error.into(),
            })?;
            report.downloaded(ingest.offset());
            line.give(bytes, ingest.offset())
                .await
                .map_err(|error| self.bad_layer(blob, error))?;
        }
    }

    /// Starts to unpack what `reader` yields, in a thread of its own.
    fn unpack(
        &self,
        blob: &'env Blob,
        reader: impl Read + Send + 'env,
        report: &'env Report<'env>,
    ) -> Result<Unpacking> {
        let (store, options) = (self.store, self.options);
        self.spawn("unpack", move || {
            let staging = store.staging()?;
            let reader = Counted {
                reader,
                count: 0,
                report,
            };
            let unpacked = layer::unpack(
                reader,
                &blob.media_type,
                &staging,
                &options.limits,
                &mut |_| {},
            )?;
            Ok((staging, unpacked))
        })
    }

    /// Runs something that may take long beside the downloads.
    async fn blocking<T: Send + 'scope>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> Result<T> {
        received(self.spawn(name, work)?).await
    }

    fn spawn<T: Send + 'scope>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> Result<oneshot::Receiver<T>> {
        let (sender, receiver) = oneshot::channel();
        let started =
            thread::Builder::new()
                .name(name.to_owned())
                .spawn_scoped(self.scope, move || {
                    // Nobody waits any more when the pull has failed.
                    let _ = sender.send(work());
                });
        match started {
            Ok(_) => Ok(receiver),
            Err(source) => Err(StoreError::Io {
                operation: "start",
                object: format!("thread {name}"),
                source,
            }
            .into()),
        }
    }

    fn bad_layer(&self, blob: &Blob, source: StoreError) -> Error {
        Error::Layer {
            digest: blob.digest.clone(),
            source,
        }
    }
}

type Unpacking = oneshot::Receiver<StoreResult<Ready>>;

/// The way to the unpacking thread, and what came of it.
struct Line {
    feed: Option<Feed>,
    unpacked: Option<Unpacking>,
    /// It ended before its time.
    outcome: Option<StoreResult<Ready>>,
    /// Bytes it has got or will find on the disk.
    fed: u64,
}

impl Line {
    /// Hands on the last bytes that came, up to `offset`, save those it had before a restart. What it can't unpack is no reason to stop
    /// downloading: the digest tells whose fault it is.
    async fn give(&mut self, mut bytes: bytes::Bytes, offset: u64) -> StoreResult<()> {
        let Some(feed) = &self.feed else {
            return Ok(());
        };
        let fresh = usize::try_from(offset.saturating_sub(self.fed)).unwrap_or(usize::MAX);
        if fresh == 0 {
            return Ok(());
        }
        if fresh < bytes.len() {
            bytes = bytes.split_off(bytes.len() - fresh);
        }
        self.fed = offset;
        if feed.give(bytes).await {
            return Ok(());
        }
        self.feed = None;
        if let Some(unpacked) = self.unpacked.take() {
            match unpacked.await {
                Ok(Err(error)) if !error.is_invalid_content() => return Err(error),
                Ok(outcome) => self.outcome = Some(outcome),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Tells the thread that this was all, and waits for it.
    async fn finish(self) -> Result<StoreResult<Ready>> {
        if let Some(feed) = self.feed {
            feed.finish();
        }
        match (self.outcome, self.unpacked) {
            (Some(outcome), _) => Ok(outcome),
            (None, Some(unpacked)) => received(unpacked).await,
            (None, None) => Err(lost()),
        }
    }
}

async fn received<T>(receiver: oneshot::Receiver<T>) -> Result<T> {
    receiver.await.map_err(|_| lost())
}

/// A thread that panicked; the scope tells of it when it ends.
fn lost() -> Error {
    let source = io::Error::other("it ended without a result");
    StoreError::Io {
        operation: "wait for",
        object: "worker thread".to_owned(),
        source,
    }
    .into()
}

/// Counts the compressed bytes that were unpacked.
struct Counted<'a, R> {
    reader: R,
    count: u64,
    report: &'a Report<'a>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.count += length as u64;
        self.report.unpacked(self.count);
        Ok(length)
    }
}

//! Reads: a stream per reader that goes on where it stopped, and single messages for everybody else.
//!
//! 1. The first read at an offset is one message: many readers want no more.
//! 2. Whoever reads on where that ended gets a stream, which the other node fills ahead of the reader as far as the
//!    windows of HTTP/2 allow. Between two calls the stream is parked under the offset that is read next.
//! 3. Streams break and are not made again by themselves: the read goes on with 1, from the same offset, so no record
//!    is left out or shown twice.
//!
//! A stream tells what there was when its message was sent. That nothing is there *now* is known from a message that
//! just came, or by asking for the bounds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tidemill_api::journal::v1::{BoundsRequest, ReadRequest, ReadResponse};
use tidemill_journal::{Batch, Bounds, JournalError, ReadLimits, TopicPartition};
use tidemill_model::{JournalIdentity, Offset, Record};
use tokio::sync::Semaphore;
use tonic::{Status, Streaming};

use crate::link::{Link, STREAMS_MAX};
use crate::service::IDLE;
use crate::wire::{PART_BYTES, bounds_from, decode_records, target_to, weight};

/// Least size of a stream's messages, for readers that take little at a time.
const MESSAGE_BYTES_MIN: usize = 64 << 10;
/// Offsets under which something is parked.
const PARKED_MAX: usize = 512;
/// What nobody has come back for is forgotten.
const PARKED_FOR_MAX: Duration = Duration::from_secs(60);
/// Single messages at once: with the streams, fewer than the 200 that a server usually allows on a connection.
const SINGLES_MAX: usize = 96;

/// Reads from one journal.
pub(crate) struct Readers {
    link: Arc<Link>,
    journal: JournalIdentity,
    parked: Mutex<Vec<Parked>>,
    /// Streams there are, parked or in use.
    streams: Arc<AtomicUsize>,
    singles: Semaphore,
}

/// What a reader left, oldest first.
struct Parked {
    at: TopicPartition,
    next: Offset,
    since: Duration,
    /// `None`: one message ended here, the next read may want more.
    stream: Option<Box<Stream>>,
}

/// A read stream and what has come that was not read yet.
struct Stream {
    messages: Streaming<ReadResponse>,
    records: VecDeque<Record>,
    /// Where the stream goes on after `records`.
    next: Offset,
    /// When the other node last said that there is nothing more, on the monotonic clock.
    idle_since: Option<Duration>,
    _counted: Counted,
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What a reader finds at its offset.
enum Found {
    Nothing,
    /// The offset is where an earlier read ended.
    Place(Counted),
    Stream(Box<Stream>),
}

impl Readers {
    pub(crate) fn new(link: Arc<Link>, journal: JournalIdentity) -> Self {
        let (streams, singles) = (Arc::default(), Semaphore::new(SINGLES_MAX));
        Self { link, journal, parked: Mutex::default(), streams, singles }
    }

    /// Streams there are.
    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    /// Lets go of everything that is parked.
    pub(crate) fn clear(&self) {
        self.parked.lock().clear();
    }

    /// Lets go of what is parked for a partition, so that nothing that is being trimmed is read from memory.
    pub(crate) fn forget(&self, at: &TopicPartition) {
        self.parked.lock().retain(|entry| entry.at != *at);
    }

    /// See [`tidemill_journal::Journal::bounds`].
    pub(crate) async fn bounds(&self, at: &TopicPartition) -> Result<Bounds, JournalError> {
        let request = BoundsRequest { at: Some(target_to(self.journal, at)) };
        let call = self.link.call(|mut client| {
            let request = request.clone();
            async move { client.bounds(request).await }
        });
        Ok(bounds_from(&call.await?))
    }

    /// See [`tidemill_journal::Journal::read`]. Cancel safe: what a stream has brought is parked.
    pub(crate) async fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        limits: ReadLimits,
    ) -> Result<Batch, JournalError> {
        let deadline = self.link.env.monotonic() + limits.wait;
        let streamed = match self.find(at, from) {
            Found::Nothing => None,
            Found::Place(counted) => {
                Some(self.open(at, from, limits.bytes, counted).await.map(|stream| (stream, true)))
            }
            Found::Stream(stream) => Some(Ok((stream, false))),
        };
        let streamed = match streamed {
            None => None,
            Some(Ok((stream, is_new))) => {
                let mut lease = Lease { readers: self, at, stream: Some(stream) };
                let batch = lease.read(limits, is_new).await;
                if batch.is_err() {
                    lease.stream = None;
                }
                Some(batch)
            }
            Some(Err(error)) => Some(Err(error)),
        };
        match streamed {
            Some(Ok(batch)) => Ok(batch),
            Some(Err(error)) if !matches!(error, JournalError::Unavailable { .. }) => Err(error),
            Some(Err(_)) | None => self.read_single(at, from, limits.bytes, deadline).await,
        }
    }

    /// What is parked at an offset, without it; a place in the count of streams if there may be a new one.
    fn find(&self, at: &TopicPartition, from: Offset) -> Found {
        let now = self.link.env.monotonic();
        let mut parked = self.parked.lock();
        parked.retain(|entry| now.saturating_sub(entry.since) < PARKED_FOR_MAX);
        let is_here = |entry: &Parked| entry.next == from && entry.at == *at;
        // A stream is better than a place.
        let stream = parked.iter().position(|entry| entry.stream.is_some() && is_here(entry));
        let Some(index) = stream.or_else(|| parked.iter().position(is_here)) else {
            return Found::Nothing;
        };
        if let Some(stream) = parked.remove(index).stream {
            return Found::Stream(stream);
        }
        if self.streams.load(Relaxed) >= STREAMS_MAX {
            match parked.iter().position(|entry| entry.stream.is_some()) {
                Some(oldest) => drop(parked.remove(oldest)),
                None => return Found::Nothing,
            }
        }
        self.streams.fetch_add(1, Relaxed);
        Found::Place(Counted(self.streams.clone()))
    }

    fn park(&self, at: &TopicPartition, next: Offset, stream: Option<Box<Stream>>) {
        let since = self.link.env.monotonic();
        let mut parked = self.parked.lock();
        let is_known = stream.is_none() && parked.iter().any(|entry| entry.next == next && entry.at == *at);
        if is_known {
            return;
        }
        if parked.len() >= PARKED_MAX {
            parked.remove(0);
        }
        parked.push(Parked { at: at.clone(), next, since, stream });
    }

    fn request(&self, at: &TopicPartition, from: Offset, bytes: usize) -> ReadRequest {
        let message_bytes = bytes as u64;
        let at = Some(target_to(self.journal, at));
        ReadRequest { at, from: from.0, message_bytes, is_following: false, wait_ms: 0 }
    }

    async fn open(
        &self,
        at: &TopicPartition,
        from: Offset,
        bytes: usize,
        counted: Counted,
    ) -> Result<Box<Stream>, JournalError> {
        let request =
            ReadRequest { is_following: true, ..self.request(at, from, bytes.clamp(MESSAGE_BYTES_MIN, PART_BYTES)) };
        let mut client = self.link.client();
        let messages = self.link.in_time(client.read(request)).await?;
        let messages = messages.map_err(|status| self.link.error(&status))?.into_inner();
        let (records, next) = (VecDeque::new(), from);
        Ok(Box::new(Stream { messages, records, next, idle_since: None, _counted: counted }))
    }

    /// Single messages until there is a record or the deadline has passed; the other node waits a while with each.
    async fn read_single(
        &self,
        at: &TopicPartition,
        mut from: Offset,
        bytes: usize,
        deadline: Duration,
    ) -> Result<Batch, JournalError> {
        loop {
            let wait = deadline.saturating_sub(self.link.env.monotonic()).min(IDLE);
            let wait_ms = wait.as_micros().div_ceil(1000) as u64;
            let request = ReadRequest { wait_ms, ..self.request(at, from, bytes) };
            let turn = self.singles.acquire().await;
            let message = self.link.call(|mut client| single(&mut client, request.clone())).await?;
            drop(turn);
            let batch = self.batch(from, message)?;
            from = batch.next;
            if !batch.records.is_empty() || self.link.env.monotonic() >= deadline {
                self.park(at, from, None);
                return Ok(batch);
            }
        }
    }

    /// What a message says, checked.
    fn batch(&self, from: Offset, message: ReadResponse) -> Result<Batch, JournalError> {
        let next = Offset(message.next);
        let records = decode_records(message.records, from, next);
        let records = records.map_err(|reason| {
            tracing::warn!(place = self.link.place, reason, "records were damaged on the way");
            self.link.unavailable(format!("records were damaged on the way: {reason}"))
        })?;
        Ok(Batch { records, next })
    }
}

/// The only message of a stream.
fn single(
    client: &mut crate::link::Client,
    request: ReadRequest,
) -> impl Future<Output = Result<tonic::Response<ReadResponse>, Status>> + use<> {
    let mut client = client.clone();
    async move {
        let mut messages = client.read(request).await?.into_inner();
        let message = messages.message().await?;
        message.map(tonic::Response::new).ok_or_else(|| Status::unavailable("the stream ended without a message"))
    }
}

/// A stream in use; parked when the read is over or was cancelled.
struct Lease<'a> {
    readers: &'a Readers,
    at: &'a TopicPartition,
    /// `None` once it has broken.
    stream: Option<Box<Stream>>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.readers.park(self.at, stream.position(), Some(stream));
        }
    }
}

impl Lease<'_> {
    async fn read(&mut self, limits: ReadLimits, is_new: bool) -> Result<Batch, JournalError> {
        let (readers, link) = (self.readers, &*self.readers.link);
        let stream = self.stream.as_mut().expect("a lease has its stream until it breaks");
        if is_new && stream.records.is_empty() {
            // Tells what there is now.
            let message = link.in_time(stream.receive(readers)).await?;
            message?;
            if limits.wait.is_zero() {
                return stream.take(readers, limits.bytes);
            }
        }
        if stream.records.is_empty() && !limits.wait.is_zero() {
            let waited = link.env.sleep(limits.wait);
            tokio::select! {
                biased;
                received = stream.receive_records(readers) => received?,
                () = waited => {}
            }
        }
        if stream.records.is_empty() && !stream.is_idle(readers, limits.wait) {
            stream.receive_ready(readers)?;
            if stream.records.is_empty() && readers.bounds(self.at).await?.durable > stream.next {
                link.in_time(stream.receive_records(readers)).await??;
            }
        }
        stream.take(readers, limits.bytes)
    }
}

impl Stream {
    /// Where the next read begins.
    fn position(&self) -> Offset {
        self.records.front().map_or(self.next, |record| record.offset)
    }

    /// Takes in the next message. Cancel safe.
    async fn receive(&mut self, readers: &Readers) -> Result<(), JournalError> {
        let message = self.messages.message().await.map_err(|status| readers.link.error(&status))?;
        let message = message.ok_or_else(|| readers.link.unavailable("the stream has ended"))?;
        let Batch { records, next } = readers.batch(self.next, message)?;
        self.idle_since = records.is_empty().then(|| readers.link.env.monotonic());
        (self.records, self.next) = match self.records.is_empty() {
            true => (records.into(), next),
            false => (self.records.drain(..).chain(records).collect(), next),
        };
        Ok(())
    }

    async fn receive_records(&mut self, readers: &Readers) -> Result<(), JournalError> {
        while self.records.is_empty() {
            self.receive(readers).await?;
        }
        Ok(())
    }

    /// Takes in what has come already.
    fn receive_ready(&mut self, readers: &Readers) -> Result<(), JournalError> {
        while self.records.is_empty() {
            match self.receive(readers).now_or_never() {
                Some(received) => received?,
                None => break,
            }
        }
        Ok(())
    }

    /// Whether the other node said, within the wait, that there is nothing more.
    fn is_idle(&self, readers: &Readers, wait: Duration) -> bool {
        self.idle_since.is_some_and(|since| readers.link.env.monotonic().saturating_sub(since) < wait)
    }

    /// Records up to a limit of bytes, with more messages as long as they are there.
    fn take(&mut self, readers: &Readers, limit: usize) -> Result<Batch, JournalError> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        loop {
            while let Some(record) = self.records.front() {
                bytes += weight(record);
                if bytes > limit && !records.is_empty() {
                    return Ok(Batch { records, next: self.position() });
                }
                records.extend(self.records.pop_front());
            }
            // A broken stream is the next read's business, unless there is nothing to return.
            let more = if records.is_empty() || bytes >= limit { None } else { self.receive(readers).now_or_never() };
            if more.is_none_or(|received| received.is_err()) || self.records.is_empty() {
                return Ok(Batch { records, next: self.next });
            }
        }
    }
}

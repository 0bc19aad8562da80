//! The few requests that the journal makes of an object store, counted, with waiting and trying again.
//!
//! Only put-if-absent decides anything; plain overwriting is for objects that nobody trusts.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, PutMode, PutOptions, PutPayload};
use tidemill_journal::{Env, IngestClock, JournalError};

/// Waiting before the second attempt; doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(20);
/// Longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Numbers since the journal was opened.
#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub(crate) puts: AtomicU64,
    pub(crate) gets: AtomicU64,
    pub(crate) heads: AtomicU64,
    pub(crate) lists: AtomicU64,
    pub(crate) deletes: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) put_bytes: AtomicU64,
    pub(crate) got_bytes: AtomicU64,
    pub(crate) appends: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) pages: AtomicU64,
    pub(crate) beaten: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Relaxed);
    }
}

/// What came of one attempt to create an object.
pub(crate) enum Created {
    /// It is there and ours.
    Yes,
    /// The store says that it was there before, which may be an earlier attempt of ours, or not even true.
    Exists,
    /// It may have been created, now or later.
    Unknown(object_store::Error),
}

/// Growing waits.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(BACKOFF_MIN)
    }

    /// How long to wait now: between half of the step and all of it, so that clients do not keep step.
    pub(crate) fn next(&mut self, env: &dyn Env) -> Duration {
        let step = self.0;
        self.0 = (step * 2).min(BACKOFF_MAX);
        step / 2 + step.mul_f64((env.random() % 1024) as f64 / 2048.0)
    }
}

/// A prefix of an object store.
pub(crate) struct Store {
    inner: Arc<dyn ObjectStore>,
    prefix: Path,
    /// For messages: the URL without its query.
    pub(crate) place: String,
    pub(crate) env: Arc<dyn Env>,
    /// Stamps what is appended.
    pub(crate) clock: IngestClock,
    /// How long requests are tried again.
    pub(crate) patience: Duration,
    pub(crate) counters: Counters,
}

impl Store {
    pub(crate) fn new(
        inner: Arc<dyn ObjectStore>,
        prefix: &str,
        place: String,
        env: Arc<dyn Env>,
        patience: Duration,
    ) -> Self {
        let clock = IngestClock::new(env.clone());
        Self { inner, prefix: Path::from(prefix), place, env, clock, patience, counters: Counters::default() }
    }

    fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    pub(crate) fn unavailable(&self, error: &object_store::Error) -> JournalError {
        JournalError::Unavailable { place: self.place.clone(), reason: error.to_string() }
    }

    /// One attempt to create `key`.
    pub(crate) async fn create(&self, key: &str, bytes: Bytes) -> Created {
        Counters::add(&self.counters.puts, 1);
        Counters::add(&self.counters.put_bytes, bytes.len() as u64);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.inner.put_opts(&self.path(key), PutPayload::from_bytes(bytes), options).await {
            Ok(_) => Created::Yes,
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Created::Exists
            }
            Err(error) => Created::Unknown(error),
        }
    }

    /// Creates `key` unless it is there; what stands there instead, if that is not `bytes`. Bytes that carry a random
    /// number tell so whether the object is one's own.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] when the store did not settle it in time: it may be created later still.
    pub(crate) async fn create_settled(&self, key: &str, bytes: Bytes) -> Result<Option<Bytes>, JournalError> {
        let (started, mut backoff) = (self.env.monotonic(), Backoff::new());
        loop {
            let error = match self.create(key, bytes.clone()).await {
                Created::Yes => return Ok(None),
                Created::Exists => None,
                Created::Unknown(error) => Some(error),
            };
            match self.get(key).await? {
                Some(found) => return Ok((found != bytes).then_some(found)),
                None if self.env.monotonic() - started > self.patience => {
                    let reason =
                        error.map_or("it answers \"exists\" for what is not there".to_owned(), |e| e.to_string());
                    return Err(JournalError::Unavailable { place: self.place.clone(), reason });
                }
                None => self.wait(&mut backoff).await,
            }
        }
    }

    /// Plain put of something that nobody trusts; failing is fine.
    pub(crate) async fn overwrite(&self, key: &str, bytes: Bytes) {
        Counters::add(&self.counters.puts, 1);
        Counters::add(&self.counters.put_bytes, bytes.len() as u64);
        let path = self.path(key);
        let put = self.inner.put_opts(&path, PutPayload::from_bytes(bytes), PutOptions::default());
        if let Err(error) = put.await {
            tracing::debug!(%error, key, "a hint was not written");
        }
    }

    /// The whole object, if it is there.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`].
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, JournalError> {
        self.fetch(key, None).await
    }

    /// Bytes of the object, if it is there; fewer where it is shorter.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`].
    pub(crate) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, JournalError> {
        self.fetch(key, Some(range)).await
    }

    async fn fetch(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>, JournalError> {
        let path = self.path(key);
        let attempt = || async {
            Counters::add(&self.counters.gets, 1);
            let options = GetOptions { range: range.clone().map(Into::into), ..GetOptions::default() };
            let error = match self.inner.get_opts(&path, options).await {
                Ok(answer) => return answer.bytes().await,
                Err(error) => error,
            };
            // Stores refuse a range that begins beyond the end, each in its own words.
            let Some(range) = &range else { return Err(error) };
            if matches!(error, object_store::Error::NotFound { .. }) || is_final(&error) {
                return Err(error);
            }
            let head = self.inner.get_opts(&path, GetOptions { head: true, ..GetOptions::default() }).await;
            if head.is_ok_and(|head| head.meta.size <= range.start) { Ok(Bytes::new()) } else { Err(error) }
        };
        let bytes = self.persist(attempt).await?;
        Counters::add(&self.counters.got_bytes, bytes.as_ref().map_or(0, |b| b.len() as u64));
        Ok(bytes)
    }

    /// Whether the object is there.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`].
    pub(crate) async fn exists(&self, key: &str) -> Result<bool, JournalError> {
        let path = self.path(key);
        let attempt = || async {
            Counters::add(&self.counters.heads, 1);
            self.inner.get_opts(&path, GetOptions { head: true, ..GetOptions::default() }).await.map(drop)
        };
        Ok(self.persist(attempt).await?.is_some())
    }

    /// Tries until there is an answer or patience ends.
    async fn persist<T, F>(&self, attempt: impl Fn() -> F) -> Result<Option<T>, JournalError>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let (started, mut backoff) = (self.env.monotonic(), Backoff::new());
        loop {
            match attempt().await {
                Ok(answer) => return Ok(Some(answer)),
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) if is_final(&error) || self.env.monotonic() - started > self.patience => {
                    return Err(self.unavailable(&error));
                }
                Err(_) => self.wait(&mut backoff).await,
            }
        }
    }

    /// Counts a retry and waits for it.
    pub(crate) async fn wait(&self, backoff: &mut Backoff) {
        Counters::add(&self.counters.retries, 1);
        self.env.sleep(backoff.next(self.env.as_ref())).await;
    }

    /// Removes objects; those that are not there are fine.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`]; some may be gone.
    pub(crate) async fn delete(&self, keys: Vec<String>) -> Result<(), JournalError> {
        Counters::add(&self.counters.deletes, keys.len() as u64);
        let paths: Vec<_> = keys.iter().map(|key| Ok(self.path(key))).collect();
        let mut answers = self.inner.delete_stream(futures::stream::iter(paths).boxed());
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.unavailable(&error)),
            }
        }
        Ok(())
    }

    /// The keys below `folder`, unordered. For start-up, topics and holds; never to read or append.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`].
    pub(crate) async fn list(&self, folder: &str, limit: usize) -> Result<Vec<String>, JournalError> {
        let path = if folder.is_empty() { self.prefix.clone() } else { self.path(folder) };
        let attempt = || async {
            Counters::add(&self.counters.lists, 1);
            let mut keys = Vec::new();
            let mut found = self.inner.list(Some(&path));
            while let Some(object) = found.next().await {
                let Some(below) = object?
                    .location
                    .prefix_match(&path)
                    .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
                else {
                    continue;
                };
                keys.push(below);
                if keys.len() >= limit {
                    break;
                }
            }
            Ok(keys)
        };
        Ok(self.persist(attempt).await?.unwrap_or_default())
    }

    /// The highest number that is there, given that numbers have no gaps from `known` on: doubling steps, then halving.
    /// `known` itself counts as being there.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`].
    pub(crate) async fn newest(&self, known: u64, key: impl Fn(u64) -> String) -> Result<u64, JournalError> {
        let (mut low, mut step) = (known, 1);
        while self.exists(&key(low + step)).await? {
            low += step;
            step *= 2;
        }
        let mut high = low + step;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.exists(&key(middle)).await? { low = middle } else { high = middle }
        }
        Ok(low)
    }
}

/// Whether trying again is useless.
fn is_final(error: &object_store::Error) -> bool {
    use object_store::Error;
    matches!(
        error,
        Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::InvalidPath { .. }
    )
}

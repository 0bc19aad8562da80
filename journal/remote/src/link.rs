//! The way to the other node: connections that come back by themselves, and calls that wait for them.
//!
//! Every request names the journal that is meant (see [`crate::service`]), so that a connection may be made again at any
//! time without asking first who is there.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tidemill_api::journal::v1::journal_client::JournalClient;
use tidemill_journal::{Env, JournalError};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Response, Status};

use crate::error::error_of_status;
use crate::settings::{Address, RemoteSettings};
use crate::wire::MESSAGE_BYTES_MAX;

/// What the other node may send on one stream before it is read: enough for 1 Gbit/s over 30 ms.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// Read streams at once. Each may keep a window full of records in memory.
pub(crate) const STREAMS_MAX: usize = 64;
/// What the other node may send on all streams together: all windows and some more, so that streams that nobody reads
/// cannot stop the others.
const CONNECTION_WINDOW_BYTES: u32 = (STREAMS_MAX as u32 + 4) * STREAM_WINDOW_BYTES;
/// Longest attempt to connect.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A connection without traffic is asked for a sign of life this often, and given up when none comes for as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Pauses between attempts: doubled each time, from the least to the most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

pub(crate) type Client = JournalClient<Channel>;

/// The way to the other node.
pub(crate) struct Link {
    /// As it was given, for messages.
    pub(crate) place: String,
    pub(crate) env: Arc<dyn Env>,
    call_wait: Duration,
    calls: Channel,
    /// Of its own, so that appends that wait for the disk over there hold up nothing else.
    appends: Channel,
    /// Calls that were made again.
    pub(crate) retries: AtomicU64,
}

impl Link {
    /// Connects when it is first used.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] for the address or the certificates.
    pub(crate) fn new(address: &Address, settings: &RemoteSettings, env: Arc<dyn Env>) -> Result<Self, JournalError> {
        let endpoint = endpoint(address, settings)?;
        let (calls, appends) = (endpoint.connect_lazy(), endpoint.connect_lazy());
        let (place, call_wait) = (address.text.clone(), settings.call_wait);
        Ok(Self { place, env, call_wait, calls, appends, retries: AtomicU64::new(0) })
    }

    /// For calls and read streams.
    pub(crate) fn client(&self) -> Client {
        client(&self.calls)
    }

    /// For append streams.
    pub(crate) fn append_client(&self) -> Client {
        client(&self.appends)
    }

    /// The error behind a status.
    pub(crate) fn error(&self, status: &Status) -> JournalError {
        error_of_status(status, &self.place)
    }

    /// The other node is away, or does not keep to the rules.
    pub(crate) fn unavailable(&self, reason: impl Into<String>) -> JournalError {
        JournalError::Unavailable { place: self.place.clone(), reason: reason.into() }
    }

    /// Makes a call that may be made twice, again and again while the other node is away and patience lasts. Cancel
    /// safe as far as `make` is.
    pub(crate) async fn call<T, F>(&self, make: impl Fn(Client) -> F) -> Result<T, JournalError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let deadline = self.env.monotonic() + self.call_wait;
        let mut pauses = Pauses::default();
        loop {
            let left = deadline.saturating_sub(self.env.monotonic());
            let answer = tokio::select! {
                answer = make(self.client()) => answer,
                () = self.env.sleep(left) => return Err(self.no_answer()),
            };
            let error = match answer {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => self.error(&status),
            };
            let pause = pauses.next(&*self.env);
            if !matches!(error, JournalError::Unavailable { .. }) || self.env.monotonic() + pause >= deadline {
                return Err(error);
            }
            self.retries.fetch_add(1, Relaxed);
            self.env.sleep(pause).await;
        }
    }

    /// Waits for `answer`, but no longer than a call may take.
    pub(crate) async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, JournalError> {
        tokio::select! {
            answer = answer => Ok(answer),
            () = self.env.sleep(self.call_wait) => Err(self.no_answer()),
        }
    }

    fn no_answer(&self) -> JournalError {
        self.unavailable(format!("no answer within {:?}", self.call_wait))
    }
}

/// Pauses that grow.
#[derive(Default)]
pub(crate) struct Pauses(Option<Duration>);

impl Pauses {
    /// The next pause: a little more or less than twice the last one, so that clients do not come back all at once.
    pub(crate) fn next(&mut self, env: &dyn Env) -> Duration {
        let pause = self.0.map_or(PAUSE.0, |last| (last * 2).min(PAUSE.1));
        self.0 = Some(pause);
        pause * (75 + (env.random() % 50) as u32) / 100
    }
}

fn client(channel: &Channel) -> Client {
    JournalClient::new(channel.clone())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

fn endpoint(address: &Address, settings: &RemoteSettings) -> Result<Endpoint, JournalError> {
    let invalid = |reason: String| JournalError::Invalid { reason };
    let scheme = if address.has_tls { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{}", address.authority));
    let endpoint = endpoint.map_err(|error| invalid(format!("{}: {error}", address.text)))?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_MAX)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    if !address.has_tls {
        return Ok(endpoint);
    }
    let Some(file) = &settings.ca_file else {
        return Err(invalid(format!("{} needs a file with the certificates that vouch for the node", address.text)));
    };
    let pem = fs::read(file).map_err(|error| invalid(format!("cannot read {}: {error}", file.display())))?;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
    endpoint.tls_config(tls).map_err(|error| invalid(format!("{}: {error}", file.display())))
}

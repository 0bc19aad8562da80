//! Delivers line protocol to a node, exactly once.
//!
//! A request that names a producer and a sequence may be repeated after a lost answer: the node drops what it has. So
//! a delivery waits for a node that is away and repeats the same request until it is answered. Bad lines never cost
//! good ones: they come back with the receipt.

use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, ClientError};
use crate::clock::{Stopwatch, pause};
use crate::output::say;

/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a request carries beside its lines.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// Line protocol.
    pub body: &'a [u8],
    /// Unit of the times: `ns`, `us`, `ms` or `s`.
    pub precision: &'a str,
    /// Producer and sequence; without them the request is not repeated.
    pub identity: Option<(&'a str, u64)>,
    /// `durable` or `applied:k`.
    pub ack: Option<&'a str>,
    /// The body is gzip.
    pub is_gzip: bool,
}

/// A line that the node did not store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// Its number in the request, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// The line.
    pub text: String,
}

/// What the node has stored.
#[derive(Clone, Debug, Default)]
pub struct Receipt {
    /// The position that covers it.
    pub position: Option<String>,
    /// Lines that were not stored.
    pub bad: Vec<BadLine>,
}

/// Sends one request once.
///
/// # Errors
/// When nothing of it was stored, or that is unknown.
pub fn send(client: &Client, request: &Request<'_>) -> Result<Receipt, ClientError> {
    let sequence = request.identity.map(|(_, sequence)| sequence.to_string());
    let mut headers = vec![("content-type", "text/plain; charset=utf-8")];
    if let (Some((producer, _)), Some(sequence)) = (request.identity, &sequence) {
        headers.push(("Tidemill-Producer", producer));
        headers.push(("Tidemill-Sequence", sequence));
    }
    if let Some(ack) = request.ack {
        headers.push(("Tidemill-Ack", ack));
    }
    if request.is_gzip {
        headers.push(("Content-Encoding", "gzip"));
    }
    let precision = [("precision", request.precision)];
    match client.post("/api/v2/write", &precision, &headers, request.body) {
        Ok(answer) => Ok(Receipt { position: answer.position(), bad: Vec::new() }),
        Err(ClientError::Refused { body, position, .. }) if body["lines"].is_array() => {
            Ok(Receipt { position, bad: bad_lines(&body) })
        }
        Err(error) => Err(error),
    }
}

/// Sends one request again and again until it is answered, for at most `patience` after the first failure.
/// `is_stopped` is asked between attempts.
///
/// # Errors
/// When the node refuses the request, when patience runs out, or when it is stopped.
///
/// # Panics
/// When the request names no producer: repeating it could store it twice.
pub fn deliver(
    client: &Client,
    request: &Request<'_>,
    patience: Duration,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Receipt, ClientError> {
    assert!(request.identity.is_some(), "only a named request may be repeated");
    let (mut delay, mut waiting) = (Duration::from_millis(100), None);
    loop {
        let error = match send(client, request) {
            Ok(receipt) => {
                if waiting.is_some() {
                    say("the node is back");
                }
                return Ok(receipt);
            }
            Err(error) => error,
        };
        if !error.is_passing() {
            return Err(error);
        }
        let since = waiting.get_or_insert_with(|| {
            say(format_args!("waiting: {}", error.to_string().lines().next().unwrap_or_default()));
            Stopwatch::start()
        });
        if is_stopped() || since.elapsed() >= patience {
            return Err(error);
        }
        pause(delay);
        delay = (delay * 2).min(PAUSE_MAX);
    }
}

fn bad_lines(body: &Value) -> Vec<BadLine> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let bad = |line: &Value| BadLine {
        line: line["line"].as_u64().unwrap_or(0),
        reason: text(&line["reason"]),
        text: text(&line["text"]),
    };
    body["lines"].as_array().into_iter().flatten().map(bad).collect()
}

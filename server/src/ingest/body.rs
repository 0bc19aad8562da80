//! Request bodies: read up to a limit, unpacked up to the same limit, and never longer than a client may take.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use tidemill_journal::Env;

use crate::ApiError;

/// Longest time a body may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(60);

fn too_large(limit: usize) -> ApiError {
    ApiError::too_large(format!("the body is larger than {limit} bytes, decompressed: send it in smaller parts"))
}

/// Reads a body as it was sent, at most `limit` bytes.
///
/// # Errors
/// 413 beyond the limit, as soon as that is known; 408 when it does not arrive; 400 when it is cut off.
pub(crate) async fn receive(body: Body, headers: &HeaderMap, limit: usize, env: &dyn Env) -> Result<Vec<u8>, ApiError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > limit) {
        return Err(too_large(limit));
    }
    let mut out = Vec::with_capacity(announced.unwrap_or(0));
    let mut chunks = body.into_data_stream();
    let receive = async {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| ApiError::invalid(format!("the body was cut off: {error}")))?;
            if out.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            out.extend_from_slice(&chunk);
        }
        Ok(())
    };
    tokio::select! {
        received = receive => received?,
        () = env.sleep(ARRIVAL_MAX) => return Err(ApiError::timeout("the body did not arrive within a minute")),
    }
    Ok(out)
}

/// Undoes the content encoding: none, or gzip with any number of members.
///
/// # Errors
/// 413 when more than `limit` bytes come out; 400 for another encoding or damaged data.
pub(crate) fn unpack(sent: Vec<u8>, headers: &HeaderMap, limit: usize) -> Result<Vec<u8>, ApiError> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|v| v.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some("" | "identity") => Ok(sent),
        Some("gzip" | "x-gzip") => gunzip(&sent, limit),
        Some(other) => Err(ApiError::invalid(format!("content encoding {other:?} is not known: use gzip or none"))),
    }
}

fn gunzip(sent: &[u8], limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut out = Vec::with_capacity(sent.len().saturating_mul(4).min(limit));
    let mut reader = MultiGzDecoder::new(sent).take(limit as u64 + 1);
    reader.read_to_end(&mut out).map_err(|error| ApiError::invalid(format!("the body is not valid gzip: {error}")))?;
    if out.len() > limit {
        return Err(too_large(limit));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(encoding: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, encoding.parse().unwrap())])
    }

    #[test]
    fn several_gzip_members_are_one_body() {
        let sent = [gzip(b"m v=1\n"), gzip(b"m v=2\n")].concat();
        assert_eq!(unpack(sent, &headers("gzip"), 100).unwrap(), b"m v=1\nm v=2\n");
    }

    #[test]
    fn more_than_the_limit_is_refused_and_the_limit_itself_is_not() {
        let sent = gzip(&[b'x'; 100]);
        assert!(unpack(sent.clone(), &headers("gzip"), 100).is_ok());
        assert!(unpack(sent, &headers("gzip"), 99).is_err());
    }

    #[test]
    fn damaged_and_foreign_encodings_are_refused() {
        let mut sent = gzip(b"hello hello hello");
        sent.truncate(sent.len() - 3);
        assert!(unpack(sent, &headers("gzip"), 100).is_err());
        assert!(unpack(b"x".to_vec(), &headers("br"), 100).is_err());
        assert_eq!(unpack(b"x".to_vec(), &HeaderMap::new(), 100).unwrap(), b"x");
    }
}

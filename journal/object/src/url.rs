//! Which store a URL names, and with what settings.
//!
//! `object:///directory`, `object://memory`, `object://s3/BUCKET/PREFIX`, `object://gs/BUCKET/PREFIX`,
//! `object://azure/CONTAINER/PREFIX`; also `s3://BUCKET/PREFIX`, `gs://…`, `az://…`. A query sets names as settings do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::memory::InMemory;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use tidemill_journal::{Env, JournalError};

use crate::config::{Settings, invalid};
use crate::local::SyncedFiles;

/// A store, where in it the journal is, and how it is used.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: String,
    /// For messages: the URL without its query, which may hold secrets.
    pub(crate) place: String,
    pub(crate) settings: Settings,
}

/// The parts of a URL.
#[derive(PartialEq, Eq, Debug)]
enum Place {
    Memory,
    Directory(String),
    S3(String, String),
    Gs(String, String),
    Azure(String, String),
}

/// Opens what `url` names. `named` settings win over those in the URL.
///
/// # Errors
/// [`JournalError::Invalid`] for a URL or a setting that nobody knows.
pub(crate) fn open(url: &str, named: &[(String, String)], env: &Arc<dyn Env>) -> Result<Opened, JournalError> {
    let (bare, query) = url.split_once('?').unwrap_or((url, ""));
    let place = parse(bare)?;
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| invalid(format!("{pair:?} in a URL is not name=value")))?;
        pairs.push((decode(name)?, decode(value)?));
    }
    pairs.extend(named.iter().cloned());
    let mut settings = match place {
        Place::Memory | Place::Directory(_) => Settings::local(),
        _ => Settings::remote(),
    };
    let mut foreign = Vec::new();
    for (name, value) in pairs {
        if !settings.set(&name, &value)? {
            foreign.push((name, value));
        }
    }
    settings.check()?;
    let (store, prefix): (Arc<dyn ObjectStore>, String) = match place {
        Place::Memory => (Arc::new(none(&foreign, InMemory::new())?), String::new()),
        Place::Directory(path) => (Arc::new(none(&foreign, directory(&path, env)?)?), String::new()),
        Place::S3(bucket, prefix) => (Arc::new(s3(&bucket, &foreign, &settings)?), prefix),
        Place::Gs(bucket, prefix) => (Arc::new(gs(&bucket, &foreign, &settings)?), prefix),
        Place::Azure(container, prefix) => (Arc::new(azure(&container, &foreign, &settings)?), prefix),
    };
    Ok(Opened { store, prefix, place: bare.to_owned(), settings })
}

fn parse(url: &str) -> Result<Place, JournalError> {
    let unknown = || {
        invalid(format!(
            "{url:?} names no object store: use object:///directory, object://memory, s3://BUCKET/PREFIX, \
             gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
        ))
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(unknown)?;
    let (kind, rest) = match (scheme, rest) {
        ("object", "memory") => return Ok(Place::Memory),
        ("object", path) if path.starts_with('/') && path.len() > 1 => return Ok(Place::Directory(decode(path)?)),
        ("object", rest) => rest.split_once('/').ok_or_else(unknown)?,
        (scheme, rest) => (scheme, rest),
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(invalid(format!("{url:?} names no bucket")));
    }
    let (bucket, prefix) = (decode(bucket)?, decode(prefix.trim_matches('/'))?);
    match kind {
        "s3" => Ok(Place::S3(bucket, prefix)),
        "gs" => Ok(Place::Gs(bucket, prefix)),
        "az" | "azure" => Ok(Place::Azure(bucket, prefix)),
        _ => Err(unknown()),
    }
}

/// Takes `%xx` apart.
fn decode(text: &str) -> Result<String, JournalError> {
    let wrong = || invalid(format!("{text:?} in a URL is not well encoded"));
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2).ok_or_else(wrong)?;
        out.push(u8::from_str_radix(code, 16).map_err(|_| wrong())?);
        out.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(out).map_err(|_| wrong())
}

/// `store`, unless there are settings that mean nothing to it.
fn none<S>(foreign: &[(String, String)], store: S) -> Result<S, JournalError> {
    foreign.first().map_or(Ok(store), |(name, _)| Err(unknown_setting(name, "")))
}

fn unknown_setting(name: &str, why: &str) -> JournalError {
    invalid(format!("the object journal has no setting {name:?}{why}; docs/journals/object.md lists them"))
}

fn directory(path: &str, env: &Arc<dyn Env>) -> Result<SyncedFiles, JournalError> {
    SyncedFiles::open(Path::new(path), env).map_err(|e| JournalError::Io {
        action: "open",
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

/// The journal tries again itself, and knows what an attempt that may have succeeded means.
fn retry() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 1, retry_timeout: Duration::from_secs(5) }
}

fn client(settings: &Settings) -> ClientOptions {
    ClientOptions::new().with_timeout(settings.request_max).with_connect_timeout(Duration::from_secs(5))
}

fn key<K: std::str::FromStr<Err = object_store::Error>>(name: &str) -> Result<K, JournalError> {
    name.parse().map_err(|e: object_store::Error| unknown_setting(name, &format!(" ({e})")))
}

fn refused(bucket: &str) -> impl Fn(object_store::Error) -> JournalError {
    move |e| invalid(format!("the settings for bucket {bucket:?} are not complete: {e}"))
}

fn s3(
    bucket: &str,
    foreign: &[(String, String)],
    settings: &Settings,
) -> Result<object_store::aws::AmazonS3, JournalError> {
    let mut builder = AmazonS3Builder::from_env().with_client_options(client(settings)).with_retry(retry());
    for (name, value) in foreign {
        builder = builder.with_config(key::<AmazonS3ConfigKey>(name)?, value);
    }
    let builder = builder.with_bucket_name(bucket).with_conditional_put(S3ConditionalPut::ETagMatch);
    builder.build().map_err(refused(bucket))
}

fn gs(
    bucket: &str,
    foreign: &[(String, String)],
    settings: &Settings,
) -> Result<object_store::gcp::GoogleCloudStorage, JournalError> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_client_options(client(settings)).with_retry(retry());
    for (name, value) in foreign {
        builder = builder.with_config(key::<GoogleConfigKey>(name)?, value);
    }
    builder.with_bucket_name(bucket).build().map_err(refused(bucket))
}

fn azure(
    container: &str,
    foreign: &[(String, String)],
    settings: &Settings,
) -> Result<object_store::azure::MicrosoftAzure, JournalError> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_client_options(client(settings)).with_retry(retry());
    for (name, value) in foreign {
        builder = builder.with_config(key::<AzureConfigKey>(name)?, value);
    }
    builder.with_container_name(container).build().map_err(refused(container))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_store_and_a_place_in_it() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let of = |(a, b), make: fn(String, String) -> Place| make(a, b);
        let cases = [
            ("object://memory", Place::Memory),
            ("object:///var/lib/my%20journal", Place::Directory("/var/lib/my journal".into())),
            ("object://s3/b/a/c/", of(pair("b", "a/c"), Place::S3)),
            ("s3://b", of(pair("b", ""), Place::S3)),
            ("gs://b/p", of(pair("b", "p"), Place::Gs)),
            ("az://c/p", of(pair("c", "p"), Place::Azure)),
            ("object://azure/c/p", of(pair("c", "p"), Place::Azure)),
        ];
        for (url, place) in cases {
            assert_eq!(parse(url).unwrap(), place, "{url}");
        }
        for url in
            ["", "b/p", "object://", "object:///", "object://ftp/b/p", "s3://", "s3:///p", "s3://b/%zz", "s3://b/%"]
        {
            assert!(matches!(parse(url), Err(JournalError::Invalid { .. })), "{url}");
        }
    }
}

//! The backends: which one a URL names, and how settings reach it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidemill_journal::{Env, Journal, JournalError};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, open_read_only};
use tidemill_journal_kafka::KafkaJournal;
use tidemill_journal_object::ObjectJournal;
use tidemill_journal_remote::{RemoteJournal, RemoteSettings};

use super::readonly::Watched;
use super::{JournalOptions, JournalUrl, Opening, Settings};
use crate::NodeError;

pub(super) async fn open(options: &JournalOptions, env: &Arc<dyn Env>) -> Result<Arc<dyn Journal>, NodeError> {
    let (settings, env) = (&options.settings, env.clone());
    let opened: Result<Arc<dyn Journal>, JournalError> = match &options.url {
        JournalUrl::Embedded(dir) => open_embedded(dir, embedded(dir, options)?, options.opening, env),
        JournalUrl::Kafka(url) => KafkaJournal::open(url, pairs(options), env).await.map(|journal| journal as _),
        JournalUrl::Object(url) => ObjectJournal::open(url, pairs(options), env).await.map(|journal| journal as _),
        JournalUrl::Remote(url) => RemoteJournal::open(url, remote(options)?, env).await.map(|journal| journal as _),
    };
    opened.map_err(|error| settings.locate(error))
}

/// The settings, and what opening may do, which these backends take as one of them.
fn pairs(options: &JournalOptions) -> Vec<(String, String)> {
    let opening = match options.opening {
        Opening::Create => "create",
        Opening::Existing => "existing",
        Opening::Read => "read",
    };
    let given = options.settings.values().iter().map(|(key, value)| (key.clone(), value.clone()));
    given.chain([("open".to_owned(), opening.to_owned())]).collect()
}

fn open_embedded(
    dir: &Path,
    config: EmbeddedConfig,
    opening: Opening,
    env: Arc<dyn Env>,
) -> Result<Arc<dyn Journal>, JournalError> {
    if opening != Opening::Create && !dir.join("meta").is_file() {
        return Err(JournalError::NoJournal { place: dir.display().to_string() });
    }
    match opening {
        Opening::Read => open_read_only(dir).map(|journal| Arc::new(Watched::new(journal, env)) as _),
        _ => EmbeddedJournal::open(config, env).map(|journal| journal as _),
    }
}

fn embedded(dir: &Path, options: &JournalOptions) -> Result<EmbeddedConfig, NodeError> {
    let mut config = EmbeddedConfig { sync: options.sync, ..EmbeddedConfig::new(dir) };
    let keeping = &mut config.keeping;
    for (key, value) in options.settings.values() {
        let number = || number(&options.settings, key, value);
        let seconds = || number().map(Duration::from_secs);
        match key.as_str() {
            "segment_bytes" => config.segment_bytes = number()?,
            "block_bytes" => config.block_bytes = number()?,
            "low_bytes" => keeping.low_bytes = Some(number()?),
            "critical_bytes" => keeping.critical_bytes = Some(number()?),
            "ballast_bytes" => keeping.ballast_bytes = number()?,
            "hold_silence_s" => keeping.hold_silence = seconds()?,
            "scrub_every_s" => keeping.scrub_every = seconds()?,
            "scrub_rate" => keeping.scrub_rate = number()?,
            "compact_rate" => keeping.compact_rate = number()?,
            _ => {
                let known = "segment_bytes, block_bytes, low_bytes, critical_bytes, ballast_bytes, hold_silence_s, \
                             scrub_every_s, scrub_rate and compact_rate";
                return Err(unknown(&options.settings, key, "an embedded journal", known));
            }
        }
    }
    Ok(config)
}

fn remote(options: &JournalOptions) -> Result<RemoteSettings, NodeError> {
    let mut remote = RemoteSettings::new(&options.client);
    for (key, value) in options.settings.values() {
        let ms = || number(&options.settings, key, value).map(Duration::from_millis);
        match key.as_str() {
            "ca_file" => remote.ca_file = Some(value.into()),
            "append_wait_ms" => remote.append_wait = ms()?,
            "call_wait_ms" => remote.call_wait = ms()?,
            _ => {
                let known = "ca_file, append_wait_ms and call_wait_ms";
                return Err(unknown(&options.settings, key, "the journal of another node", known));
            }
        }
    }
    Ok(remote)
}

fn number(settings: &Settings, key: &str, value: &str) -> Result<u64, NodeError> {
    Ok(value.parse().map_err(|_| settings.wrong(key, format!("{key} is no whole number")))?)
}

fn unknown(settings: &Settings, key: &str, whose: &str, known: &str) -> NodeError {
    settings.wrong(key, format!("{whose} has no setting {key:?}, only {known}")).into()
}

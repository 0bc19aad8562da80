//! Journals by their URL: which backend it is, how it is opened, and whether it is the one that a node follows.
//!
//! Invariants: a journal that is not the one that was meant is refused before anything is written to it or beside it; a
//! journal that does not answer is one clear error after 30 s; no message contains the value of a setting.

mod backends;
mod followed;
mod readonly;
mod settings;
mod url;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidemill_journal::{Env, Journal, JournalError};
use tidemill_journal_embedded::{Sync, open_read_only};

pub(crate) use followed::Followed;
pub use settings::{Settings, SettingsError};
pub use url::{JournalUrl, JournalUrlError};

use crate::{NodeConfig, NodeError};

/// How long a journal may take to open. Kafka elects a new leader within 10 s; longer, and a person should know.
const OPEN_MAX: Duration = Duration::from_secs(30);

/// A journal and how to open it.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Where it is.
    pub url: JournalUrl,
    /// Settings for its backend.
    pub settings: Settings,
    /// What opening it may do.
    pub opening: Opening,
    /// When an append is acknowledged, if it is embedded.
    pub sync: Sync,
    /// Who asks, for journals that others use too; the same after a restart.
    pub client: String,
}

/// What opening a journal may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// Open the one that is there, or make one where nothing is.
    Create,
    /// Open the one that is there.
    Existing,
    /// The same, to look at it: nothing is made or changed, and an embedded one may be in use by a node.
    Read,
}

impl JournalOptions {
    /// A journal without settings, used by `client`.
    pub fn new(url: JournalUrl, opening: Opening, client: &str) -> Self {
        Self { url, settings: Settings::default(), opening, sync: Sync::Always, client: client.to_owned() }
    }
}

/// Opens a journal.
///
/// # Errors
/// What the backend says; [`JournalError::NoJournal`] where there is none and none may be made; [`JournalError::Unavailable`]
/// when it does not answer.
pub async fn open(options: &JournalOptions, env: &Arc<dyn Env>) -> Result<Arc<dyn Journal>, NodeError> {
    tokio::select! {
        opened = backends::open(options, env) => opened,
        () = env.sleep(OPEN_MAX) => {
            let reason = format!("it has not answered within {} s", OPEN_MAX.as_secs());
            Err(JournalError::Unavailable { place: options.url.to_string(), reason }.into())
        }
    }
}

/// Opens the journal that a node is started with, and remembers it in the data directory.
///
/// # Errors
/// As for [`open`]; [`JournalError::WrongJournal`] when the node follows another one.
pub(crate) async fn open_followed(
    config: &NodeConfig,
    env: &Arc<dyn Env>,
) -> Result<(Arc<dyn Journal>, Followed), NodeError> {
    let data = config.data.as_path();
    let known = Followed::load(data, &**env)?;
    let node = known.as_ref().map_or_else(|| env.random(), |known| known.node);
    let options = options_of(config, node, known.is_some());
    if let (Some(known), JournalUrl::Embedded(dir)) = (&known, &options.url)
        && dir.join("meta").is_file()
    {
        // Opening it would repair what a crash has left there.
        known.check(data, &options.url, open_read_only(dir)?.identity())?;
    }
    let journal = open(&options, env).await.map_err(|error| match (&known, error) {
        (Some(known), NodeError::Journal(JournalError::NoJournal { .. })) => known.missing(data, &options.url),
        (_, error) => error,
    })?;
    if let Some(known) = &known
        && let Err(error) = known.check(data, &options.url, journal.identity())
    {
        journal.close().await;
        return Err(error.into());
    }
    let followed = Followed { node, journal: journal.identity(), place: options.url.to_string() };
    if known.as_ref() != Some(&followed) || !Followed::is_stored(data) {
        followed.store(data)?;
    }
    Ok((journal, followed))
}

/// Where the journal of the data directory `data` is, or `data` itself if it is an embedded journal; `None` if it is neither.
///
/// # Errors
/// When the directory says so in a damaged file.
pub fn journal_of(data: &Path) -> Result<Option<JournalUrl>, NodeError> {
    let embedded = [data.join("journal"), data.to_owned()].into_iter().find(|dir| dir.join("meta").is_file());
    if let Some(dir) = embedded {
        return Ok(Some(JournalUrl::Embedded(dir)));
    }
    Ok(Followed::place_in(data)?.and_then(|place| place.parse().ok()))
}

/// The URL with an absolute path, so that it means the same wherever the next program is started.
fn absolute(url: JournalUrl) -> JournalUrl {
    match url {
        JournalUrl::Embedded(dir) => JournalUrl::Embedded(std::path::absolute(&dir).unwrap_or(dir)),
        other => other,
    }
}

fn options_of(config: &NodeConfig, node: u64, is_known: bool) -> JournalOptions {
    let url = config.journal.clone().unwrap_or_else(|| JournalUrl::Embedded(config.data.join("journal")));
    // Where the followed journal is missing, a new one would be another one.
    let opening = if is_known { Opening::Existing } else { Opening::Create };
    let options = JournalOptions::new(absolute(url), opening, &format!("{node:016x}"));
    JournalOptions { settings: config.journal_settings.clone(), sync: config.sync, ..options }
}

//! `tidemill journal`: looks into journals, checks, trims and moves them. Whatever only looks changes nothing, and a node
//! may be writing meanwhile.

pub mod copy;
mod inspect;
pub mod map;
mod position;
mod topics;
mod trim;
mod verify;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use tidemill_journal::{Bounds, Env, Journal, JournalError, SystemEnv, TopicConfig, TopicPartition};
use tidemill_server::NodeError;
use tidemill_server::journals::{self, JournalOptions, Opening};

use crate::commands::serve::{journal_settings, journal_url, runtime};
use crate::exit::{Exit, ended};
use crate::output;

/// What the tools call themselves, where journals ask.
const TOOL: &str = "tidemill-journal";

/// The commands about journals.
#[derive(Subcommand, Debug)]
pub enum JournalCommand {
    /// List topics and partitions with their bounds and retention
    #[command(after_help = "\
Examples:
  tidemill journal topics --data /var/lib/tidemill
  tidemill journal topics --journal kafka://broker:9092/plant --journal-settings kafka.conf --json")]
    Topics(Place),
    /// Show records: header and a summary of the payload
    Inspect(inspect::InspectArgs),
    /// Read every byte and report all damage
    Verify(verify::VerifyArgs),
    /// Read sealed files slowly and report all damage, as a regular check beside a running node
    Scrub(verify::ScrubArgs),
    /// Forget old records
    Trim(trim::TrimArgs),
    /// Copy topics to another journal, of the same or another kind
    Copy(copy::CopyArgs),
    /// Translate a position of a journal into one of its copy
    Position(position::PositionArgs),
}

/// Where a journal is.
#[derive(Args, Debug, Clone)]
pub struct Place {
    /// The node's data directory, or the directory of an embedded journal [default: tidemill-data]
    #[arg(long, value_name = "DIR", conflicts_with = "journal")]
    pub data: Option<PathBuf>,
    /// The journal itself: a directory, file:///DIR, kafka://…, object:///DIR, s3://… or grpc://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub journal: Option<String>,
    /// Settings of the journal, such as passwords: a file with key=value lines
    #[arg(long, value_name = "FILE")]
    pub journal_settings: Option<PathBuf>,
}

/// Runs one of the commands.
///
/// # Errors
/// When there is no journal, it cannot be read, or it is damaged.
pub fn run(context: &output::Context, command: &JournalCommand) -> anyhow::Result<()> {
    match command {
        JournalCommand::Topics(place) => block_on(topics::run(context, place)),
        JournalCommand::Inspect(args) => block_on(inspect::run(context, args)),
        JournalCommand::Verify(args) => block_on(verify::verify(context, args)),
        JournalCommand::Scrub(args) => block_on(verify::scrub(context, args)),
        JournalCommand::Trim(args) => block_on(trim::run(context, args)),
        JournalCommand::Copy(args) => block_on(copy::run(context, args)),
        JournalCommand::Position(args) => position::run(context, args),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    runtime()?.block_on(work)
}

impl Place {
    /// What the options name; without any, what the data directory of a node says.
    fn options(&self, opening: Opening) -> anyhow::Result<JournalOptions> {
        let data = self.data.clone().unwrap_or_else(|| "tidemill-data".into());
        let url = match &self.journal {
            Some(text) => journal_url(text)?,
            None => journals::journal_of(&data)?.ok_or_else(|| {
                let message =
                    format!("there is no journal in {}: name one with --data DIR or --journal URL", data.display());
                ended(Exit::NotFound, message)
            })?,
        };
        let settings = journal_settings(self.journal_settings.as_deref())?;
        Ok(JournalOptions { settings, ..JournalOptions::new(url, opening, TOOL) })
    }
}

/// The real world, for journals.
fn world() -> Arc<dyn Env> {
    SystemEnv::new()
}

/// Opens a journal.
async fn open(options: &JournalOptions) -> anyhow::Result<Arc<dyn Journal>> {
    journals::open(options, &world()).await.map_err(|error| match error {
        NodeError::Journal(error @ JournalError::NoJournal { .. }) => ended(Exit::NotFound, error.to_string()),
        error => error.into(),
    })
}

/// Opens a journal for looking at it. Returns it with its URL.
pub(crate) async fn open_to_read(place: &Place) -> anyhow::Result<(Arc<dyn Journal>, String)> {
    let options = place.options(Opening::Read)?;
    let url = options.url.to_string();
    Ok((open(&options).await.with_context(|| format!("open {url}"))?, url))
}

/// The topic with this name.
pub(crate) async fn find_topic(journal: &dyn Journal, name: &str) -> anyhow::Result<TopicConfig> {
    let topics = journal.topics().await?;
    let names: Vec<_> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let missing = || ended(Exit::NotFound, format!("there is no topic {name:?}; there are {}", names.join(", ")));
    topics.iter().find(|topic| topic.name == name).cloned().ok_or_else(missing)
}

/// A partition with its bounds.
async fn find_partition(journal: &dyn Journal, at: &TopicPartition) -> anyhow::Result<Bounds> {
    let topic = find_topic(journal, &at.topic).await?;
    if at.partition >= topic.partitions {
        let message = format!("topic {:?} has partitions 0 to {}", at.topic, topic.partitions - 1);
        return Err(ended(Exit::NotFound, message));
    }
    Ok(journal.bounds(at).await?)
}

//! `tidemill serve`: a node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tidemill_journal::SystemEnv;
use tidemill_server::journals::{JournalUrl, JournalUrlError, Settings};
use tidemill_server::{JournalAccess, Node, NodeConfig, RetentionChange, Sync};
use tracing_subscriber::EnvFilter;

use crate::commands::compile::compiler;
use crate::exit::{Exit, ended};
use crate::output::{line, say, stderr_is_terminal};
use crate::stop::{Signals, abort_at_next_signal};
use crate::time::{parse_bytes, parse_duration};

/// Options of `tidemill serve`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Examples:
  tidemill serve
  tidemill serve --data /var/lib/tidemill --replicas 3 --retention-age 30d
  tidemill serve --journal s3://plant/journal --journal-settings /etc/tidemill/s3.conf
  tidemill serve --data r7 --journal grpc://10.0.0.7:7300

SIGINT (Ctrl-C) or SIGTERM drains what is under way and exits with 0; a second one aborts. What was acknowledged survives
either, and kill -9 too. Set TIDEMILL_LOG=debug to hear more.")]
pub struct ServeArgs {
    /// Data directory; made if it is not there
    #[arg(long, default_value = "tidemill-data", value_name = "DIR")]
    pub data: PathBuf,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:7300", value_name = "ADDRESS:PORT")]
    pub http: SocketAddr,
    /// Number of replicas, each a database of its own; with 0 the node takes writes and answers no queries
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=16))]
    pub replicas: u64,
    /// Number of partitions of the journal: sets that of a new one, and must be the same at every later start
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub partitions: u32,
    /// The journal: a directory, file:///DIR, kafka://HOST:PORT/PREFIX, object:///DIR, s3://BUCKET/PREFIX or
    /// grpc://HOST:PORT [default: embedded, in DATA/journal]
    #[arg(long, env = "TIDEMILL_JOURNAL", hide_env_values = true, value_name = "URL")]
    pub journal: Option<String>,
    /// Settings of the journal, such as passwords: a file with key=value lines
    #[arg(long, value_name = "FILE")]
    pub journal_settings: Option<PathBuf>,
    /// When an embedded journal acknowledges a write: after it reached the disk, or at once
    #[arg(long, default_value = "always")]
    pub fsync: Fsync,
    /// From now on forget journal records older than this, such as 30d, or never [default: as the journal does; a new
    /// one never does]
    #[arg(long, value_parser = parse_age, value_name = "DURATION|never")]
    pub retention_age: Option<Forget<Duration>>,
    /// From now on forget the oldest journal records beyond this size per partition, such as 100GiB, or never [default:
    /// as the journal does; a new one never does]
    #[arg(long, value_parser = parse_size, value_name = "SIZE|never")]
    pub retention_bytes: Option<Forget<u64>>,
    /// What other nodes may do with the journal of this one, at grpc://ADDRESS:PORT; a node that follows it must append
    #[arg(long, default_value = "append", value_name = "ACCESS")]
    pub grpc: Grpc,
    /// Listen on an address that others can reach, although this version has no passwords and no encryption
    #[arg(long)]
    pub insecure: bool,
}

/// What other nodes may do with the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Grpc {
    /// Nothing.
    Off,
    /// Read it.
    Read,
    /// Read it, append, create topics and trim.
    Append,
}

/// From where on records are forgotten; `None`: never.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forget<T>(pub Option<T>);

fn parse_age(text: &str) -> Result<Forget<Duration>, String> {
    if text == "never" { Ok(Forget(None)) } else { parse_duration(text).map(|age| Forget(Some(age))) }
}

fn parse_size(text: &str) -> Result<Forget<u64>, String> {
    if text == "never" { Ok(Forget(None)) } else { parse_bytes(text).map(|bytes| Forget(Some(bytes))) }
}

/// Reads a journal's URL. Not while the command line is parsed: what is wrong would be repeated there, and may be a secret.
///
/// # Errors
/// What is wrong with it, as a wrong command line.
pub(crate) fn journal_url(text: &str) -> anyhow::Result<JournalUrl> {
    text.parse().map_err(|error: JournalUrlError| ended(Exit::Usage, error.to_string()))
}

/// Reads the settings of a journal, if there are any.
///
/// # Errors
/// File, line and what is wrong there.
pub(crate) fn journal_settings(file: Option<&Path>) -> anyhow::Result<Settings> {
    file.map_or_else(|| Ok(Settings::default()), |file| Ok(Settings::load(file)?))
}

/// When a write is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Fsync {
    /// After it has been written to the disk: it survives a power cut.
    Always,
    /// When the operating system has it: it survives kill -9, not a power cut.
    Never,
}

/// Refuses an address that other machines can reach, unless that was asked for.
///
/// # Errors
/// Why, and what to do instead.
pub fn check_address(http: SocketAddr, insecure: bool) -> anyhow::Result<()> {
    if http.ip().is_loopback() || insecure {
        return Ok(());
    }
    let reason =
        "anybody who reaches it could read, write and delete, because this version has no passwords and no encryption";
    let remedy =
        "listen on 127.0.0.1 behind a proxy that checks who comes, or add --insecure if the network is trusted";
    Err(ended(Exit::Refused, format!("{http} is not a loopback address: {reason};\n  {remedy}")))
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// When the node cannot start.
pub fn run(args: &ServeArgs) -> anyhow::Result<()> {
    check_address(args.http, args.insecure)?;
    start_log("info");
    runtime()?.block_on(async {
        // Listened to before the node is ready, or a signal that follows at once would kill it.
        let mut signals = Signals::listen()?;
        let node = tokio::select! {
            node = start(args) => node?,
            () = signals.next() => {
                say("stopped before the node was ready");
                return Ok(());
            }
        };
        say("the node is ready; stop it with Ctrl-C");
        line(format_args!("http://{}", node.address()))?;
        signals.next().await;
        shut_down(node).await;
        Ok(())
    })
}

/// The runtime that a node lives on.
///
/// # Errors
/// When threads cannot be started.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the threads of the node")
}

/// Logs to standard error what `TIDEMILL_LOG` asks for, else `level` and above.
pub(crate) fn start_log(level: &str) {
    let filter = EnvFilter::try_from_env("TIDEMILL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let has_colour = stderr_is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(has_colour).init();
}

/// Starts a node with the real clock and the real file system.
///
/// # Errors
/// When the data directory cannot be used, is damaged or in use, or the address is taken.
pub(crate) async fn start(args: &ServeArgs) -> anyhow::Result<Node> {
    let config = NodeConfig {
        http: args.http,
        replicas: usize::try_from(args.replicas)?,
        partitions: args.partitions,
        sync: match args.fsync {
            Fsync::Always => Sync::Always,
            Fsync::Never => Sync::Never,
        },
        journal: args.journal.as_deref().map(journal_url).transpose()?,
        journal_settings: journal_settings(args.journal_settings.as_deref())?,
        retention: RetentionChange {
            age: args.retention_age.map(|forget| forget.0),
            bytes: args.retention_bytes.map(|forget| forget.0),
        },
        grpc: match args.grpc {
            Grpc::Off => JournalAccess::Off,
            Grpc::Read => JournalAccess::Read,
            Grpc::Append => JournalAccess::Append,
        },
        compiler: compiler()?,
        ..NodeConfig::new(&args.data)
    };
    Node::start(config, SystemEnv::new()).await.with_context(|| format!("start a node on {}", args.data.display()))
}

/// Drains the node; another signal meanwhile aborts the process.
pub(crate) async fn shut_down(node: Node) {
    say("draining; once more to abort");
    tokio::select! {
        () = node.shutdown() => say("stopped"),
        () = abort_at_next_signal() => {}
    }
}

//! `tidemill import`: a CSV file becomes samples, exactly once however often the command runs.
//!
//! 1. [`survey`] reads the header and the first rows and guesses what each column is; options overrule it ([`mapping`]).
//! 2. The producer's name is a hash of the file's bytes and of the mapping, and chunk *n* of rows always has sequence *n*:
//!    running the command again sends the same requests, and the node drops what it has.
//! 3. [`convert`] turns every row into a line; bad rows are reported with their line number and cost only themselves.

pub mod convert;
pub mod mapping;
pub mod send;
pub mod survey;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::exit::{Exit, ended};
use crate::output::{Context, say};
use mapping::Mapping;
use survey::Survey;

/// Options of `tidemill import`.
#[derive(Args, Debug, Clone, Default)]
#[command(after_help = "\
Examples:
  tidemill import readings.csv --dry-run                       what would be written
  tidemill import readings.csv --labels site,sensor
  tidemill import log.csv --time ts --measurement boiler --fields temperature,pressure

Columns of numbers become fields, columns of text become text fields unless --labels names them. Times may be
2026-11-23 12:00:00 (UTC), RFC 3339, or numbers since 1970 in s, ms, us or ns. When a time repeats, the later line wins.
Run it again after an interruption: it continues, and nothing is written twice.")]
pub struct ImportArgs {
    /// The CSV file, with a header line
    pub file: PathBuf,
    /// Column with the time [default: found by its content]
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,
    /// Columns that become labels
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Columns that become fields [default: all others]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub fields: Vec<String>,
    /// Columns that become text fields, whatever they look like
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub text: Vec<String>,
    /// Text columns become labels instead of text fields
    #[arg(long)]
    pub text_as_labels: bool,
    /// A label with the same value on every row, as name=value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// The measurement [default: the file's name]
    #[arg(long)]
    pub measurement: Option<String>,
    /// Column separator [default: found in the header]
    #[arg(long)]
    pub delimiter: Option<char>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write the file again although it was imported before, for example after a delete
    #[arg(long)]
    pub again: bool,
}

/// Imports the file.
///
/// # Errors
/// When the file cannot be read or mapped, the node does not answer, or a row is bad; good rows are stored all the same.
pub fn run(context: &Context, args: &ImportArgs) -> anyhow::Result<()> {
    let name = args.file.display();
    let survey = Survey::of(&args.file, args.delimiter).with_context(|| format!("read {name}"))?;
    let mapping = Mapping::guess(&survey, args).map_err(|e| ended(Exit::Usage, format!("{name}: {e}")))?;
    say(mapping.describe(&survey));
    let report = send::send_file(context, args, &mapping, &survey)?;
    report.print(context, args)
}

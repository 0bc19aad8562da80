//! `tidemill journal position`: a position of a journal, translated into one of its copy.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tidemill_model::Position;

use super::map::{PositionMap, Translated};
use crate::exit::{Exit, ended};
use crate::output::{self, Context, say};

/// Options of `tidemill journal position`.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidemill journal position --map tidemill-copy.map 01f3a9c2b4d5e6f700000001-0000000000000040

The map knows the first 65,536 records of each partition, and then one in every 64 KiB. A position between two of them becomes
the one before, so that whoever resumes there misses nothing and may see some records again; with --after it becomes the one
behind, so that a query with at_least that position sees everything that the old one covered.")]
pub struct PositionArgs {
    /// The map that `tidemill journal copy` has written
    #[arg(long, value_name = "FILE", default_value = "tidemill-copy.map")]
    pub map: PathBuf,
    /// A position of the journal that was copied
    #[arg(value_name = "TOKEN")]
    pub position: String,
    /// Between two records that the map knows, take the later one
    #[arg(long)]
    pub after: bool,
}

pub(super) fn run(context: &Context, args: &PositionArgs) -> anyhow::Result<()> {
    let position: Position = args.position.parse().map_err(|error| ended(Exit::Usage, format!("{error}")))?;
    let map = PositionMap::load(&args.map)?;
    let Translated { position, is_exact } =
        map.translate(&position, args.after).map_err(|reason| ended(Exit::Refused, reason))?;
    if context.json {
        output::json(&json!({ "position": position.to_string(), "exact": is_exact }))?;
        return Ok(());
    }
    if !is_exact {
        let side = if args.after { "behind" } else { "before" };
        say(format_args!("not exact: the next position {side} it that the map knows"));
    }
    output::line(position)?;
    Ok(())
}

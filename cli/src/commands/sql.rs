//! `tidemill sql`: asks a question and prints the answer.

use std::io::{Read, Write};

use clap::{Args, ValueEnum};

use crate::output::{self, Context, say};
use crate::table::Table;

/// Options of `tidemill sql`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill sql \"SELECT unit, avg(power) FROM turbine GROUP BY unit\"
  tidemill sql \"SELECT * FROM samples LIMIT 10\" --format csv > samples.csv
  tidemill sql \"SELECT count(*) FROM room\" --at-least \"$(tidemill write room.lp)\"

Every measurement is a table with the columns time, labels, fields and quality; `samples` and `series` hold everything.")]
pub struct SqlArgs {
    /// The question; - reads it from standard input
    pub query: String,
    /// How to print [default: a table on a terminal, else csv; ndjson with --json]
    #[arg(long)]
    pub format: Option<Format>,
    /// Answer from a replica that has applied at least this position
    #[arg(long, value_name = "POSITION")]
    pub at_least: Option<String>,
    /// Answer from a replica that is at most this far behind, such as 5s
    #[arg(long, value_name = "DURATION")]
    pub max_staleness: Option<String>,
    /// Answer from this replica
    #[arg(long, value_name = "NAME")]
    pub replica: Option<String>,
}

/// How answers are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// One JSON array.
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    fn chosen(context: &Context, args: &SqlArgs) -> Format {
        match args.format {
            Some(format) => format,
            None if context.json => Format::Ndjson,
            None if output::stdout_is_terminal() => Format::Table,
            None => Format::Csv,
        }
    }

    /// What the node is asked for.
    fn parameter(self) -> &'static str {
        match self {
            // A table is printed from CSV, which keeps the order of the columns.
            Format::Table | Format::Csv => "csv",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
        }
    }
}

/// Asks and prints.
///
/// # Errors
/// When the node does not answer, the question is wrong, or no replica is fresh enough.
pub fn run(context: &Context, args: &SqlArgs) -> anyhow::Result<()> {
    let format = Format::chosen(context, args);
    let mut question = args.query.clone();
    if question == "-" {
        question.clear();
        std::io::stdin().read_to_string(&mut question)?;
    }
    let mut query = vec![("q", question.as_str()), ("format", format.parameter())];
    let optional = [("at_least", &args.at_least), ("max_staleness", &args.max_staleness), ("replica", &args.replica)];
    query.extend(optional.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
    let answer = context.client.get("/api/v1/sql", &query, &[])?;
    if context.verbose {
        let header = |name| answer.header(name).unwrap_or("?").to_owned();
        say(format_args!("replica {} at {}", header("Tidemill-Replica"), header("Tidemill-Position")));
    }
    match format {
        Format::Table => print_table(answer.reader()),
        _ => Ok(copy(answer.reader())?),
    }
}

fn copy(mut from: impl Read) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    std::io::copy(&mut from, &mut out)?;
    out.flush()
}

fn print_table(from: impl Read) -> anyhow::Result<()> {
    let mut reader = csv::Reader::from_reader(from);
    let header = reader.headers()?.iter().map(str::to_owned).collect();
    let mut table = Table::new(std::io::stdout().lock(), header, output::has_colour());
    let mut rows: u64 = 0;
    for record in reader.records() {
        table.row(record?.iter().map(str::to_owned).collect())?;
        rows += 1;
    }
    table.finish()?;
    say(format_args!("{} {}", output::thousands(rows), if rows == 1 { "row" } else { "rows" }));
    Ok(())
}

//! A first look at a CSV file: its separator, its header and its first rows.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use csv::StringRecord;

/// Rows that decide what a column is.
pub const SURVEYED_ROWS: usize = 1000;

/// What a file's beginning tells.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Byte between columns.
    pub delimiter: u8,
    /// Column names; empty ones are named by their number.
    pub header: Vec<String>,
    /// The first rows that are readable at all.
    pub rows: Vec<StringRecord>,
    /// File name without its ending.
    pub stem: String,
}

impl Survey {
    /// Looks at the file; without `delimiter` the character of `,;tab|` that the header has most of is taken.
    ///
    /// # Errors
    /// When the file cannot be read or has no header.
    pub fn of(path: &Path, delimiter: Option<char>) -> anyhow::Result<Self> {
        let mut first_line = Vec::new();
        BufReader::new(File::open(path)?).read_until(b'\n', &mut first_line)?;
        anyhow::ensure!(!first_line.is_empty(), "the file is empty");
        let delimiter = match delimiter.map(u8::try_from) {
            Some(byte) => byte.map_err(|_| anyhow::anyhow!("--delimiter must be a single byte"))?,
            None => guess_delimiter(&first_line),
        };
        let mut reader = reader(BufReader::new(File::open(path)?), delimiter);
        let name = |(i, name): (usize, &str)| match name.trim() {
            "" => format!("column{}", i + 1),
            name => name.to_owned(),
        };
        let header = reader.headers()?.iter().enumerate().map(name).collect();
        let rows = reader.records().take(SURVEYED_ROWS).filter_map(Result::ok).collect();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { delimiter, header, rows, stem })
    }

    /// The cells of a column that hold something.
    pub fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.get(column)).map(str::trim).filter(|cell| !is_missing(cell))
    }
}

/// A CSV reader as all of this command uses it: rows may be ragged, which is reported later, row by row.
pub fn reader<R: std::io::Read>(from: R, delimiter: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(from)
}

/// Whether a cell says that there is no value.
pub fn is_missing(cell: &str) -> bool {
    matches!(cell, "" | "NA" | "N/A" | "NaN" | "nan" | "null" | "NULL" | "-")
}

fn guess_delimiter(header: &[u8]) -> u8 {
    let count = |delimiter: &u8| header.iter().filter(|byte| *byte == delimiter).count();
    // The last of several maxima wins, so the comma comes last.
    *b"|\t;,".iter().max_by_key(|delimiter| count(delimiter)).expect("there are four")
}

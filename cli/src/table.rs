//! Pretty tables: columns aligned, numbers to the right, rows streamed.
//!
//! Widths are taken from the first rows only, so that a long result starts to print at once and memory stays bounded;
//! a wider cell further down pushes its row out instead of being cut.

use std::io::{self, Write};

/// Rows that decide the widths.
const MEASURED_ROWS: usize = 1000;
/// A column is never padded beyond this many characters.
const WIDTH_MAX: usize = 60;

/// Writes rows as an aligned table.
pub struct Table<W: Write> {
    out: W,
    header: Vec<String>,
    waiting: Vec<Vec<String>>,
    columns: Option<Vec<Column>>,
    is_bold: bool,
}

struct Column {
    width: usize,
    is_number: bool,
}

impl<W: Write> Table<W> {
    /// A table with these column names; `is_bold` writes them in bold.
    pub fn new(out: W, header: Vec<String>, is_bold: bool) -> Self {
        Self { out, header, waiting: Vec::new(), columns: None, is_bold }
    }

    /// Adds a row. Control characters are shown as escapes, so that a value cannot steer the terminal.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn row(&mut self, cells: Vec<String>) -> io::Result<()> {
        let cells: Vec<String> = cells.iter().map(|cell| visible(cell)).collect();
        match &self.columns {
            Some(columns) => write_row(&mut self.out, columns, &cells),
            None => {
                self.waiting.push(cells);
                if self.waiting.len() == MEASURED_ROWS { self.start() } else { Ok(()) }
            }
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn finish(mut self) -> io::Result<()> {
        if self.columns.is_none() {
            self.start()?;
        }
        self.out.flush()
    }

    fn start(&mut self) -> io::Result<()> {
        let columns: Vec<Column> = (0..self.header.len()).map(|i| self.measure(i)).collect();
        let header = self.header.iter().zip(&columns).map(|(name, column)| pad(&visible(name), column));
        let line = header.collect::<Vec<_>>().join("  ");
        match self.is_bold {
            true => writeln!(self.out, "\x1b[1m{}\x1b[0m", line.trim_end())?,
            false => writeln!(self.out, "{}", line.trim_end())?,
        }
        let rule: Vec<String> = columns.iter().map(|column| "-".repeat(column.width)).collect();
        writeln!(self.out, "{}", rule.join("  "))?;
        for cells in std::mem::take(&mut self.waiting) {
            write_row(&mut self.out, &columns, &cells)?;
        }
        self.columns = Some(columns);
        Ok(())
    }

    fn measure(&self, index: usize) -> Column {
        let cells = || self.waiting.iter().filter_map(|row| row.get(index)).filter(|cell| !cell.is_empty());
        let widest = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let width = widest.max(self.header[index].chars().count()).min(WIDTH_MAX);
        let is_number = cells().next().is_some() && cells().all(|cell| cell.parse::<f64>().is_ok());
        Column { width, is_number }
    }
}

fn write_row(out: &mut impl Write, columns: &[Column], cells: &[String]) -> io::Result<()> {
    let line: Vec<String> = cells.iter().zip(columns).map(|(cell, column)| pad(cell, column)).collect();
    writeln!(out, "{}", line.join("  ").trim_end())
}

fn pad(cell: &str, column: &Column) -> String {
    let missing = column.width.saturating_sub(cell.chars().count());
    match column.is_number {
        true => format!("{}{cell}", " ".repeat(missing)),
        false => format!("{cell}{}", " ".repeat(missing)),
    }
}

fn visible(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

//! The figures of a run, as a table and as JSON.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// One measured figure.
#[derive(Serialize, Debug)]
pub struct Figure {
    /// Its name, stable over versions.
    pub name: &'static str,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it is compared with.
    pub against: String,
    /// `value` divided by what it is compared with.
    pub ratio: f64,
}

impl Figure {
    /// A figure beside the target that we have set ourselves.
    pub fn with_target(name: &'static str, value: f64, unit: &'static str, target: f64) -> Self {
        Self { name, value, unit, against: format!("target {target} {unit}"), ratio: value / target }
    }
}

/// All figures of a run.
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// Adds figures.
    pub fn add(&mut self, figures: Vec<Figure>) {
        self.figures.extend(figures);
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.figures.is_empty()
    }

    /// Prints the table.
    #[expect(clippy::print_stdout, reason = "the table is this program's output")]
    pub fn print(&self) {
        println!("{:<22} {:>14} {:<12} {:>8}  against", "name", "value", "unit", "ratio");
        for f in &self.figures {
            println!("{:<22} {:>14.3} {:<12} {:>8.2}  {}", f.name, f.value, f.unit, f.ratio, f.against);
        }
    }

    /// Writes the figures as a JSON array.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.figures)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

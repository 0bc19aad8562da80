//! The figures of a run, as a table and as JSON.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// One measured figure.
#[derive(Serialize, Debug)]
pub(crate) struct Figure {
    /// Its name, stable over versions.
    pub(crate) name: &'static str,
    /// The figure.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What it is compared with.
    pub(crate) against: String,
    /// `value` divided by what it is compared with.
    pub(crate) ratio: f64,
}

impl Figure {
    /// A figure beside the target that we have set ourselves.
    pub(crate) fn with_target(name: &'static str, value: f64, unit: &'static str, target: f64) -> Self {
        Self { name, value, unit, against: format!("target {target} {unit}"), ratio: value / target }
    }
}

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// Adds figures.
    pub(crate) fn add(&mut self, figures: Vec<Figure>) {
        self.figures.extend(figures);
    }

    /// Whether nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.figures.is_empty()
    }

    /// Prints the table.
    #[expect(clippy::print_stdout, reason = "the table is this program's output")]
    pub(crate) fn print(&self) {
        println!("{:<22} {:>14} {:<12} {:>8}  against", "name", "value", "unit", "ratio");
        for f in &self.figures {
            println!("{:<22} {:>14.3} {:<12} {:>8.2}  {}", f.name, f.value, f.unit, f.ratio, f.against);
        }
    }

    /// Writes the figures as a JSON array.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.figures)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

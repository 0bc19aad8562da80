//! What goes into a call and what comes out of it, as the host holds it: columns, and what a plugin says of itself.

use serde::{Deserialize, Serialize};

/// What the rows of a port carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers.
    #[default]
    Number,
    /// Texts: the value of a row is the place of its text.
    Text,
}

/// A port of a plugin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What its rows carry.
    pub kind: Kind,
}

/// What `describe` says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct About {
    /// The plugin's own name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its input ports.
    pub inputs: Vec<Port>,
    /// Its output ports.
    pub outputs: Vec<Port>,
}

/// Rows for `process`: runs of rows of one group and port.
#[derive(Default, Clone, Debug)]
pub struct BatchColumns {
    /// Group, port and number of rows of each run.
    pub runs: Vec<[u32; 3]>,
    /// ns after the batch's `t0`.
    pub dt: Vec<i64>,
    /// The values; of a text port, places in `texts`.
    pub values: Vec<f64>,
    /// Raw qualities; empty when all are good.
    pub qualities: Vec<u32>,
    /// The texts that values refer to.
    pub texts: Vec<String>,
}

impl BatchColumns {
    /// The same rows in batches of at most `rows`.
    pub(crate) fn parts(&self, rows: usize) -> Vec<Self> {
        let mut parts = Vec::with_capacity(self.dt.len().div_ceil(rows));
        let mut part = Self { texts: self.texts.clone(), ..Self::default() };
        let mut row = 0;
        for [group, port, count] in &self.runs {
            let mut left = *count as usize;
            while left > 0 {
                let taken = left.min(rows - part.dt.len());
                let range = row..row + taken;
                part.runs.push([*group, *port, taken as u32]);
                part.dt.extend_from_slice(&self.dt[range.clone()]);
                part.values.extend_from_slice(&self.values[range.clone()]);
                part.qualities.extend_from_slice(self.qualities.get(range).unwrap_or_default());
                (row, left) = (row + taken, left - taken);
                if part.dt.len() == rows {
                    let next = Self { texts: self.texts.clone(), ..Self::default() };
                    parts.push(std::mem::replace(&mut part, next));
                }
            }
        }
        parts.extend(Some(part).filter(|part| !part.dt.is_empty()));
        parts
    }
}

/// Windows for `aggregate`.
#[derive(Default, Clone, Debug)]
pub struct WindowColumns {
    /// Group, number of rows, start and end of each window.
    pub windows: Vec<(u32, u32, i64, i64)>,
    /// ns after the row's own window's start.
    pub dt: Vec<i64>,
    /// The values; of a text port, places in `texts`.
    pub values: Vec<f64>,
    /// Raw qualities; empty when all are good.
    pub qualities: Vec<u32>,
    /// The texts that values refer to.
    pub texts: Vec<String>,
}

/// Outputs that are taken back: everything of a group's output in a range of source time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Withdrawal {
    /// The group.
    pub group: u32,
    /// The output port; `None`: all of them.
    pub port: Option<u32>,
    /// First source time that is taken back.
    pub start: i64,
    /// First source time that stays.
    pub end: i64,
}

/// Rows that calls have returned, checked.
#[derive(Default, Clone, Debug, PartialEq)]
pub struct OutputRows {
    /// Group, port and number of rows of each run.
    pub runs: Vec<[u32; 3]>,
    /// Source times, ns.
    pub times: Vec<i64>,
    /// The values; every NaN is the same one. Of a text port, places in `texts`.
    pub values: Vec<f64>,
    /// Raw qualities, one per row.
    pub qualities: Vec<u32>,
    /// The texts that values refer to.
    pub texts: Vec<String>,
    /// What is taken back before the rows are put out.
    pub withdrawn: Vec<Withdrawal>,
    /// Bytes that the rows take in a record, texts counted as often as rows refer to them.
    pub bytes: u64,
    /// Bytes of all texts, whether rows refer to them or not.
    pub(crate) text_bytes: u64,
}

/// Bytes of a row besides its text.
pub(crate) const ROW_BYTES: u64 = 20;

impl OutputRows {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.times.clear();
        self.values.clear();
        self.qualities.clear();
        self.texts.clear();
        self.withdrawn.clear();
        self.bytes = 0;
        self.text_bytes = 0;
    }

    /// Nothing is put out or taken back.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty() && self.withdrawn.is_empty()
    }

    /// Adds one row of a number port.
    pub fn push(&mut self, (group, port): (u32, u32), time: i64, value: f64) {
        self.runs.push([group, port, 1]);
        self.times.push(time);
        self.values.push(value);
        self.qualities.push(0);
        self.bytes += ROW_BYTES;
    }

    /// The text of a row of a text port.
    pub fn text(&self, row: usize) -> &str {
        self.texts.get(self.values[row] as usize).map_or("", String::as_str)
    }
}

/// What a result may refer to.
#[derive(Clone, Copy, Debug)]
pub struct OutputBounds<'a> {
    /// Groups are below this.
    pub groups: u32,
    /// What each output port carries.
    pub ports: &'a [Kind],
}

//! The rows that a plugin is measured with: equal on every machine and in every run.

use tidemill_runtime::CallError;
use tidemill_runtime::guest::{About, BatchColumns, Instance, Kind, OutputBounds, OutputRows, WindowColumns, World};

/// Groups that rows go to.
const GROUPS: usize = 100;
/// Rows of a window.
const WINDOW_ROWS: usize = 60;
const SECOND_NS: i64 = 1_000_000_000;
/// What rows of text ports say, in turn.
const TEXTS: [&str; 2] = ["on", "off"];

/// Calls of one size.
pub(super) enum Load {
    /// For a calculation: every call's rows are newer than those of the call before.
    Calculation { batch: BatchColumns, ports: Vec<Kind>, t0: i64, step: i64, out: OutputRows },
    /// For an aggregation.
    Aggregation { input: WindowColumns, ports: u32, out: Vec<f64> },
}

impl Load {
    pub(super) fn new(world: World, about: &About, rows: usize) -> Self {
        match world {
            World::Calculation => Self::calculation(about, rows),
            World::Aggregation => Self::aggregation(about, rows),
        }
    }

    fn calculation(about: &About, rows: usize) -> Self {
        let (inputs, mut batch) = (about.inputs.len(), BatchColumns::default());
        let runs = rows.min(GROUPS * inputs);
        let longest = rows.div_ceil(runs) as i64;
        for run in 0..runs {
            let (group, port) = (run / inputs, run % inputs);
            let count = rows / runs + usize::from(run < rows % runs);
            batch.runs.push([group as u32, port as u32, count as u32]);
            for row in 0..count {
                batch.dt.push(row as i64 * SECOND_NS);
                batch.values.push(value(about.inputs[port].kind, run + row));
            }
        }
        if about.inputs.iter().any(|port| port.kind == Kind::Text) {
            batch.texts = TEXTS.map(str::to_owned).to_vec();
        }
        let ports = about.outputs.iter().map(|port| port.kind).collect();
        Self::Calculation { batch, ports, t0: 0, step: longest * SECOND_NS, out: OutputRows::default() }
    }

    fn aggregation(about: &About, rows: usize) -> Self {
        let mut input = WindowColumns::default();
        let length = WINDOW_ROWS as i64 * SECOND_NS;
        for first in (0..rows).step_by(WINDOW_ROWS) {
            let (window, count) = (first / WINDOW_ROWS, WINDOW_ROWS.min(rows - first));
            let start = (window / GROUPS) as i64 * length;
            input.windows.push(((window % GROUPS) as u32, count as u32, start, start + length));
            input.dt.extend((0..count).map(|row| row as i64 * SECOND_NS));
            input.values.extend((0..count).map(|row| value(about.inputs[0].kind, first + row)));
        }
        if about.inputs[0].kind == Kind::Text {
            input.texts = TEXTS.map(str::to_owned).to_vec();
        }
        Self::Aggregation { input, ports: about.outputs.len() as u32, out: Vec::new() }
    }

    /// One call.
    pub(super) fn call(&mut self, instance: &mut Instance) -> Result<(), CallError> {
        match self {
            Self::Calculation { batch, ports, t0, step, out } => {
                out.clear();
                let bounds = OutputBounds { groups: GROUPS as u32, ports };
                *t0 += *step;
                instance.process(*t0, batch, bounds, out)
            }
            Self::Aggregation { input, ports, out } => {
                out.clear();
                instance.aggregate(input, *ports, out)
            }
        }
    }
}

/// A wave with some noise, or one text after the other.
fn value(kind: Kind, n: usize) -> f64 {
    match kind {
        Kind::Text => (n % TEXTS.len()) as f64,
        Kind::Number => {
            let noise = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
            100.0 + (n as f64 / 50.0).sin() * 10.0 + noise as f64 / 1024.0
        }
    }
}

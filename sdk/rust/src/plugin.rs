//! What an author implements.

use crate::{Batch, Output, Params, Problem, Time, Window};

/// What the rows of a port carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Numbers.
    Number = 0,
    /// Texts, or states by name.
    Text = 1,
}

/// A port of a plugin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Port {
    /// Letters, digits, `-` and `_`.
    pub name: &'static str,
    /// What its rows carry.
    pub kind: Kind,
}

impl Port {
    /// A port for numbers.
    pub const fn number(name: &'static str) -> Port {
        Port { name, kind: Kind::Number }
    }

    /// A port for texts, or for states by name.
    pub const fn text(name: &'static str) -> Port {
        Port { name, kind: Kind::Text }
    }
}

/// What a plugin is. Ports are numbered by their place in `inputs` and `outputs`.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Lower-case letters, digits and hyphens.
    pub name: &'static str,
    /// By custom `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// The input ports, at least one; exactly one for an aggregation.
    pub inputs: &'static [Port],
    /// The output ports, at least one; all of an aggregation's are for numbers.
    pub outputs: &'static [Port],
}

/// Samples in, samples out, with state that survives everything without being serialised: the host saves the plugin's memory.
///
/// The host may restore an older image and repeat calls, so results must depend on parameters and calls alone.
pub trait Calculation: Default + 'static {
    /// Name, version and ports.
    const ABOUT: About;

    /// Takes the parameters; called once, before anything else. Parameters that nobody takes are refused afterwards.
    ///
    /// # Errors
    /// A parameter is missing or out of range: see [`Params`].
    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        let _ = params;
        Ok(())
    }

    /// Takes new rows, in journal order: they may be older than rows of earlier calls.
    ///
    /// # Errors
    /// The batch counts as failed and nothing of it is emitted. Prefer emitting a bad quality to failing.
    fn process(&mut self, input: &Batch, output: &mut Output) -> Result<(), Problem>;

    /// The watermark has grown: rows with a source time below it are not expected any more. The only timer there is.
    ///
    /// # Errors
    /// As for [`Calculation::process`].
    fn advance(&mut self, watermark: Time, output: &mut Output) -> Result<(), Problem> {
        let _ = (watermark, output);
        Ok(())
    }
}

/// A calculation whose state can move into another version of the plugin, or to another partition, group by group.
pub trait Durable: Calculation {
    /// The state of a group in a form that later versions can read; empty when there is none.
    fn save(&self, group: u32) -> Vec<u8>;

    /// Takes over what this or an older version saved. Called after [`Calculation::configure`] and before the first rows.
    ///
    /// # Errors
    /// The state cannot be understood.
    fn load(&mut self, group: u32, state: &[u8]) -> Result<(), Problem>;
}

/// Closed windows in, values out. The host may call again for a window that a late sample changed, so carry nothing from one window
/// to the next; `&mut self` is there for scratch buffers.
pub trait Aggregation: Default + 'static {
    /// Name, version and ports.
    const ABOUT: About;

    /// As [`Calculation::configure`].
    ///
    /// # Errors
    /// A parameter is missing or out of range.
    fn configure(&mut self, params: &mut Params) -> Result<(), Problem> {
        let _ = params;
        Ok(())
    }

    /// Fills `out`, one place per output port. The places hold NaN, which means: no value.
    fn aggregate(&mut self, window: &Window<'_>, out: &mut [f64]);
}

/// An aggregation that can put together what it said of parts of a window, so that it can run in two stages: one per partition
/// of the journal, and one over their results.
pub trait Combining: Aggregation {
    /// Fills `out` from the outputs of the window's parts, as [`Aggregation::aggregate`] would from all rows.
    fn combine(&mut self, parts: &Parts<'_>, out: &mut [f64]);
}

/// What [`Aggregation::aggregate`] said of the parts of a window, in the order of partitions.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// `[part][output]`
    values: &'a [f64],
    outputs: usize,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(values: &'a [f64], outputs: usize) -> Self {
        Parts { values, outputs }
    }

    /// The outputs of every part; NaN: no value.
    pub fn iter(&self) -> impl Iterator<Item = &'a [f64]> + use<'a> {
        self.values.chunks_exact(self.outputs)
    }

    /// The values of one output port, part by part, without those that are none.
    pub fn values(&self, port: usize) -> impl Iterator<Item = f64> + use<'a> {
        self.iter().map(move |part| part[port]).filter(|value| !value.is_nan())
    }
}

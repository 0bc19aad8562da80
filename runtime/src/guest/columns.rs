//! What goes into a call and what comes out of it, as the host holds it: columns, and what a plugin says of itself.

/// What `describe` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct About {
    /// The plugin's own name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Names of its input ports.
    pub inputs: Vec<String>,
    /// Names of its output ports.
    pub outputs: Vec<String>,
}

/// Rows for `process`: runs of rows of one group and port.
#[derive(Default, Debug)]
pub struct BatchColumns {
    /// Group, port and number of rows of each run.
    pub runs: Vec<[u32; 3]>,
    /// ns after the batch's `t0`.
    pub dt: Vec<i64>,
    /// The values.
    pub values: Vec<f64>,
    /// Raw qualities; empty when all are good.
    pub qualities: Vec<u32>,
}

/// Windows for `aggregate`.
#[derive(Default, Debug)]
pub struct WindowColumns {
    /// Group, number of rows, start and end of each window.
    pub windows: Vec<(u32, u32, i64, i64)>,
    /// ns after the row's own window's start.
    pub dt: Vec<i64>,
    /// The values.
    pub values: Vec<f64>,
    /// Raw qualities; empty when all are good.
    pub qualities: Vec<u32>,
}

/// Rows that calls have returned, checked.
#[derive(Default, Debug, PartialEq)]
pub struct OutputRows {
    /// Group, port and number of rows of each run.
    pub runs: Vec<[u32; 3]>,
    /// Source times, ns.
    pub times: Vec<i64>,
    /// The values; every NaN is the same one.
    pub values: Vec<f64>,
    /// Raw qualities, one per row.
    pub qualities: Vec<u32>,
}

impl OutputRows {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.times.clear();
        self.values.clear();
        self.qualities.clear();
    }

    /// Adds one row.
    pub fn push(&mut self, (group, port): (u32, u32), time: i64, value: f64) {
        self.runs.push([group, port, 1]);
        self.times.push(time);
        self.values.push(value);
        self.qualities.push(0);
    }
}

/// What a result may refer to and how much it may hold.
#[derive(Clone, Copy, Debug)]
pub struct OutputBounds {
    /// Groups are below this.
    pub groups: u32,
    /// Ports are below this.
    pub ports: u32,
}

//! The seam between queries and whoever runs plugins.
//!
//! Reasons for failures are texts for the author of the query: lower-case, without full stop.

use std::fmt::Debug;
use std::sync::Arc;

/// Whether a query is to stop. Asked before every call into a plugin, so it must be cheap.
pub type Interrupt = Arc<dyn Fn() -> bool + Send + Sync>;

/// Whoever has plugins.
pub trait AggregateProvider: Debug + Send + Sync {
    /// The aggregations that queries may call now. Asked once per query.
    fn list(&self) -> Vec<AggregateInfo>;

    /// Starts an aggregation with parameters: a JSON object as the query has written it, `{}` if it has none.
    ///
    /// # Errors
    /// Why it does not start: often its own words about its parameters.
    fn start(&self, id: &str, params: &str) -> Result<Box<dyn AggregateGuest>, String>;
}

/// An aggregation of a plugin.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AggregateInfo {
    /// What [`AggregateProvider::start`] is given.
    pub id: String,
    /// The plugin's name; functions are called after it.
    pub name: String,
    /// The plugin's version, for people.
    pub version: String,
    /// Names of the output ports, at least one.
    pub outputs: Vec<String>,
}

/// A started aggregation, for one function of one query.
pub trait AggregateGuest: Send + Sync {
    /// Appends one value per window and output port to `answers`, row by row; NaN: no value. What is left in `windows` does
    /// not matter.
    ///
    /// # Errors
    /// Why there is no answer. The guest is not called again then.
    fn call(&mut self, windows: &mut AggregateWindows, answers: &mut Vec<f64>) -> Result<(), String>;
}

/// Windows with their rows, as columns.
#[derive(Default, Clone, PartialEq, Debug)]
pub struct AggregateWindows {
    /// Group, number of rows, start and end of each window. Groups are numbered from 0 in the order of the query's groups.
    pub windows: Vec<(u32, u32, i64, i64)>,
    /// ns after the row's own window's start; sorted within a window.
    pub dt: Vec<i64>,
    /// The values.
    pub values: Vec<f64>,
    /// Raw qualities; empty when all are good.
    pub qualities: Vec<u32>,
}

impl AggregateWindows {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.windows.clear();
        self.dt.clear();
        self.values.clear();
        self.qualities.clear();
    }
}

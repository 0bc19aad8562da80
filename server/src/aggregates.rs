//! Installed aggregations for queries: joins the SQL engine, which knows no plugins, to the runtime, which knows no SQL.

use std::fmt;
use std::sync::Arc;

use tidemill_runtime::{Aggregator, Kind, PluginInfo, Runtime, WindowColumns};
use tidemill_store_sql::{AggregateGuest, AggregateInfo, AggregateProvider, AggregateWindows};

/// The aggregations that are installed on this node.
pub(crate) struct PluginAggregates {
    runtime: Arc<Runtime>,
}

impl PluginAggregates {
    /// Aggregations of this runtime.
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime }
    }
}

impl fmt::Debug for PluginAggregates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginAggregates").finish_non_exhaustive()
    }
}

/// Whether queries can call a plugin: it is an aggregation of numbers.
fn is_callable(plugin: &PluginInfo) -> bool {
    plugin.world == "aggregation" && plugin.inputs.iter().all(|port| port.kind == Kind::Number)
}

impl AggregateProvider for PluginAggregates {
    fn list(&self) -> Vec<AggregateInfo> {
        let info = |plugin: PluginInfo| AggregateInfo {
            id: plugin.hash,
            name: plugin.name,
            version: plugin.version,
            outputs: plugin.outputs.into_iter().map(|port| port.name).collect(),
        };
        // The newest of a name comes first, and the engine takes the first.
        self.runtime.plugins().into_iter().filter(is_callable).map(info).collect()
    }

    fn start(&self, id: &str, params: &str) -> Result<Box<dyn AggregateGuest>, String> {
        let aggregator = self.runtime.aggregator(id, params).map_err(|error| error.to_string())?;
        Ok(Box::new(Guest(aggregator)))
    }
}

/// A started aggregation.
struct Guest(Aggregator);

impl AggregateGuest for Guest {
    fn call(&mut self, windows: &mut AggregateWindows, answers: &mut Vec<f64>) -> Result<(), String> {
        let windows = std::mem::take(windows);
        let columns = WindowColumns {
            windows: windows.windows,
            dt: windows.dt,
            values: windows.values,
            qualities: windows.qualities,
            texts: Vec::new(),
        };
        self.0.aggregate(&columns, answers).map_err(|error| error.to_string())
    }
}

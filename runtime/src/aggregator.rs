//! Aggregators: an installed aggregation without an operator, for whoever has windows of its own, such as a query.
//!
//! The same guest, limits and calls as an operator's, so that the same window gives the same bits. What the plugin logs is
//! dropped: there is no operator whose log it could go to.

use std::sync::Arc;

use crate::error::DeployError;
use crate::guest::{CallError, Instance, Limits, Logs, WindowColumns, World};
use crate::runtime::Runtime;

/// A started aggregation.
pub struct Aggregator {
    instance: Instance,
    outputs: u32,
}

impl Aggregator {
    /// Appends one value per window and output port, row by row; NaN: no value.
    ///
    /// # Errors
    /// See [`CallError`]; the aggregator must not be used again then.
    pub fn aggregate(&mut self, windows: &WindowColumns, answers: &mut Vec<f64>) -> Result<(), CallError> {
        self.instance.aggregate(windows, self.outputs, answers)
    }
}

impl Runtime {
    /// Starts an installed aggregation with the default limits. `params` is a JSON object as text. May read and compile the plugin:
    /// call it on a thread that can wait.
    ///
    /// # Errors
    /// When there is no such aggregation, it does not start, or it does not accept its parameters.
    pub fn aggregator(&self, hash: &str, params: &str) -> Result<Aggregator, DeployError> {
        let info = self.plugins.find(hash).ok_or_else(|| DeployError::NotFound {
            reason: format!("plugin {hash} is not installed any more: ask again"),
        })?;
        let plugin = self.plugins.compiled(&info.hash).map_err(|error| DeployError::invalid(error.to_string()))?;
        if plugin.world() != World::Aggregation {
            return Err(DeployError::invalid(format!("plugin {} is no aggregation", info.name)));
        }
        let params: serde_json::Map<String, serde_json::Value> = serde_json::from_str(params).map_err(|error| {
            DeployError::invalid(format!("parameters {params:?} are no JSON object such as {{\"p\": 95}}: {error}"))
        })?;
        let env = self.around.env.clone();
        let mut instance = Instance::new(&plugin, Limits::default(), Arc::new(Logs::default()), env)?;
        instance.configure(&serde_json::Value::Object(params).to_string())?;
        Ok(Aggregator { instance, outputs: info.outputs.len() as u32 })
    }
}

//! Blueprints: how an instance of a plugin is put together from its core modules.
//!
//! A plain module is one step; a component may be several modules that share one memory. Either way the host ends up with
//! one memory, the mutable globals of all modules, and the functions of the contract by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which kind of plugin a module is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Samples in, samples out, with state.
    Calculation,
    /// A pure function over closed windows.
    Aggregation,
}

impl World {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            World::Calculation => "calculation",
            World::Aggregation => "aggregation",
        }
    }
}

/// A core function, memory, table or global.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Item {
    /// What an earlier step exports.
    Export {
        /// The step.
        step: usize,
        /// The name.
        name: String,
    },
    /// A function of the host.
    Host {
        /// Its module.
        module: String,
        /// Its name.
        name: String,
    },
}

/// One step of putting an instance together; later steps refer to earlier ones.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Instantiates a module. An import from a module of a name in `args` is taken from that step, others from the host.
    Instantiate {
        /// Which module.
        module: usize,
        /// Names of imported modules, with the steps that stand for them.
        args: Vec<(String, usize)>,
    },
    /// Gathers items under new names.
    Gather(Vec<(String, Item)>),
}

/// How an instance of a plugin is put together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Blueprint {
    pub(crate) world: World,
    /// Number of mutable globals that each module exports under our names.
    pub(crate) globals: Vec<usize>,
    pub(crate) steps: Vec<Step>,
    pub(crate) memory: Item,
    /// The functions of the contract.
    pub(crate) calls: BTreeMap<String, Item>,
}

/// The functions that a plugin may export, besides `cabi_post_…` of each.
pub(crate) const CALLS: [&str; 9] =
    ["contract", "describe", "configure", "process", "advance", "aggregate", "combine", "save", "load"];

impl Blueprint {
    /// Whether the plugin has a function.
    pub(crate) fn has(&self, call: &str) -> bool {
        self.calls.contains_key(call)
    }
}

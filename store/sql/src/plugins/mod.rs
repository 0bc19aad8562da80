//! Aggregations of plugins as SQL functions: `rollup_mean(time, value)` and `rollup(time, value)`.
//!
//! ```text
//!   provider ──list──▶ functions of the query ──bind──▶ windows, parameters ──▶ accumulators ──columns──▶ provider's guest
//! ```
//!
//! - `provider` is the seam: who has plugins implements [`AggregateProvider`]. Nothing here knows what a plugin is made of.
//! - `function` is one function as the engine sees it: its arguments and its type.
//! - `bind` finds out, once the query is planned, what the engine does not tell a function: the windows of `date_bin` in the
//!   `GROUP BY`, and constant parameters.
//! - `rows` keeps the rows of all groups as columns until they are asked for; `call` hands them out, a window per group,
//!   many windows per call; `accumulator` is both as the engine wants it, with `state` for what it moves between stages.
//!
//! Invariants: all rows of a group are in one call, sorted by time; what is kept is charged to the memory pool; before every
//! call it is asked whether the query is to stop. Deliberately not here: sharing rows between functions of one query.

mod accumulator;
mod bind;
mod bins;
mod call;
mod function;
mod provider;
mod rows;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::AggregateUDF;

pub(crate) use bind::bind;
use call::Turns;
use function::{Function, PluginAggregate};
pub use provider::{AggregateGuest, AggregateInfo, AggregateProvider, AggregateWindows, Interrupt};

/// What stands before a function's name if the engine has another one of that name.
const PREFIX: &str = "plugin_";

/// Adds the functions of all installed plugins to the fresh state of a query. Of two with one name the first is taken.
pub(crate) fn register(state: &mut SessionState, provider: &Arc<dyn AggregateProvider>, interrupt: &Interrupt) {
    let mut functions = BTreeMap::new();
    for plugin in provider.list() {
        let plugin = Arc::new(plugin);
        for output in std::iter::once(None).chain((0..plugin.outputs.len()).map(Some)) {
            let mut name = function_name(&plugin, output);
            if is_built_in(state, &name) {
                name.insert_str(0, PREFIX);
            }
            let function = Function { name: name.clone(), plugin: plugin.clone(), output, provider: provider.clone() };
            functions.entry(name).or_insert(function);
        }
    }
    let turns = Turns::default();
    for function in functions.into_values() {
        let function = PluginAggregate::new(Arc::new(function), interrupt.clone(), turns.clone());
        let registered = state.register_udaf(Arc::new(AggregateUDF::from(function)));
        registered.expect("a state takes every aggregate function");
    }
}

fn is_built_in(state: &SessionState, name: &str) -> bool {
    state.aggregate_functions().contains_key(name)
        || state.scalar_functions().contains_key(name)
        || state.window_functions().contains_key(name)
}

/// `rollup`, `rollup_mean`: lower case, with `_` for `-`, so that nobody has to quote it.
fn function_name(plugin: &AggregateInfo, output: Option<usize>) -> String {
    let name = match output {
        None => plugin.name.clone(),
        Some(output) => format!("{}_{}", plugin.name, plugin.outputs[output]),
    };
    name.to_ascii_lowercase().replace('-', "_")
}

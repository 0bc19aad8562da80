//! One function of a plugin as the engine sees it.
//!
//! `name(time, value [, quality] [, parameters])`. Times are timestamps, values numbers or truth values, qualities raw status
//! codes, parameters a constant text with a JSON object. A row whose time or value is NULL is no row.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::common::plan_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, DocSection, Documentation, GroupsAccumulator, Signature, Volatility,
};

use super::accumulator::{Groups, Single};
use super::bins::Bins;
use super::call::{Caller, Turns};
use super::state;
use super::{AggregateInfo, AggregateProvider, Interrupt};
use crate::error::SqlError;

/// Which function of which plugin.
pub(crate) struct Function {
    /// As queries call it.
    pub(crate) name: String,
    pub(crate) plugin: Arc<AggregateInfo>,
    /// The output port that it returns; `None`: all of them, as a struct.
    pub(crate) output: Option<usize>,
    pub(crate) provider: Arc<dyn AggregateProvider>,
}

/// What is known of one call once the query is planned.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Bound {
    /// The windows that the groups are; `None`: from a group's first row up to its last.
    pub(crate) bins: Option<Bins>,
    /// A JSON object, as it was written.
    pub(crate) params: String,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct PluginAggregate {
    pub(crate) function: Arc<Function>,
    bound: Option<Bound>,
    interrupt: Interrupt,
    turns: Turns,
    signature: Signature,
    documentation: Documentation,
}

impl PluginAggregate {
    pub(crate) fn new(function: Arc<Function>, interrupt: Interrupt, turns: Turns) -> Self {
        let plugin = &function.plugin;
        let what = match function.output {
            None => "all outputs".to_owned(),
            Some(output) => format!("output {}", plugin.outputs[output]),
        };
        let description = format!("{what} of plugin {} {}", plugin.name, plugin.version);
        let section = DocSection { include: false, label: "Plugins", description: None };
        let example = format!("{}(time, value [, quality] [, '{{\"parameter\": 1}}'])", function.name);
        let documentation = Documentation::builder(section, description, example).build();
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { function, bound: None, interrupt, turns, signature, documentation }
    }

    /// The same function for one call.
    pub(crate) fn bound_to(&self, bound: Bound) -> Self {
        Self { bound: Some(bound), ..self.clone() }
    }

    fn start(&self) -> Result<Caller> {
        let Some(bound) = self.bound.clone() else {
            let message = format!("{} was not bound to its windows", self.function.name);
            return Err(DataFusionError::External(Box::new(SqlError::internal(message))));
        };
        Caller::start(self.function.clone(), bound, self.interrupt.clone(), &self.turns)
    }

    fn usage<T>(&self, reason: &str) -> Result<T> {
        let name = &self.function.name;
        plan_err!(
            "{name}: {reason}; it takes (time, value), then if needed a quality, then if needed parameters as text"
        )
    }
}

impl fmt::Debug for PluginAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("PluginAggregate");
        out.field("name", &self.function.name).field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl PartialEq for PluginAggregate {
    fn eq(&self, other: &Self) -> bool {
        (&self.function.name, &self.function.plugin, &self.bound)
            == (&other.function.name, &other.function.plugin, &other.bound)
    }
}

impl Eq for PluginAggregate {}

impl Hash for PluginAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.function.name, &self.function.plugin, &self.bound).hash(state);
    }
}

/// The type of the struct of all outputs.
pub(crate) fn outputs_type(plugin: &AggregateInfo) -> Fields {
    plugin.outputs.iter().map(|name| Field::new(name, DataType::Float64, true)).collect()
}

impl AggregateUDFImpl for PluginAggregate {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.function.output {
            Some(_) => DataType::Float64,
            None => DataType::Struct(outputs_type(&self.function.plugin)),
        })
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [time, value, rest @ ..] = given else {
            return self.usage("it needs at least two arguments");
        };
        if !matches!(time, DataType::Timestamp(..)) {
            return self.usage(&format!("its first argument is a {time}, not a time"));
        }
        if !(value.is_numeric() || matches!(value, DataType::Boolean | DataType::Null)) {
            return self.usage(&format!("its second argument is a {value}, not a number"));
        }
        let is_text = |given: &DataType| given.is_string();
        let is_quality = |given: &DataType| given.is_integer() || given.is_null();
        let mut wanted = vec![DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), DataType::Float64];
        match rest {
            [] => {}
            [params] if is_text(params) => wanted.push(DataType::Utf8),
            [quality] if is_quality(quality) => wanted.push(DataType::UInt32),
            [quality, params] if is_quality(quality) && is_text(params) => {
                wanted.extend([DataType::UInt32, DataType::Utf8]);
            }
            [_, _, _, ..] => return self.usage("it has too many arguments"),
            _ => return self.usage("its third argument is neither a quality nor a text with parameters"),
        }
        Ok(wanted)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Single::new(self.start()?)))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(self.start()?)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state::fields(args.name))
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        datafusion::logical_expr::utils::AggregateOrderSensitivity::Insensitive
    }
}

//! Binding: what a call of a plugin's function means at its place in the query.
//!
//! The engine shows a function its arguments and nothing else. Here every call gets the windows that the `GROUP BY` around it
//! makes, and its parameters; a call that cannot be answered is refused. Runs on the plan as it was written, before
//! the optimizer moves things.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunctionDefinition};
use datafusion::logical_expr::{Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan};

use super::bins::Bins;
use super::function::{Bound, PluginAggregate};
use crate::error::SqlError;

/// Parameters of a call that has none.
const NO_PARAMS: &str = "{}";

/// Binds all calls of a plan.
pub(crate) fn bind(plan: LogicalPlan) -> Result<LogicalPlan> {
    let bound = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => Ok(Transformed::yes(LogicalPlan::Aggregate(bind_aggregate(aggregate)?))),
        LogicalPlan::Window(window) => {
            window.window_expr.iter().try_for_each(refuse_windows)?;
            Ok(Transformed::no(LogicalPlan::Window(window)))
        }
        node => Ok(Transformed::no(node)),
    });
    Ok(bound?.data)
}

fn bind_aggregate(aggregate: Aggregate) -> Result<Aggregate> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
    let bind_expr = |expr: Expr| {
        expr.transform_up(|expr| match expr {
            Expr::AggregateFunction(call) => bind_call(call, &group_expr, input.schema()),
            expr => Ok(Transformed::no(expr)),
        })
        .map(|bound| bound.data)
    };
    let aggr_expr = aggr_expr.into_iter().map(bind_expr).collect::<Result<_>>()?;
    Aggregate::try_new_with_schema(input, group_expr, aggr_expr, schema)
}

fn bind_call(mut call: AggregateFunction, groups: &[Expr], schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Some(function) = call.func.inner().downcast_ref::<PluginAggregate>() else {
        return Ok(Transformed::no(Expr::AggregateFunction(call)));
    };
    let name = &function.function.name;
    if call.params.distinct {
        return refused(format!("{name} does not know DISTINCT: a plugin gets every row of its group"));
    }
    if !call.params.order_by.is_empty() {
        return refused(format!("{name} does not know ORDER BY: a plugin gets its rows in the order of time"));
    }
    let params = params_of(name, &call.params.args, schema)?;
    let time = &call.params.args[0];
    let bins = Bins::shortest(groups.iter().filter_map(|group| Bins::of(group, time)));
    let bound = function.bound_to(Bound { bins, params });
    call.func = Arc::new(AggregateUDF::from(bound));
    Ok(Transformed::yes(Expr::AggregateFunction(call)))
}

/// The last argument if it is a text.
fn params_of(name: &str, args: &[Expr], schema: &DFSchema) -> Result<String> {
    let Some(last) = args.get(2..).and_then(<[Expr]>::last) else {
        return Ok(NO_PARAMS.to_owned());
    };
    match last {
        Expr::Literal(value, _) => Ok(value.try_as_str().flatten().unwrap_or(NO_PARAMS).to_owned()),
        other if other.get_type(schema)?.is_string() => {
            refused(format!("{name}: its parameters must be a constant text, such as '{{\"p\": 95}}'"))
        }
        _ => Ok(NO_PARAMS.to_owned()),
    }
}

/// A frame that grows row by row would be handed to the plugin again and again.
fn refuse_windows(expr: &Expr) -> Result<()> {
    let found = expr.apply(|expr| {
        if let Expr::WindowFunction(call) = expr
            && let WindowFunctionDefinition::AggregateUDF(function) = &call.fun
            && let Some(function) = function.inner().downcast_ref::<PluginAggregate>()
        {
            return refused(format!("{} does not know OVER: use it with GROUP BY", function.function.name));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found.map(drop)
}

fn refused<T>(message: String) -> Result<T> {
    Err(DataFusionError::External(Box::new(SqlError::invalid(message))))
}

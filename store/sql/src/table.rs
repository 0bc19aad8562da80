//! Tables with samples: a measurement's, and `samples`.
//!
//! Planning a scan goes: time range and candidate series from the `WHERE` clause, groups of series that make rows, groups
//! that no condition on labels excludes, series whose field the query names.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::cast::as_boolean_array;
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tidemill_model::{Series, TimeRange};
use tidemill_store::{LabelFilter, Snapshot};

use crate::filter::{Conjunct, allowed_texts, classify, intersect};
use crate::layout::{Column, Constant, Group, Layout, groups_by_series};
use crate::scan::{Plan, Scan};

/// A table whose rows are made from samples.
pub(crate) struct SampleTable {
    snapshot: Snapshot,
    layout: Layout,
    /// The measurement; `None`: all series, one row per sample.
    measurement: Option<String>,
}

impl SampleTable {
    /// The table of a measurement, if there is such a measurement.
    pub(crate) fn of_measurement(snapshot: &Snapshot, name: &str) -> Option<Self> {
        let series = snapshot.by_labels(name, &[]);
        let layout = Layout::of_measurement(&series);
        let table = Self { snapshot: snapshot.clone(), layout, measurement: Some(name.to_owned()) };
        (!series.is_empty()).then_some(table)
    }

    /// The table `samples`.
    pub(crate) fn of_samples(snapshot: &Snapshot) -> Self {
        Self { snapshot: snapshot.clone(), layout: Layout::of_samples(), measurement: None }
    }

    fn constant(&self, name: &str) -> Option<&Constant> {
        match self.layout.column(name)? {
            Column::Constant(constant) => Some(constant),
            _ => None,
        }
    }

    fn classify(&self, conjunct: &Expr) -> Conjunct {
        classify(conjunct, |name| self.constant(name).is_some())
    }

    /// Series that may have rows under these conditions: the index decides the simple ones.
    fn candidates(&self, conditions: &[Expr]) -> Vec<Arc<Series>> {
        let allowed = conditions.iter().filter_map(allowed_texts);
        let allowed = allowed.filter_map(|(name, texts)| Some((self.constant(name)?, texts)));
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        if let Some(measurement) = &self.measurement {
            let filters: Vec<LabelFilter> = allowed
                .filter_map(|(constant, texts)| match constant {
                    Constant::Label(name) => Some(LabelFilter { name: name.clone(), values: owned(texts) }),
                    _ => None,
                })
                .collect();
            return self.snapshot.by_labels(measurement, &filters);
        }
        let mut measurements = allowed.filter(|(constant, _)| **constant == Constant::Measurement);
        match measurements.next() {
            Some((_, mut names)) => {
                names.sort_unstable();
                names.dedup();
                names.iter().flat_map(|name| self.snapshot.by_labels(name, &[])).collect()
            }
            None => self.snapshot.series(),
        }
    }

    fn groups(&self, session: &dyn Session, conditions: Vec<Expr>, columns: &[Column]) -> Result<Vec<Group>> {
        let series = self.candidates(&conditions);
        let mut groups = match self.measurement {
            Some(_) => self.layout.groups_by_labels(&series),
            None => groups_by_series(series),
        };
        if let Some(condition) = conjunction(conditions) {
            groups = self.admitted(session, groups, condition)?;
        }
        if self.measurement.is_some() {
            keep_named_fields(&mut groups, columns);
        }
        Ok(groups)
    }

    /// The groups for which a condition on constants holds.
    fn admitted(&self, session: &dyn Session, groups: Vec<Group>, condition: Expr) -> Result<Vec<Group>> {
        let mut fields = Vec::new();
        let mut arrays = Vec::new();
        for (field, column) in self.layout.schema.fields().iter().zip(&self.layout.columns) {
            let Column::Constant(constant) = column else { continue };
            if condition.column_refs().iter().any(|column| column.name == *field.name()) {
                fields.push(Field::clone(field));
                arrays.push(constants_of(&groups, constant));
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let expression = session.create_physical_expr(condition, &DFSchema::try_from(schema.clone())?)?;
        let batch = RecordBatch::try_new(schema, arrays)?;
        let holds = expression.evaluate(&batch)?.into_array(groups.len())?;
        // Null is not true.
        let holds = as_boolean_array(&holds)?.iter().map(|holds| holds == Some(true));
        Ok(groups.into_iter().zip(holds).filter_map(|(group, holds)| holds.then_some(group)).collect())
    }
}

fn constants_of(groups: &[Group], constant: &Constant) -> ArrayRef {
    let mut texts = StringBuilder::new();
    groups.iter().for_each(|group| texts.append_option(constant.of(group.key())));
    Arc::new(texts.finish())
}

/// Leaves out series whose field the query does not name, unless it names no field at all.
fn keep_named_fields(groups: &mut Vec<Group>, columns: &[Column]) {
    let slots: Vec<usize> = columns
        .iter()
        .filter_map(|column| match column {
            Column::Value { slot, .. } => Some(*slot),
            _ => None,
        })
        .collect();
    if slots.is_empty() {
        return;
    }
    for group in &mut *groups {
        group.members.retain(|member| slots.contains(&member.slot));
    }
    groups.retain(|group| !group.members.is_empty());
}

impl fmt::Debug for SampleTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleTable").field("measurement", &self.measurement).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for SampleTable {
    fn schema(&self) -> SchemaRef {
        self.layout.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| match self.classify(filter) {
            Conjunct::Unknown => TableProviderFilterPushDown::Unsupported,
            Conjunct::Time(_) | Conjunct::Constant => TableProviderFilterPushDown::Exact,
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (mut range, mut conditions) = (TimeRange::ALL, Vec::new());
        for filter in filters {
            match self.classify(filter) {
                Conjunct::Time(times) => range = intersect(range, times),
                Conjunct::Constant => conditions.push(filter.clone()),
                Conjunct::Unknown => return datafusion::common::internal_err!("filter was not offered: {filter}"),
            }
        }
        let all: Vec<usize> = (0..self.layout.columns.len()).collect();
        let projection = projection.unwrap_or(&all);
        let columns: Vec<Column> = projection.iter().map(|index| self.layout.columns[*index].clone()).collect();
        let groups = if range.is_empty() { Vec::new() } else { self.groups(session, conditions, &columns)? };
        Ok(Arc::new(Scan::new(Plan {
            table: self.measurement.clone().unwrap_or_else(|| "samples".to_owned()),
            snapshot: self.snapshot.clone(),
            schema: Arc::new(self.layout.schema.project(projection)?),
            columns,
            groups,
            range,
            limit,
        })))
    }
}

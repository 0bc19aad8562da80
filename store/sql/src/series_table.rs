//! The table `series`: one row per series with samples.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use tidemill_model::Series;
use tidemill_store::Snapshot;

use crate::layout::labels_of;

/// Columns: `series` (the key's text form), `measurement`, `field`, `type`, `labels` (as in the key: `{unit=T1}`).
pub(crate) struct SeriesTable {
    snapshot: Snapshot,
    schema: SchemaRef,
}

impl SeriesTable {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let columns = ["series", "measurement", "field", "type", "labels"];
        let fields: Vec<_> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
        Self { snapshot: snapshot.clone(), schema: Arc::new(Schema::new(fields)) }
    }

    fn rows(&self) -> Result<RecordBatch> {
        let mut series = self.snapshot.series();
        series.sort_by(|a, b| a.key.cmp(&b.key));
        let column = |text: fn(&Series) -> String| -> ArrayRef {
            Arc::new(series.iter().map(|series| Some(text(series))).collect::<StringArray>())
        };
        let columns = vec![
            column(|series| series.key.to_string()),
            column(|series| series.key.measurement().to_owned()),
            column(|series| series.key.field().to_owned()),
            column(|series| series.value_type.name().to_owned()),
            column(|series| labels_of(&series.key)),
        ];
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

impl fmt::Debug for SeriesTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeriesTable").finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for SeriesTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = [vec![self.rows()?]];
        Ok(MemorySourceConfig::try_new_exec(&rows, self.schema.clone(), projection.cloned())?)
    }
}

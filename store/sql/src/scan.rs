//! The physical scan: reads the samples of one group of series after another and makes rows of them.
//!
//! Invariants: one partition; a group's samples are read when its rows are asked for, so a `LIMIT` or a dropped stream
//! leaves the rest unread; what is in memory is one group and one batch, and the samples of the group are charged to the memory pool.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder, TimestampNanosecondArray, UInt32Array};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use tidemill_model::TimeRange;
use tidemill_store::Snapshot;

use crate::column::ColumnBuilder;
use crate::error::SqlError;
use crate::join::{Track, next_times, take};
use crate::layout::{Column, Group};

/// Rows per batch: enough to spread the cost of a batch, few enough to stay in a cache.
const BATCH_ROWS: usize = 8192;

/// What to read, decided when the query was planned.
pub(crate) struct Plan {
    pub(crate) table: String,
    pub(crate) snapshot: Snapshot,
    pub(crate) schema: SchemaRef,
    /// `[index in schema]`
    pub(crate) columns: Vec<Column>,
    pub(crate) groups: Vec<Group>,
    pub(crate) range: TimeRange,
    /// Rows after which nobody asks for more.
    pub(crate) limit: Option<usize>,
}

/// The scan as a node of an execution plan.
pub(crate) struct Scan {
    plan: Arc<Plan>,
    properties: Arc<PlanProperties>,
}

impl Scan {
    pub(crate) fn new(plan: Plan) -> Self {
        let orderings = ordering_by_time(&plan);
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(plan.schema.clone(), orderings),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self { plan: Arc::new(plan), properties: Arc::new(properties) }
    }
}

/// The rows of a single group come by time, which saves the engine a sort.
fn ordering_by_time(plan: &Plan) -> Option<LexOrdering> {
    let time = plan.columns.iter().position(|column| *column == Column::Time)?;
    if plan.groups.len() > 1 {
        return None;
    }
    let expr: Arc<dyn PhysicalExpr> = Arc::new(PhysicalColumn::new(plan.schema.field(time).name(), time));
    LexOrdering::new([PhysicalSortExpr { expr, options: SortOptions { descending: false, nulls_first: false } }])
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("table", &self.plan.table).finish_non_exhaustive()
    }
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        let series: usize = plan.groups.iter().map(|group| group.members.len()).sum();
        let names: Vec<&str> = plan.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(
            f,
            "Scan: table={}, groups={}, series={series}, columns=[{}]",
            plan.table,
            plan.groups.len(),
            names.join(", ")
        )?;
        if plan.range.start != i64::MIN {
            write!(f, ", from={}", plan.range.start)?;
        }
        if plan.range.end != i64::MAX {
            write!(f, ", before={}", plan.range.end)?;
        }
        match plan.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &'static str {
        "Scan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn fetch(&self) -> Option<usize> {
        self.plan.limit
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let memory = MemoryConsumer::new("scan").register(context.memory_pool());
        let rows = Rows {
            plan: self.plan.clone(),
            next_group: 0,
            constants: Vec::new(),
            tracks: Vec::new(),
            left: self.plan.limit.unwrap_or(usize::MAX),
            memory,
        };
        let stream = futures::stream::iter(rows);
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(self.plan.schema.clone(), stream))))
    }
}

/// Makes batches of rows, group after group.
struct Rows {
    plan: Arc<Plan>,
    next_group: usize,
    /// Constants of the group that is being read: `[index in schema]`.
    constants: Vec<Option<String>>,
    /// The series of that group.
    tracks: Vec<Track>,
    /// Rows that may still be asked for.
    left: usize,
    memory: MemoryReservation,
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let wanted = self.left.min(BATCH_ROWS);
        let plan = self.plan.clone();
        let mut batch = BatchBuilder::new(&plan, wanted);
        while batch.rows < wanted {
            let times = next_times(&self.tracks, wanted - batch.rows);
            if !times.is_empty() {
                batch.append(&times, &self.constants, &mut self.tracks);
            } else if self.next_group < plan.groups.len() {
                if let Err(error) = self.open_group() {
                    // The stream ends after an error.
                    self.left = 0;
                    return Some(Err(error));
                }
            } else {
                break;
            }
        }
        self.left -= batch.rows;
        (batch.rows > 0).then(|| batch.finish(&plan))
    }
}

impl Rows {
    fn open_group(&mut self) -> Result<()> {
        let group = &self.plan.groups[self.next_group];
        self.next_group += 1;
        self.tracks.clear();
        self.memory.free();
        for member in &group.members {
            let column = self.plan.snapshot.scan(member.series.id, self.plan.range).map_err(store_error)?;
            let track = Track::new(member.slot, column);
            self.memory.try_grow(track.bytes())?;
            self.tracks.push(track);
        }
        let constant = |column: &Column| match column {
            Column::Constant(constant) => constant.of(group.key()),
            _ => None,
        };
        self.constants = self.plan.columns.iter().map(constant).collect();
        Ok(())
    }
}

fn store_error(error: tidemill_store::StoreError) -> DataFusionError {
    DataFusionError::External(Box::new(SqlError::internal(error)))
}

/// Columns of one batch.
struct BatchBuilder {
    rows: usize,
    /// `[index in schema]`
    columns: Vec<Cells>,
}

enum Cells {
    Times(Vec<i64>),
    Texts(StringBuilder),
    Values { slot: usize, values: ColumnBuilder },
    Qualities(Vec<u32>),
}

impl BatchBuilder {
    fn new(plan: &Plan, rows_max: usize) -> Self {
        let cells = |column: &Column| match column {
            Column::Time => Cells::Times(Vec::with_capacity(rows_max)),
            Column::Constant(_) => Cells::Texts(StringBuilder::with_capacity(rows_max, rows_max * 8)),
            Column::Value { slot, value_type } => {
                Cells::Values { slot: *slot, values: ColumnBuilder::new(*value_type, rows_max) }
            }
            Column::Quality => Cells::Qualities(Vec::with_capacity(rows_max)),
        };
        Self { rows: 0, columns: plan.columns.iter().map(cells).collect() }
    }

    /// Adds the rows of one group at `times`.
    fn append(&mut self, times: &[i64], constants: &[Option<String>], tracks: &mut [Track]) {
        let mut qualities = self.columns.iter().any(|c| matches!(c, Cells::Qualities(_))).then(|| vec![0; times.len()]);
        for track in &mut *tracks {
            let values = self.columns.iter_mut().find_map(|cells| match cells {
                Cells::Values { slot, values } if *slot == track.slot => Some(values),
                _ => None,
            });
            take(track, times, values, qualities.as_deref_mut());
        }
        for (cells, constant) in self.columns.iter_mut().zip(constants) {
            match cells {
                Cells::Times(out) => out.extend_from_slice(times),
                Cells::Texts(out) => times.iter().for_each(|_| out.append_option(constant.as_deref())),
                Cells::Values { slot, values } if tracks.iter().all(|track| track.slot != *slot) => {
                    values.append_nulls(times.len());
                }
                Cells::Values { .. } => {}
                Cells::Qualities(out) => out.extend(qualities.iter().flatten()),
            }
        }
        self.rows += times.len();
    }

    fn finish(self, plan: &Plan) -> Result<RecordBatch> {
        let array = |cells| -> ArrayRef {
            match cells {
                Cells::Times(times) => Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
                Cells::Texts(mut texts) => Arc::new(texts.finish()),
                Cells::Values { values, .. } => values.finish(),
                Cells::Qualities(qualities) => Arc::new(UInt32Array::from(qualities)),
            }
        };
        // A query such as count(*) wants rows without any column.
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let arrays = self.columns.into_iter().map(array).collect();
        Ok(RecordBatch::try_new_with_options(plan.schema.clone(), arrays, &options)?)
    }
}

//! The engine: plans a query against a snapshot and streams its rows.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion::error::DataFusionError;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::functions::datetime::date_bin;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use futures::Stream;
use tidemill_store::Snapshot;

use crate::catalog::{CATALOG, PUBLIC, SnapshotCatalog};
use crate::error::SqlError;
use crate::plugins::{self, AggregateProvider, Interrupt};
use crate::statement;

/// Functions whose result may be any number of times as long as their arguments: the engine reserves memory for it that it does
/// not charge, and ends the process when there is none.
const UNBOUNDED: [&str; 5] = ["repeat", "lpad", "rpad", "replace", "regexp_replace"];

/// What queries may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SqlLimits {
    /// Bytes that the sorts, groups, joins and scans of all running queries share. Nothing is spilled to disk.
    pub memory_bytes: usize,
    /// Rows that one result may have.
    pub rows_max: u64,
}

impl Default for SqlLimits {
    /// 512 MiB and ten million rows.
    fn default() -> Self {
        Self { memory_bytes: 512 << 20, rows_max: 10_000_000 }
    }
}

/// Answers SQL queries on snapshots. One engine serves all replicas of a node.
pub struct SqlEngine {
    limits: SqlLimits,
    /// With all functions and rules, and no catalog: every query gets a copy with its own.
    template: SessionState,
    /// What queries may call besides.
    aggregates: Option<Arc<dyn AggregateProvider>>,
}

impl SqlEngine {
    /// An engine with these limits.
    pub fn new(limits: SqlLimits) -> Self {
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()
            .expect("a runtime without files can be made");
        // One partition: two would race for the order of rows and of additions.
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, PUBLIC);
        let mut template =
            SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build();
        let time_bucket = date_bin().as_ref().clone().with_aliases(["time_bucket"]);
        template.register_udf(Arc::new(time_bucket)).expect("functions can be replaced");
        for name in UNBOUNDED {
            template.deregister_udf(name).expect("functions can be taken out");
        }
        Self { limits, template, aggregates: None }
    }

    /// The same engine, whose queries may call the aggregations of this provider.
    #[must_use]
    pub fn with_aggregates(mut self, aggregates: Arc<dyn AggregateProvider>) -> Self {
        self.aggregates = Some(aggregates);
        self
    }

    /// Plans `sql` against `snapshot` and starts it. Samples are read, on the polling thread, as the stream is polled; dropping it stops
    /// the query.
    ///
    /// # Errors
    /// [`SqlError::Invalid`] when the query is wrong or would do more than read. What goes wrong later comes through the
    /// stream.
    pub async fn query(&self, snapshot: Snapshot, sql: &str) -> Result<SqlStream, SqlError> {
        self.query_until(snapshot, sql, Arc::new(|| false)).await
    }

    /// Like [`SqlEngine::query`]; fails with [`SqlError::Stopped`] before the next call into a plugin once `interrupt` is true. A poll of
    /// the stream may make many such calls, and it cannot be dropped meanwhile.
    ///
    /// # Errors
    /// See [`SqlEngine::query`].
    pub async fn query_until(
        &self,
        snapshot: Snapshot,
        sql: &str,
        interrupt: Interrupt,
    ) -> Result<SqlStream, SqlError> {
        let memory_bytes = self.limits.memory_bytes;
        let translate = |error: DataFusionError| SqlError::of_engine(&error, memory_bytes);
        let state = self.session(snapshot, &interrupt);
        let logical = Box::pin(statement::plan(&state, sql, memory_bytes)).await?;
        let physical = Box::pin(state.create_physical_plan(&logical)).await.map_err(translate)?;
        let stream = execute_stream(physical, state.task_ctx()).map_err(translate)?;
        Ok(SqlStream { stream, rows: 0, limits: self.limits, is_over: false })
    }

    fn session(&self, snapshot: Snapshot, interrupt: &Interrupt) -> SessionState {
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(SnapshotCatalog(snapshot)));
        let mut state = self.template.clone();
        state.register_catalog_list(Arc::new(catalogs));
        if let Some(aggregates) = &self.aggregates {
            plugins::register(&mut state, aggregates, interrupt);
        }
        state.mark_start_execution();
        state
    }
}

impl fmt::Debug for SqlEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlEngine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The rows of a result, in batches. Ends after the first error.
pub struct SqlStream {
    stream: SendableRecordBatchStream,
    rows: u64,
    limits: SqlLimits,
    is_over: bool,
}

impl SqlStream {
    /// Names and types of the columns.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// Counts the rows of a batch against the limit.
    fn admit(&mut self, batch: RecordBatch) -> Result<RecordBatch, SqlError> {
        self.rows += batch.num_rows() as u64;
        if self.rows > self.limits.rows_max {
            return Err(SqlError::Rows { rows_max: self.limits.rows_max });
        }
        Ok(batch)
    }
}

impl Stream for SqlStream {
    type Item = Result<RecordBatch, SqlError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let memory_bytes = self.limits.memory_bytes;
        let item = match self.stream.as_mut().poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(item) => item,
        };
        let item = item.map(|batch| match batch {
            Ok(batch) => self.admit(batch),
            Err(error) => Err(SqlError::of_engine(&error, memory_bytes)),
        });
        self.is_over = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}

impl fmt::Debug for SqlStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStream").field("rows", &self.rows).finish_non_exhaustive()
    }
}

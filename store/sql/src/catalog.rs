//! The names that queries see: catalog `tidemill` with the schemas `public` and `m`. A table is made when it is asked for.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::TableType;
use tidemill_store::Snapshot;

use crate::series_table::SeriesTable;
use crate::table::SampleTable;

/// The only catalog.
pub(crate) const CATALOG: &str = "tidemill";
/// The schema that an unqualified name is looked up in.
pub(crate) const PUBLIC: &str = "public";
/// The schema with measurements only.
const MEASUREMENTS: &str = "m";
/// Tables that are no measurement.
const BUILT_IN: [&str; 2] = ["samples", "series"];

/// Catalog `tidemill`.
pub(crate) struct SnapshotCatalog(pub(crate) Snapshot);

/// One of its schemas.
struct SnapshotSchema {
    snapshot: Snapshot,
    /// Schema `public`, where the built-in tables come first.
    is_public: bool,
}

impl fmt::Debug for SnapshotCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CATALOG)
    }
}

impl fmt::Debug for SnapshotSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_public { PUBLIC } else { MEASUREMENTS })
    }
}

impl CatalogProvider for SnapshotCatalog {
    fn schema_names(&self) -> Vec<String> {
        vec![PUBLIC.to_owned(), MEASUREMENTS.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let is_public = name == PUBLIC;
        let known = is_public || name == MEASUREMENTS;
        known.then(|| Arc::new(SnapshotSchema { snapshot: self.0.clone(), is_public }) as Arc<dyn SchemaProvider>)
    }
}

#[async_trait]
impl SchemaProvider for SnapshotSchema {
    /// Schema `m` lists only what `public` hides.
    fn table_names(&self) -> Vec<String> {
        let mut names = self.snapshot.measurements();
        names.retain(|name| BUILT_IN.contains(&name.as_str()) != self.is_public);
        if self.is_public {
            names.extend(BUILT_IN.map(str::to_owned));
        }
        names.sort_unstable();
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let table: Option<Arc<dyn TableProvider>> = match name {
            "samples" if self.is_public => Some(Arc::new(SampleTable::of_samples(&self.snapshot))),
            "series" if self.is_public => Some(Arc::new(SeriesTable::new(&self.snapshot))),
            name => SampleTable::of_measurement(&self.snapshot, name).map(|table| Arc::new(table) as Arc<_>),
        };
        Ok(table)
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::Base))
    }

    fn table_exist(&self, name: &str) -> bool {
        let is_built_in = self.is_public && BUILT_IN.contains(&name);
        is_built_in || self.snapshot.measurements().iter().any(|measurement| measurement == name)
    }
}

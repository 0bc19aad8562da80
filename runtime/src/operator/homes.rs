//! Which partition each group of an operator lives in, when every partition has an instance of its own.
//!
//! Two instances that each had a part of a group would overwrite each other's results. A group therefore lives where its first
//! series does, in the order of the catalog, which is the same on every node and in every re-run.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tidemill_journal::Catalog;
use tidemill_model::{Series, SeriesKey};

use crate::operator::spec::Spec;
use crate::operator::stage::Stage;

/// The partition in which the samples of a series are.
fn partition_of(key: &SeriesKey, partitions: u32) -> u32 {
    (key.partition_hash() % u64::from(partitions)) as u32
}

/// A series that is in another partition than its group.
#[derive(Clone, Debug)]
pub(crate) struct Stray {
    series: Arc<Series>,
    first: Arc<Series>,
    partitions: u32,
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (series, first) = (&self.series.key, &self.first.key);
        let (there, here) = (partition_of(first, self.partitions), partition_of(series, self.partitions));
        write!(
            f,
            "its groups cross partitions: {first} is in partition {there}, {series} in {here}; deploy it with merge_partitions, \
             or an aggregation with two_stage"
        )
    }
}

/// Where the groups of an operator live.
pub(crate) struct Homes {
    partitions: u32,
    /// How many series of the catalog have been looked at.
    seen: usize,
    /// The first series of each group.
    first: HashMap<Vec<String>, Arc<Series>>,
}

impl Homes {
    /// For an operator on a journal of so many partitions; `None` if its groups cannot cross them, or may.
    pub(crate) fn of(spec: &Spec, partitions: u32) -> Option<Self> {
        let is_apart = spec.group_by.is_some() && spec.layout(partitions).instances() > 1;
        let may_cross = spec.stage == Some(Stage::Partial);
        (is_apart && !may_cross).then(|| Self { partitions, seen: 0, first: HashMap::new() })
    }

    /// Takes note of the series that the catalog has got meanwhile. Returns the first one that is away from its group.
    pub(crate) fn refresh(&mut self, spec: &Spec, catalog: &Catalog) -> Option<Stray> {
        let new = catalog.series_since(self.seen);
        self.seen += new.len();
        let mut stray = None;
        for series in new {
            if spec.port_of(&series.key, series.value_type).is_some()
                && let Some(group) = spec.group_of(&series.key)
            {
                self.first.entry(group.clone()).or_insert_with(|| series.clone());
                stray = stray.or_else(|| self.stray(&group, &series));
            }
        }
        stray
    }

    /// Whether a series of a group is away from it.
    pub(crate) fn stray(&self, group: &[String], series: &Arc<Series>) -> Option<Stray> {
        let first = self.first.get(group)?;
        let is_away = partition_of(&first.key, self.partitions) != partition_of(&series.key, self.partitions);
        is_away.then(|| Stray { series: series.clone(), first: first.clone(), partitions: self.partitions })
    }
}

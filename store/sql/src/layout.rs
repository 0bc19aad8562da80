//! The columns of a table, and the groups of series that its rows are made of.
//!
//! A measurement's columns are `time`, then a column per label by name, then a column per field by name, then
//! `quality`.
//!
//! - A label that is called `time` or `quality` becomes `time_label`; a field with the name of a label or of these two gets `_field`;
//!   the suffix is repeated until the name is free.
//! - A field has the type of its series. Where label sets differ, numbers become floats and anything else text.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tidemill_model::series::labels_text;
use tidemill_model::{Series, SeriesKey, ValueType};

use crate::column::{data_type, widen};
use crate::filter::TIME;

/// Name of the quality column of every table with samples.
const QUALITY: &str = "quality";
/// The slot of numbers in table `samples`.
const NUMBERS: usize = 0;
/// The slot of texts in table `samples`.
const TEXTS: usize = 1;

/// What a column shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Column {
    /// The source time.
    Time,
    /// A text that is the same for all rows of a group.
    Constant(Constant),
    /// The values of the group's series in this slot.
    Value { slot: usize, value_type: ValueType },
    /// The worst quality among the values read for the row.
    Quality,
}

/// A text that a series key determines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Constant {
    Label(String),
    Series,
    Measurement,
    Field,
}

impl Constant {
    pub(crate) fn of(&self, key: &SeriesKey) -> Option<String> {
        match self {
            Constant::Label(name) => key.label(name).map(str::to_owned),
            Constant::Series => Some(key.to_string()),
            Constant::Measurement => Some(key.measurement().to_owned()),
            Constant::Field => Some(key.field().to_owned()),
        }
    }
}

/// The columns of a table with samples.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Names and Arrow types.
    pub(crate) schema: SchemaRef,
    /// `[index in schema]`
    pub(crate) columns: Vec<Column>,
    /// Field names by slot; empty for table `samples`.
    fields: Vec<String>,
}

/// Series whose samples of one time make one row.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Never empty; at most one per slot.
    pub(crate) members: Vec<Member>,
}

/// A series and the slot that it fills.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) series: Arc<Series>,
    pub(crate) slot: usize,
}

impl Group {
    /// A key with all constants of the group.
    pub(crate) fn key(&self) -> &SeriesKey {
        &self.members[0].series.key
    }
}

impl Layout {
    /// The columns of a measurement with these series.
    pub(crate) fn of_measurement(series: &[Arc<Series>]) -> Self {
        let mut labels = BTreeSet::new();
        let mut fields = BTreeMap::new();
        for series in series {
            labels.extend(series.key.labels().iter().map(|(name, _)| name.as_str()));
            let value_type = fields.entry(series.key.field()).or_insert(series.value_type);
            *value_type = widen(*value_type, series.value_type);
        }
        let mut names: HashSet<String> = HashSet::from([TIME.to_owned(), QUALITY.to_owned()]);
        let mut builder = vec![(TIME.to_owned(), Column::Time)];
        for (label, name) in labels.iter().zip(unique_names(&mut names, labels.iter().copied(), "_label")) {
            builder.push((name, Column::Constant(Constant::Label((*label).to_owned()))));
        }
        let value_names = unique_names(&mut names, fields.keys().copied(), "_field");
        for (slot, (value_type, name)) in fields.values().zip(value_names).enumerate() {
            builder.push((name, Column::Value { slot, value_type: *value_type }));
        }
        builder.push((QUALITY.to_owned(), Column::Quality));
        Self::new(builder, fields.into_keys().map(str::to_owned).collect())
    }

    /// The columns of table `samples`.
    pub(crate) fn of_samples() -> Self {
        let columns = [
            (TIME, Column::Time),
            ("series", Column::Constant(Constant::Series)),
            ("measurement", Column::Constant(Constant::Measurement)),
            ("field", Column::Constant(Constant::Field)),
            ("value", Column::Value { slot: NUMBERS, value_type: ValueType::Float }),
            ("text", Column::Value { slot: TEXTS, value_type: ValueType::Text }),
            (QUALITY, Column::Quality),
        ];
        Self::new(columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect(), Vec::new())
    }

    fn new(columns: Vec<(String, Column)>, fields: Vec<String>) -> Self {
        let arrow_field = |(name, column): &(String, Column)| match column {
            Column::Time => Field::new(name, DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), false),
            Column::Constant(Constant::Label(_)) => Field::new(name, DataType::Utf8, true),
            Column::Constant(_) => Field::new(name, DataType::Utf8, false),
            Column::Value { value_type, .. } => Field::new(name, data_type(*value_type), true),
            Column::Quality => Field::new(name, DataType::UInt32, false),
        };
        let schema = Schema::new(columns.iter().map(arrow_field).collect::<Vec<_>>());
        Self { schema: Arc::new(schema), columns: columns.into_iter().map(|(_, column)| column).collect(), fields }
    }

    /// The column with this name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.schema.index_of(name).ok().map(|index| &self.columns[index])
    }

    /// The groups of a measurement's table: one per label set, in the order of their labels.
    pub(crate) fn groups_by_labels(&self, series: &[Arc<Series>]) -> Vec<Group> {
        let mut groups: BTreeMap<&[(String, String)], Vec<Member>> = BTreeMap::new();
        for series in series {
            if let Ok(slot) = self.fields.binary_search_by(|field| field.as_str().cmp(series.key.field())) {
                groups.entry(series.key.labels()).or_default().push(Member { series: series.clone(), slot });
            }
        }
        let sorted = |mut members: Vec<Member>| {
            members.sort_by_key(|member| member.slot);
            Group { members }
        };
        groups.into_values().map(sorted).collect()
    }
}

/// The groups of table `samples`: one per series, in the order of their keys.
pub(crate) fn groups_by_series(mut series: Vec<Arc<Series>>) -> Vec<Group> {
    series.sort_by(|a, b| a.key.cmp(&b.key));
    let slot = |value_type| if value_type == ValueType::Text { TEXTS } else { NUMBERS };
    let group = |series: Arc<Series>| Group { members: vec![Member { slot: slot(series.value_type), series }] };
    series.into_iter().map(group).collect()
}

/// The labels of a series as text: `{unit=T1}`, or nothing.
pub(crate) fn labels_of(key: &SeriesKey) -> String {
    labels_text(key.labels())
}

/// Gives every name that is taken a suffix. Names that are free keep theirs, whatever the others get.
fn unique_names<'a>(
    taken: &mut HashSet<String>,
    wanted: impl Iterator<Item = &'a str> + Clone,
    suffix: &str,
) -> Vec<String> {
    let before = taken.clone();
    taken.extend(wanted.clone().map(str::to_owned));
    let free = |name: &str| {
        if !before.contains(name) {
            return name.to_owned();
        }
        let mut name = name.to_owned();
        while !taken.insert(name.clone()) {
            name.push_str(suffix);
        }
        name
    };
    wanted.map(free).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(key: &str, value_type: ValueType) -> Arc<Series> {
        Arc::new(Series::new(key.parse().unwrap(), value_type))
    }

    fn names(series: &[Arc<Series>]) -> Vec<String> {
        Layout::of_measurement(series).schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    #[test]
    fn columns_come_as_time_labels_fields_quality() {
        let all = [series("m:b{z=1}", ValueType::Int), series("m:a{y=1}", ValueType::Int)];
        assert_eq!(names(&all), ["time", "y", "z", "a", "b", "quality"]);
    }

    #[test]
    fn clashing_names_get_a_suffix_until_they_are_free() {
        let all = [series("m:a{a=1,time=2}", ValueType::Int), series("m:a_field{a=1}", ValueType::Int)];
        assert_eq!(names(&all), ["time", "a", "time_label", "a_field_field", "a_field", "quality"]);
    }

    #[test]
    fn fields_of_different_types_widen() {
        let all = [series("m:a{u=1}", ValueType::Int), series("m:a{u=2}", ValueType::Uint)];
        assert_eq!(Layout::of_measurement(&all).schema.field(2).data_type(), &DataType::Float64);
    }

    #[test]
    fn groups_are_ordered_by_labels_whatever_the_order_of_series() {
        let all = [
            series("m:b{u=2}", ValueType::Int),
            series("m:a{u=2}", ValueType::Int),
            series("m:a{u=1}", ValueType::Int),
        ];
        let layout = Layout::of_measurement(&all);
        let keys: Vec<Vec<String>> = layout
            .groups_by_labels(&all)
            .iter()
            .map(|group| group.members.iter().map(|member| member.series.key.to_string()).collect())
            .collect();
        assert_eq!(keys, [vec!["m:a{u=1}"], vec!["m:a{u=2}", "m:b{u=2}"]]);
    }
}

//! Operators driven by hand, record by record, so that a crash can happen between any two of them.

mod calculations;
mod failures;
mod merged;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_journal::{
    ApplyError, Batch, Catalog, Cursor, Env, Fold, Journal, Merge, ReadLimits, SystemEnv, TOPIC_DATA, TOPIC_QUARANTINE,
    TopicConfig, TopicPartition,
};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_model::payload::{DeleteRange, Heartbeat, Quarantined, SamplesBuilder, SamplesView};
use tidemill_model::{
    NewRecord, Offset, Quality, Record, RecordKind, SampleColumn, Series, SeriesId, SeriesKey, TimeRange, Value,
    ValueType, Values,
};

use crate::error::HistoryError;
use crate::guest::{About, Kind, Plugin, Port, World, engine, inspect};
use crate::history::History;
use crate::operator::checkpoint::CheckpointFile;
use crate::operator::fold::{OperatorFold, Surroundings};
use crate::operator::layout::Begin;
use crate::operator::spec::{DeployRequest, Spec};
use crate::operator::status::Shared;

const SUMS: &str = include_str!("../../../tests/guests/sums.wat");
const LENGTHS: &str = include_str!("../../../tests/guests/lengths.wat");
const TOTALS: &str = include_str!("../../../tests/guests/totals.wat");
const SECOND: i64 = 1_000_000_000;

/// Everything that is in the journal, read back without the operator's own outputs.
struct FakeHistory {
    journal: Arc<dyn Journal>,
    /// So many reads fail first.
    failures: Mutex<u32>,
}

impl History for FakeHistory {
    fn read(
        &self,
        id: SeriesId,
        range: TimeRange,
        partition: u32,
        at_least: Offset,
    ) -> Result<SampleColumn, HistoryError> {
        let mut failures = self.failures.lock();
        if *failures > 0 {
            *failures -= 1;
            return Err(HistoryError::Unavailable("not yet".into()));
        }
        let mut rows = BTreeMap::new();
        for record in super::wait::block_on(read_all(&self.journal, TOPIC_DATA, partition)) {
            if record.offset >= at_least {
                continue;
            }
            if record.kind() == Some(RecordKind::DeleteRange) {
                let delete = DeleteRange::parse(&record.payload).unwrap();
                let gone = |time: i64| delete.series.contains(&id.0) && delete.start <= time && time < delete.end;
                rows.retain(|time, _| !gone(*time));
            }
            if record.kind() != Some(RecordKind::Samples) {
                continue;
            }
            let view = SamplesView::parse(&record.payload).unwrap();
            for column in view.columns() {
                for run in column.runs().filter(|run| run.series == id) {
                    let inside = (run.first..run.first + run.rows).filter(|row| range.contains(column.time(*row)));
                    rows.extend(inside.map(|row| (column.time(row), column.value(row))));
                }
            }
        }
        let value_type = rows.values().next().map_or(ValueType::Float, Value::value_type);
        let (times, mut values) = (rows.keys().copied().collect(), Values::new(value_type));
        for value in rows.into_values() {
            match (&mut values, value) {
                (Values::Float(values), Value::Float(value)) => values.push(value),
                (Values::Text(values), Value::Text(value)) => values.push(value),
                _ => panic!("a series has one type"),
            }
        }
        Ok(SampleColumn { times, values, qualities: Vec::new() })
    }
}

async fn read_all(journal: &Arc<dyn Journal>, topic: &str, partition: u32) -> Vec<Record> {
    let at = TopicPartition::new(topic, partition);
    let (mut from, mut all) = (Offset(0), Vec::new());
    loop {
        let batch = journal.read(&at, from, ReadLimits::default()).await.unwrap();
        if batch.records.is_empty() {
            return all;
        }
        from = batch.next;
        all.extend(batch.records);
    }
}

/// A journal with inputs, and an operator on it.
struct World1 {
    dir: tempfile::TempDir,
    around: Surroundings,
    history: Arc<FakeHistory>,
    plugin: Arc<Plugin>,
    spec: Arc<Spec>,
    shared: Arc<Shared>,
}

impl World1 {
    async fn new(wat: &str, json: &str) -> Self {
        Self::over(1, wat, json).await
    }

    /// On a journal of so many partitions.
    async fn over(partitions: u32, wat: &str, json: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env: Arc<dyn Env> = SystemEnv::new();
        let config = EmbeddedConfig {
            segment_bytes: 1 << 20,
            sync: Sync::Never,
            ..EmbeddedConfig::new(dir.path().join("journal"))
        };
        let journal: Arc<dyn Journal> = EmbeddedJournal::open(config, env.clone()).unwrap();
        for (topic, partitions) in [(TOPIC_DATA, partitions), (TOPIC_QUARANTINE, 1)] {
            journal.create(TopicConfig::new(topic, partitions)).await.unwrap();
        }
        let catalog = Catalog::open(journal.clone()).await.unwrap();
        let engine = engine().unwrap();
        let plugin = Arc::new(Plugin::compile(&engine, &inspect(&wat::parse_str(wat).unwrap()).unwrap()).unwrap());
        let request: DeployRequest = serde_json::from_str(json).unwrap();
        let own = |names: &[&str]| -> Vec<_> {
            names.iter().map(|n| Port { name: (*n).to_owned(), kind: Kind::Number }).collect()
        };
        let outputs =
            if plugin.world() == World::Calculation { own(&["value", "ticks"]) } else { own(&["sum", "count"]) };
        let mut inputs = own(&["value"]);
        if wat == LENGTHS {
            inputs[0].kind = Kind::Text;
        }
        let about = About { name: "p".into(), version: "1".into(), inputs, outputs };
        let spec = Arc::new(Spec::new(&request, ("hash", 1), plugin.world(), &about).unwrap());
        let history = Arc::new(FakeHistory { journal: journal.clone(), failures: Mutex::new(0) });
        let checkpoint_every = Duration::from_secs(3600);
        let around = Surroundings { journal, catalog, history: history.clone(), env, partitions, checkpoint_every };
        Self { dir, around, history, plugin, spec, shared: Shared::new(1) }
    }

    async fn append(&self, partition: u32, kind: RecordKind, payload: impl Into<bytes::Bytes>) {
        let at = TopicPartition::new(TOPIC_DATA, partition);
        self.around.journal.append(&at, vec![NewRecord::anonymous(kind, payload)]).await.unwrap();
    }

    fn partition_of(&self, key: &str) -> u32 {
        let key: SeriesKey = key.parse().unwrap();
        (key.partition_hash() % u64::from(self.around.partitions)) as u32
    }

    /// One record of samples, in the partition of the first: series key, second, value.
    async fn write(&self, samples: &[(&str, f64, f64)]) {
        let mut builder = SamplesBuilder::new();
        let partition = self.partition_of(samples[0].0);
        for (key, second, value) in samples {
            assert_eq!(self.partition_of(key), partition, "a record is in one partition");
            let series = Series::new(key.parse().unwrap(), ValueType::Float);
            let id = series.id;
            self.around.catalog.register(vec![series]).await.unwrap()[0].clone().unwrap();
            builder.push(id, (second * SECOND as f64) as i64, Value::Float(*value), Quality::GOOD);
        }
        self.append(partition, RecordKind::Samples, builder.encode()).await;
    }

    async fn write_text(&self, key: &str, second: i64, text: &str) {
        let series = Series::new(key.parse().unwrap(), ValueType::Text);
        let id = series.id;
        self.around.catalog.register(vec![series]).await.unwrap()[0].clone().unwrap();
        let mut builder = SamplesBuilder::new();
        builder.push_text(id, second * SECOND, text.to_owned(), Quality::GOOD);
        self.append(self.partition_of(key), RecordKind::Samples, builder.encode()).await;
    }

    /// One in every partition.
    async fn heartbeat(&self, second: i64) {
        for partition in 0..self.around.partitions {
            self.append(partition, RecordKind::Heartbeat, Heartbeat { time: second * SECOND }.to_payload()).await;
        }
    }

    async fn delete(&self, key: &str, start: i64, end: i64) {
        let id = Series::new(key.parse().unwrap(), ValueType::Float).id;
        let range = DeleteRange { series: vec![id.0], start: start * SECOND, end: end * SECOND };
        self.append(self.partition_of(key), RecordKind::DeleteRange, range.to_payload()).await;
    }

    /// Everything in the journal now, in one order: partition, record, and the offset after it.
    async fn merged(&self) -> Vec<(u32, Record, Offset)> {
        let mut merge = Merge::new(self.around.partitions as usize);
        for partition in 0..self.around.partitions {
            for record in read_all(&self.around.journal, TOPIC_DATA, partition).await {
                let next = self.end_of(partition, &record).await;
                merge.push(partition as usize, Batch { records: vec![record], next });
            }
            merge.end(partition as usize);
        }
        std::iter::from_fn(|| merge.take()).map(|(index, record, after)| (index as u32, record, after)).collect()
    }

    /// Everything in the first partition now.
    async fn records(&self) -> Vec<Record> {
        read_all(&self.around.journal, TOPIC_DATA, 0).await
    }

    /// Where a follower that has applied the record reads on.
    async fn end_of(&self, partition: u32, record: &Record) -> Offset {
        let limits = ReadLimits { bytes: 1, ..ReadLimits::default() };
        let at = TopicPartition::new(TOPIC_DATA, partition);
        self.around.journal.read(&at, record.offset, limits).await.unwrap().next
    }

    /// The quarantine without repetitions: the record's offset, the reason, and times and values of the rows.
    async fn quarantine(&self) -> Vec<(Offset, String, Vec<(i64, f64)>)> {
        let (mut cursor, mut entries) = (Cursor::default(), Vec::new());
        for record in read_all(&self.around.journal, TOPIC_QUARANTINE, 0).await {
            if !cursor.admit(&record, Offset(record.offset.0 + 1)) {
                continue;
            }
            let entry = Quarantined::parse(&record.payload).unwrap();
            let view = SamplesView::parse(&entry.payload).unwrap();
            let rows = view.columns().iter().flat_map(|column| {
                (0..column.rows()).map(|row| (column.time(row), column.value(row).as_f64().unwrap()))
            });
            entries.push((Offset(entry.offset), entry.reason, rows.collect()));
        }
        entries
    }

    fn checkpoints(&self) -> CheckpointFile {
        CheckpointFile::new(&self.dir.path().join("operator"), 0)
    }

    fn begin(&self) -> Begin {
        Begin::earliest(self.spec.layout(self.around.partitions).read_by(0).len())
    }

    fn open(&self) -> Result<(OperatorFold, Vec<Cursor>), String> {
        let parts = (self.plugin.clone(), self.spec.clone());
        let opened = OperatorFold::open(&self.around, parts, 0, self.checkpoints(), self.shared.clone(), self.begin());
        opened.map_err(|error| error.to_string())
    }

    /// Follows the journal's present content from the last checkpoint and crashes after `count` records at the latest,
    /// having written a checkpoint after `checkpoint_after` of them. Returns the reasons of refusals.
    async fn follow(&self, checkpoint_after: usize, count: usize) -> Vec<String> {
        let (mut fold, mut cursors) = self.open().unwrap();
        let mut refusals = Vec::new();
        let records = self.merged().await.into_iter();
        // An instance that does not merge reads the first partition.
        let unread = records.filter(|(partition, record, _)| {
            cursors.get(*partition as usize).is_some_and(|cursor| record.offset >= cursor.next)
        });
        for (done, (partition, record, end)) in (1..).zip(unread.take(count).collect::<Vec<_>>()) {
            let cursor = &mut cursors[partition as usize];
            if !cursor.has_seen(record.producer, record.epoch, record.sequence) {
                loop {
                    match fold.apply(partition, &record) {
                        Ok(_) => break,
                        Err(ApplyError::Refused(reason)) => break refusals.push(reason),
                        Err(ApplyError::Retry(_)) => {}
                        Err(ApplyError::Halt(reason)) => panic!("{reason}"),
                    }
                }
            }
            cursor.admit(&record, end);
            fold.commit(&cursors).unwrap();
            if done == checkpoint_after {
                fold.idle(&cursors, true).unwrap();
            }
        }
        refusals
    }

    /// What replicas see of the operator: the last value of every (output series, second).
    async fn outputs(&self) -> BTreeMap<(String, i64), u64> {
        // What the operator has handed over is durable once a later record is.
        for partition in 0..self.around.partitions {
            self.append(partition, RecordKind::Samples, SamplesBuilder::new().encode()).await;
        }
        let mut cursors = vec![Cursor::default(); self.around.partitions as usize];
        let mut seen = BTreeMap::new();
        for (partition, record, end) in self.merged().await {
            let is_new = cursors[partition as usize].admit(&record, end);
            if !is_new || record.producer.0 == 0 {
                continue;
            }
            if record.kind() == Some(RecordKind::DeleteRange) {
                let delete = DeleteRange::parse(&record.payload).unwrap();
                let range = TimeRange::new(delete.start, delete.end);
                let keys: Vec<_> = delete.series.iter().map(|id| self.key_of(SeriesId(*id))).collect();
                seen.retain(|(key, second): &(String, i64), _| {
                    !(keys.contains(key) && range.contains(*second * SECOND))
                });
                continue;
            }
            for column in SamplesView::parse(&record.payload).unwrap().columns() {
                for run in column.runs() {
                    let key = self.key_of(run.series);
                    for row in run.first..run.first + run.rows {
                        seen.insert((key.clone(), column.time(row) / SECOND), column.bits(row));
                    }
                }
            }
        }
        seen
    }

    fn key_of(&self, id: SeriesId) -> String {
        self.around.catalog.series(id).unwrap().key.to_string()
    }

    async fn output(&self, key: &str, second: i64) -> Option<f64> {
        let key: SeriesKey = key.parse().unwrap();
        self.outputs().await.get(&(key.to_string(), second)).map(|bits| f64::from_bits(*bits))
    }
}

const SUMS_JSON: &str =
    r#"{"name":"s","plugin":"p","inputs":{"value":"power"},"lateness":"0s","limits":{"fuel_per_call":1000000}}"#;
const TOTALS_JSON: &str = r#"{"name":"t","plugin":"p","inputs":{"value":"power"},"window":"10s","lateness":"2s"}"#;

async fn write_sums(world: &World1) {
    for second in 0..12 {
        let second = f64::from(second);
        world.write(&[("power{u=1}", second, second), ("other", second, 1.0), ("power{u=2}", second, 2.0)]).await;
        if second == 5.0 {
            world.write(&[("power{u=1}", 5.5, 666.0)]).await;
        }
        if second == 7.0 {
            world.heartbeat(100).await;
            world.heartbeat(200).await;
        }
    }
}

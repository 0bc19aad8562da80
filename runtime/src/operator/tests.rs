//! Operators driven by hand, record by record, so that a crash can happen between any two of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_journal::{
    ApplyError, Catalog, Cursor, Env, Fold, Journal, ReadLimits, SystemEnv, TOPIC_DATA, TOPIC_QUARANTINE, TopicConfig,
    TopicPartition,
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
use crate::operator::spec::{DeployRequest, Spec};
use crate::operator::status::Shared;

const SUMS: &str = include_str!("../../tests/guests/sums.wat");
const LENGTHS: &str = include_str!("../../tests/guests/lengths.wat");
const TOTALS: &str = include_str!("../../tests/guests/totals.wat");
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
        let dir = tempfile::tempdir().unwrap();
        let env: Arc<dyn Env> = SystemEnv::new();
        let config = EmbeddedConfig {
            segment_bytes: 1 << 20,
            sync: Sync::Never,
            ..EmbeddedConfig::new(dir.path().join("journal"))
        };
        let journal: Arc<dyn Journal> = EmbeddedJournal::open(config, env.clone()).unwrap();
        for topic in [TOPIC_DATA, TOPIC_QUARANTINE] {
            journal.create(TopicConfig::new(topic, 1)).await.unwrap();
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
        let around = Surroundings { journal, catalog, history: history.clone(), env, partitions: 1, checkpoint_every };
        Self { dir, around, history, plugin, spec, shared: Shared::new(1) }
    }

    async fn append(&self, kind: RecordKind, payload: impl Into<bytes::Bytes>) {
        let at = TopicPartition::new(TOPIC_DATA, 0);
        self.around.journal.append(&at, vec![NewRecord::anonymous(kind, payload)]).await.unwrap();
    }

    /// One record of samples: series key, second, value.
    async fn write(&self, samples: &[(&str, f64, f64)]) {
        let mut builder = SamplesBuilder::new();
        for (key, second, value) in samples {
            let series = Series::new(key.parse().unwrap(), ValueType::Float);
            let id = series.id;
            self.around.catalog.register(vec![series]).await.unwrap()[0].clone().unwrap();
            builder.push(id, (second * SECOND as f64) as i64, Value::Float(*value), Quality::GOOD);
        }
        self.append(RecordKind::Samples, builder.encode()).await;
    }

    async fn write_text(&self, key: &str, second: i64, text: &str) {
        let series = Series::new(key.parse().unwrap(), ValueType::Text);
        let id = series.id;
        self.around.catalog.register(vec![series]).await.unwrap()[0].clone().unwrap();
        let mut builder = SamplesBuilder::new();
        builder.push_text(id, second * SECOND, text.to_owned(), Quality::GOOD);
        self.append(RecordKind::Samples, builder.encode()).await;
    }

    async fn heartbeat(&self, second: i64) {
        self.append(RecordKind::Heartbeat, Heartbeat { time: second * SECOND }.to_payload()).await;
    }

    async fn delete(&self, key: &str, start: i64, end: i64) {
        let id = Series::new(key.parse().unwrap(), ValueType::Float).id;
        let range = DeleteRange { series: vec![id.0], start: start * SECOND, end: end * SECOND };
        self.append(RecordKind::DeleteRange, range.to_payload()).await;
    }

    /// Everything in the journal now.
    async fn records(&self) -> Vec<Record> {
        read_all(&self.around.journal, TOPIC_DATA, 0).await
    }

    /// Where a follower that has applied the record reads on.
    async fn end_of(&self, record: &Record) -> Offset {
        let limits = ReadLimits { bytes: 1, ..ReadLimits::default() };
        let at = TopicPartition::new(TOPIC_DATA, 0);
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

    fn open(&self) -> Result<(OperatorFold, Cursor), String> {
        let parts = (self.plugin.clone(), self.spec.clone());
        OperatorFold::open(
            &self.around,
            parts,
            0,
            self.checkpoints(),
            self.shared.clone(),
            (Cursor::default(), Offset(0)),
        )
    }

    /// Follows the journal's present content from the last checkpoint and crashes after `count` records at the latest,
    /// having written a checkpoint after `checkpoint_after` of them. Returns the reasons of refusals.
    async fn follow(&self, checkpoint_after: usize, count: usize) -> Vec<String> {
        let (mut fold, mut cursor) = self.open().unwrap();
        let mut refusals = Vec::new();
        let records = self.records().await;
        let unread = records.iter().filter(|record| record.offset >= cursor.next).take(count);
        for (done, record) in (1..).zip(unread.cloned().collect::<Vec<_>>()) {
            let end = self.end_of(&record).await;
            if !cursor.has_seen(record.producer, record.epoch, record.sequence) {
                loop {
                    match fold.apply(0, &record) {
                        Ok(_) => break,
                        Err(ApplyError::Refused(reason)) => break refusals.push(reason),
                        Err(ApplyError::Retry(_)) => {}
                        Err(ApplyError::Halt(reason)) => panic!("{reason}"),
                    }
                }
            }
            cursor.admit(&record, end);
            fold.commit(std::slice::from_ref(&cursor)).unwrap();
            if done == checkpoint_after {
                fold.idle(std::slice::from_ref(&cursor), true).unwrap();
            }
        }
        refusals
    }

    /// What replicas see of the operator: the last value of every (output series, second).
    async fn outputs(&self) -> BTreeMap<(String, i64), u64> {
        // What the operator has handed over is durable once a later record is.
        self.append(RecordKind::Samples, SamplesBuilder::new().encode()).await;
        let mut cursor = Cursor::default();
        let mut seen = BTreeMap::new();
        for record in self.records().await {
            let end = Offset(record.offset.0 + 1);
            let is_new = cursor.admit(&record, end);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_calculation_sees_every_row_once_and_its_outputs_are_records() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    write_sums(&world).await;
    assert!(world.follow(0, usize::MAX).await.is_empty());
    assert_eq!(world.output("power_s{u=1}", 4).await, Some(10.0));
    assert_eq!(world.output("power_s{u=2}", 11).await, Some(24.0));
    assert_eq!(world.output("other_s", 4).await, None, "a series that is not selected");
    assert_eq!(world.output("power_s:value_ticks{u=1}", 200).await, Some(9.0), "the second heartbeat found silence");
    let entries = world.quarantine().await;
    assert!(entries.len() == 1 && entries[0].1.contains("unreachable"), "{entries:?}");
    assert_eq!(world.output("power_s{u=1}", 11).await, Some(66.0), "the refused record left no trace");
    assert_eq!(world.shared.logs.newest(0, 10)[0].text, "started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calculation_that_crashes_anywhere_has_the_outputs_of_one_run() {
    let calm = World1::new(SUMS, SUMS_JSON).await;
    write_sums(&calm).await;
    calm.follow(0, usize::MAX).await;
    let expected = calm.outputs().await;
    for crash_after in 1..15 {
        let world = World1::new(SUMS, SUMS_JSON).await;
        write_sums(&world).await;
        world.follow(crash_after / 2, crash_after).await;
        world.follow(3, 7).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.outputs().await, expected, "crash after {crash_after} records");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_costs_its_record_and_nothing_else() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    world.write(&[("power", 1.0, 1.0)]).await;
    world.write(&[("power", 2.0, 667.0)]).await;
    world.write(&[("power", 3.0, 3.0)]).await;
    assert!(world.follow(0, usize::MAX).await.is_empty());
    let entries = world.quarantine().await;
    assert!(entries[0].1.contains("fuel"), "{entries:?}");
    assert_eq!(world.output("power_s", 3).await, Some(4.0));
    assert_eq!(world.shared.last_error.lock().as_deref().map(|e| e.contains("fuel")), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_costs_only_that_output() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    let taken = Series::new("power_s".parse().unwrap(), ValueType::Text);
    world.around.catalog.register(vec![taken]).await.unwrap()[0].clone().unwrap();
    world.write(&[("power", 1.0, 1.0), ("power{u=1}", 1.0, 5.0)]).await;
    assert_eq!(world.follow(0, usize::MAX).await, Vec::<String>::new());
    assert_eq!(world.output("power_s{u=1}", 1).await, Some(5.0));
    assert!(world.shared.last_error.lock().as_deref().is_some_and(|error| error.contains("has type string")));
}

async fn write_totals(world: &World1) {
    for second in 0..35 {
        let second = f64::from(second);
        world.write(&[("power{u=1}", second, 1.0), ("power{u=2}", second, second)]).await;
        if second == 24.0 {
            // Two rows for one closed window, and one that only comes out of order.
            world.write(&[("power{u=1}", 3.5, 100.0), ("power{u=1}", 4.5, 100.0), ("power{u=1}", 23.5, 7.0)]).await;
            world.heartbeat(0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_close_by_their_own_groups_rows_and_are_revised_by_late_ones() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    write_totals(&world).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum{u=2}", 0).await, Some(45.0));
    assert_eq!(world.output("power_t:value_count{u=1}", 10).await, Some(10.0));
    assert_eq!(world.output("power_t:value_sum{u=1}", 0).await, Some(210.0), "revised");
    assert_eq!(world.output("power_t:value_sum{u=1}", 20).await, Some(17.0), "out of order, but in time");
    assert_eq!(world.output("power_t:value_sum{u=1}", 30).await, None, "still open");
    let counters = &world.shared.partitions[0].counters;
    assert_eq!(counters.late_rows.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert_eq!(counters.revised_windows.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_revised_once_however_many_records_touch_it() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    for second in [1.0, 15.0, 25.0, 35.0] {
        world.write(&[("power", second, 1.0)]).await;
    }
    for late in 2..8 {
        world.write(&[("power", f64::from(late), 1.0)]).await;
    }
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum", 0).await, Some(1.0), "it waits for more");
    world.heartbeat(0).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum", 0).await, Some(7.0));
    let counters = &world.shared.partitions[0].counters;
    assert_eq!(counters.revised_windows.load(std::sync::atomic::Ordering::Relaxed), 1);
    let listed = world.shared.windows.lock().clone();
    let listed: Vec<_> = listed.iter().map(|w| (w.series.as_str(), w.start_ns, w.end_ns, w.reason)).collect();
    assert_eq!(listed, [("power", 0, 10 * SECOND, "late")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_of_texts_gets_them_from_rows_and_from_history() {
    for crash_after in 0..6 {
        let world = World1::new(LENGTHS, TOTALS_JSON).await;
        for (second, text) in [(1, "on"), (2, "off"), (3, "on"), (15, "standby"), (25, ""), (26, "off")] {
            world.write_text("power", second, text).await;
        }
        world.follow(crash_after, crash_after).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.output("power_t:value_sum", 0).await, Some(7.0), "crash after {crash_after}");
        assert_eq!(world.output("power_t:value_sum", 10).await, Some(7.0));
        world.write_text("power", 4, "maintenance").await;
        world.heartbeat(0).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.output("power_t:value_sum", 0).await, Some(18.0), "revised from history");
        assert_eq!(world.output("power_t:value_count", 0).await, Some(4.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_revises_closed_windows_and_withdraws_empty_ones() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    for second in 0..40 {
        world.write(&[("power", f64::from(second), 1.0), ("power{u=2}", f64::from(second), 1.0)]).await;
    }
    world.delete("power", 5, 22).await;
    world.delete("power", 30, 31).await;
    world.write(&[("power", 45.0, 1.0)]).await;
    world.heartbeat(0).await;
    world.follow(30, usize::MAX).await;
    let sum = async |key: &str, second| world.output(&format!("power_t:value_sum{key}"), second).await;
    assert_eq!(sum("", 0).await, Some(5.0));
    assert_eq!(sum("", 10).await, None, "withdrawn");
    assert_eq!(sum("", 20).await, Some(8.0));
    assert_eq!(sum("", 30).await, Some(9.0), "it was open");
    assert_eq!(sum("{u=2}", 10).await, Some(10.0), "another series");
    let deleted = world.outputs().await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.outputs().await, deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_that_crashes_anywhere_has_the_outputs_of_one_run() {
    let calm = World1::new(TOTALS, TOTALS_JSON).await;
    write_totals(&calm).await;
    calm.follow(0, usize::MAX).await;
    let expected = calm.outputs().await;
    for crash_after in (1..36).step_by(4) {
        let world = World1::new(TOTALS, TOTALS_JSON).await;
        write_totals(&world).await;
        *world.history.failures.lock() = 2;
        world.follow(crash_after / 2, crash_after).await;
        world.follow(2, 9).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.outputs().await, expected, "crash after {crash_after} records");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_group_is_closed_by_the_second_heartbeat_after_its_last_row() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    world.write(&[("power{u=1}", 1.0, 5.0)]).await;
    world.heartbeat(30).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum{u=1}", 0).await, None, "it had a row since the last heartbeat");
    world.heartbeat(31).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum{u=1}", 0).await, Some(5.0));
    world.write(&[("power{u=1}", 15.0, 2.0), ("power{u=1}", 25.0, 2.0)]).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum{u=1}", 10).await, Some(2.0), "not late although the clock is further");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_traps_costs_no_other_window() {
    let world = World1::new(TOTALS, TOTALS_JSON).await;
    world.write(&[("power{u=1}", 1.0, 666.0), ("power{u=2}", 1.0, 2.0), ("power{u=3}", 1.0, 3.0)]).await;
    world.write(&[("power{u=1}", 15.0, 1.0), ("power{u=2}", 15.0, 1.0), ("power{u=3}", 15.0, 1.0)]).await;
    world.write(&[("power{u=1}", 25.0, 1.0)]).await;
    assert_eq!(world.follow(0, usize::MAX).await, Vec::<String>::new());
    assert_eq!(world.output("power_t:value_sum{u=1}", 0).await, None);
    assert_eq!(world.output("power_t:value_sum{u=2}", 0).await, Some(2.0));
    assert_eq!(world.output("power_t:value_sum{u=3}", 0).await, Some(3.0));
    assert_eq!(world.output("power_t:value_sum{u=1}", 10).await, Some(1.0));
    assert!(world.shared.last_error.lock().as_deref().is_some_and(|error| error.contains("window at 0 ns")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_several_series_is_one_window() {
    let json = TOTALS_JSON.replace("\"window\"", "\"group_by\":[\"site\"],\"window\"");
    let world = World1::new(TOTALS, &json).await;
    world
        .write(&[("power{site=A,u=1}", 1.0, 1.0), ("power{site=A,u=2}", 1.0, 2.0), ("power{site=B,u=1}", 1.0, 4.0)])
        .await;
    world.write(&[("power{site=A,u=1}", 1.0, 10.0), ("power{u=9}", 1.0, 100.0)]).await;
    world.write(&[("power{site=A,u=1}", 15.0, 0.0), ("power{site=A,u=2}", 2.0, 20.0)]).await;
    world.write(&[("power{site=A,u=2}", 3.0, 40.0)]).await;
    world.heartbeat(0).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:sum{site=A}", 0).await, Some(72.0));
    assert_eq!(world.output("power_t:sum{site=B}", 0).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_windows_than_a_record_may_have_outputs_are_closed_by_the_next_records() {
    let json = TOTALS_JSON.replace("\"window\"", "\"limits\":{\"output_rows\":4},\"window\"");
    let world = World1::new(TOTALS, &json).await;
    let rows: Vec<_> = (0..6).map(|window| ("power", f64::from(window) * 10.0, 1.0)).collect();
    world.write(&rows).await;
    world.follow(1, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum", 10).await, Some(1.0));
    assert_eq!(world.output("power_t:value_sum", 20).await, None);
    world.heartbeat(0).await;
    world.heartbeat(0).await;
    world.follow(0, usize::MAX).await;
    assert_eq!(world.output("power_t:value_sum", 30).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_checkpoint_is_named_and_never_used() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    write_sums(&world).await;
    world.follow(9, 9).await;
    let file = world.dir.path().join("operator/p0.ckpt");
    let good = std::fs::read(&file).unwrap();
    let refusal = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        world.open().map(drop).unwrap_err()
    };
    for at in (0..good.len()).step_by(good.len() / 50) {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        let reason = refusal(&bytes);
        assert!(reason.contains("p0.ckpt") && reason.contains("remove it"), "flip at {at}: {reason}");
        refusal(&good[..at]);
    }
    std::fs::write(&file, &good).unwrap();
    assert!(world.open().is_ok());
}

async fn write_mixed(world: &World1) {
    world.write(&[("power{u=1}", 1.0, 1.0), ("power{u=2}", 1.0, 10.0)]).await;
    let rows =
        [("power{u=1}", 2.0, 2.0), ("power{u=1}", 3.0, 666.0), ("power{u=1}", 4.0, 4.0), ("power{u=2}", 2.0, 20.0)];
    world.write(&rows).await;
    world.write(&[("power{u=1}", 5.0, 8.0), ("power{u=2}", 5.0, 667.0)]).await;
    world.write(&[("power{u=1}", 6.0, 16.0), ("power{u=2}", 6.0, 40.0)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_rows_that_fail_are_quarantined_and_a_rerun_decides_the_same() {
    let calm = World1::new(SUMS, SUMS_JSON).await;
    write_mixed(&calm).await;
    assert!(calm.follow(0, usize::MAX).await.is_empty());
    assert_eq!(calm.output("power_s{u=1}", 6).await, Some(31.0));
    assert_eq!(calm.output("power_s{u=2}", 6).await, Some(70.0));
    assert_eq!(calm.output("power_s{u=1}", 3).await, None);
    let entries = calm.quarantine().await;
    assert_eq!(
        entries.iter().map(|entry| entry.2.clone()).collect::<Vec<_>>(),
        [vec![(3 * SECOND, 666.0)], vec![(5 * SECOND, 667.0)]]
    );
    let named = "power{u=1} at 3000000000 ns = 666: plugin trapped in process: ";
    assert!(entries[0].1.replace("power:value", "power").contains(named), "{entries:?}");
    assert_eq!(calm.shared.partitions[0].counters.quarantined_rows.load(std::sync::atomic::Ordering::Relaxed), 2);

    let expected = calm.outputs().await;
    for crash_after in 1..4 {
        let world = World1::new(SUMS, SUMS_JSON).await;
        write_mixed(&world).await;
        world.follow(crash_after - 1, crash_after).await;
        world.follow(1, 2).await;
        world.follow(0, usize::MAX).await;
        world.follow(0, usize::MAX).await;
        assert_eq!(world.outputs().await, expected, "crash after {crash_after} records");
        let again: Vec<_> = world.quarantine().await.into_iter().map(|entry| entry.2).collect();
        assert_eq!(again, entries.iter().map(|entry| entry.2.clone()).collect::<Vec<_>>(), "no entry twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_after_many_checkpoints_finds_their_sum() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    for second in 0..8 {
        let second = f64::from(second);
        world.write(&[("power{u=1}", second, 1.0), ("power{u=2}", second, second)]).await;
    }
    for _ in 0..3 {
        world.follow(1, 2).await;
    }
    let (mut fold, cursor) = world.open().unwrap();
    world.write(&[("power{u=1}", 8.0, 666.0), ("power{u=2}", 8.0, 100.0)]).await;
    world.write(&[("power{u=1}", 9.0, 1.0)]).await;
    let mut at = cursor.clone();
    for record in world.records().await.iter().filter(|record| record.offset >= cursor.next) {
        if !at.has_seen(record.producer, record.epoch, record.sequence) {
            fold.apply(0, record).unwrap();
        }
        at.admit(record, world.end_of(record).await);
        fold.idle(std::slice::from_ref(&at), true).unwrap();
    }
    assert_eq!(world.output("power_s{u=1}", 9).await, Some(9.0));
    assert_eq!(world.output("power_s{u=2}", 8).await, Some(128.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_halts_names_the_row_and_tries_again() {
    let json = SUMS_JSON.replace("\"lateness\"", "\"on_error\":\"halt\",\"lateness\"");
    let world = World1::new(SUMS, &json).await;
    write_mixed(&world).await;
    for _ in 0..2 {
        let (mut fold, _) = world.open().unwrap();
        let records = world.records().await;
        fold.apply(0, &records[0]).unwrap();
        for _ in 0..2 {
            let Err(ApplyError::Halt(reason)) = fold.apply(0, &records[1]) else {
                panic!("it goes on");
            };
            assert!(reason.contains("at 3000000000 ns = 666: ") && reason.contains("resume"), "{reason}");
        }
    }
    assert!(world.quarantine().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_written_stops_nothing() {
    let world = World1::new(SUMS, SUMS_JSON).await;
    write_sums(&world).await;
    // A file will stand where the folder should be.
    std::fs::create_dir(world.dir.path().join("aside")).unwrap();
    let aside = CheckpointFile::new(&world.dir.path().join("aside/none"), 0);
    let parts = (world.plugin.clone(), world.spec.clone());
    let (mut fold, mut cursor) =
        OperatorFold::open(&world.around, parts, 0, aside, world.shared.clone(), (Cursor::default(), Offset(0)))
            .unwrap();
    std::fs::write(world.dir.path().join("aside/none"), b"").unwrap();
    for record in world.records().await {
        fold.apply(0, &record).unwrap();
        cursor.admit(&record, world.end_of(&record).await);
        fold.idle(std::slice::from_ref(&cursor), true).unwrap();
    }
    let status = &world.shared.partitions[0];
    assert!(status.checkpoint_error.lock().as_deref().is_some_and(|reason| reason.contains("none")));
    assert_eq!(fold.needed_from(&[]), Some(vec![Offset(0)]));
    assert_eq!(world.output("power_s{u=1}", 11).await, Some(66.0));
    std::fs::remove_file(world.dir.path().join("aside/none")).unwrap();
    fold.idle(std::slice::from_ref(&cursor), true).unwrap();
    assert!(status.checkpoint_error.lock().is_none());
    assert_eq!(fold.needed_from(&[]), Some(vec![cursor.next]));
}

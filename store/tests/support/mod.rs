//! A small world for a replica: a journal in memory, a catalog on it, and a fold that is driven by hand.
#![allow(dead_code, unreachable_pub, reason = "every test uses another part of it")]
#![allow(clippy::unwrap_used, reason = "tests and a benchmark share it")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tidemill_journal::env::{Env, Task, tracked};
use tidemill_journal::{
    ApplyError, Batch, Bounds, Catalog, Cursor, Fold, Journal, JournalError, Metric, ReadLimits, Receipt, TopicConfig,
    TopicPartition,
};
use tidemill_model::payload::{DeleteRange, SamplesBuilder};
use tidemill_model::{
    JournalIdentity, NewRecord, Offset, Quality, Record, RecordKind, Series, SeriesId, SeriesKey, TimeRange, Value,
    ValueType,
};
use tidemill_store::{Replica, ReplicaConfig, ReplicaFold, StoreError};

pub const IDENTITY: JournalIdentity = JournalIdentity { id: 77, generation: 1 };

/// One list of records for every partition; offsets are indexes.
#[derive(Default)]
pub struct MemoryJournal {
    records: Mutex<Vec<Record>>,
}

impl Journal for MemoryJournal {
    fn identity(&self) -> JournalIdentity {
        IDENTITY
    }

    fn create(&self, _: TopicConfig) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { Ok(()) })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicConfig>, JournalError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn append(&self, _: &TopicPartition, new: Vec<NewRecord>) -> BoxFuture<'static, Result<Receipt, JournalError>> {
        let mut records = self.records.lock();
        let first = Offset(records.len() as u64);
        for record in new {
            let at = records.len() as u64;
            records.push(stored(record, at));
        }
        let end = Offset(records.len() as u64);
        Box::pin(async move { Ok(Receipt { first, end }) })
    }

    fn read(&self, _: &TopicPartition, from: Offset, _: ReadLimits) -> BoxFuture<'_, Result<Batch, JournalError>> {
        let records = self.records.lock();
        let batch = Batch { records: records[from.0 as usize..].to_vec(), next: Offset(records.len() as u64) };
        Box::pin(async move { Ok(batch) })
    }

    fn bounds(&self, _: &TopicPartition) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        let end = self.records.lock().len() as u64;
        let bounds =
            Bounds { start: Offset(0), durable: Offset(end), tail: Offset(end), records: end, kept_since: None };
        Box::pin(async move { Ok(bounds) })
    }

    fn find(&self, _: &TopicPartition, _: i64) -> BoxFuture<'_, Result<Offset, JournalError>> {
        Box::pin(async { Ok(Offset(0)) })
    }

    fn trim(&self, _: &TopicPartition, _: Offset) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { Ok(()) })
    }

    fn hold(&self, _: &TopicPartition, _: &str, _: Option<Offset>) {}

    fn metrics(&self) -> Vec<Metric> {
        Vec::new()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn stored(record: NewRecord, at: u64) -> Record {
    Record {
        offset: Offset(at),
        ordinal: at,
        kind_number: record.kind as u8,
        producer: record.producer,
        epoch: record.epoch,
        sequence: record.sequence,
        ingest_time: 0,
        key: record.key,
        payload: record.payload,
    }
}

/// Real threads, and a clock that stands still until it is moved.
#[derive(Default)]
pub struct ThreadEnv {
    pub clock_ms: AtomicU64,
    randoms: AtomicU64,
}

impl Env for ThreadEnv {
    fn now(&self) -> i64 {
        0
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.clock_ms.load(Relaxed))
    }

    fn random(&self) -> u64 {
        self.randoms.fetch_add(1, Relaxed)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>) -> Task {
        self.spawn_thread(name, future)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the environment")]
    fn spawn_thread(&self, _: &str, future: BoxFuture<'static, ()>) -> Task {
        let (future, task) = tracked(future);
        std::thread::spawn(move || block_on(future));
        task
    }
}

/// A catalog with series, and a list of records that replicas apply.
pub struct World {
    pub catalog: Arc<Catalog>,
    pub env: Arc<ThreadEnv>,
    pub series: Vec<Arc<Series>>,
    pub log: Vec<Record>,
}

impl World {
    pub fn new(types: &[ValueType]) -> Self {
        let catalog = block_on(Catalog::open(Arc::new(MemoryJournal::default()))).unwrap();
        let series = |(index, value_type): (usize, &ValueType)| {
            let key: SeriesKey = format!("pump:field{{unit=P{index},site=S{}}}", index % 2).parse().unwrap();
            Series::new(key, *value_type)
        };
        let wanted = types.iter().enumerate().map(series).collect();
        let series = block_on(catalog.register(wanted)).unwrap().into_iter().map(Result::unwrap).collect();
        Self { catalog, env: Arc::default(), series, log: Vec::new() }
    }

    pub fn open(&self, dir: &Path, rows_max: usize) -> Result<Driver, StoreError> {
        let mut config = ReplicaConfig::new("r1", dir);
        config.memtable_rows_max = rows_max;
        let (replica, fold, cursors) = Replica::open(config, IDENTITY, 1, self.catalog.clone(), self.env.clone())?;
        Ok(Driver { replica, fold, cursors })
    }

    pub fn id(&self, series: usize) -> SeriesId {
        self.series[series].id
    }

    pub fn push(&mut self, kind: RecordKind, payload: Vec<u8>) {
        self.log.push(stored(NewRecord::anonymous(kind, payload), self.log.len() as u64));
    }

    /// Appends a record of samples: series, time, value, quality.
    pub fn write(&mut self, samples: &[(usize, i64, Value, u32)]) {
        let mut builder = SamplesBuilder::new();
        for (series, time, value, quality) in samples {
            builder.push(self.series[*series].id, *time, value.clone(), Quality(*quality));
        }
        self.push(RecordKind::Samples, builder.encode());
    }

    /// Appends a record of doubles of one series.
    pub fn write_floats(&mut self, series: usize, samples: impl IntoIterator<Item = (i64, f64)>) {
        let samples: Vec<_> = samples.into_iter().map(|(time, v)| (series, time, Value::Float(v), 0)).collect();
        self.write(&samples);
    }

    pub fn delete(&mut self, series: &[usize], range: TimeRange) {
        let series = series.iter().map(|index| self.id(*index).0).collect();
        self.push(
            RecordKind::DeleteRange,
            DeleteRange { series, start: range.start, end: range.end }.to_payload().to_vec(),
        );
    }
}

/// A replica and its fold.
pub struct Driver {
    pub replica: Arc<Replica>,
    pub fold: ReplicaFold,
    pub cursors: Vec<Cursor>,
}

impl Driver {
    /// Applies what the log has beyond the cursor, without a commit.
    pub fn apply(&mut self, world: &World) -> Result<(), ApplyError> {
        while let Some(record) = world.log.get(self.cursors[0].next.0 as usize) {
            self.fold.apply(0, record)?;
            self.cursors[0].admit(record, Offset(record.offset.0 + 1));
        }
        Ok(())
    }

    pub fn commit(&mut self) -> Result<(), ApplyError> {
        self.fold.commit(&self.cursors)
    }

    /// Applies what the log has and commits after every record.
    pub fn follow(&mut self, world: &World) {
        while let Some(record) = world.log.get(self.cursors[0].next.0 as usize) {
            self.fold.apply(0, record).unwrap();
            self.cursors[0].admit(record, Offset(record.offset.0 + 1));
            self.commit().unwrap();
        }
    }

    /// Makes everything durable, as before a shutdown.
    pub fn stop(&mut self) {
        self.fold.idle(&self.cursors, true).unwrap();
    }

    /// The doubles of a series.
    pub fn floats(&self, id: SeriesId) -> Vec<(i64, f64)> {
        floats(&self.replica.snapshot(), id)
    }
}

pub fn floats(snapshot: &tidemill_store::Snapshot, id: SeriesId) -> Vec<(i64, f64)> {
    let samples = snapshot.scan(id, TimeRange::ALL).unwrap();
    let value = |row| samples.values.get(row).and_then(|value| value.as_f64()).unwrap();
    (0..samples.len()).map(|row| (samples.times[row], value(row))).collect()
}

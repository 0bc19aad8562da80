//! A replica that is fed by text, and its answers as text.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use tempfile::TempDir;
use tidemill_journal::{Catalog, Cursor, Env, Fold, Journal, SystemEnv};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_model::payload::SamplesBuilder;
use tidemill_model::{Offset, ProducerId, Quality, Record, RecordKind, Series, SeriesKey, Value};
use tidemill_store::{Replica, ReplicaConfig, ReplicaFold};
use tidemill_store_sql::{Interrupt, SqlEngine, SqlError, SqlLimits, write_csv, write_json, write_ndjson};

use crate::probe::{Probes, Provider};

/// A replica, its catalog and an engine.
pub(crate) struct World {
    _dir: TempDir,
    catalog: Arc<Catalog>,
    pub(crate) replica: Arc<Replica>,
    fold: ReplicaFold,
    records: u64,
    pub(crate) engine: SqlEngine,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(1_000_000, SqlLimits::default()).await
    }

    /// A world whose replica keeps so many rows in memory.
    pub(crate) async fn with(memtable_rows_max: usize, limits: SqlLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env: Arc<dyn Env> = SystemEnv::new();
        let config = EmbeddedConfig {
            segment_bytes: 1 << 20,
            sync: Sync::Never,
            ..EmbeddedConfig::new(dir.path().join("journal"))
        };
        let journal = EmbeddedJournal::open(config, env.clone()).unwrap();
        let identity = journal.identity();
        let catalog = Catalog::open(journal).await.unwrap();
        let mut config = ReplicaConfig::new("r1", dir.path().join("r1"));
        config.memtable_rows_max = memtable_rows_max;
        config.flush_after = Duration::from_secs(3600);
        let (replica, fold, _) = Replica::open(config, identity, 1, catalog.clone(), env).unwrap();
        Self { _dir: dir, catalog, replica, fold, records: 0, engine: SqlEngine::new(limits) }
    }

    /// A world with these samples in one record.
    pub(crate) async fn of(samples: &str) -> Self {
        let mut world = Self::new().await;
        world.write(samples).await;
        world
    }

    /// Applies one record. A line is `series time value [quality]`, where values look as in line protocol: `1.5`, `3i`, `3u`, `true`,
    /// `"text"`.
    pub(crate) async fn write(&mut self, samples: &str) {
        let mut builder = SamplesBuilder::new();
        for line in samples.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let key: SeriesKey = words[0].parse().unwrap();
            let value = parse_value(words[2]);
            let series = Series::new(key, value.value_type());
            let quality = words.get(3).map_or(0, |text| text.parse().unwrap());
            builder.push(series.id, words[1].parse().unwrap(), value, Quality(quality));
            self.catalog.register(vec![series]).await.unwrap()[0].as_ref().unwrap();
        }
        self.apply(&mut builder);
    }

    /// Applies one record with the builder's samples, whose series are registered.
    pub(crate) fn apply(&mut self, builder: &mut SamplesBuilder) {
        let record = Record {
            offset: Offset(self.records),
            ordinal: self.records,
            kind_number: RecordKind::Samples as u8,
            producer: ProducerId::NONE,
            epoch: 0,
            sequence: 0,
            ingest_time: 0,
            key: bytes::Bytes::new(),
            payload: builder.encode().into(),
        };
        self.records += 1;
        self.fold.apply(0, &record).unwrap();
        self.fold.commit(&[Cursor::at(Offset(self.records), self.records)]).unwrap();
    }

    pub(crate) async fn register(&self, series: Series) {
        self.catalog.register(vec![series]).await.unwrap()[0].as_ref().unwrap();
    }

    /// From now on queries may call these plugins.
    pub(crate) fn probe(&mut self, probes: Arc<Probes>) {
        let engine = std::mem::replace(&mut self.engine, SqlEngine::new(SqlLimits::default()));
        self.engine = engine.with_aggregates(Arc::new(Provider(probes)));
    }

    /// The answer in `format`: `json`, `ndjson` or `csv`.
    pub(crate) async fn encoded(&self, format: &str, sql: &str) -> Result<String, SqlError> {
        let rows = self.engine.query(self.replica.snapshot(), sql).await?;
        let chunks: Vec<_> = match format {
            "json" => write_json(rows).try_collect().await?,
            "ndjson" => write_ndjson(rows).try_collect().await?,
            _ => write_csv(rows).try_collect().await?,
        };
        Ok(String::from_utf8(chunks.concat()).unwrap())
    }

    /// The answer as lines of comma-separated values under the names.
    pub(crate) async fn answer(&self, sql: &str) -> String {
        match self.encoded("csv", sql).await {
            Ok(text) => text.replace("\r\n", "\n"),
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// Checks an answer; the indentation of `wanted` does not count.
    pub(crate) async fn check(&self, sql: &str, wanted: &str) {
        assert_eq!(self.answer(sql).await, lines(wanted), "{sql}");
    }

    pub(crate) async fn error(&self, sql: &str) -> SqlError {
        match self.encoded("csv", sql).await {
            Ok(text) => panic!("{sql} was answered: {text}"),
            Err(error) => error,
        }
    }

    /// Why a query that can be interrupted has no answer.
    pub(crate) async fn error_until(&self, sql: &str, interrupt: Interrupt) -> SqlError {
        match self.engine.query_until(self.replica.snapshot(), sql, interrupt).await {
            Ok(rows) => rows.try_collect::<Vec<_>>().await.unwrap_err(),
            Err(error) => error,
        }
    }

    /// The line of the plan that tells what the scan reads.
    pub(crate) async fn scan_of(&self, sql: &str) -> String {
        let plan = self.answer(&format!("EXPLAIN {sql}")).await;
        let at = plan.find("Scan: table=").unwrap_or_else(|| panic!("no scan in {plan}"));
        plan[at..].lines().next().unwrap_or_default().trim_end_matches('"').to_owned()
    }
}

fn lines(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).fold(String::new(), |mut out, line| {
        writeln!(out, "{line}").unwrap();
        out
    })
}

fn parse_value(text: &str) -> Value {
    if let Some(text) = text.strip_prefix('"') {
        return Value::Text(text.trim_end_matches('"').to_owned());
    }
    match (text.strip_suffix('i'), text.strip_suffix('u'), text) {
        (_, _, "true") => Value::Bool(true),
        (_, _, "false") => Value::Bool(false),
        (Some(text), _, _) => Value::Int(text.parse().unwrap()),
        (_, Some(text), _) => Value::Uint(text.parse().unwrap()),
        _ => Value::Float(text.parse().unwrap()),
    }
}

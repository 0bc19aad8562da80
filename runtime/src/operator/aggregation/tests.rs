//! Every kind of window against a brute-force model: random rows, late rows, repetitions and deletions, records cut anywhere,
//! crashes with re-runs from older checkpoints, a history that is just far enough or ahead, rows held or only noted.
//!
//! The model knows only what is left at the end and which windows there are; whatever was emitted on the way must have been
//! corrected by then.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use proptest::prelude::*;
use tidemill_journal::{Catalog, Env, Journal, SystemEnv, TOPIC_DATA, TopicConfig};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_model::payload::{DeleteRange, Heartbeat, SamplesBuilder};
use tidemill_model::{ProducerId, Quality, SampleColumn, Series, SeriesId, TimeRange, Value, ValueType, Values};

use super::*;
use crate::error::HistoryError;
use crate::guest::{About, Logs, Plugin, Port, World, engine, inspect};
use crate::history::History;
use crate::operator::spec::{DeployRequest, Spec};

const TOTALS: &str = include_str!("../../../tests/guests/totals.wat");
const SERIES: [&str; 3] = ["power{site=A,u=1}", "power{site=A,u=2}", "power{site=B,u=1}"];
/// Far behind everything else, in units.
const FLUSH: i64 = 1_000_000;

/// One record, with times in units.
#[derive(Clone, Debug)]
enum Step {
    /// Series, time, value.
    Rows(Vec<(usize, i64, i64)>),
    /// Series, times.
    Delete(usize, i64, i64),
    Heartbeat(i64),
    /// A checkpoint is written.
    Checkpoint,
    /// Back to the newest checkpoint.
    Crash,
}

fn some_step(span: i64) -> impl Strategy<Value = Step> {
    let row = (0..SERIES.len(), 0..span, 1..100_i64);
    prop_oneof![
        8 => proptest::collection::vec(row, 1..8).prop_map(Step::Rows),
        1 => (0..SERIES.len(), 0..span, 1..span).prop_map(|(s, from, length)| Step::Delete(s, from, from + length)),
        1 => (0..SERIES.len(), 0..span, 1..6_i64).prop_map(|(s, from, length)| Step::Delete(s, from, from + length)),
        2 => (0..span).prop_map(Step::Heartbeat),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Crash),
    ]
}

/// The samples of the records so far, by series and time.
type Samples = BTreeMap<(u64, i64), f64>;

/// What replicas hold after every record.
#[derive(Default)]
struct FakeHistory {
    states: Mutex<Vec<Samples>>,
    /// Every fifth read fails.
    is_shaky: bool,
    reads: Mutex<u32>,
    /// A replica has applied everything that there is.
    is_ahead: bool,
}

impl History for FakeHistory {
    fn read(&self, id: SeriesId, range: TimeRange, _: u32, at_least: Offset) -> Result<SampleColumn, HistoryError> {
        *self.reads.lock() += 1;
        if self.is_shaky && self.reads.lock().is_multiple_of(5) {
            return Err(HistoryError::Unavailable("not yet".into()));
        }
        let states = self.states.lock();
        let state = if self.is_ahead { states.last() } else { states.get(at_least.0 as usize - 1) };
        let rows = state.expect("a record that was appended").iter();
        let rows = rows.filter(|((series, time), _)| *series == id.0 && range.contains(*time));
        let (times, values) = rows.map(|((_, time), value)| (*time, *value)).unzip();
        Ok(SampleColumn { times, values: Values::Float(values), qualities: Vec::new() })
    }
}

/// A catalog and a plugin, once per test.
struct Bench {
    catalog: Arc<Catalog>,
    env: Arc<dyn Env>,
    plugin: Arc<Plugin>,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env: Arc<dyn Env> = SystemEnv::new();
        let config = EmbeddedConfig { sync: Sync::Never, ..EmbeddedConfig::new(dir.path().join("journal")) };
        let journal: Arc<dyn Journal> = EmbeddedJournal::open(config, env.clone()).unwrap();
        journal.create(TopicConfig::new(TOPIC_DATA, 1)).await.unwrap();
        let catalog = Catalog::open(journal.clone()).await.unwrap();
        for key in SERIES {
            catalog.register(vec![series(key)]).await.unwrap()[0].clone().unwrap();
        }
        let wasm = inspect(&wat::parse_str(TOTALS).unwrap()).unwrap();
        let plugin = Arc::new(Plugin::compile(&engine().unwrap(), &wasm).unwrap());
        Self { catalog, env, plugin, _dir: dir }
    }

    fn spec(&self, json: &str) -> Arc<Spec> {
        let request: DeployRequest = serde_json::from_str(json).unwrap();
        let ports =
            |names: &[&str]| names.iter().map(|n| Port { name: (*n).to_owned(), kind: PortKind::Number }).collect();
        let about = About {
            name: "p".into(),
            version: "1".into(),
            inputs: ports(&["value"]),
            outputs: ports(&["sum", "count"]),
        };
        Arc::new(Spec::new(&request, ("hash", 1), World::Aggregation, &about).unwrap())
    }
}

fn series(key: &str) -> Series {
    Series::new(key.parse().unwrap(), ValueType::Float)
}

/// How a case is run.
#[derive(Clone, Copy, Debug)]
struct Way {
    holding: Holding,
    is_ahead: bool,
    is_shaky: bool,
    is_cut_fine: bool,
}

fn some_way() -> impl Strategy<Value = Way> {
    let holding = prop_oneof![
        Just(Holding::default()),
        Just(Holding { length_ns_max: i64::MAX, rows_max: ROWS_MAX }),
        Just(Holding { length_ns_max: 0, rows_max: ROWS_MAX }),
        Just(Holding { length_ns_max: i64::MAX, rows_max: 6 }),
    ];
    (holding, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(holding, is_ahead, is_shaky, is_cut_fine)| Way {
        holding,
        is_ahead,
        is_shaky,
        is_cut_fine,
    })
}

/// One run of an operator.
struct Run<'a> {
    bench: &'a Bench,
    spec: Arc<Spec>,
    way: Way,
    history: Arc<FakeHistory>,
    shared: Arc<Shared>,
    operator: Aggregation,
    inputs: Inputs,
    next: usize,
    /// Groups and windows, and the record behind them.
    checkpoint: Option<(Vec<u8>, Vec<u8>, usize)>,
    /// What followers of the outputs see, by group, port and time, and the last record whose outputs they have seen.
    seen: BTreeMap<(u32, u32, i64), f64>,
    seen_rows: Option<usize>,
    seen_withdrawals: Option<usize>,
}

impl<'a> Run<'a> {
    fn new(bench: &'a Bench, spec: Arc<Spec>, way: Way, states: Vec<Samples>) -> Self {
        let history = FakeHistory {
            states: Mutex::new(states),
            is_shaky: way.is_shaky,
            is_ahead: way.is_ahead,
            ..<_>::default()
        };
        let (history, shared) = (Arc::new(history), Shared::new(1));
        let operator = Self::operator(bench, &spec, way, &history, &shared);
        let inputs = Inputs::new(spec.clone(), bench.catalog.clone(), 1);
        Self {
            bench,
            spec,
            way,
            history,
            shared,
            operator,
            inputs,
            next: 0,
            checkpoint: None,
            seen: BTreeMap::new(),
            seen_rows: None,
            seen_withdrawals: None,
        }
    }

    fn operator(
        bench: &Bench,
        spec: &Arc<Spec>,
        way: Way,
        history: &Arc<FakeHistory>,
        shared: &Arc<Shared>,
    ) -> Aggregation {
        let factory = GuestFactory {
            plugin: bench.plugin.clone(),
            spec: spec.clone(),
            logs: Arc::new(Logs::default()),
            env: bench.env.clone(),
        };
        let horizon = Horizon::new(history.clone(), 1);
        Aggregation::new(factory, 0, horizon, shared.clone(), way.holding).unwrap()
    }

    fn apply(&mut self, record: &Record) {
        let event = self.inputs.read(record).unwrap();
        let mut rows = OutputRows::default();
        loop {
            match self.operator.apply(0, record, &self.inputs, &event, &mut rows) {
                Ok(_) => break,
                Err(ApplyError::Retry(_)) => rows.clear(),
                Err(error) => panic!("{error}"),
            }
        }
        let at = record.offset.0 as usize;
        self.next = at + 1;
        if !rows.withdrawn.is_empty() && self.seen_withdrawals < Some(at) {
            self.seen_withdrawals = Some(at);
            for gone in &rows.withdrawn {
                let is_gone = |(group, port, time): (u32, u32, i64)| {
                    group == gone.group
                        && gone.port.is_none_or(|gone| gone == port)
                        && (gone.start..gone.end).contains(&time)
                };
                self.seen.retain(|key, _| !is_gone(*key));
            }
        }
        if !rows.times.is_empty() && self.seen_rows < Some(at) {
            self.seen_rows = Some(at);
            for (index, [group, port, count]) in rows.runs.iter().enumerate() {
                assert_eq!(*count, 1);
                self.seen.insert((*group, *port, rows.times[index]), rows.values[index]);
            }
        }
    }

    fn write_checkpoint(&mut self) {
        let (groups, mut windows) = (self.inputs.encode(true), Vec::new());
        self.operator.encode(&mut windows);
        self.checkpoint = Some((groups, windows, self.next));
    }

    fn crash(&mut self) {
        self.operator = Self::operator(self.bench, &self.spec, self.way, &self.history, &self.shared);
        self.inputs = Inputs::new(self.spec.clone(), self.bench.catalog.clone(), 1);
        self.next = 0;
        if let Some((groups, windows, next)) = &self.checkpoint {
            self.inputs.decode(&mut Bytes::new(groups), false).unwrap();
            let mut bytes = Bytes::new(windows);
            self.operator.decode(&mut bytes, self.inputs.groups()).unwrap();
            assert!(bytes.is_empty());
            self.next = *next;
        }
    }

    /// What followers see, by the group's first label value.
    fn results(&self) -> BTreeMap<(String, i64), (f64, f64)> {
        let mut results = BTreeMap::new();
        for ((group, port, time), value) in &self.seen {
            let key = group_name(&self.spec, &self.inputs.groups()[*group as usize][0].series.key.to_string());
            let entry: &mut (f64, f64) = results.entry((key, *time)).or_default();
            if *port == 0 { entry.0 = *value } else { entry.1 = *value }
        }
        results
    }
}

fn group_name(spec: &Spec, series: &str) -> String {
    match spec.group_by {
        Some(_) => spec.group_of(&series.parse().unwrap()).unwrap().join(","),
        None => series.parse::<tidemill_model::SeriesKey>().unwrap().to_string(),
    }
}

/// The records of some steps, and what replicas hold after each. `None` where there is no record.
fn records(steps: &[Step], unit: i64, is_cut_fine: bool) -> (Vec<(Option<Record>, Step)>, Vec<Samples>) {
    let (mut records, mut states, mut samples) = (Vec::new(), Vec::new(), Samples::new());
    let mut steps: Vec<Step> = steps.to_vec();
    if is_cut_fine {
        let cut = |step: Step| match step {
            Step::Rows(rows) => rows.into_iter().map(|row| Step::Rows(vec![row])).collect(),
            other => vec![other],
        };
        steps = steps.into_iter().flat_map(cut).collect();
    }
    // Everything is closed by later rows, and revised by a heartbeat that closes nothing itself.
    steps.push(Step::Rows((0..SERIES.len()).map(|series| (series, FLUSH, 1)).collect()));
    steps.extend([Step::Heartbeat(0), Step::Heartbeat(0)]);
    for step in steps {
        let id = |index: &usize| series(SERIES[*index]).id;
        let (kind, payload) = match &step {
            Step::Rows(rows) => {
                let mut builder = SamplesBuilder::new();
                for (index, time, value) in rows {
                    builder.push(id(index), time * unit, Value::Float(*value as f64), Quality::GOOD);
                    samples.insert((id(index).0, time * unit), *value as f64);
                }
                (RecordKind::Samples, builder.encode().into())
            }
            Step::Delete(index, from, to) => {
                let delete = DeleteRange { series: vec![id(index).0], start: from * unit, end: to * unit };
                let gone = |time: i64| delete.start <= time && time < delete.end;
                samples.retain(|(series, time), _| *series != id(index).0 || !gone(*time));
                (RecordKind::DeleteRange, delete.to_payload())
            }
            Step::Heartbeat(time) => (RecordKind::Heartbeat, Heartbeat { time: time * unit }.to_payload()),
            Step::Checkpoint | Step::Crash => {
                records.push((None, step));
                continue;
            }
        };
        let offset = Offset(states.len() as u64);
        let record = Record {
            offset,
            ordinal: offset.0,
            kind_number: kind as u8,
            producer: ProducerId::NONE,
            epoch: 0,
            sequence: 0,
            ingest_time: 0,
            key: bytes::Bytes::new(),
            payload,
        };
        records.push((Some(record), step));
        states.push(samples.clone());
    }
    (records, states)
}

/// The windows that hold any of `times`, as stamp, start and end.
fn model_windows(kind: Kind, times: &BTreeSet<i64>) -> BTreeSet<(i64, i64, i64)> {
    let mut windows = BTreeSet::new();
    match kind {
        Kind::Fixed { length, every, offset } => {
            for time in times {
                let newest = (time - offset).div_euclid(every) * every + offset;
                let all = (0..).map(|back| newest - back * every).take_while(|start| start + length > *time);
                windows.extend(all.map(|start| (start, start, start + length)));
            }
        }
        Kind::Calendar(calendar) => windows.extend(times.iter().map(|time| {
            let window = calendar.window_of(*time);
            (window.start, window.start, window.end)
        })),
        Kind::Sliding { length } => windows.extend(times.iter().map(|time| (*time, time - length + 1, time + 1))),
        Kind::Session { gap, max } => {
            let mut open: Option<(i64, i64)> = None;
            for time in times {
                open = match open {
                    Some((start, last)) if time - last < gap && time.div_euclid(max) == last.div_euclid(max) => {
                        Some((start, *time))
                    }
                    other => {
                        windows.extend(other.map(|(start, last)| (start, start, last + 1)));
                        Some((*time, *time))
                    }
                };
            }
            windows.extend(open.map(|(start, last)| (start, start, last + 1)));
        }
    }
    windows
}

fn model(spec: &Spec, unit: i64, samples: &Samples) -> BTreeMap<(String, i64), (f64, f64)> {
    let mut groups: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    for ((id, time), value) in samples.iter().filter(|((_, time), _)| *time < FLUSH * unit) {
        let key = SERIES.iter().find(|key| series(key).id.0 == *id).unwrap();
        groups.entry(group_name(spec, key)).or_default().push((*time, *value));
    }
    let mut results = BTreeMap::new();
    for (group, rows) in groups {
        let times = rows.iter().map(|(time, _)| *time).collect();
        for (stamp, start, end) in model_windows(spec.windows.unwrap().kind, &times) {
            let inside = || rows.iter().filter(|(time, _)| (start..end).contains(time));
            let sum = inside().map(|(_, value)| value).sum();
            results.insert((group.clone(), stamp), (sum, inside().count() as f64));
        }
    }
    results
}

/// Windows of this kind, with times that are multiples of `unit_ns` below `span`.
fn check(window: &str, unit_ns: i64, span: i64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let _inside = runtime.enter();
    let steps = proptest::collection::vec(some_step(span), 1..40);
    let config =
        ProptestConfig { cases: 100, failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() };
    proptest!(config, |(steps in steps, way in some_way(), is_grouped: bool, few_outputs: bool)| {
        let group_by = if is_grouped { r#","group_by":["site"]"# } else { "" };
        let output_rows = if few_outputs { 6 } else { 10_000 };
        let json = format!(
            r#"{{"name":"t","plugin":"p","inputs":{{"value":"power"}},"window":{window},"lateness":"2s",
                "limits":{{"output_rows":{output_rows}}}{group_by}}}"#
        );
        let spec = bench.spec(&json);
        let (records, states) = records(&steps, unit_ns, way.is_cut_fine);
        let expected = model(&spec, unit_ns, states.last().unwrap());
        let mut run = Run::new(&bench, spec, way, states);
        let all: Vec<_> = records.iter().filter_map(|(record, _)| record.clone()).collect();
        for (record, step) in &records {
            match (record, step) {
                (None, Step::Crash) => {
                    let crashed_at = run.next;
                    run.crash();
                    all[run.next..crashed_at].iter().for_each(|record| run.apply(record));
                }
                (None, _) => run.write_checkpoint(),
                (Some(record), _) => run.apply(record),
            }
        }
        // With few outputs per record, windows wait for the next ones.
        let mut spare = all.last().unwrap().clone();
        for _ in 0..500 {
            if run.operator.readings.is_empty() && run.operator.due.is_empty() {
                break;
            }
            spare.offset = Offset(spare.offset.0 + 1);
            let last = run.history.states.lock().last().unwrap().clone();
            run.history.states.lock().push(last);
            run.apply(&spare);
        }
        prop_assert_eq!(run.results(), expected);
    });
}

#[test]
fn tumbling_windows_are_those_of_the_model() {
    check(r#""10s""#, 1_000_000_000, 100);
    check(r#"{"length":"10s","offset":"3s"}"#, 500_000_000, 200);
}

#[test]
fn hopping_windows_are_those_of_the_model() {
    check(r#"{"length":"10s","every":"2s","offset":"1s"}"#, 500_000_000, 120);
    check(r#"{"length":"10s","every":"3s"}"#, 1_000_000_000, 80);
}

#[test]
fn calendar_windows_are_those_of_the_model() {
    // Units of 20 minutes; 1970-01-01 began at 23:00 UTC in Berlin.
    check(r#"{"calendar":"hour","zone":"Asia/Kolkata"}"#, 1_200_000_000_000, 60);
    check(r#"{"calendar":"day","zone":"Europe/Berlin"}"#, 7_200_000_000_000, 100);
}

#[test]
fn sliding_windows_are_those_of_the_model() {
    check(r#"{"sliding":"10s"}"#, 1_000_000_000, 60);
}

#[test]
fn session_windows_are_those_of_the_model() {
    check(r#"{"gap":"5s","max":"40s"}"#, 1_000_000_000, 120);
    check(r#"{"gap":"9s","max":"1d"}"#, 1_000_000_000, 300);
}

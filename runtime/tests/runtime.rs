//! The whole runtime: install, deploy, run, pause, restart, remove.

#![expect(clippy::unwrap_used, reason = "what fails a test may panic in its helpers too")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidemill_journal::env::Task;
use tidemill_journal::{
    Assignment, Catalog, Cursor, Env, Journal, ReadLimits, Share, SystemEnv, TOPIC_DATA, TOPIC_QUARANTINE, TopicConfig,
    TopicPartition,
};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_model::payload::{OperatorDefinition, OperatorState, SamplesBuilder, SamplesView};
use tidemill_model::{
    NewRecord, Offset, Quality, RecordKind, SampleColumn, Series, SeriesId, TimeRange, Value, ValueType,
};
use tidemill_runtime::{DeployRequest, History, HistoryError, Runtime, RuntimeConfig, ShadowRequest, WindowColumns};
use tokio::sync::watch;

struct NoHistory;

impl History for NoHistory {
    fn read(&self, _: SeriesId, _: TimeRange, _: u32, _: Offset) -> Result<SampleColumn, HistoryError> {
        Err(HistoryError::Unavailable("there is none".into()))
    }
}

/// One life of a node.
struct Node {
    journal: Arc<dyn Journal>,
    catalog: Arc<Catalog>,
    runtime: Arc<Runtime>,
    stop: watch::Sender<bool>,
    task: Task,
}

impl Node {
    async fn start(dir: &Path, journal: Arc<dyn Journal>) -> Self {
        Self::start_with(dir, journal, Share::all(1)).await
    }

    async fn start_with(dir: &Path, journal: Arc<dyn Journal>, share: Share) -> Self {
        let env: Arc<dyn Env> = SystemEnv::new();
        let catalog = Catalog::open(journal.clone()).await.unwrap();
        let config = RuntimeConfig::new(dir.join("runtime"));
        let opened =
            Runtime::open(config, journal.clone(), 1, catalog.clone(), Arc::new(NoHistory), share, env.clone());
        let runtime = opened.await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let task = env.spawn("runtime", Box::pin(runtime.clone().run(stopped)));
        Self { journal, catalog, runtime, stop, task }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        assert!(self.task.join().await);
    }

    async fn write(&self, second: i64, value: f64) {
        let series = Series::new("power".parse().unwrap(), ValueType::Float);
        let id = series.id;
        self.catalog.register(vec![series]).await.unwrap()[0].clone().unwrap();
        let mut builder = SamplesBuilder::new();
        builder.push(id, second * 1_000_000_000, Value::Float(value), Quality::GOOD);
        let record = NewRecord::anonymous(RecordKind::Samples, builder.encode());
        self.journal.append(&TopicPartition::new(TOPIC_DATA, 0), vec![record]).await.unwrap();
    }

    /// Waits for the first `count` values of an output series, repetitions dropped.
    async fn outputs(&self, key: &str, count: usize) -> Vec<f64> {
        let id = Series::new(key.parse().unwrap(), ValueType::Float).id;
        let (mut cursor, mut values) = (Cursor::default(), Vec::new());
        while values.len() < count {
            let limits = ReadLimits { wait: Duration::from_secs(20), ..ReadLimits::default() };
            let at = TopicPartition::new(TOPIC_DATA, 0);
            let batch = self.journal.read(&at, cursor.next, limits).await.unwrap();
            assert!(!batch.records.is_empty(), "no output came: {:?}", self.runtime.operators());
            for record in &batch.records {
                if !cursor.admit(record, Offset(record.offset.0 + 1)) {
                    continue;
                }
                for column in SamplesView::parse(&record.payload).unwrap().columns() {
                    let runs = column.runs().filter(|run| run.series == id);
                    values.extend(runs.map(|run| f64::from_bits(column.bits(run.first))));
                }
            }
            cursor.next = batch.next;
        }
        values
    }
}

async fn journal(dir: &Path) -> Arc<dyn Journal> {
    let env: Arc<dyn Env> = SystemEnv::new();
    let config =
        EmbeddedConfig { segment_bytes: 1 << 20, sync: Sync::Never, ..EmbeddedConfig::new(dir.join("journal")) };
    let journal: Arc<dyn Journal> = EmbeddedJournal::open(config, env).unwrap();
    for topic in [TOPIC_DATA, TOPIC_QUARANTINE] {
        journal.create(TopicConfig::new(topic, 1)).await.unwrap();
    }
    journal
}

fn request(start: &str) -> DeployRequest {
    let json = format!(r#"{{"name":"s","plugin":"sums","inputs":{{"value":"power"}},"start":"{start}"}}"#);
    serde_json::from_str(&json).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_runs_pauses_restarts_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path()).await;
    let wasm = wat::parse_str(include_str!("guests/sums.wat")).unwrap();

    let node = Node::start(dir.path(), journal.clone()).await;
    let info = node.runtime.install(wasm.into()).await.unwrap();
    assert_eq!((info.name.as_str(), info.world.as_str(), info.outputs.len()), ("sums", "calculation", 2));
    node.write(1, 1.0).await;
    node.runtime.deploy(request("earliest")).await.unwrap();
    node.write(2, 2.0).await;
    assert_eq!(node.outputs("power_s", 2).await, [1.0, 3.0]);
    assert_eq!(node.runtime.logs("s", 0, 10).unwrap()[0].text, "started");
    assert!(node.runtime.logs("x", 0, 10).is_none());
    node.stop().await;

    let node = Node::start(dir.path(), journal.clone()).await;
    assert_eq!(node.runtime.plugins(), [info]);
    node.write(3, 3.0).await;
    assert_eq!(node.outputs("power_s", 3).await, [1.0, 3.0, 6.0], "its memory survived");
    node.runtime.set_state("s", OperatorState::Paused).await.unwrap();
    assert_eq!(node.runtime.operators()[0].state, "paused");
    node.write(4, 4.0).await;
    node.runtime.set_state("s", OperatorState::Running).await.unwrap();
    assert_eq!(node.outputs("power_s", 4).await, [1.0, 3.0, 6.0, 10.0]);
    let status = &node.runtime.operators()[0];
    assert_eq!((status.rows_in, status.errors, &status.last_error), (4, 0, &None));

    node.runtime.set_state("s", OperatorState::Removed).await.unwrap();
    assert!(node.runtime.operators().is_empty());
    let reason = node.runtime.set_state("s", OperatorState::Running).await.unwrap_err().to_string();
    assert!(reason.contains("none is deployed"), "{reason}");
    node.runtime.deploy(request("latest")).await.unwrap();
    node.write(5, 5.0).await;
    assert_eq!(node.outputs("power_s", 5).await[4], 5.0, "a new operator starts from nothing, and is heard");
    node.stop().await;
    let kept = std::fs::read_dir(dir.path().join("runtime/operators")).unwrap().count();
    assert_eq!(kept, 1, "the removed operator's checkpoints are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_deploy_is_refused_with_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), journal(dir.path()).await).await;
    let reason = node.runtime.deploy(request("latest")).await.unwrap_err().to_string();
    assert!(reason.contains("none is installed"), "{reason}");
    node.runtime.install(wat::parse_str(include_str!("guests/sums.wat")).unwrap().into()).await.unwrap();
    let mut wrong = request("latest");
    wrong.plugin = "summs".into();
    let reason = node.runtime.deploy(wrong.clone()).await.unwrap_err().to_string();
    assert!(reason.contains("installed are: sums"), "{reason}");
    wrong.plugin = "sums".into();
    wrong.limits.memory_bytes = 2 << 30;
    let reason = node.runtime.deploy(wrong).await.unwrap_err().to_string();
    assert!(reason.contains("memory_bytes"), "{reason}");
    assert!(node.runtime.operators().is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_whose_plugin_nobody_has_fails_alone_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), journal(dir.path()).await).await;
    let definition = OperatorDefinition {
        name: "s".into(),
        plugin_hash: "0".repeat(32),
        config: serde_json::to_string(&request("latest")).unwrap(),
        state: OperatorState::Running as u32,
        generation: 1,
        plugin: "sums".into(),
        ..OperatorDefinition::default()
    };
    node.catalog.put_operator(definition).await.unwrap();
    let env = SystemEnv::new();
    let status = loop {
        let status = node.runtime.operators().remove(0);
        if status.state == "failed" {
            break status;
        }
        env.sleep(Duration::from_millis(5)).await;
    };
    assert!(status.last_error.unwrap().contains("not installed"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_several_miss_at_once_is_installed_once_and_a_damaged_file_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path()).await;
    let node = Node::start(dir.path(), journal.clone()).await;
    let wasm: bytes::Bytes = wat::parse_str(include_str!("guests/sums.wat")).unwrap().into();
    let env = SystemEnv::new();
    let (told, mut answers) = tokio::sync::mpsc::channel(8);
    for _ in 0..8 {
        let (runtime, wasm, told) = (node.runtime.clone(), wasm.clone(), told.clone());
        let install = async move { told.send(runtime.install(wasm).await).await.unwrap() };
        env.spawn_thread("install", Box::pin(install));
    }
    let mut infos = Vec::new();
    while infos.len() < 8 {
        infos.push(answers.recv().await.unwrap().unwrap());
    }
    assert_eq!(infos, vec![infos[0].clone(); 8]);
    let find = |dir: &Path, name: &str| {
        let mut open = vec![dir.to_owned()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    open.push(entry.path());
                } else if entry.file_name() == *name {
                    return entry.path();
                }
            }
        }
        panic!("there is no {name}")
    };
    let file = find(dir.path(), &format!("{}.wasm", infos[0].hash));
    std::fs::write(&file, b"damaged").unwrap();
    assert_eq!(node.runtime.install(wasm.clone()).await.unwrap(), infos[0]);
    assert_eq!(std::fs::read(&file).unwrap(), wasm);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_goes_once_no_operator_runs_it_and_can_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path()).await;
    let wasm: bytes::Bytes = wat::parse_str(include_str!("guests/sums.wat")).unwrap().into();
    let node = Node::start(&dir.path().join("1"), journal.clone()).await;
    let info = node.runtime.install(wasm.clone()).await.unwrap();
    node.runtime.deploy(request("latest")).await.unwrap();
    let reason = node.runtime.uninstall("sums").await.unwrap_err().to_string();
    assert!(reason.contains("operator s runs it; remove that first"), "{reason}");
    node.runtime.set_state("s", OperatorState::Removed).await.unwrap();
    assert_eq!(node.runtime.uninstall(&info.hash).await.unwrap(), info);
    assert!(node.runtime.plugins().is_empty());
    let reason = node.runtime.uninstall(&info.hash).await.unwrap_err().to_string();
    assert!(reason.contains("none is installed"), "{reason}");
    node.stop().await;

    // Neither after a restart nor on another node.
    for name in ["1", "2"] {
        let node = Node::start(&dir.path().join(name), journal.clone()).await;
        let reason = node.runtime.deploy(request("latest")).await.unwrap_err().to_string();
        assert!(reason.contains("none is installed"), "{reason}");
        node.stop().await;
    }
    let node = Node::start(&dir.path().join("1"), journal.clone()).await;
    assert_eq!(node.runtime.install(wasm).await.unwrap().hash, info.hash);
    node.runtime.deploy(request("latest")).await.unwrap();
    node.stop().await;
}

fn assigned(generation: u64, partitions: &[u32]) -> Assignment {
    Assignment { generation, partitions: partitions.to_vec() }
}

/// The other node has neither plugin nor checkpoint, computes everything again, and nobody sees anything twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_moves_to_another_node_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path()).await;
    let (one, of_one) = watch::channel(assigned(1, &[0]));
    let (other, of_other) = watch::channel(assigned(1, &[]));
    let first = Node::start_with(&dir.path().join("1"), journal.clone(), Share::changing(of_one, ())).await;
    let second = Node::start_with(&dir.path().join("2"), journal.clone(), Share::changing(of_other, ())).await;
    first.runtime.install(wat::parse_str(include_str!("guests/sums.wat")).unwrap().into()).await.unwrap();
    first.write(1, 100.0).await;
    first.runtime.deploy(request("latest")).await.unwrap();
    first.write(2, 1.0).await;
    assert_eq!(first.outputs("power_s", 1).await, [1.0]);

    one.send_replace(assigned(2, &[]));
    other.send_replace(assigned(2, &[0]));
    second.write(3, 2.0).await;
    assert_eq!(second.outputs("power_s", 2).await, [1.0, 3.0], "it starts where the operator started");
    let [plugin, taken] = [&first, &second].map(|node| node.runtime.plugins().remove(0).hash);
    assert_eq!(plugin, taken, "the plugin came with it");

    // For a while both believe that it is theirs.
    one.send_replace(assigned(3, &[0]));
    first.write(4, 3.0).await;
    assert_eq!(first.outputs("power_s", 3).await, [1.0, 3.0, 6.0]);
    other.send_replace(assigned(3, &[]));
    first.write(5, 4.0).await;
    assert_eq!(first.outputs("power_s", 4).await, [1.0, 3.0, 6.0, 10.0]);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregator_answers_without_an_operator_and_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), journal(dir.path()).await).await;
    let install = async |wat: &str| node.runtime.install(wat::parse_str(wat).unwrap().into()).await.unwrap().hash;
    let totals = include_str!("guests/totals.wat");
    let hash = install(totals).await;
    let windows = |values: [f64; 3]| WindowColumns {
        windows: vec![(0, 1, 0, 10), (1, 2, 10, 20)],
        dt: vec![0, 1, 2],
        values: values.to_vec(),
        ..WindowColumns::default()
    };
    let ask = |hash: &str, values| {
        let mut answers = Vec::new();
        let mut aggregator = node.runtime.aggregator(hash, "{}").map_err(|error| error.to_string())?;
        aggregator.aggregate(&windows(values), &mut answers).map_err(|error| error.to_string())?;
        Ok::<_, String>(answers)
    };
    assert_eq!(ask(&hash, [1.0, 2.0, 3.0]), Ok(vec![1.0, 1.0, 5.0, 2.0]));
    assert!(ask(&hash, [1.0, 666.0, 3.0]).unwrap_err().contains("trapped in aggregate"));
    assert_eq!(ask(&hash, [1.0, 2.0, 3.0]), Ok(vec![1.0, 1.0, 5.0, 2.0]), "another one is not concerned");

    let looping = install(&totals.replace("(then unreachable)", "(then (loop $forever (br $forever)))")).await;
    assert!(ask(&looping, [1.0, 666.0, 3.0]).unwrap_err().contains("units of fuel in aggregate"));
    let sums = install(include_str!("guests/sums.wat")).await;
    assert_eq!(ask(&sums, [1.0; 3]), Err("plugin sums is no aggregation".to_owned()));
    assert!(ask("nothing", [1.0; 3]).unwrap_err().contains("not installed"));
    let error = node.runtime.aggregator(&hash, "[1]").err().unwrap().to_string();
    assert!(error.starts_with("parameters \"[1]\" are no JSON object"), "{error}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_stopped_in_a_long_call_keeps_no_other_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), journal(dir.path()).await).await;
    node.runtime.install(wat::parse_str(include_str!("guests/sums.wat")).unwrap().into()).await.unwrap();
    let mut looping = request("latest");
    looping.name = "looping".into();
    // Some seconds of an endless loop: longer than a deploy, shorter than anybody waits here.
    looping.limits.fuel_per_call = 3_000_000_000;
    node.runtime.deploy(looping).await.unwrap();
    node.write(1, 667.0).await;
    node.runtime.set_state("looping", OperatorState::Paused).await.unwrap();
    node.runtime.deploy(request("latest")).await.unwrap();
    node.write(2, 2.0).await;
    assert_eq!(node.outputs("power_s", 1).await, [2.0]);
    let operators = node.runtime.operators();
    let looping = operators.iter().find(|operator| operator.name == "looping").unwrap();
    assert_eq!((looping.state, looping.errors), ("paused", 0), "it is still in its call");

    // It goes on where it was once the call has been cut off, with one instance.
    node.runtime.set_state("looping", OperatorState::Running).await.unwrap();
    node.write(3, 3.0).await;
    assert_eq!(node.outputs("power_looping", 2).await, [2.0, 5.0]);
    assert_eq!(node.runtime.operators().iter().map(|operator| operator.errors).collect::<Vec<_>>(), [1, 0]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_checkpoint_is_damaged_can_be_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path()).await;
    let node = Node::start(dir.path(), journal.clone()).await;
    node.runtime.install(wat::parse_str(include_str!("guests/sums.wat")).unwrap().into()).await.unwrap();
    node.write(1, 1.0).await;
    node.runtime.deploy(request("earliest")).await.unwrap();
    assert_eq!(node.outputs("power_s", 1).await, [1.0]);
    let shadow: ShadowRequest = serde_json::from_str(r#"{"name":"s"}"#).unwrap();
    node.runtime.shadow(shadow).await.unwrap();
    let promoted = node.runtime.promote("s").await.unwrap();
    node.write(2, 2.0).await;
    assert_eq!(node.outputs("power_s", 2).await, [1.0, 3.0]);
    node.stop().await;

    let file = dir.path().join(format!("runtime/operators/s-{}/p0.ckpt", promoted.generation));
    let mut bytes = std::fs::read(&file).unwrap();
    // In the base, which nothing can make good.
    bytes[40] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let node = Node::start(dir.path(), journal.clone()).await;
    while node.runtime.operators()[0].state != "failed" {
        SystemEnv::new().sleep(Duration::from_millis(5)).await;
    }
    let reason = node.runtime.operators()[0].last_error.clone().unwrap_or_default();
    assert!(reason.contains("damaged") && reason.contains("rm "), "{reason}");
    let back = node.runtime.roll_back("s").await.unwrap();
    assert!(back.generation < promoted.generation);
    node.write(3, 3.0).await;
    // The old version goes on from its own checkpoint: its sum of 2 is another version's repeated, then its own.
    assert_eq!(node.outputs("power_s", 4).await, [1.0, 3.0, 3.0, 6.0]);
    node.stop().await;
}

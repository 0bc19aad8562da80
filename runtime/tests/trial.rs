//! Trials: what operators write for a fixture, and that plugins which break their world's rules are found out.

#![expect(clippy::unwrap_used, reason = "what fails a test may panic in its helpers too")]

use std::sync::Arc;

use tidemill_journal::{Env, SystemEnv};
use tidemill_journal_embedded::{EmbeddedConfig, EmbeddedJournal, Sync};
use tidemill_model::{Quality, Value, ValueType};
use tidemill_runtime::DeployRequest;
use tidemill_runtime::trial::{
    Conditions, Difference, Event, Fixture, FixtureSeries, Outcome, Place, Row, Step, Subject, difference, run,
};

const SUMS: &str = include_str!("guests/sums.wat");
const TOTALS: &str = include_str!("guests/totals.wat");
const SUMS_JSON: &str = r#"{"name":"s","plugin":"p","inputs":{"value":"power"},"lateness":"0s"}"#;
const TOTALS_JSON: &str = r#"{"name":"t","plugin":"p","inputs":{"value":"power"},"window":"10s","lateness":"2s"}"#;
const SECOND: i64 = 1_000_000_000;

/// The offset of a record, and its rows: series, tenths of a second, value.
type PlainRecord<'a> = (u64, &'a [(usize, i64, f64)]);

/// Records of two series.
fn fixture(records: &[PlainRecord<'_>]) -> Fixture {
    let series = |key: &str| FixtureSeries { key: key.parse().unwrap(), value_type: ValueType::Float };
    let row = |(series, tenths, value): &(usize, i64, f64)| Row {
        series: *series,
        time: tenths * SECOND / 10,
        value: Value::Float(*value),
        quality: Quality::GOOD,
    };
    let step =
        |(offset, rows): &(u64, &[_])| Step { offset: *offset, event: Event::Samples(rows.iter().map(row).collect()) };
    Fixture { series: vec![series("power{u=1}"), series("power{u=2}")], steps: records.iter().map(step).collect() }
}

async fn tried(wat: &str, json: &str, fixture: &Fixture, conditions: Conditions) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let env: Arc<dyn Env> = SystemEnv::new();
    let config =
        EmbeddedConfig { segment_bytes: 1 << 20, sync: Sync::Never, ..EmbeddedConfig::new(dir.path().join("journal")) };
    let journal = EmbeddedJournal::open(config, env.clone()).unwrap();
    let subject = Subject::new(&wat::parse_str(wat).unwrap(), env.clone()).unwrap();
    let request: DeployRequest = serde_json::from_str(json).unwrap();
    let place = Place { journal, dir: &dir.path().join("operator"), env };
    run(&subject, &request, fixture, conditions, place).await.unwrap()
}

const CRASHES: Conditions = Conditions { crash_every: Some(1), rows_per_call: None };
const ROW_BY_ROW: Conditions = Conditions { crash_every: None, rows_per_call: Some(1) };
const CALM: Conditions = Conditions { crash_every: None, rows_per_call: None };

/// Where two outcomes differ in what series end with.
fn ends(left: &Outcome, right: &Outcome) -> Option<Difference> {
    difference(&left.outputs.last_of_each_time(), &right.outputs.last_of_each_time(), false)
}

fn samples() -> Fixture {
    fixture(&[
        (12, &[(0, 10, 1.0), (0, 20, 2.0), (1, 10, 5.0)]),
        (15, &[(0, 30, 4.0), (1, 25, 5.0)]),
        (16, &[(1, 40, 7.0)]),
        (20, &[(0, 240, 1.0), (1, 245, 1.0)]),
        (21, &[(0, 235, 8.0), (1, 351, 2.0), (0, 360, 1.0)]),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_carry_the_offsets_of_the_records_that_caused_them() {
    let outcome = tried(SUMS, SUMS_JSON, &samples(), CALM).await;
    let of_first: Vec<_> = outcome.outputs.rows().filter(|(_, row)| row.series == 0).collect();
    let found: Vec<_> = of_first.iter().map(|(offset, row)| (*offset, row.time / SECOND, row.value.clone())).collect();
    let expected = [(12, 1, 1.0), (12, 2, 3.0), (15, 3, 7.0), (20, 24, 8.0), (21, 23, 16.0), (21, 36, 17.0)];
    assert_eq!(found, expected.map(|(offset, second, sum)| (offset, second, Value::Float(sum))));
    assert_eq!(outcome.outputs.series[0].key, "power_s{u=1}".parse().unwrap());
    assert_eq!((outcome.rows_in["power{u=1}"], outcome.errors.len()), (6, 0));
    assert!(outcome.fuel > 100 && outcome.state_bytes > 0, "{} {}", outcome.fuel, outcome.state_bytes);
    assert_eq!(outcome.logs[0].text, "started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_calculation_survives_crashes_and_cuts() {
    let calm = tried(SUMS, SUMS_JSON, &samples(), CALM).await;
    let crashed = tried(SUMS, SUMS_JSON, &samples(), CRASHES).await;
    assert_eq!((crashed.crashes, difference(&calm.outputs, &crashed.outputs, true)), (5, None));
    assert_eq!(ends(&calm, &tried(SUMS, SUMS_JSON, &samples(), ROW_BY_ROW).await), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calculation_that_looks_at_its_batches_is_found_out() {
    let sum = "(f64.store (local.get $row) (f64.load (local.get $sum)))";
    assert!(SUMS.contains(sum));
    let nosy = SUMS.replace(sum, "(f64.store (local.get $row) (f64.convert_i32_u (local.get $runs_len)))");
    let whole = tried(&nosy, SUMS_JSON, &samples(), CALM).await;
    let cut = ends(&whole, &tried(&nosy, SUMS_JSON, &samples(), ROW_BY_ROW).await).unwrap();
    assert_eq!((cut.series.as_str(), cut.row), ("power_s{u=1}", 1));
    let values = [cut.expected, cut.found].map(|found| found.unwrap().value);
    assert_eq!(values, [Value::Float(2.0), Value::Float(1.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_aggregation_survives_crashes_cuts_and_late_rows() {
    let closed = |fixture: Fixture| fixture.closed_by(1000 * SECOND);
    let calm = tried(TOTALS, TOTALS_JSON, &closed(samples()), CALM).await;
    assert_eq!(calm.outputs.last_of_each_time().rows().count(), 12, "2 series, 3 windows, sum and count");
    let crashed = tried(TOTALS, TOTALS_JSON, &closed(samples()), CRASHES).await;
    assert_eq!(difference(&calm.outputs, &crashed.outputs, true), None);
    for other in [samples().one_row_per_record(), samples().shuffled(2 * SECOND)] {
        assert_eq!(ends(&calm, &tried(TOTALS, TOTALS_JSON, &closed(other), CALM).await), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_that_remembers_is_found_out() {
    let zero = "(local.set $sum (f64.const 0))";
    assert!(TOTALS.contains(zero));
    let count = "(global.set $n (f64.add (global.get $n) (f64.const 1))) (local.set $sum (global.get $n))";
    let global = "(global $n (mut f64) (f64.const 0)) (func $realloc";
    let wat = TOTALS.replace(zero, count).replacen("(func $realloc", global, 1);
    let input = samples().closed_by(1000 * SECOND);
    let calm = tried(&wat, TOTALS_JSON, &input, CALM).await;
    assert!(difference(&calm.outputs, &tried(&wat, TOTALS_JSON, &input, CRASHES).await.outputs, true).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_fails_is_an_error_with_its_offset_and_place() {
    let input = fixture(&[(3, &[(0, 10, 1.0)]), (8, &[(0, 20, 666.0)]), (9, &[(0, 30, 1.0)])]);
    let wat = SUMS.replacen("(func (export \"process\")", "(func $the_sum (export \"process\")", 1);
    let outcome = tried(&wat, SUMS_JSON, &input, CALM).await;
    let [error] = outcome.errors.as_slice() else { panic!("{:?}", outcome.errors) };
    assert!(error.contains("record at 8") && error.contains("unreachable") && error.contains("the_sum"), "{error}");
}

#[test]
fn rearranging_keeps_the_order_of_rows_of_one_series_and_time() {
    let twice =
        fixture(&[(1, &[(0, 10, 1.0), (0, 10, 2.0)]), (2, &[(0, 5, 0.0), (0, 10, 3.0)]), (3, &[(1, 900, 1.0)])]);
    for lateness in [0, SECOND, 100 * SECOND] {
        let shuffled = twice.shuffled(lateness);
        assert_eq!(difference(&twice.last_of_each_time(), &shuffled.last_of_each_time(), true), None);
        assert_eq!(shuffled.rows().count(), 5);
    }
}

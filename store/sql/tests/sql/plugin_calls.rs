//! Calls of plugins from queries: how many there are, and what becomes of those that go wrong.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidemill_store_sql::{SqlError, SqlErrorKind, SqlLimits};

use crate::probe::Probes;
use crate::world::World;

async fn world(samples: &str, limits: SqlLimits) -> (World, Arc<Probes>) {
    let mut world = World::with(1_000_000, limits).await;
    world.write(samples).await;
    let probes = Probes::named(&["probe"]);
    world.probe(probes.clone());
    (world, probes)
}

/// So many samples, one per millisecond, of two machines in turns: the rows of a query do not come in the order of time.
fn millis(count: i64) -> String {
    (0..count).map(|i| format!("m:a{{u={}}} {} {}\n", i % 2, i * 1_000_000, i % 100)).collect()
}

#[tokio::test]
async fn many_groups_share_a_call_and_a_large_one_is_never_split() {
    let (world, probes) = world(&millis(300_000), SqlLimits::default()).await;
    // 300 groups of 1,000 rows, 131 of which fit into a call.
    let sql = "SELECT max(call) AS calls, sum(rows) AS rows, min(rows) AS least FROM (
                   SELECT probe_call(time, a) AS call, probe_rows(time, a) AS rows
                   FROM m GROUP BY date_bin('1 second', time))";
    world.check(sql, "calls,rows,least\n3.0,300000.0,1000.0").await;
    assert_eq!(probes.calls.load(Ordering::Relaxed), 6, "two functions make three calls each");
    world
        .check("SELECT probe_rows(time, a) AS rows, probe_call(time, a) AS call FROM m", "rows,call\n300000.0,1.0")
        .await;
}

#[tokio::test]
async fn groups_beyond_what_a_call_takes_make_further_calls() {
    let (world, _) = world(&millis(20_000), SqlLimits::default()).await;
    let sql = "SELECT max(call) AS calls, count(*) AS groups, sum(sum) AS sum FROM (
                   SELECT probe_call(time, a) AS call, probe_sum(time, a) AS sum FROM m GROUP BY time)";
    world.check(sql, "calls,groups,sum\n2.0,20000,990000.0").await;
}

#[tokio::test]
async fn what_a_plugin_refuses_is_said_in_its_own_words() {
    let (world, _) = world("m:a 0 666", SqlLimits::default()).await;
    let check = async |call: &str, wanted: &str| {
        let error = world.error(&format!("SELECT {call} FROM m")).await;
        assert_eq!(error.to_string(), wanted);
        assert_eq!(error.kind(), SqlErrorKind::Invalid);
    };
    check("probe_rows(time, a)", "probe_rows: it cannot bear 666").await;
    check("probe(time, a, '{\"to\": 1}')", "probe: parameters {\"to\": 1} have no number `by`").await;
}

#[tokio::test]
async fn calls_that_make_no_sense_are_refused() {
    let (world, _) = world("m:a{u=1} 0 1", SqlLimits::default()).await;
    let check = async |call: &str, wanted: &str| {
        let error = world.error(&format!("SELECT {call} FROM m GROUP BY u")).await;
        assert_eq!(error.kind(), SqlErrorKind::Invalid, "{error}");
        assert!(error.to_string().starts_with(wanted), "{error}");
    };
    check("probe(time)", "probe: it needs at least two arguments; it takes (time, value)").await;
    check("probe(a, time)", "probe: its first argument is a Float64, not a time").await;
    check("probe(time, u)", "probe: its second argument is a Utf8, not a number").await;
    check("probe(time, a, 1.5)", "probe: its third argument is neither").await;
    check("probe(time, a, 0, '{}', 1)", "probe: it has too many arguments").await;
    check("probe(time, a, u)", "probe: its parameters must be a constant text").await;
    check("probe(DISTINCT time, a)", "probe does not know DISTINCT").await;
    check("probe(time, a ORDER BY a)", "probe does not know ORDER BY").await;
    let over = world.error("SELECT probe_sum(time, a) OVER (ORDER BY time) FROM m").await;
    assert_eq!(over.to_string(), "probe_sum does not know OVER: use it with GROUP BY");
    let sub = "SELECT u FROM m WHERE a > (SELECT probe_sum(DISTINCT time, a) FROM m)";
    assert!(world.error(sub).await.to_string().starts_with("probe_sum does not know DISTINCT"));
}

#[tokio::test]
async fn a_query_that_is_to_stop_makes_no_further_call() {
    let (world, probes) = world(&millis(300_000), SqlLimits::default()).await;
    let watched = probes.clone();
    let interrupt = Arc::new(move || watched.calls.load(Ordering::Relaxed) == 2);
    let sql = "SELECT probe_rows(time, a) FROM m GROUP BY date_bin('1 second', time)";
    let error = world.error_until(sql, interrupt).await;
    assert_eq!(error, SqlError::Stopped);
    assert_eq!(probes.calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn rows_that_are_kept_count_as_memory() {
    let limits = SqlLimits { memory_bytes: 4 << 20, ..SqlLimits::default() };
    let (world, _) = world(&millis(150_000), limits).await;
    for group in ["", "GROUP BY date_bin('1 second', time)"] {
        let error = world.error(&format!("SELECT probe_rows(time, a) AS n FROM m {group}")).await;
        assert_eq!(error, SqlError::Memory { memory_bytes: 4 << 20 }, "{group}");
        world
            .check(
                &format!("SELECT probe_rows(time, a) AS n FROM m WHERE time < '1970-01-01T00:00:01Z' {group}"),
                "n\n1000.0",
            )
            .await;
    }
}

#[tokio::test]
async fn a_group_that_no_plugin_could_hold_is_refused() {
    let (world, _) = world(&millis(1500), SqlLimits::default()).await;
    let sql = "SELECT probe_rows(a.time, b.a) FROM m AS a CROSS JOIN m AS b";
    let error = world.error(sql).await;
    assert!(error.to_string().starts_with("probe_rows: a group has 2250000 rows, at most 2000000"), "{error}");
}

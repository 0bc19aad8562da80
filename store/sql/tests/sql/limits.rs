//! Queries that want too much.

use futures::StreamExt;
use tidemill_store_sql::{SqlErrorKind, SqlLimits, write_json};

use crate::world::World;

async fn world(limits: SqlLimits) -> World {
    let mut world = World::with(1_000_000, limits).await;
    let lines: String = (0..20_000).map(|i| format!("m:a {i} {i}i\n")).collect();
    world.write(&lines).await;
    world
}

#[tokio::test]
async fn a_result_with_too_many_rows_names_the_limit() {
    let world = world(SqlLimits { rows_max: 100, ..SqlLimits::default() }).await;
    let error = world.error("SELECT a FROM m").await;
    assert_eq!(error.kind(), SqlErrorKind::Limit);
    let wanted = "result has more than 100 rows, which is the limit: add a LIMIT, a shorter time range or an aggregate";
    assert_eq!(error.to_string(), wanted);
    assert_eq!(world.answer("SELECT a FROM m LIMIT 100").await.lines().count(), 101);
    world.check("SELECT count(*) AS n FROM m", "n\n20000").await;
}

#[tokio::test]
async fn a_cut_result_is_no_valid_document() {
    let world = world(SqlLimits { rows_max: 10_000, ..SqlLimits::default() }).await;
    let rows = world.engine.query(world.replica.snapshot(), "SELECT a FROM m").await.unwrap();
    let chunks: Vec<_> = write_json(rows).collect().await;
    assert!(chunks.last().unwrap().is_err());
    let text: Vec<u8> = chunks.into_iter().flatten().flatten().collect();
    assert!(text.ends_with(b"\n[8191]"), "the document stays open");
}

#[tokio::test]
async fn memory_is_limited_and_comes_back() {
    let world = world(SqlLimits { memory_bytes: 600_000, ..SqlLimits::default() }).await;
    let error = world.error("SELECT a, count(*) FROM m GROUP BY a ORDER BY a").await;
    assert_eq!(error.kind(), SqlErrorKind::Limit, "{error}");
    assert!(error.to_string().starts_with("query needs more memory than the 600000 bytes"), "{error}");
    for _ in 0..3 {
        world.check("SELECT sum(a) AS s FROM m", "s\n199990000").await;
    }
}

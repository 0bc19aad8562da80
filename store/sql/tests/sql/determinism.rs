//! The same query on the same records gives the same bytes, however the replica lies in memory and on disk.

use tidemill_store_sql::SqlLimits;

use crate::world::World;

/// Records with late and overwritten samples of several units.
fn records() -> Vec<String> {
    let line = |i: i64| {
        let unit = i % 5;
        let time = (i * 7919) % 1000;
        let quality = if i % 11 == 0 { 1 << 30 } else { 0 };
        format!("m:a{{u={unit}}} {time} {}.{} {quality}\nm:b{{u={unit}}} {} {i}i\n", i, i % 10, time / 3 * 3)
    };
    (0..40).map(|record| (record * 25..record * 25 + 25).map(line).collect()).collect()
}

#[tokio::test]
async fn two_replicas_with_different_flushes_answer_alike() {
    let mut small = World::with(30, SqlLimits::default()).await;
    let mut large = World::with(1_000_000, SqlLimits::default()).await;
    for record in records() {
        small.write(&record).await;
        large.write(&record).await;
    }
    for sql in [
        "SELECT * FROM m",
        "SELECT * FROM samples",
        "SELECT * FROM series",
        "SELECT u, sum(a), avg(b), max(quality) FROM m GROUP BY u",
        "SELECT time, count(*) FROM samples GROUP BY time",
        "SELECT x.u, y.u, x.a FROM m x JOIN m y ON x.time = y.time",
        "SELECT DISTINCT b FROM m",
        "SELECT u, a FROM m ORDER BY u LIMIT 20",
    ] {
        for format in ["json", "csv", "ndjson"] {
            let answer = small.encoded(format, sql).await.unwrap();
            assert!(answer.len() > 100, "{sql}: {answer}");
            assert_eq!(answer, large.encoded(format, sql).await.unwrap(), "{sql}");
            assert_eq!(answer, small.encoded(format, sql).await.unwrap(), "{sql}, again");
        }
    }
}

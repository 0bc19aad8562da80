//! What is not answered, and what is said instead.

use tidemill_journal::{Env, SystemEnv};
use tidemill_store_sql::SqlErrorKind;

use crate::world::World;

#[tokio::test]
async fn nothing_but_reading_is_allowed() {
    let world = World::of("m:a 10 1").await;
    for (sql, what) in [
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "CREATE EXTERNAL TABLE"),
        ("CREATE TABLE t AS SELECT 1", "CREATE TABLE"),
        ("CREATE VIEW v AS SELECT 1", "CREATE VIEW"),
        ("COPY (SELECT 1) TO '/tmp/x.csv'", "COPY"),
        ("COPY m TO '/tmp/x.csv'", "COPY"),
        ("EXPLAIN COPY m TO '/tmp/x.csv'", "COPY"),
        ("EXPLAIN ANALYZE INSERT INTO m VALUES (1)", "INSERT INTO"),
        ("INSERT INTO m SELECT * FROM m", "INSERT INTO"),
        ("UPDATE m SET a = 1", "UPDATE"),
        ("DELETE FROM m", "DELETE FROM"),
        ("DROP TABLE m", "DROP TABLE"),
        ("SET datafusion.execution.batch_size = 1", "SET"),
        ("RESET datafusion.execution.batch_size", "RESET"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("SELECT 1 INTO t", "a change inside a query"),
        ("WITH x AS (SELECT 1) INSERT INTO m SELECT * FROM x", "WITH"),
    ] {
        let error = world.error(sql).await;
        assert_eq!(error.kind(), SqlErrorKind::Invalid, "{sql}: {error}");
        let text = error.to_string();
        assert!(text.starts_with(what) && text.contains("is not allowed: sql only reads"), "{sql}: {text}");
    }
    world.check("SELECT a FROM m", "a\n1.0").await;
}

#[tokio::test]
async fn files_are_not_tables() {
    let world = World::of("m:a 10 1").await;
    for sql in ["SELECT * FROM '/etc/passwd'", "SELECT * FROM \"/etc/passwd\"", "SELECT * FROM read_csv('/etc/passwd')"]
    {
        assert_eq!(world.error(sql).await.kind(), SqlErrorKind::Invalid, "{sql}");
    }
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_what_may_have_been_meant() {
    let world = World::of("turbine:power{unit=T1} 10 1\nturbine:Flow{unit=T1} 10 1\npond:level 10 1").await;
    for (sql, text) in [
        (
            "SELECT * FROM turbin",
            "no table named \"turbin\"; did you mean \"turbine\"?; tables: pond, samples, series, turbine",
        ),
        (
            "SELECT * FROM other.turbine",
            "no schema for table other.turbine; the schemas are public, m and information_schema",
        ),
        (
            "SELECT powr FROM turbine",
            "no column named \"powr\"; did you mean \"power\"?; columns: time, unit, Flow, power, quality",
        ),
        (
            "SELECT Flow FROM turbine",
            "no column named \"flow\"; names with capital letters need double quotes: \"Flow\"; columns: time, unit, Flow, power, quality",
        ),
        ("SELECT time FROM turbine JOIN pond ON true", "column time is ambiguous: write the table's name before it"),
        ("SELECT power FROM turbine WHERE", "sql syntax: expected: an expression, found: EOF"),
        ("SELECT 1; SELECT 2", "only one statement at a time is answered"),
        ("", "query is empty"),
    ] {
        let error = world.error(sql).await;
        assert_eq!(error.kind(), SqlErrorKind::Invalid, "{sql}: {error}");
        assert_eq!(error.to_string(), text, "{sql}");
    }
}

#[tokio::test]
async fn errors_show_no_insides() {
    let world = World::of("m:a{u=1} 10 1").await;
    for sql in [
        "SELECT nothing(a) FROM m",
        "SELECT a + u + 'x' FROM m",
        "SELECT sum(u) FROM m",
        "SELECT a FROM m GROUP BY u",
        "SELECT 1 / 0",
        "SELECT a FROM m WHERE time > 'yesterday'",
        "SELECT date_bin(INTERVAL '0 seconds', time) FROM m",
        "SELECT CAST('x' AS INT)",
        "SELECT * FROM m WHERE a = (SELECT a FROM samples)",
    ] {
        let error = world.error(sql).await;
        let text = error.to_string();
        assert_eq!(error.kind(), SqlErrorKind::Invalid, "{sql}: {text}");
        for word in [
            "DataFusion",
            "datafusion",
            "backtrace",
            "Some(",
            "Internal",
            "panicked",
            "This was likely caused by a bug",
        ] {
            assert!(!text.contains(word), "{sql}: {text}");
        }
        let is_sentence = text.starts_with(char::is_uppercase) && text.chars().nth(1).is_some_and(char::is_lowercase);
        assert!(!is_sentence, "{sql}: {text}");
    }
}

#[tokio::test]
async fn absurd_queries_do_not_bring_the_process_down() {
    let world = World::of("m:a 10 1").await;
    // A node runs every query on a thread of its own.
    let queries = SystemEnv::new().spawn_thread("query", Box::pin(ask_absurd_queries(world)));
    assert!(queries.join().await, "an answer was wrong");
}

async fn ask_absurd_queries(world: World) {
    for sql in [
        format!("SELECT {}1", "(".repeat(10_000)),
        format!("SELECT {}1", "1+".repeat(20_000)),
        format!("SELECT {}1", "NOT ".repeat(20_000)),
        format!("SELECT a FROM m WHERE {} a = 1", "a = 1 OR ".repeat(10_000)),
        format!("SELECT 1{}", "::int".repeat(20_000)),
        format!("SELECT 1 {}", "UNION ALL SELECT 1 ".repeat(5_000)),
        format!("SELECT '{}'", "x".repeat(1_000_000)),
        "SELECT repeat(x, 2000000000) FROM (VALUES ('a'), ('b')) AS t(x) -- and the like of it".to_owned(),
        "SELECT lpad('a', 2000000000), rpad('a', 2000000000) FROM m -- and the like of it".to_owned(),
        format!("SELECT replace('{0}', 'x', '{0}'), regexp_replace('{0}', 'x', '{0}', 'g')", "x".repeat(20_000)),
    ] {
        let error = world.error(&sql).await;
        assert_eq!(error.kind(), SqlErrorKind::Invalid, "{}", &sql[..40]);
    }
    // What is just allowed fits the stack of a thread.
    world.check(&format!("SELECT {}1 AS n", "1+".repeat(290)), "n\n291").await;
    let either = format!("SELECT a FROM m WHERE {} a = 1", "a = 2 OR ".repeat(140));
    world.check(&either, "a\n1.0").await;
}

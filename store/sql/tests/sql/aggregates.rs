//! Aggregates by time, also against a computation by hand from the snapshot.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tidemill_model::payload::SamplesBuilder;
use tidemill_model::{Quality, Series, TimeRange, Value, ValueType, Values};
use tidemill_store_sql::SqlLimits;

use crate::world::World;

const MINUTE_NS: i64 = 60_000_000_000;

fn minutes(count: i64) -> String {
    (0..count).map(|i| format!("m:a{{u=1}} {} {}\n", i * MINUTE_NS / 2, i)).collect()
}

#[tokio::test]
async fn date_bin_groups_by_minute() {
    let world = World::of(&minutes(5)).await;
    let wanted = "
        t,n,avg,min,max
        1970-01-01T00:00:00Z,2,0.5,0.0,1.0
        1970-01-01T00:01:00Z,2,2.5,2.0,3.0
        1970-01-01T00:02:00Z,1,4.0,4.0,4.0
    ";
    for bin in [
        "date_bin(INTERVAL '1 minute', time)",
        "time_bucket(INTERVAL '1 minute', time)",
        "time_bucket('1 minute', time)",
        "date_trunc('minute', time)",
    ] {
        let sql = format!(
            "SELECT {bin} AS t, count(*) AS n, avg(a) AS avg, min(a) AS min, max(a) AS max FROM m GROUP BY 1 ORDER BY 1"
        );
        world.check(&sql, wanted).await;
    }
}

#[tokio::test]
async fn the_usual_aggregates_are_there() {
    let world = World::of(&minutes(5)).await;
    world
        .check(
            "SELECT sum(a) AS sum, var_pop(a) AS var, round(stddev(a), 6) AS dev, median(a) AS med,
                approx_percentile_cont(a, 0.5) AS p, first_value(a ORDER BY time) AS first, last_value(a ORDER BY time) AS last FROM m",
            "sum,var,dev,med,p,first,last\n10.0,2.0,1.581139,2.0,2.0,0.0,4.0",
        )
        .await;
    world.check("SELECT a, a - lag(a) OVER (ORDER BY time) AS d FROM m LIMIT 2", "a,d\n0.0,\n1.0,1.0").await;
}

/// Samples of two machines: minute, step within it, value.
type Samples = Vec<(i64, i64, i64)>;

async fn world_of(samples: &[Samples; 2], memtable_rows_max: usize) -> World {
    let mut world = World::with(memtable_rows_max, SqlLimits::default()).await;
    for (unit, samples) in samples.iter().enumerate() {
        let key = format!("m:a{{u={unit}}}").parse().unwrap();
        let series = Series::new(key, ValueType::Float);
        world.register(series.clone()).await;
        for chunk in samples.chunks(7) {
            let mut builder = SamplesBuilder::new();
            for (minute, step, value) in chunk {
                builder.push(series.id, minute * MINUTE_NS + step, Value::Float(*value as f64), Quality::GOOD);
            }
            world.apply(&mut builder);
        }
    }
    world
}

/// Count and sum per machine and minute, by hand.
fn by_hand(world: &World) -> String {
    let snapshot = world.replica.snapshot();
    let mut bins: BTreeMap<(String, i64), (u32, f64)> = BTreeMap::new();
    for series in snapshot.series() {
        let column = snapshot.scan(series.id, TimeRange::ALL).unwrap();
        let Values::Float(values) = &column.values else { panic!("not floats") };
        for (time, value) in column.times.iter().zip(values) {
            let unit = series.key.label("u").unwrap().to_owned();
            let bin = bins.entry((unit, time.div_euclid(MINUTE_NS))).or_default();
            *bin = (bin.0 + 1, bin.1 + value);
        }
    }
    let line =
        |((unit, minute), (count, sum)): ((String, i64), (u32, f64))| format!("{unit},{minute},{count},{sum:?}\n");
    "u,minute,n,sum\n".to_owned() + &bins.into_iter().map(line).collect::<String>()
}

#[test]
fn sums_per_minute_equal_those_computed_by_hand() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let samples = || prop::collection::vec((-3i64..4, 0..MINUTE_NS, -1000i64..1000), 0..60);
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&([samples(), samples()], 1usize..50), |(samples, rows_max)| {
            runtime.block_on(async {
                let world = world_of(&samples, rows_max).await;
                if samples.iter().all(Vec::is_empty) {
                    return Ok(());
                }
                let sql = "SELECT u, arrow_cast(date_bin(INTERVAL '1 minute', time), 'Int64') / 60000000000 AS minute,
                    count(a) AS n, sum(a) AS sum FROM m GROUP BY 1, 2 ORDER BY 1, 2";
                prop_assert_eq!(world.answer(sql).await, by_hand(&world));
                Ok(())
            })
        })
        .unwrap();
}

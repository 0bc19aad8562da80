//! Aggregations of plugins in queries: what they are given, and what comes back.

use crate::probe::Probes;
use crate::world::World;

/// Six samples of two machines, one of them bad, around the Unix epoch.
const SAMPLES: &str = "
    m:a{u=1} -30000000000 1
    m:a{u=1} 0 2
    m:a{u=1} 59999999999 3
    m:a{u=1} 60000000000 4 2147483648
    m:a{u=2} 10000000000 5
    m:a{u=2} 130000000000 6
    m:b{u=1} 7 8i
    m:c{u=1} 7 true
";

async fn world(samples: &str) -> World {
    let mut world = World::of(samples).await;
    world.probe(Probes::named(&["pro-be"]));
    world
}

#[tokio::test]
async fn the_bins_of_the_group_by_are_the_windows() {
    let world = world(SAMPLES).await;
    let wanted = "
        u,rows,start,end
        1,1.0,-60000000000.0,0.0
        1,2.0,0.0,60000000000.0
        1,1.0,60000000000.0,120000000000.0
        2,1.0,0.0,60000000000.0
        2,1.0,120000000000.0,180000000000.0
    ";
    for bin in [
        "date_bin(INTERVAL '1 minute', time)",
        "date_bin('1 minute', time, '1970-01-01T00:00:00Z')",
        "date_bin('60 seconds', time, TIMESTAMP '2000-01-01 00:00:00')",
        "time_bucket('1 minute', time)",
        "date_trunc('minute', time)",
    ] {
        let sql = format!(
            "SELECT u, pro_be_rows(time, a) AS rows, pro_be_start(time, a) AS start, pro_be_end(time, a) AS end
             FROM m WHERE a > 0 GROUP BY u, {bin} ORDER BY u, start"
        );
        world.check(&sql, wanted).await;
    }
}

#[tokio::test]
async fn the_shortest_bin_is_the_window_and_an_origin_moves_it() {
    let world = world("m:a 0 1").await;
    let select = "SELECT pro_be_start(time, a) AS s, pro_be_end(time, a) AS e FROM m GROUP BY";
    world
        .check(&format!("{select} date_trunc('hour', time), date_bin('1 second', time)"), "s,e\n0.0,1000000000.0")
        .await;
    let origin = "date_bin('10 seconds', time, '1970-01-01T00:00:03Z')";
    world.check(&format!("{select} {origin}"), "s,e\n-7000000000.0,3000000000.0").await;
    world.check(&format!("{select} date_trunc('week', time)"), "s,e\n-259200000000000.0,345600000000000.0").await;
}

#[tokio::test]
async fn without_bins_a_window_is_from_the_first_row_to_behind_the_last() {
    let world = world(SAMPLES).await;
    let select = "SELECT pro_be_start(time, a) AS s, pro_be_end(time, a) AS e FROM m WHERE u = '2'";
    let wanted = "s,e\n10000000000.0,130000000001.0";
    world.check(select, wanted).await;
    world.check(&format!("{select} GROUP BY u"), wanted).await;
    world.check(&format!("{select} GROUP BY date_trunc('month', time)"), wanted).await;
}

#[tokio::test]
async fn all_outputs_come_as_a_struct_and_one_as_a_number() {
    let world = world(SAMPLES).await;
    let sql = "SELECT get_field(p, 'rows') AS rows, get_field(p, 'sum') AS sum
               FROM (SELECT pro_be(time, a) AS p FROM m WHERE a > 0 GROUP BY u ORDER BY u)";
    world.check(sql, "rows,sum\n4.0,10.0\n2.0,11.0").await;
    world.check("SELECT pro_be_sum(time, b) AS b, pro_be_sum(time, c) AS c FROM m", "b,c\n8.0,1.0").await;
    let both = "SELECT avg(a) AS avg, pro_be_sum(time, a) / pro_be_rows(time, a) AS mean FROM m";
    world.check(both, "avg,mean\n3.5,3.5").await;
}

#[tokio::test]
async fn quality_and_parameters_reach_the_plugin() {
    let world = world(SAMPLES).await;
    let sql = "SELECT u, pro_be_bad(time, a) AS none, pro_be_bad(time, a, quality) AS bad,
                      pro_be_sum(time, a, '{\"by\": 10}') AS ten, pro_be_sum(time, a, quality, '{\"by\": 2}') AS two
               FROM m WHERE a > 0 GROUP BY u ORDER BY u";
    world.check(sql, "u,none,bad,ten,two\n1,0.0,1.0,100.0,20.0\n2,0.0,0.0,110.0,22.0").await;
    world
        .check("SELECT pro_be_bad(time, a, 7) AS bad, pro_be_bad(time, a, NULL) AS none FROM m", "bad,none\n6.0,0.0")
        .await;
}

#[tokio::test]
async fn rows_without_a_value_are_no_rows_and_groups_without_rows_have_no_answer() {
    let world = world(SAMPLES).await;
    let sql = "SELECT u, pro_be_rows(time, b) AS b, pro_be_rows(time, a) FILTER (WHERE a > 2) AS a
               FROM m GROUP BY u ORDER BY u";
    world.check(sql, "u,b,a\n1,1.0,2.0\n2,,2.0").await;
    world
        .check("SELECT pro_be_rows(time, a) AS n, pro_be(time, a) IS NULL AS no FROM m WHERE a > 9", "n,no\n,true")
        .await;
    // The probe answers NaN for -1.
    world.check("SELECT pro_be_sum(time, -1) AS s, pro_be_rows(time, -1) AS n FROM m WHERE b = 8", "s,n\n,1.0").await;
}

#[tokio::test]
async fn rows_come_by_time_whatever_the_order_of_the_query() {
    let world = world(SAMPLES).await;
    let sql = "SELECT pro_be_unsorted(time, a) AS unsorted, pro_be_rows(time, a) AS rows
               FROM (SELECT time, a FROM m WHERE a > 0 ORDER BY time DESC LIMIT 5)";
    world.check(sql, "unsorted,rows\n0.0,5.0").await;
}

#[tokio::test]
async fn functions_appear_and_disappear_with_their_plugins() {
    let mut world = World::of(SAMPLES).await;
    let probes = Probes::named(&[]);
    world.probe(probes.clone());
    let sql = "SELECT late_rows(time, a) AS n FROM m WHERE u = '2'";
    assert!(world.error(sql).await.to_string().contains("late_rows"), "there is no such function yet");
    probes.names.lock().unwrap().push("late".to_owned());
    world.check(sql, "n\n2.0").await;
    let listed = "SELECT routine_name AS name, description FROM information_schema.routines
                  WHERE routine_name IN ('late', 'late_rows') ORDER BY 1";
    world
        .check(
            listed,
            "name,description\nlate,all outputs of plugin late 1.0\nlate_rows,output rows of plugin late 1.0",
        )
        .await;
    probes.names.lock().unwrap().clear();
    world.error(sql).await;
}

#[tokio::test]
async fn a_function_of_the_engine_keeps_its_name() {
    let mut world = World::of(SAMPLES).await;
    world.probe(Probes::named(&["sum"]));
    world
        .check(
            "SELECT sum(a) AS s, plugin_sum(time, a) IS NULL AS no, sum_rows(time, a) AS n FROM m",
            "s,no,n\n21.0,false,6.0",
        )
        .await;
}

#[tokio::test]
async fn a_query_runs_a_bounded_number_of_plugins_at_once() {
    let world = world(SAMPLES).await;
    let calls = |count: i32| {
        let calls = (1..=count).map(|n| format!("pro_be_rows(time, a + {n})"));
        format!("SELECT {} FROM m", calls.collect::<Vec<_>>().join(", "))
    };
    assert!(!world.answer(&calls(16)).await.is_empty());
    let error = world.error(&calls(17)).await.to_string();
    assert!(error.contains("16 calls of plugins at the same time"), "{error}");
}

//! What a query does not read: the plan tells what the scan is left with, the answer that it was right.

use crate::world::World;

const STATION: &str = "
    turbine:power{site=n,unit=T1} 10 1
    turbine:power{site=n,unit=T1} 20 2
    turbine:power{site=n,unit=T2} 20 3
    turbine:power{site=s,unit=T3} 30 4
    turbine:power{unit=X} 40 5
    turbine:flow{site=n,unit=T1} 20 6
    turbine:flow{site=s,unit=T3} 30 7
    pond:level 10 8
";

async fn check(world: &World, sql: &str, scan: &str, answer: &str) {
    assert_eq!(world.scan_of(sql).await, scan, "{sql}");
    world.check(sql, answer).await;
}

#[tokio::test]
async fn conditions_on_labels_choose_series_before_reading() {
    let world = World::of(STATION).await;
    let scan = |groups, series| format!("Scan: table=turbine, groups={groups}, series={series}, columns=[power]");
    for (condition, groups, answer) in [
        ("unit = 'T1'", 1, "1.0\n2.0"),
        ("'T2' = unit", 1, "3.0"),
        ("unit IN ('T1', 'T3')", 2, "1.0\n2.0\n4.0"),
        ("unit IN ('T1', 'T2', 'T3', 'T4', 'T5')", 3, "1.0\n2.0\n3.0\n4.0"),
        ("unit = 'T1' OR unit = 'T3'", 2, "1.0\n2.0\n4.0"),
        ("unit = 'T1' OR site = 's'", 2, "1.0\n2.0\n4.0"),
        ("site = 'n' AND unit <> 'T1'", 1, "3.0"),
        ("unit LIKE 'T%' AND site = 's'", 1, "4.0"),
        ("site IS NULL", 1, "5.0"),
        ("site <> 'n'", 1, "4.0"),
        ("unit = 'none'", 0, ""),
    ] {
        let sql = format!("SELECT power FROM turbine WHERE {condition}");
        check(&world, &sql, &scan(groups, groups), &format!("power\n{answer}")).await;
    }
}

#[tokio::test]
async fn only_named_fields_are_read() {
    let world = World::of(STATION).await;
    let scan = "Scan: table=turbine, groups=2, series=2, columns=[flow]";
    check(&world, "SELECT sum(flow) AS s FROM turbine", scan, "s\n13.0").await;
    let scan = "Scan: table=turbine, groups=4, series=6, columns=[]";
    check(&world, "SELECT count(*) AS n FROM turbine", scan, "n\n5").await;
}

#[tokio::test]
async fn conditions_on_time_bound_the_scan() {
    let world = World::of(STATION).await;
    let at = |ns: u32| format!("'1970-01-01T00:00:00.0000000{ns:02}Z'");
    for (condition, bounds, answer) in [
        (format!("time >= {} AND time < {}", at(20), at(40)), ", from=20, before=40", 3),
        (format!("time > {}", at(20)), ", from=21", 2),
        (format!("time <= {}", at(20)), ", before=21", 3),
        (format!("time = {}", at(40)), ", from=40, before=41", 1),
        (format!("{} < time", at(30)), ", from=31", 1),
        (format!("time BETWEEN {} AND {}", at(20), at(30)), ", from=20, before=31", 3),
        (format!("time >= {}::timestamp AND unit = 'T1'", at(11)), ", from=11", 1),
        ("time >= to_timestamp(0) + INTERVAL '1 second'".to_owned(), ", from=1000000000", 0),
        (format!("time > {} AND time < {}", at(30), at(20)), "", 0),
    ] {
        let sql = format!("SELECT count(power) AS n FROM turbine WHERE {condition}");
        if !bounds.is_empty() {
            assert!(world.scan_of(&sql).await.ends_with(bounds), "{sql}: {}", world.scan_of(&sql).await);
        }
        world.check(&sql, &format!("n\n{answer}")).await;
    }
}

#[tokio::test]
async fn other_conditions_are_decided_on_rows() {
    let world = World::of(STATION).await;
    let at20 = "'1970-01-01T00:00:00.000000020Z'";
    world.check(&format!("SELECT power FROM turbine WHERE time <> {at20}"), "power\n1.0\n4.0\n5.0").await;
    world.check("SELECT power FROM turbine WHERE power > 2 AND site = 'n'", "power\n3.0").await;
    let both = format!("SELECT power FROM turbine WHERE unit = 'X' OR time = {at20}");
    world.check(&both, "power\n2.0\n3.0\n5.0").await;
}

#[tokio::test]
async fn a_limit_reaches_the_scan() {
    let world = World::of(STATION).await;
    let sql = "SELECT power FROM turbine WHERE site = 'n' LIMIT 1";
    assert!(world.scan_of(sql).await.ends_with(", limit=1"));
    world.check(sql, "power\n1.0").await;
    world.check("SELECT power FROM turbine WHERE site = 'n' LIMIT 1 OFFSET 2", "power\n3.0").await;
}

#[tokio::test]
async fn one_machine_by_time_needs_no_sort() {
    let world = World::of(STATION).await;
    let plan = world.answer("EXPLAIN SELECT time, power FROM turbine WHERE unit = 'T1' ORDER BY time").await;
    assert!(!plan.contains("SortExec"), "{plan}");
    let plan = world.answer("EXPLAIN SELECT time, power FROM turbine ORDER BY time").await;
    assert!(plan.contains("SortExec"), "{plan}");
}

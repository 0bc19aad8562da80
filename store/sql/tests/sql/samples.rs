//! The tables `samples` and `series`.

use crate::world::World;

const DATA: &str = "
    turbine:power{unit=T1} 10 1.5
    turbine:power{unit=T1} 20 2.5 7
    turbine:state{unit=T1} 10 \"run\"
    pond:level 10 3i
    gate:open 10 true
";

#[tokio::test]
async fn samples_has_a_row_per_sample() {
    let world = World::of(DATA).await;
    world
        .check(
            "SELECT arrow_cast(time, 'Int64') AS t, series, measurement, field, value, text, quality FROM samples",
            "
            t,series,measurement,field,value,text,quality
            10,gate:open,gate,open,1.0,,0
            10,pond:level,pond,level,3.0,,0
            10,turbine:power{unit=T1},turbine,power,1.5,,0
            20,turbine:power{unit=T1},turbine,power,2.5,,7
            10,turbine:state{unit=T1},turbine,state,,run,0
            ",
        )
        .await;
    world.check("SELECT count(*) AS n, count(value) AS v FROM samples", "n,v\n5,4").await;
}

#[tokio::test]
async fn samples_reads_only_the_series_that_are_asked_for() {
    let world = World::of(DATA).await;
    for (condition, series, rows) in [
        ("measurement = 'turbine'", 2, 3),
        ("measurement IN ('pond', 'gate', 'pond')", 2, 2),
        ("measurement = 'turbine' AND field = 'power'", 1, 2),
        ("series = 'turbine:power{unit=T1}'", 1, 2),
        ("series LIKE 'turbine:%'", 2, 3),
        ("field = 'level'", 1, 1),
        ("measurement = 'none'", 0, 0),
    ] {
        let sql = format!("SELECT count(*) AS n FROM samples WHERE {condition}");
        let scan = format!("Scan: table=samples, groups={series}, series={series}, columns=[]");
        assert_eq!(world.scan_of(&sql).await, scan, "{sql}");
        world.check(&sql, &format!("n\n{rows}")).await;
    }
}

#[tokio::test]
async fn series_has_a_row_per_series() {
    let world = World::of(DATA).await;
    world
        .check(
            "SELECT * FROM series WHERE measurement <> 'gate'",
            "
            series,measurement,field,type,labels
            pond:level,pond,level,integer,
            turbine:power{unit=T1},turbine,power,float,{unit=T1}
            turbine:state{unit=T1},turbine,state,string,{unit=T1}
            "
            .replace("integer,\n", "integer,\"\"\n")
            .as_str(),
        )
        .await;
}

#[tokio::test]
async fn series_joins_samples() {
    let world = World::of(DATA).await;
    let sql = "SELECT s.type, count(*) AS n FROM samples JOIN series s USING (series) GROUP BY 1 ORDER BY 1";
    world.check(sql, "type,n\nboolean,1\nfloat,2\ninteger,1\nstring,1").await;
}

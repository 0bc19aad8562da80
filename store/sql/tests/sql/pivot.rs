//! A measurement as a table: label sets and times make rows, fields make columns.

use crate::world::World;

const STATION: &str = "
    turbine:power{unit=T1} 10 1.5
    turbine:power{unit=T1} 20 2.5
    turbine:flow{unit=T1} 20 7.25
    turbine:flow{unit=T1} 30 8.25
    turbine:power{unit=T2,site=north} 15 9
    turbine:state{unit=T2,site=north} 15 \"run\"
    pond:level 10 3i
";

#[tokio::test]
async fn fields_of_one_label_set_and_time_make_one_row() {
    let world = World::of(STATION).await;
    world
        .check(
            "SELECT * FROM turbine",
            "
            time,site,unit,flow,power,state,quality
            1970-01-01T00:00:00.000000015Z,north,T2,,9.0,run,0
            1970-01-01T00:00:00.000000010Z,,T1,,1.5,,0
            1970-01-01T00:00:00.000000020Z,,T1,7.25,2.5,,0
            1970-01-01T00:00:00.000000030Z,,T1,8.25,,,0
            ",
        )
        .await;
    world.check("SELECT level FROM pond", "level\n3").await;
    world.check("SELECT count(*) AS n FROM turbine", "n\n4").await;
}

#[tokio::test]
async fn a_row_is_there_when_a_named_field_has_a_value() {
    let world = World::of(STATION).await;
    world.check("SELECT power FROM turbine WHERE unit = 'T1'", "power\n1.5\n2.5").await;
    world.check("SELECT flow, power FROM turbine WHERE unit = 'T1'", "flow,power\n,1.5\n7.25,2.5\n8.25,").await;
    world.check("SELECT count(power) AS n FROM turbine", "n\n3").await;
}

#[tokio::test]
async fn quality_is_the_worst_of_the_named_fields() {
    let world = World::of(
        "
        m:a 10 1 5
        m:b 10 2 9
        m:a 20 1
        m:b 20 2 2147483648
        m:a 30 3
        ",
    )
    .await;
    world.check("SELECT a, b, quality FROM m", "a,b,quality\n1.0,2.0,9\n1.0,2.0,2147483648\n3.0,,0").await;
    world.check("SELECT a, quality FROM m", "a,quality\n1.0,5\n1.0,0\n3.0,0").await;
    world.check("SELECT quality FROM m", "quality\n9\n2147483648\n0").await;
    world.check("SELECT a FROM m WHERE quality = 0", "a\n1.0\n3.0").await;
}

#[tokio::test]
async fn a_field_with_several_types_is_widened() {
    let world = World::of(
        "
        m:n{u=1} 10 7i
        m:n{u=2} 10 0.5
        m:n{u=3} 10 18446744073709551615u
        m:s{u=1} 10 true
        m:s{u=2} 10 0.25
        m:b{u=1} 10 true
        m:i{u=1} 10 -9223372036854775808i
        m:u{u=1} 10 18446744073709551615u
        ",
    )
    .await;
    world.check("SELECT n FROM m", "n\n7.0\n0.5\n1.8446744073709552e19").await;
    world.check("SELECT s FROM m", "s\ntrue\n0.25").await;
    world
        .check(
            "SELECT b, i, u_field FROM m WHERE u = '1'",
            "b,i,u_field\ntrue,-9223372036854775808,18446744073709551615",
        )
        .await;
    world
        .check(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'm' ORDER BY ordinal_position",
            "
            column_name,data_type
            time,\"Timestamp(ns, \"\"UTC\"\")\"
            u,Utf8
            b,Boolean
            i,Int64
            n,Float64
            s,Utf8
            u_field,UInt64
            quality,UInt32
            ",
        )
        .await;
}

#[tokio::test]
async fn rows_of_many_groups_and_batches_keep_their_order() {
    let mut world = World::new().await;
    let mut lines = String::new();
    for unit in [2, 1] {
        for i in 0..9000 {
            lines += &format!("m:a{{u={unit}}} {} {}i\n", i * 2, i);
        }
        for i in 0..100 {
            lines += &format!("m:b{{u={unit}}} {} {}i\n", i * 180 + 1, i);
        }
    }
    world.write(&lines).await;
    let answer = world.answer("SELECT u, arrow_cast(time, 'Int64') AS t, a, b FROM m").await;
    let mut wanted = Vec::new();
    for unit in 1..=2 {
        let mut rows: Vec<(i64, String)> = (0..9000).map(|i| (i * 2, format!("{i},"))).collect();
        rows.extend((0..100).map(|i| (i * 180 + 1, format!(",{i}"))));
        rows.sort();
        wanted.extend(rows.into_iter().map(|(time, cells)| format!("{unit},{time},{cells}")));
    }
    let rows: Vec<&str> = answer.lines().skip(1).collect();
    assert_eq!(rows, wanted);
}

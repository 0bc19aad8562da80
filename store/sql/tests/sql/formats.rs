//! The bytes of the three formats.

use crate::world::World;

async fn check(format: &str, sql: &str, wanted: &str) {
    let world = World::of(
        "
        m:f{u=a\\,b} 1795435200123456789 0.1
        m:i{u=a\\,b} 1795435200123456789 9007199254740993i
        m:s{u=a\\,b} 1795435200123456789 \"say\\\"hi\\\"
        m:t{u=a\\,b} 1795435200123456789 true
        m:f{u=a\\,b} 1795435201000000000 NaN
        m:f{u=a\\,b} 1795435202000000000 -inf
        m:f{u=a\\,b} 1795435203000000000 1e300
        m:s{u=a\\,b} 1795435203000000000 \"\"
        ",
    )
    .await;
    assert_eq!(world.encoded(format, sql).await.unwrap(), wanted, "{format}");
}

#[tokio::test]
async fn json() {
    let wanted = r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"u","type":"string"},{"name":"f","type":"float"},{"name":"i","type":"integer"},{"name":"s","type":"string"},{"name":"t","type":"boolean"},{"name":"quality","type":"unsigned"}],"rows":[
["2026-11-23T12:00:00.123456789Z","a,b",0.1,9007199254740993,"say\\\"hi\\",true,0],
["2026-11-23T12:00:01Z","a,b",null,null,null,null,0],
["2026-11-23T12:00:02Z","a,b",null,null,null,null,0],
["2026-11-23T12:00:03Z","a,b",1e300,null,"",null,0]
]}
"#;
    check("json", "SELECT * FROM m", wanted).await;
    let empty = "{\"columns\":[{\"name\":\"f\",\"type\":\"float\"}],\"rows\":[\n]}\n";
    check("json", "SELECT f FROM m WHERE u = 'none'", empty).await;
}

#[tokio::test]
async fn ndjson() {
    let wanted =
        concat!("{\"u\":\"a,b\",\"f\":0.1,\"s\":\"say\\\\\\\"hi\\\\\"}\n", "{\"u\":\"a,b\",\"f\":null,\"s\":null}\n",);
    check("ndjson", "SELECT u, f, s FROM m LIMIT 2", wanted).await;
    check("ndjson", "SELECT a.t, b.t FROM m a JOIN m b USING (time) WHERE a.t", "{\"t\":true,\"t_2\":true}\n").await;
}

#[tokio::test]
async fn csv() {
    let wanted = concat!(
        "time,u,f,i,s,t,quality\r\n",
        "2026-11-23T12:00:00.123456789Z,\"a,b\",0.1,9007199254740993,\"say\\\"\"hi\\\",true,0\r\n",
        "2026-11-23T12:00:01Z,\"a,b\",NaN,,,,0\r\n",
        "2026-11-23T12:00:02Z,\"a,b\",-Infinity,,,,0\r\n",
        "2026-11-23T12:00:03Z,\"a,b\",1e300,,\"\",,0\r\n",
    );
    check("csv", "SELECT * FROM m", wanted).await;
}

#[tokio::test]
async fn other_types_are_shown_too() {
    let sql = "SELECT DATE '2026-11-23' AS d, INTERVAL '90 minutes' AS i, NULL AS n, 1.5::decimal(5,2) AS x, -0.0 AS z";
    let wanted = "{\"d\":\"2026-11-23\",\"i\":\"1 hours 30 mins\",\"n\":null,\"x\":1.50,\"z\":-0.0}\n";
    check("ndjson", sql, wanted).await;
}

//! Writing: what is stored, what is refused, and how that is said.

use std::io::Write;

use serde_json::json;
use tempfile::tempdir;
use tidemill_server::NodeConfig;

use crate::world::World;

#[test]
fn a_write_is_readable_at_its_receipt_on_every_replica() {
    let dir = tempdir().unwrap();
    let world = World::with(NodeConfig { partitions: 3, ..NodeConfig::new(dir.path()) });
    let lines: String = (0..200).map(|i| format!("pump,id=p{} pressure={i}.5,on=t {i}\n", i % 7)).collect();
    let reply = world.write(&lines);
    assert_eq!(reply.status, 204, "{reply:?}");
    for replica in ["r1", "r2"] {
        assert_eq!(world.count(reply.position(), replica), 400);
    }
    let series = world.get("/api/v1/series?select=pump:pressure%7Bid=p3%7D").json();
    assert_eq!(series["series"][0]["series"], "pump:pressure{id=p3}");
    assert_eq!(series["series"][0]["last"], json!({"time": "199", "value": 199.5, "quality": 0}));
    world.stop();
}

#[test]
fn bad_lines_are_named_and_good_ones_are_stored() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    let reply = world.write("m,a=1 v=1 1\nm,a= v=2 2\nm,a=1 v=oops 3\nm,a=1 v=4,_quality=2147483648u 4\n");
    assert_eq!(reply.status, 400);
    let lines = reply.json()["lines"].clone();
    assert_eq!(
        (&lines[0]["line"], &lines[0]["column"], &lines[0]["text"]),
        (&json!(2), &json!(5), &json!("m,a= v=2 2"))
    );
    assert_eq!((&lines[1]["line"], &lines[1]["column"]), (&json!(3), &json!(9)));
    assert_eq!(world.count(reply.position(), "r1"), 2);
    assert_eq!(world.get("/api/v1/series").json()["series"][0]["last"]["quality"], 2_147_483_648_u32);
    assert_eq!(world.write("m v=\"open").status, 400);
    world.stop();
}

#[test]
fn a_clash_of_types_names_both_and_costs_only_its_lines() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    assert_eq!(world.write("m v=1 1").status, 204);
    let check = |lines: &str, line: u64, total: u64| {
        let reply = world.write(lines);
        assert_eq!(reply.status, 400, "{reply:?}");
        let errors = reply.json()["lines"].clone();
        let reason = errors[0]["reason"].as_str().unwrap();
        assert!(reason.contains("float") && reason.contains("integer"), "{reason}");
        assert_eq!((errors.as_array().unwrap().len(), errors[0]["line"].as_u64()), (1, Some(line)));
        assert_eq!(world.count(reply.position(), "r1"), total);
    };
    check("m v=2 2\nm v=3i 3\nm v=4 4", 2, 3);
    check("new v=2 2\nnew v=3i 3\nnew v=4 4", 2, 5);
    world.stop();
}

#[test]
fn the_later_line_wins_even_when_its_tags_come_in_another_order() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    let reply = world.write("m,a=1,b=2 v=1 5\nm,b=2,a=1 v=2 5\nm,a=1,b=2 v=3 5\nm,b=2,a=1 v=4 5");
    assert_eq!(reply.status, 204);
    assert_eq!(world.count(reply.position(), "r1"), 1);
    assert_eq!(world.get("/api/v1/series").json()["series"][0]["last"]["value"], 4.0);
    world.stop();
}

#[test]
fn bodies_are_unpacked_up_to_the_limit_only() {
    let dir = tempdir().unwrap();
    let world = World::with(NodeConfig { body_bytes_max: 100_000, ..NodeConfig::new(dir.path()) });
    let pack = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let gzip = [("Content-Encoding", "gzip")];
    assert_eq!(world.post("/api/v2/write", &gzip, &pack(b"m v=1 1")).status, 204);
    assert_eq!(world.post("/api/v2/write", &gzip, &pack(&vec![b'\n'; 50_000_000])).status, 413, "a bomb");
    assert_eq!(world.post("/api/v2/write", &gzip, b"m v=1 1").status, 400);
    assert_eq!(world.post("/api/v2/write", &[("Content-Encoding", "br")], b"m v=1 1").status, 400);
    assert_eq!(world.post("/api/v2/write?precision=weeks", &[], b"m v=1 1").status, 400);
    world.stop();
}

#[test]
fn a_repeated_sequence_changes_nothing_also_after_a_restart() {
    let dir = tempdir().unwrap();
    let mut world = World::start(dir.path());
    let write = |world: &World, sequence: &str, epoch: &str, lines: &str| {
        let headers = [("Tidemill-Producer", "agent"), ("Tidemill-Sequence", sequence), ("Tidemill-Epoch", epoch)];
        world.post("/write", &headers, lines.as_bytes())
    };
    assert!(!write(&world, "1", "0", "m v=1 1").is_duplicate);
    for _ in 0..2 {
        let again = write(&world, "1", "0", "m v=9 9");
        assert_eq!((again.status, again.is_duplicate), (204, true));
        assert_eq!(world.count(again.position(), "r2"), 1);
        world.stop();
        world = World::start(dir.path());
        world.wait_for("the ledger", |_| world.get("/readyz").status == 200);
    }
    assert!(!write(&world, "2", "1", "m v=2 2").is_duplicate);
    assert_eq!(write(&world, "3", "0", "m v=3 3").status, 409, "an old epoch is fenced");
    assert_eq!(world.post("/write", &[("Tidemill-Producer", "agent")], b"m v=1 1").status, 400);
    world.stop();
}

#[test]
fn applied_acknowledgements_mean_readable() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    let reply = world.post("/api/v2/write", &[("Tidemill-Ack", "applied:2")], b"m v=1 1");
    assert_eq!(reply.status, 204, "{reply:?}");
    for replica in ["r1", "r2"] {
        let query = "/api/v1/sql?q=SELECT%20count(*)%20AS%20n%20FROM%20samples&format=csv";
        let answer = world.get(&format!("{query}&replica={replica}&at_least={}", reply.position()));
        assert_eq!((answer.status, answer.body.as_str()), (200, "n\r\n1\r\n"));
    }
    assert_eq!(world.post("/api/v2/write", &[("Tidemill-Ack", "applied:3")], b"m v=2 2").status, 400);
    assert_eq!(world.get("/api/v1/status").json()["ingest"]["lines"], 1, "nothing is written by a refused request");
    world.stop();
}

#[test]
fn influx_clients_get_the_answers_they_wait_for() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let made = world.post("/query", &form, b"q=CREATE+DATABASE+%22telegraf%22");
    assert_eq!((made.status, made.json()), (200, json!({"results": [{"statement_id": 0}]})));
    assert_eq!(world.get("/ping").status, 204);
    assert_eq!(world.get("/health").json()["status"], "pass");
    let refused = world.post("/write?db=x&precision=s", &[], b"m v=nan 1");
    assert!(refused.json()["error"].as_str().unwrap().contains("partial write"), "{refused:?}");
    assert_eq!(world.get("/nowhere").json()["code"], "not found");
    assert!(world.get("/metrics").body.contains("tidemill_ingest_rejected_lines_total 1"));
    assert_eq!(world.get("/").status, 200);
    world.stop();
}

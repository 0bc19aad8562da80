//! Subscriptions: every sample once, in order, across reconnects.

use std::collections::BTreeMap;

use tempfile::tempdir;

use crate::world::{Event, World};

/// Samples that events have told, by series and time: how often, and the last value.
#[derive(Default)]
struct Told(BTreeMap<(String, i64), (usize, f64)>);

impl Told {
    fn add(&mut self, event: &Event) {
        for series in event.data["series"].as_array().unwrap() {
            let t0: i64 = series["t0"].as_str().unwrap().parse().unwrap();
            let pairs = series["dt"].as_array().unwrap().iter().zip(series["values"].as_array().unwrap());
            for (dt, value) in pairs {
                let key = (series["key"].as_str().unwrap().to_owned(), t0 + dt.as_i64().unwrap());
                let told = self.0.entry(key).or_default();
                *told = (told.0 + 1, value.as_f64().unwrap());
            }
        }
    }
}

#[test]
fn a_snapshot_its_tail_and_a_resume_tell_every_sample_once() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    let batch =
        |n: i64| (0..20).map(|i| format!("m,id=s{} v={} {}\n", i % 5, n * 100 + i, n * 100 + i)).collect::<String>();
    let first = world.write(&batch(0));
    world.count(first.position(), "r1");
    world.count(first.position(), "r2");
    let (mut told, mut resume, mut snapshots) = (Told::default(), String::new(), 0);
    let events = world.live("series=m&from=snapshot", &[]);
    for n in 1..4 {
        assert_eq!(world.write(&batch(n)).status, 204);
    }
    for event in events {
        match event.name.as_str() {
            "snapshot" => snapshots += event.data["series"].as_array().unwrap().len(),
            "samples" => told.add(&event),
            other => assert_eq!(other, "heartbeat"),
        }
        resume = event.id.unwrap();
        if told.0.len() >= 25 {
            break;
        }
    }
    assert_eq!(snapshots, 5, "one last value per series");
    let last_id = [("Last-Event-ID", resume.as_str())];
    assert_eq!(world.write(&batch(4)).status, 204);
    for event in world.live("series=m&from=snapshot", &last_id) {
        match event.name.as_str() {
            "samples" => told.add(&event),
            other => assert_eq!(other, "heartbeat"),
        }
        if told.0.contains_key(&("m:v{id=s4}".to_owned(), 419)) {
            break;
        }
    }
    assert_eq!(told.0.len(), 80, "everything after the snapshot");
    assert!(told.0.values().all(|(count, _)| *count == 1), "once");
    world.stop();
}

#[test]
fn repetitions_and_foreign_series_are_not_told_and_deletes_are() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    world.write("m v=1 1\nother v=1 1");
    world.write("m v=2 2");
    let deleted = world.post("/api/v1/delete", &[], br#"{"select": "m", "start": 0, "end": "2"}"#);
    assert_eq!(deleted.json()["series"], 1, "{deleted:?}");
    let mut names = Vec::new();
    for event in world.live("series=m&from=earliest", &[]) {
        names.push(event.name.clone());
        if event.name == "delete" {
            assert_eq!(event.data["series"][0], "m:v");
            break;
        }
        if event.name == "samples" {
            assert_eq!(event.data["series"].as_array().unwrap().len(), 1);
        }
    }
    names.retain(|name| name != "heartbeat");
    assert_eq!(names, ["samples", "samples", "delete"]);
    assert_eq!(world.count(deleted.position(), "r1"), 2);
    world.stop();
}

#[test]
fn positions_that_cannot_be_resumed_are_refused() {
    let dir = tempdir().unwrap();
    let world = World::start(dir.path());
    let position = world.write("m v=1 1").position().to_owned();
    let ahead = format!("{}-{:016x}", position.split_once('-').unwrap().0, 1_u64 << 50);
    let foreign = position.replace(&position[..16], "0123456789abcdef");
    for (from, status) in [("nonsense", 400), (ahead.as_str(), 409), (foreign.as_str(), 409)] {
        assert_eq!(world.get(&format!("/api/v1/live?from={from}")).status, status, "{from}");
    }
    assert_eq!(world.get("/api/v1/live?series=:").status, 400);
    assert_eq!(world.get(&format!("/api/v1/sql?q=SELECT%201&at_least={ahead}")).status, 503);
    world.stop();
}

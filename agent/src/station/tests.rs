//! Behaviour of the whole station: determinism, counts, incidents.

use std::collections::HashMap;
use std::time::Duration;

use super::*;

const START_NS: i64 = 1_760_000_000_000_000_000;

fn station(change: impl FnOnce(&mut StationConfig)) -> Station {
    let mut config = StationConfig { start_ns: START_NS, ..StationConfig::default() };
    change(&mut config);
    Station::new(config).unwrap()
}

fn quiet(config: &mut StationConfig) {
    config.incidents = Incidents::default();
}

fn run_ticks(station: &mut Station, count: usize, out: &mut Vec<u8>) {
    for _ in 0..count {
        station.next_tick(out);
    }
}

/// (head, fields, time) of every line, in order of delivery.
fn lines(bytes: &[u8]) -> Vec<(&str, &str, i64)> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| {
            let (rest, time) = line.rsplit_once(' ').unwrap();
            let (head, fields) = rest.split_once(' ').unwrap();
            (head, fields, time.parse().unwrap())
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    let run = |seed| {
        let mut station = station(|config| {
            config.seed = seed;
            config.incidents = Incidents::demo();
        });
        let mut out = Vec::new();
        run_ticks(&mut station, 400, &mut out);
        out
    };
    assert!(run(5) == run(5));
    assert!(run(5) != run(6));
}

#[test]
fn the_first_tick_reports_every_series_once() {
    let mut station = station(quiet);
    let mut out = Vec::new();
    let tick = station.next_tick(&mut out);
    let mut series = HashMap::new();
    for (head, fields, time_ns) in lines(&out) {
        assert!((tick.time_ns..=tick.time_ns + 40_000_000).contains(&time_ns) && time_ns % 1_000_000 == 0);
        for field in fields.split(',') {
            *series.entry((head, field.split_once('=').unwrap().0)).or_insert(0) += 1;
        }
    }
    assert_eq!(station.series_count(), 500);
    assert_eq!(series.len(), station.series_count());
    assert!(series.values().all(|count| *count == 1));
    assert_eq!((tick.samples as usize, tick.lines as usize), (500, lines(&out).len()));
}

#[test]
fn units_start_soon_after_the_first_tick() {
    let mut station = station(quiet);
    let mut out = Vec::new();
    run_ticks(&mut station, 1_200, &mut out);
    assert!(station.plant.units.iter().all(unit::Unit::is_running), "{:?}", station.plant.mode);
    assert!(station.plant.power_mw() > 50.0);
}

#[test]
fn an_outage_delivers_every_line_exactly_once_and_in_order() {
    let outage = Recurring {
        first_after: Duration::from_secs(20),
        lasts: Duration::from_secs(60),
        every: Duration::from_secs(600),
    };
    let mut with_outage =
        station(|config| config.incidents = Incidents { network: Some(outage), ..Incidents::default() });
    let mut without = station(quiet);
    let (mut out, mut expected) = (Vec::new(), Vec::new());
    let (mut late, mut fewest) = (0, u32::MAX);
    for _ in 0..200 {
        let tick = with_outage.next_tick(&mut out);
        without.next_tick(&mut expected);
        late += tick.late_samples;
        fewest = fewest.min(tick.lines);
    }
    assert_eq!(fewest, 32 - 4, "four units are silent");
    assert!(late >= 60 * 4 * 18, "{late} late samples");
    let (got, expected) = (lines(&out), lines(&expected));
    let (mut got_sorted, mut expected_sorted) = (got.clone(), expected);
    got_sorted.sort_unstable();
    expected_sorted.sort_unstable();
    assert!(got_sorted == expected_sorted, "the same lines, none lost, none twice");
    let mut newest: HashMap<&str, i64> = HashMap::new();
    for (head, _, time_ns) in got {
        assert!(newest.insert(head, time_ns).is_none_or(|before| before < time_ns), "{head} goes back in time");
    }
}

#[test]
fn a_failing_sensor_turns_bad_then_silent_then_comes_back() {
    let failure = Recurring {
        first_after: Duration::from_secs(10),
        lasts: Duration::from_secs(30),
        every: Duration::from_secs(100),
    };
    let mut station = station(|config| config.incidents = Incidents { sensor: Some(failure), ..Incidents::default() });
    let mut bad = 0;
    let mut counts = Vec::new();
    for _ in 0..50 {
        let mut out = Vec::new();
        let tick = station.next_tick(&mut out);
        let is_bad = lines(&out).iter().any(|(_, fields, _)| fields.ends_with(",_quality=2156658688u"));
        bad += u32::from(is_bad);
        let texts = String::from_utf8(out).unwrap().matches('"').count() as u32 / 2;
        counts.push(tick.samples - texts);
    }
    assert_eq!(bad, 10);
    assert_eq!(counts[5], counts[15], "a bad sensor still reports");
    assert_eq!(counts[25] + 1, counts[5], "then it is silent");
    assert_eq!(counts[45], counts[5], "then it is back");
}

#[test]
fn the_bearing_of_one_unit_develops_a_fault() {
    let bearing = DevelopingFault { first_after: Duration::from_secs(600), grows_over: Duration::from_secs(3_600) };
    let mut faulty = station(|config| config.incidents = Incidents { bearing: Some(bearing), ..Incidents::default() });
    let mut healthy = station(quiet);
    let mut out = Vec::new();
    for _ in 0..6_000 {
        out.clear();
        faulty.next_tick(&mut out);
        healthy.next_tick(&mut out);
    }
    let warmer = |(a, b): (&unit::Unit, &unit::Unit)| a.bearing_c - b.bearing_c > 10.0;
    assert_eq!(faulty.plant.units.iter().zip(&healthy.plant.units).filter(|pair| warmer(*pair)).count(), 1);
}

#[test]
fn a_fast_plant_stays_within_its_bounds() {
    let mut station = station(|config| {
        quiet(config);
        config.speed = 600.0;
    });
    let mut out = Vec::new();
    for _ in 0..2_000 {
        out.clear();
        station.next_tick(&mut out);
        assert!((0.0..14.0).contains(&station.plant.basin_m));
        assert!(station.plant.power_mw() <= 250.0);
    }
}

#[test]
fn senseless_configurations_are_refused_with_a_reason() {
    let check = |change: fn(&mut StationConfig), part: &str| {
        let mut config = StationConfig::default();
        change(&mut config);
        let text = Station::new(config).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    check(|config| config.units = 0, "1 to 10000 units");
    check(|config| config.step = Duration::ZERO, "1 µs");
    check(|config| config.speed = f64::NAN, "0.001");
    let endless =
        Recurring { first_after: Duration::ZERO, lasts: Duration::from_secs(9), every: Duration::from_secs(9) };
    assert!(!endless.is_valid());
    check(
        |config| {
            let nine = Duration::from_secs(9);
            config.incidents.network = Some(Recurring { first_after: nine, lasts: nine, every: nine });
        },
        "at most half",
    );
}

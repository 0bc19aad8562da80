//! Signals whose spectrum is known. `tests/reference.rs` has the definition, summed term by term.

use super::*;
use std::f64::consts::TAU;
use tidemill_sdk::testing::AggregationHarness;

const BAND1: usize = 0;
const BAND2: usize = 1;

/// `count` rows at `rate` Hz.
fn rows(count: usize, rate: f64, value: impl Fn(f64) -> f64) -> Vec<Row> {
    let row = |k: usize| {
        let time_s = k as f64 / rate;
        Row::good(0, 0, Time((time_s * 1e9).round() as i64), value(time_s))
    };
    (0..count).map(row).collect()
}

fn spectrum(params: &str, rows: &[Row]) -> Vec<f64> {
    let end = Time::from_seconds(1_000_000);
    AggregationHarness::<FftBand>::new(params).expect("valid parameters").window(Time(0), end, rows)
}

fn near(got: f64, expected: f64, relative: f64) {
    assert!((got - expected).abs() <= relative * expected.abs(), "{got}, expected {expected}");
}

#[test]
fn a_sine_gives_half_its_squared_amplitude_to_its_band() {
    // 10 Hz and 30 Hz, amplitudes 3 and 2, for one second at 100 Hz.
    let given = rows(100, 100.0, |t| 3.0 * (TAU * 10.0 * t).sin() + 2.0 * (TAU * 30.0 * t).cos() + 7.0);
    for window in ["none", "hann"] {
        let out = spectrum(&format!(r#"{{"bands": "0-20;20-50;50-60;60-70", "window": "{window}"}}"#), &given);
        near(out[BAND1], 4.5, 1e-12);
        near(out[BAND2], 2.0, 1e-12);
        assert!((0.0..1e-20).contains(&out[2]), "50 Hz is the last bin, and nothing is in it");
        assert!(out[3].is_nan() && out[7].is_nan(), "above half of the rate, and not named");
        near(out[TOTAL], 6.5, 1e-12);
        assert_eq!((out[RATE], out[RESAMPLED]), (100.0, 0.0));
    }
}

#[test]
fn a_sine_between_bins_stays_in_its_band_with_hann() {
    let given = rows(1000, 100.0, |t| 3.0 * (TAU * 10.0471 * t).sin());
    let out = spectrum(r#"{"bands": "9.5-10.5;11-50"}"#, &given);
    near(out[BAND1], 4.5, 2e-3);
    assert!(out[BAND2] < 1e-5, "{}", out[BAND2]);
    let leaking = spectrum(r#"{"bands": "9.5-10.5;11-50", "window": "none"}"#, &given);
    assert!(leaking[BAND2] > 1e-3, "{}", leaking[BAND2]);
}

#[test]
fn the_mean_is_the_power_of_frequency_0_if_it_stays() {
    let given = rows(64, 8.0, |t| 5.0 + (TAU * t).sin());
    let out = spectrum(r#"{"bands": "0-0.125;0.125-4", "window": "none", "remove_mean": false}"#, &given);
    near(out[BAND1], 25.0, 1e-13);
    near(out[BAND2], 0.5, 1e-12);
    assert!(spectrum(r#"{"bands": "0-0.125", "window": "none"}"#, &given)[BAND1] < 1e-28);
}

/// Parseval, for lengths of every kind: without weights the total is the variance.
#[test]
fn the_total_is_the_variance_and_touching_bands_add_up_to_it() {
    for count in [8, 9, 64, 97, 100, 255, 256, 1009, 2048] {
        let mut state = count as u64;
        let given: Vec<Row> = (0..count as i64)
            .map(|second| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                Row::good(0, 0, Time::from_seconds(second), (state >> 40) as f64 / 1e6)
            })
            .collect();
        let n = count as f64;
        let mean = given.iter().map(|row| row.value).sum::<f64>() / n;
        let variance = given.iter().map(|row| (row.value - mean) * (row.value - mean)).sum::<f64>() / n;
        let out = spectrum(r#"{"bands": "0-0.1;0.1-0.25;0.25-1", "window": "none"}"#, &given);
        near(out[TOTAL], variance, 1e-12);
        near(out[..3].iter().sum(), variance, 1e-12);

        let weighted = |(k, row): (usize, &Row)| {
            let weight = 0.5 - 0.5 * (TAU * k as f64 / n).cos();
            (weight * weight * (row.value - mean) * (row.value - mean), weight * weight)
        };
        let sums = given.iter().enumerate().map(weighted).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        near(spectrum(r#"{"bands": "0-1"}"#, &given)[TOTAL], sums.0 / sums.1, 1e-12);
    }
}

#[test]
fn rows_that_are_lost_bad_or_no_number_are_resampled_and_the_rate_stays() {
    let slow = |t: f64| 2.0 * (TAU * t).sin();
    let mut given = rows(1000, 100.0, slow);
    given[300].quality = Quality::BAD;
    given[301].value = f64::NAN;
    given[700].value = f64::INFINITY;
    given.remove(500);
    let out = spectrum(r#"{"bands": "0.5-1.5"}"#, &given);
    near(out[BAND1], 2.0, 1e-4);
    near(out[RATE], 100.0, 1e-9);
    assert_eq!(out[RESAMPLED], 1.0);
}

#[test]
fn jitter_within_the_tolerance_is_taken_as_even() {
    let mut given = rows(100, 10.0, |t| (TAU * t).sin());
    given[50].time = given[50].time.plus_nanos(4_000_000);
    assert_eq!(spectrum(r#"{"bands": "0-5"}"#, &given)[RESAMPLED], 0.0);
    assert_eq!(spectrum(r#"{"bands": "0-5", "tolerance": 0.03}"#, &given)[RESAMPLED], 1.0);
}

#[test]
fn too_few_rows_have_no_values() {
    for count in [0, 1, 2, 7] {
        assert!(spectrum(r#"{"bands": "0-5"}"#, &rows(count, 10.0, |t| t)).iter().all(|value| value.is_nan()));
    }
    assert!(spectrum(r#"{"bands": "0-5"}"#, &rows(8, 10.0, |t| t))[TOTAL] > 0.0);
}

#[test]
fn nothing_is_carried_from_one_window_to_the_next() {
    let mut harness = AggregationHarness::<FftBand>::new(r#"{"bands": "0-2;2-5"}"#).expect("valid parameters");
    let end = Time::from_seconds(1000);
    let given = rows(100, 10.0, |t| (t * t).sin());
    let first = harness.window(Time(0), end, &given);
    harness.window(Time(0), end, &rows(37, 3.0, |t| t.cos() * 1e6));
    harness.window(Time(0), end, &[]);
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&harness.window(Time(0), end, &given)), bits(&first));
}

#[test]
fn wrong_parameters_are_refused() {
    let text = |params: &str| AggregationHarness::<FftBand>::new(params).err().expect("wrong parameters").text;
    assert_eq!(text("{}"), "parameter `bands` is missing; give a string");
    for entry in ["10", "10-5", "5-5", "-1-5", "a-b", "0-inf"] {
        assert_eq!(
            text(&format!(r#"{{"bands": "{entry}"}}"#)),
            format!(
                "parameter `bands` has `{entry}`; write a band as two ascending frequencies in Hz, as in `0-10;10-100`"
            )
        );
    }
    assert_eq!(text(r#"{"bands": ""}"#), "parameter `bands` has 0 bands, but must have 1 to 8, as in `0-10;10-100`");
    assert_eq!(
        text(r#"{"bands": "0-1", "window": "hamming"}"#),
        "parameter `window` is \"hamming\", but must be `hann` or `none`"
    );
    assert_eq!(text(r#"{"bands": "0-1", "tolerance": 1}"#), "parameter `tolerance` is 1, but must be from 0 to 0.5");
}

//! Bands against the transform's definition, summed term by term: see `plugins/check/fft_band.py`.

use tidemill_plugin_fft_band::FftBand;
use tidemill_sdk::prelude::*;
use tidemill_sdk::testing::AggregationHarness;

/// Powers are within rounding of the whole, so a bound is a share of it; it is in `total`, the ninth output.
const BOUND: f64 = 1e-13;
const TOTAL: usize = 8;

/// Lines as in `plugins/check/cases.py`, but `window,start_ns,end_ns` begins a window and `out` has a value per output
/// port.
#[test]
fn bands_are_those_of_the_definition() {
    let (mut params, mut window, mut rows, mut windows) = ("{}", (Time(0), Time(0)), Vec::new(), 0);
    for line in include_str!("reference.csv").lines().filter(|line| !line.starts_with('#')) {
        let (kind, rest) = line.split_once(',').expect("a line has a kind");
        let fields: Vec<&str> = rest.split(',').collect();
        match kind {
            "case" => params = rest,
            "window" => (window, rows) = ((Time(number(fields[0])), Time(number(fields[1]))), Vec::new()),
            "in" => rows.push(Row {
                quality: Quality(number(fields[4])),
                ..Row::good(number(fields[0]), number(fields[1]), Time(number(fields[2])), number(fields[3]))
            }),
            "out" => {
                let expected: Vec<f64> = fields.iter().map(|field| number(field)).collect();
                let mut harness = AggregationHarness::<FftBand>::new(params).expect("valid parameters");
                compare(params, &harness.window(window.0, window.1, &rows), &expected);
                windows += 1;
            }
            other => panic!("`{other}` is no kind of line"),
        }
    }
    assert!(windows > 5, "{windows} windows");
}

fn compare(params: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (port, (got, expected_value)) in got.iter().zip(expected).enumerate() {
        let scale = if port <= TOTAL { expected[TOTAL] } else { *expected_value };
        let is_near = (got - expected_value).abs() <= BOUND * scale || (got.is_nan() && expected_value.is_nan());
        assert!(is_near, "{params}: output {port} is {got}, expected {expected_value}");
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a number")
}

//! Values, units, joining and refusals. `tests/reference.rs` has the brute force.

use super::*;
use tidemill_sdk::testing::Harness;

fn at(second: i64, port: u32, value: f64) -> Row {
    Row::good(0, port, Time::from_seconds(second), value)
}

fn params(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries.iter().map(|(key, value)| format!("\"{key}\": \"{value}\"")).collect();
    format!("{{{}}}", entries.join(", "))
}

/// The value for inputs a, b, c … of one time.
fn value(entries: &[(&str, &str)], inputs: &[f64]) -> f64 {
    let rows: Vec<Row> = (0..).zip(inputs).map(|(port, value)| at(1, port, *value)).collect();
    let emitted = Harness::<Formula>::new(&params(entries)).and_then(|mut formula| formula.process(&rows));
    emitted.expect("valid parameters").first().expect("a result").value
}

fn plain(expression: &str, inputs: &[f64]) -> f64 {
    value(&[("expression", expression)], inputs)
}

fn refusal(entries: &[(&str, &str)]) -> String {
    Harness::<Formula>::new(&params(entries)).err().expect("wrong parameters").text
}

#[test]
fn operators_have_their_usual_rank() {
    assert_eq!(plain("a + 2 * 3 ^ 2 ^ 1 - 4 / 8", &[1.0]), 18.5);
    assert_eq!(plain("-a ^ 2", &[3.0]), -9.0);
    assert_eq!(plain("2 ^ -a", &[2.0]), 0.25);
    assert_eq!(plain("10 - a - 3", &[2.0]), 5.0);
    assert_eq!(plain("16 / a / 2", &[4.0]), 2.0);
    assert_eq!(plain("(a + 1) * 1.5e1", &[1.0]), 30.0);
    assert_eq!(plain("a^3", &[-1.5]), -3.375);
    assert_eq!(plain("a^-2", &[4.0]), 0.0625);
}

#[test]
fn functions_and_comparisons() {
    assert_eq!(plain("if(a >= 2, 10, 20)", &[2.0]), 10.0);
    assert_eq!(plain("if(a != 2, 10, sqrt(0 - a))", &[3.0]), 10.0, "the branch not taken does not matter");
    assert_eq!(plain("min(a, b, 3) + max(a, b)", &[5.0, 4.0]), 8.0);
    assert_eq!(plain("clamp(a, -1, 1)", &[7.0]), 1.0);
    assert_eq!(plain("abs(a) + sqrt(b)", &[-2.0, 9.0]), 5.0);
    assert_eq!(plain("ln(exp(a))", &[2.0]), 2.0);
    assert_eq!(plain("(a < b) + (a == b) + (a <= b) + (a > b)", &[1.0, 1.0]), 2.0);
    assert_eq!(plain("a * pi", &[2.0]), std::f64::consts::TAU);
}

#[test]
fn units_convert_and_results_come_in_the_unit_asked_for() {
    // 2 bar · 36 m³/h = 200,000 Pa · 0.01 m³/s = 2 kW.
    let pump = [("expression", "a * b"), ("units", "a=bar;b=m3/h"), ("unit", "kW")];
    assert!((value(&pump, &[2.0, 36.0]) - 2.0).abs() < 1e-15);
    let named = [("expression", "p * q"), ("names", "a=p; b=q"), ("units", "p=bar;q=m3/h"), ("unit", "kW")];
    assert_eq!(value(&named, &[2.0, 36.0]), value(&pump, &[2.0, 36.0]));
    let warmer = [("expression", "a - b"), ("units", "a=°C;b=°C"), ("unit", "K")];
    assert!((value(&warmer, &[80.0, 20.0]) - 60.0).abs() < 1e-12);
    let limited = [("expression", "min(a, 60[°C])"), ("units", "a=°F"), ("unit", "°C")];
    assert!((value(&limited, &[212.0]) - 60.0).abs() < 1e-12);
    let speed = [("expression", "sqrt(2 * a / 1000[kg/m3])"), ("units", "a=bar"), ("unit", "m/s")];
    assert!((value(&speed, &[0.02]) - 2.0).abs() < 1e-15);
    let share = [("expression", "a / b"), ("units", "a=kW;b=MW"), ("unit", "%")];
    assert!((value(&share, &[250.0, 1.0]) - 25.0).abs() < 1e-13);
}

#[test]
fn what_does_not_fit_is_refused_when_it_is_deployed() {
    let units = ("units", "a=bar;b=m3/h");
    assert_eq!(
        refusal(&[("expression", "a + b"), units]),
        "parameter `expression` `+` puts together m-1*kg*s-2 and m3*s-1; give numbers their unit, as in 0[bar]"
    );
    assert_eq!(
        refusal(&[("expression", "a * b"), units, ("unit", "kWh")]),
        "parameter `unit` is of dimension m2*kg*s-2, but the expression gives m2*kg*s-3"
    );
    for (expression, reason) in [
        ("exp(a)", "`exp` puts together"),
        ("a > 0", "a comparison puts together"),
        ("if(a, 1, 2)", "the condition of `if` puts together"),
        ("if(a > b, 1, 2)", "a comparison puts together"),
        ("a ^ c", "needs a constant exponent"),
        ("a ^ 0.123", "cannot have the exponent 0.123"),
        ("2 ^ a", "the exponent of `^` puts together"),
        ("max(a, 1[bar], b)", "`max` puts together"),
    ] {
        let text = refusal(&[("expression", expression), units]);
        assert!(text.contains(reason), "{expression}: {text}");
    }
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    for (expression, reason) in [
        ("", "ends where a number, an input or a function was expected"),
        ("a +", "ends where a number, an input or a function was expected"),
        ("a b", "at `b`: an operator was expected"),
        ("x + 1", "at `x + 1`: this is no input and no function"),
        ("min(a)", "`min` takes 2 to 16 arguments, not 1"),
        ("if(a, 1)", "`if` takes 3 arguments, not 2"),
        ("(a", "ends early: `)` was expected"),
        ("1.2.3 * a", "at `1.2.3 * a`: this is no number"),
        ("a * 2[bar", "at `bar`: the unit does not end with `]`"),
        ("a * 2[foo]", "unit `foo`: `foo` is not known"),
        ("a $ 2", "at `$ 2`: an operator was expected"),
        ("1 + 2", "reads no input; use one of a … h"),
    ] {
        assert_eq!(refusal(&[("expression", expression)]), format!("parameter `expression` {reason}"));
    }
    let deep = format!("{}a{}", "(".repeat(200), ")".repeat(200));
    assert!(refusal(&[("expression", &deep)]).ends_with("is nested deeper than 64 levels"));
    let long = vec!["a"; 100].join("+");
    assert!(refusal(&[("expression", &long)]).ends_with("is nested deeper than 64 levels"));
}

#[test]
fn wrong_names_and_units_are_refused() {
    let text = |key: &'static str, value: &'static str| refusal(&[("expression", "a"), (key, value)]);
    assert_eq!(text("names", "z=x"), "parameter `names` has `z`, which is none of a … h");
    assert_eq!(text("names", "a=min"), "parameter `names` has `min`, which means something else already");
    assert_eq!(text("names", "a=x;b=x"), "parameter `names` has `x`, which means something else already");
    assert_eq!(text("names", "a=x;a=y"), "parameter `names` has `a` twice");
    assert!(text("names", "a=2x").starts_with("parameter `names` has `2x`; a name is letters"));
    assert_eq!(text("units", "flow=m"), "parameter `units` has `flow`, which is no input and no name");
    let twice = refusal(&[("expression", "a"), ("names", "a=p"), ("units", "a=bar;p=bar")]);
    assert_eq!(twice, "parameter `units` has input `a` twice, by port and by name");
    assert_eq!(text("units", "bar"), "parameter `units` has `bar`; write it as in `a=bar;b=m3/h`");
    assert_eq!(text("units", "a=foo"), "parameter `units` has unit `foo`: `foo` is not known");
    assert_eq!(text("unit", "m/"), "parameter `unit` has unit `m/`: a name of a unit is missing");
}

fn results(max_age_s: u32, batches: &[&[Row]]) -> Vec<(i64, f64)> {
    let params = format!(r#"{{"expression": "a + b", "max_age_s": {max_age_s}}}"#);
    let mut formula = Harness::<Formula>::new(&params).expect("valid parameters");
    let emitted = batches.iter().flat_map(|rows| formula.process(rows).expect("no problem"));
    emitted.map(|row| (row.time.0 / 1_000_000_000, row.value)).collect()
}

#[test]
fn rows_of_the_same_time_meet_whatever_batch_they_come_in() {
    assert_eq!(
        results(0, &[&[at(1, 0, 1.0), at(2, 0, 2.0), at(1, 1, 10.0)], &[at(2, 1, 20.0)]]),
        [(1, 11.0), (2, 22.0)]
    );
}

#[test]
fn a_value_holds_until_it_is_too_old() {
    let rows = [at(1, 1, 10.0), at(3, 0, 1.0), at(6, 0, 2.0), at(7, 0, 3.0), at(8, 1, 20.0)];
    assert_eq!(results(5, &[&rows]), [(3, 11.0), (6, 12.0), (8, 23.0)]);
}

#[test]
fn a_late_row_revises_what_depends_on_it() {
    let first = [at(1, 1, 10.0), at(3, 0, 1.0), at(6, 0, 2.0), at(8, 0, 3.0), at(9, 1, 50.0)];
    let got = results(9, &[&first, &[at(4, 1, 20.0)]]);
    assert_eq!(got[4..], [(4, 21.0), (6, 22.0), (8, 23.0)], "not 3, and not from 9 on");
    assert_eq!(results(9, &[&first, &[at(3, 0, 5.0)]])[4..], [(3, 15.0)], "the row was written again");
}

#[test]
fn the_quality_is_the_worst_and_what_is_no_number_is_bad() {
    let uncertain = Row { quality: Quality::UNCERTAIN, ..at(1, 1, 0.0) };
    let mut formula = Harness::<Formula>::new(r#"{"expression": "a / b"}"#).expect("valid parameters");
    let mut last = |rows: &[Row]| formula.process(rows).expect("no problem").last().map(|row| (row.value, row.quality));
    assert!(last(&[at(1, 0, 1.0), uncertain]).is_some_and(|(value, quality)| value.is_nan() && quality.is_bad()));
    assert_eq!(last(&[Row { value: 4.0, ..uncertain }]), Some((0.25, Quality::UNCERTAIN)));
    let bad = Row { quality: Quality(0x8001_0000), ..at(1, 0, 2.0) };
    assert_eq!(last(&[bad]), Some((0.5, bad.quality)));
    assert!(
        last(&[at(2, 0, f64::NAN), at(2, 1, 1.0)]).is_some_and(|(value, quality)| value.is_nan() && quality.is_bad())
    );
}

#[test]
fn nan_takes_no_branch() {
    for expression in ["if(a > 1, 5, 6)", "min(a, 1)", "max(1, a)", "clamp(a, 0, 1)", "a == a", "clamp(1, a, 2)"] {
        assert!(plain(expression, &[f64::NAN]).is_nan(), "{expression}");
    }
}

#[test]
fn inputs_that_are_not_read_and_other_groups_do_not_matter() {
    let other = Row { group: 1, ..at(1, 1, 5.0) };
    assert_eq!(results(5, &[&[at(1, 7, 9.0), at(1, 0, 1.0), other]]), []);
}

#[test]
fn what_the_watermark_has_passed_is_forgotten() {
    let mut formula = Harness::<Formula>::new(r#"{"expression": "a + b", "max_age_s": 5}"#).expect("valid parameters");
    formula.process(&[at(1, 0, 1.0), at(6, 0, 2.0)]).expect("no problem");
    assert_eq!(formula.advance(Time::from_seconds(10)).expect("no problem"), []);
    let got = formula.process(&[at(3, 1, 10.0), at(10, 1, 20.0)]).expect("no problem");
    let got: Vec<(i64, f64)> = got.iter().map(|row| (row.time.0 / 1_000_000_000, row.value)).collect();
    assert_eq!(got, [(6, 12.0), (10, 22.0)], "the row of second 1 is gone, that of second 6 is not");
}

//! The line-protocol parser against InfluxDB's own, and against hostile bytes.

#![expect(clippy::unwrap_used, reason = "what fails a test may panic in its helpers too")]

use influxdb_line_protocol::{FieldValue as Theirs, parse_lines};
use proptest::prelude::*;
use tidemill_model::ValueType;
use tidemill_server::ingest::line_protocol::{FieldValue, LineError, Parser, field_key, series, unescape_text};
use tidemill_server::ingest::precision::Precision;

/// A line in one canonical text, or its error.
type Read = Result<String, LineError>;

fn ours(body: &[u8]) -> Vec<Read> {
    let mut parser = Parser::new(body, Precision::NS);
    let mut out = Vec::new();
    while let Some(line) = parser.next_line() {
        out.push(line.map(|line| {
            let name = series(line.series).map_err(|p| p.reason.to_string());
            let fields: Vec<_> = line.fields.iter().map(|f| (field_key(f.key), show(f.value))).collect();
            match name {
                Ok(name) if fields.iter().all(|(key, value)| key.is_ok() && value.is_some()) => {
                    let fields: Vec<_> = fields.into_iter().map(|(k, v)| (k.unwrap(), v.unwrap())).collect();
                    format!("{:?} {:?} {fields:?} {:?}", name.measurement, name.labels, line.time)
                }
                _ => "refused when resolved".to_owned(),
            }
        }));
    }
    out
}

fn show(value: FieldValue<'_>) -> Option<String> {
    Some(match value {
        FieldValue::Bits(ValueType::Float, bits) => format!("f{:?}", f64::from_bits(bits)),
        FieldValue::Bits(ValueType::Int, bits) => format!("i{}", bits as i64),
        FieldValue::Bits(ValueType::Uint, bits) => format!("u{bits}"),
        FieldValue::Bits(_, bits) => format!("b{}", bits == 1),
        FieldValue::Text(raw) => format!("s{:?}", unescape_text(raw).ok()?),
    })
}

fn theirs(body: &str) -> Vec<Result<String, String>> {
    let show = |value: &Theirs<'_>| match value {
        Theirs::F64(v) => format!("f{v:?}"),
        Theirs::I64(v) => format!("i{v}"),
        Theirs::U64(v) => format!("u{v}"),
        Theirs::Boolean(v) => format!("b{v}"),
        Theirs::String(v) => format!("s{:?}", v.as_str()),
    };
    let text = |line: influxdb_line_protocol::ParsedLine<'_>| {
        let tags = line.series.tag_set.unwrap_or_default();
        let labels: Vec<_> = tags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let fields: Vec<_> = line.field_set.iter().map(|(k, v)| (k.to_string(), show(v))).collect();
        format!("{:?} {labels:?} {fields:?} {:?}", line.series.measurement.as_str(), line.timestamp)
    };
    parse_lines(body).map(|line| line.map(text).map_err(|e| e.to_string())).collect()
}

fn agree(body: &str) {
    let ours: Vec<_> = ours(body.as_bytes()).into_iter().map(|line| line.map_err(|e| e.reason)).collect();
    assert_eq!(ours, theirs(body), "{body:?}");
}

#[test]
fn well_formed_lines_read_as_influx_reads_them() {
    agree("cpu value=1");
    agree("cpu,host=a,region=eu-west usage=0.5,count=3i,total=18446744073709551615u,ok=true,name=\"x y\" -17");
    agree("# comment\n\ncpu v=1 1\n  \n  cpu v=2 2\n#end");
    agree(r#"a\,b\ c,k\=1=v\,2,k\ 2=v\=3 f\,\=\ 1="say \"hi\" \\ \n" 5"#);
    agree("m s=\"two\nlines, a=1 2\",t=T,f=F 9\nm v=2");
    agree("m a=-1.5e-7,b=1E5,c=123456789012345678901234567890,d=0.1,e=179769313486231570000 1");
    agree("m a=9223372036854775807i,b=-9223372036854775808i -9223372036854775808");
    agree(r"m\a,t\x=v\y f\z=1");
    agree("größe,ort=köln höhe=1.25 1");
    agree("m   v=1   7   ");
}

#[test]
fn every_refusal_says_line_column_and_reason() {
    let check = |body: &str, line, column, reason: &str| {
        let errors: Vec<_> = ours(body.as_bytes()).into_iter().filter_map(Result::err).collect();
        let error = errors.first().unwrap_or_else(|| panic!("{body:?} is accepted"));
        assert_eq!((errors.len(), error.line, error.column), (1, line, column), "{body:?}: {error:?}");
        assert!(error.reason.contains(reason), "{body:?}: {}", error.reason);
    };
    check("m v=1\nm,a=b\nm v=2", 2, 6, "before its fields");
    check("m v=NaN", 1, 5, "not a finite number");
    check("m v=-inf", 1, 5, "without digits");
    check("m v=1e400", 1, 5, "too large");
    check("m v=9223372036854775808i", 1, 5, "out of range");
    check("m v=-1u", 1, 5, "negative");
    check("m v=18446744073709551616u", 1, 5, "out of range");
    check("m v=1 9223372036854775807", 1, 7, "timestamp is out of range");
    check("m v=1 99999999999999999999", 1, 7, "out of range");
    check("m v=\"open\nm v=1", 1, 5, "not closed");
    check("m v=1 noon", 1, 7, "expected an integer timestamp");
    check("m v=1x", 1, 6, "expected a comma");
    check("m v=1,", 1, 7, "expected a field key");
    check("m v", 1, 4, "expected = ");
    check("m =1", 1, 3, "expected a field key");
    check("m _quality=1u 5", 1, 3, "besides _quality");
    check("m v=1,_quality=4294967296u", 1, 16, "status code");
    check("m v=maybe", 1, 5, "string in quotes");
    check("m v=1 5 6", 1, 9, "end of the line");
    check("m v=\"a\nb\"x,s=\"c\nd\" 1\nm v=2", 1, 10, "expected a comma");
}

#[test]
fn names_are_refused_with_their_place() {
    let check = |raw: &str, at, reason: &str| {
        let problem = series(raw.as_bytes()).unwrap_err();
        assert_eq!(problem.at, at, "{raw:?}: {problem:?}");
        assert!(problem.reason.contains(reason), "{raw:?}: {}", problem.reason);
    };
    check("m,a=1,a=2", 6, "comes twice");
    check("m,a=", 4, "tag value is empty");
    check("m,=1", 2, "tag key is empty");
    check(",a=1", 0, "measurement is empty");
    check("m,a", 3, "expected =");
    check("m,a=b=c", 5, "must be escaped");
    check("m,a=b\\", 4, "backslash");
    check("m,a=b\tc", 5, "white space");
    assert!(series(b"m,a=\xff").is_err());
}

#[test]
fn carriage_returns_and_qualities_are_understood() {
    let mut parser =
        Parser::new(b"m v=1,_quality=2147483648u 5\r\n\r\nm v=2,_quality=7i\r\n", Precision::from_name("ms").unwrap());
    let first = parser.next_line().unwrap().unwrap();
    assert_eq!((first.time, first.quality.0, first.fields.len()), (Some(5_000_000), 0x8000_0000, 1));
    let second = parser.next_line().unwrap().unwrap();
    assert_eq!((second.time, second.quality.0, second.number), (None, 7, 3));
    assert!(parser.next_line().is_none());
}

#[test]
fn precisions_scale_and_truncate() {
    let check = |name: &str, unit: i64| {
        let precision = Precision::from_name(name).unwrap();
        assert_eq!(precision.to_ns(3), Some(3 * unit), "{name}");
        assert_eq!(precision.truncate(7 * unit + unit / 2), 7 * unit, "{name}");
        assert_eq!(precision.truncate(-1), -unit, "{name}");
    };
    for (name, unit) in [("ns", 1), ("n", 1), ("us", 1_000), ("u", 1_000), ("µ", 1_000), ("ms", 1_000_000)] {
        check(name, unit);
    }
    for (name, unit) in [("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)] {
        check(name, unit);
    }
    assert_eq!(Precision::from_name("fortnight"), None);
    assert_eq!(Precision::NS.to_ns(i64::MAX), None);
}

/// Text out of the characters that mean something.
fn hostile() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        "[a-z0-9]{1,3}",
        Just(",".into()),
        Just("=".into()),
        Just(" ".into()),
        Just("\\".into()),
        Just("\"".into()),
        Just("\n".into()),
        Just("1.5".into()),
        Just("7i".into()),
        Just("8u".into()),
        Just("t".into()),
        Just("-".into()),
        Just("e5".into()),
        Just("m,a=b v=1 5\n".into()),
        Just("ü".into()),
        Just("#".into()),
        Just("\t".into()),
    ];
    prop::collection::vec(token, 0..24).prop_map(|tokens: Vec<String>| tokens.concat())
}

/// A name with everything that can be escaped, and its escaped form.
fn name() -> impl Strategy<Value = (String, String)> {
    "[a-zß,= \\\\]{0,6}[a-z]".prop_map(|plain| {
        let mut sent = String::new();
        for c in plain.chars() {
            if matches!(c, ',' | '=' | ' ' | '\\') {
                sent.push('\\');
            }
            sent.push(c);
        }
        (plain, sent)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        ours(&body);
    }

    #[test]
    fn a_line_that_is_accepted_reads_as_influx_reads_it(line in hostile()) {
        // One line at a time: after an error the two go on at different places, by intent.
        if let [Ok(read)] = ours(line.as_bytes()).as_slice() {
            let theirs = theirs(line.trim_end_matches(' '));
            // Ours takes `1.` and `.5` and refuses other things at once that theirs refuses never.
            let dots = line.contains(". ") || line.contains(".,") || line.contains("=.") || line.contains(".\n") || line.ends_with('.');
            if read != "refused when resolved" && !dots {
                prop_assert_eq!(theirs, vec![Ok(read.clone())], "{:?}", line);
            }
        }
    }

    #[test]
    fn good_lines_around_a_bad_one_survive(bad in hostile()) {
        let bad = bad.replace('"', "").trim_end_matches('\\').to_owned();
        let body = format!("first v=1 1\n{bad}\nlast v=2 2");
        let lines = ours(body.as_bytes());
        prop_assert_eq!(lines.first().unwrap().as_deref().ok(), Some(r#""first" [] [("v", "f1.0")] Some(1)"#));
        prop_assert_eq!(lines.last().unwrap().as_deref().ok(), Some(r#""last" [] [("v", "f2.0")] Some(2)"#));
    }

    #[test]
    fn escaped_names_round_trip(m in name(), tag in name(), value in name(), field in name(), text in "[ -~\n]{0,12}", time in i64::MIN..i64::MAX) {
        let (m, tag, value, field) = (m, tag, value, field);
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        // `=` is plain in a measurement: its escape would stay.
        let m = (m.0.replace('=', "-"), m.1.replace("\\=", "-"));
        let line = format!("{},{}={} {}=\"{quoted}\" {time}", m.1, tag.1, value.1, field.1);
        let expected = format!("{:?} {:?} {:?} {:?}", m.0, [(tag.0, value.0)], [(field.0, format!("s{text:?}"))], Some(time));
        prop_assert_eq!(ours(line.as_bytes()), vec![Ok(expected)]);
    }

    #[test]
    fn floats_are_the_nearest_doubles(value: f64, digits in "-?[0-9]{1,20}(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?") {
        prop_assume!(value.is_finite());
        for text in [format!("{value:?}"), format!("{value}"), digits] {
            let body = format!("m v={text}");
            let mut parser = Parser::new(body.as_bytes(), Precision::NS);
            let line = parser.next_line().unwrap().unwrap();
            prop_assert_eq!(line.fields[0].value, FieldValue::Bits(ValueType::Float, text.parse::<f64>().unwrap().to_bits()));
        }
    }
}

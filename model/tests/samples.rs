//! The samples payload: what goes in comes out, and any bytes are parsed or refused.

use proptest::prelude::*;
use tidemill_model::payload::{
    DeleteRange, Heartbeat, OperatorDefinition, Quarantined, SamplesBuilder, SamplesView, SeriesDefinition,
};
use tidemill_model::{Quality, SeriesId, Value, ValueType};

type Sample = (u64, i64, Value, u32);

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Uint),
        any::<bool>().prop_map(Value::Bool),
        "\\PC{0,10}".prop_map(Value::Text),
    ]
}

/// Few series and times, so that runs and shared times come up.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let time = prop_oneof![Just(7i64), Just(i64::MIN), 0i64..3, any::<i64>().prop_map(|t| t.min(i64::MAX - 1))];
    let quality = prop_oneof![3 => Just(0u32), 1 => any::<u32>()];
    prop::collection::vec((0u64..3, time, value(), quality), 0..60)
}

fn encode(samples: &[Sample]) -> Vec<u8> {
    let mut builder = SamplesBuilder::new();
    for (series, time, value, quality) in samples {
        builder.push(SeriesId(*series), *time, value.clone(), Quality(*quality));
    }
    assert_eq!(builder.len(), samples.len());
    let limit = builder.encoded_bytes_max();
    let bytes = builder.encode();
    assert!(bytes.len() <= limit, "{} bytes, at most {limit} were promised", bytes.len());
    assert!(builder.is_empty());
    bytes
}

/// A value that can be compared: doubles by their bits.
fn comparable(value: &Value) -> (ValueType, u64, String) {
    let (bits, text) = match value {
        Value::Float(v) => (v.to_bits(), ""),
        Value::Int(v) => (*v as u64, ""),
        Value::Uint(v) => (*v, ""),
        Value::Bool(v) => (u64::from(*v), ""),
        Value::Text(v) => (0, v.as_str()),
    };
    (value.value_type(), bits, text.to_owned())
}

/// Series, time, comparable value and quality.
type Row = (u64, i64, (ValueType, u64, String), u32);

/// The samples of one type in the order in which they went in.
fn of_type(samples: &[Sample], value_type: ValueType) -> Vec<Row> {
    let matching = samples.iter().filter(|s| s.2.value_type() == value_type);
    matching.map(|(series, time, value, quality)| (*series, *time, comparable(value), *quality)).collect()
}

/// Reads every row by every accessor.
fn read(view: &SamplesView<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for column in view.columns() {
        let mut next = 0;
        for run in column.runs() {
            assert_eq!(run.first, next, "runs follow on each other");
            next += run.rows;
            for row in run.first..next {
                let value = comparable(&column.value(row));
                assert_eq!((value.1, value.2.as_str()), (column.bits(row), column.text(row)));
                rows.push((run.series.0, column.time(row), value, column.quality(row).0));
            }
        }
        assert_eq!(next, column.rows(), "runs cover all rows");
    }
    rows
}

proptest! {
    #[test]
    fn samples_round_trip_in_order_per_type(samples in samples()) {
        let bytes = encode(&samples);
        let view = SamplesView::parse(&bytes).expect("what was encoded parses");
        let expected: Vec<_> = ValueType::ALL.into_iter().flat_map(|t| of_type(&samples, t)).collect();
        prop_assert_eq!(view.len(), samples.len());
        prop_assert_eq!(read(&view), expected);
    }

    #[test]
    fn shared_times_and_good_qualities_cost_nothing(values in prop::collection::vec(any::<u64>(), 2..50)) {
        let mut builder = SamplesBuilder::new();
        for (i, bits) in values.iter().enumerate() {
            builder.push_bits(SeriesId(i as u64), ValueType::Float, 99, *bits, Quality::GOOD);
        }
        let bytes = builder.encode();
        prop_assert!(bytes.len() <= values.len() * 16 + 24, "{} bytes", bytes.len());
        let view = SamplesView::parse(&bytes).expect("what was encoded parses");
        prop_assert!(view.columns()[0].all_good());
        prop_assert!((0..values.len()).all(|row| view.columns()[0].time(row) == 99));
    }

    #[test]
    fn a_cut_or_changed_payload_is_parsed_or_refused(samples in samples(), at: prop::sample::Index, byte: u8) {
        let mut bytes = encode(&samples);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            if let Ok(view) = SamplesView::parse(&bytes[..at]) {
                read(&view);
            }
            bytes[at] = byte;
            if let Ok(view) = SamplesView::parse(&bytes) {
                read(&view);
            }
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(view) = SamplesView::parse(&bytes) {
            read(&view);
        }
        let _ = Heartbeat::parse(&bytes);
        let _ = DeleteRange::parse(&bytes);
        let _ = OperatorDefinition::parse(&bytes).map(|o| o.operator_state());
        let _ = Quarantined::parse(&bytes);
        let _ = SeriesDefinition::parse(&bytes).map(SeriesDefinition::series);
    }
}

#[test]
fn the_reserved_time_is_refused() {
    let bytes = encode(&[(1, i64::MAX, Value::Bool(true), 0)]);
    assert!(SamplesView::parse(&bytes).is_err());
}

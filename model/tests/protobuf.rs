//! Both codecs, the hand-written one and `prost`'s, agree with `proto/tidemill.proto` as another implementation reads it.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value as Dynamic};
use tidemill_model::payload::{
    DeleteRange, Heartbeat, Label, OperatorDefinition, OperatorVersion, Quarantined, SamplesBuilder, SamplesView,
    SeriesDefinition,
};
use tidemill_model::{Quality, SeriesId, Value, ValueType};

fn pool() -> DescriptorPool {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["tidemill.proto"], [directory]).expect("the .proto file compiles");
    DescriptorPool::decode(files.encode_to_vec().as_slice()).expect("the descriptors are valid")
}

/// Reads `bytes` by the .proto file; nothing in them may be unknown to it.
fn reflect(name: &str, bytes: &[u8]) -> DynamicMessage {
    let descriptor = pool().get_message_by_name(&format!("tidemill.v1.{name}")).expect("the message exists");
    let message = DynamicMessage::decode(descriptor, bytes).expect("another implementation reads it");
    assert_eq!(message.unknown_fields().count(), 0, "{name} has fields that the .proto file lacks");
    message
}

fn list(message: &DynamicMessage, field: &str) -> Vec<Dynamic> {
    message.get_field_by_name(field).expect("the field exists").as_list().expect("it is a list").to_vec()
}

fn fixed64(values: &[u64]) -> Vec<Dynamic> {
    values.iter().map(|v| Dynamic::U64(*v)).collect()
}

fn sfixed64(values: &[i64]) -> Vec<Dynamic> {
    values.iter().map(|v| Dynamic::I64(*v)).collect()
}

fn fixed32(values: &[u32]) -> Vec<Dynamic> {
    values.iter().map(|v| Dynamic::U32(*v)).collect()
}

/// Two runs of each type, different times, one bad quality.
fn all_types() -> Vec<u8> {
    let values = [
        [Value::Float(1.5), Value::Float(-0.0), Value::Float(f64::INFINITY)],
        [Value::Int(-1), Value::Int(0), Value::Int(i64::MIN)],
        [Value::Uint(1), Value::Uint(0), Value::Uint(u64::MAX)],
        [Value::Bool(true), Value::Bool(false), Value::Bool(true)],
        [Value::Text("a".into()), Value::Text(String::new()), Value::Text("ö".into())],
    ];
    let mut builder = SamplesBuilder::new();
    for of_type in values {
        for (row, value) in of_type.into_iter().enumerate() {
            let quality = if row == 1 { Quality::BAD } else { Quality::GOOD };
            builder.push(SeriesId(10 + row as u64 / 2), -5 + row as i64, value, quality);
        }
    }
    builder.encode()
}

#[test]
fn another_implementation_reads_our_samples() {
    let message = reflect("Samples", &all_types());
    let columns = list(&message, "columns");
    assert_eq!(columns.len(), 5);
    let expected: [(&str, Vec<Dynamic>); 5] = [
        ("floats", [1.5, -0.0, f64::INFINITY].map(Dynamic::F64).to_vec()),
        ("ints", sfixed64(&[-1, 0, i64::MIN])),
        ("uints", fixed64(&[1, 0, u64::MAX])),
        ("bools", [true, false, true].map(Dynamic::Bool).to_vec()),
        ("texts", ["a", "", "ö"].map(|t| Dynamic::String(t.to_owned())).to_vec()),
    ];
    for (column, (field, values)) in columns.iter().zip(expected) {
        let column = column.as_message().expect("a column is a message");
        assert_eq!(list(column, field), values);
        assert_eq!(list(column, "series"), fixed64(&[10, 11]));
        assert_eq!(list(column, "rows"), fixed32(&[2, 1]));
        assert_eq!(list(column, "times"), sfixed64(&[-5, -4, -3]));
        assert_eq!(list(column, "qualities"), fixed32(&[0, Quality::BAD.0, 0]));
    }
}

#[test]
fn we_read_the_samples_of_another_implementation() {
    let ours = all_types();
    let theirs = reflect("Samples", &ours).encode_to_vec();
    let (ours, theirs) = (SamplesView::parse(&ours).expect("ours"), SamplesView::parse(&theirs).expect("theirs"));
    assert_eq!(ours.columns().len(), theirs.columns().len());
    for (a, b) in ours.columns().iter().zip(theirs.columns()) {
        assert_eq!(a.runs().collect::<Vec<_>>(), b.runs().collect::<Vec<_>>());
        assert_eq!((a.value_type(), a.rows()), (b.value_type(), b.rows()));
        for row in 0..a.rows() {
            assert_eq!((a.time(row), a.quality(row), a.value(row)), (b.time(row), b.quality(row), b.value(row)));
        }
    }
}

#[test]
fn every_message_survives_another_implementation() {
    let label = Label { name: "unit".into(), value: "T1".into() };
    let series = SeriesDefinition {
        id: 9,
        measurement: "turbine".into(),
        field: "power".into(),
        labels: vec![label],
        value_type: ValueType::Float as u32,
    };
    let operator = OperatorDefinition {
        name: "o".into(),
        plugin_hash: "ab".into(),
        config: "{}".into(),
        state: 2,
        generation: 3,
        plugin: "rollup".into(),
        start_offsets: vec![1, u64::MAX],
        start_ordinals: vec![0, 7],
        start_journal: 5,
        shadow: true,
        cut_offsets: vec![2, 9],
        previous: vec![1].into(),
        versions: vec![OperatorVersion { generation: 1, plugin_hash: "aa".into(), plugin: "rollup 1".into() }],
        load_from: 1,
    };
    let quarantined = Quarantined {
        follower: "r1".into(),
        topic: "data".into(),
        partition: 1,
        offset: 64,
        reason: "why".into(),
        payload: vec![1, 2].into(),
    };
    let delete = DeleteRange { series: vec![1, u64::MAX], start: i64::MIN, end: 7 };
    let heartbeat = Heartbeat { time: -1 };
    assert_eq!(Heartbeat::parse(&through("Heartbeat", &heartbeat.to_payload(), 1)), Ok(heartbeat));
    assert_eq!(DeleteRange::parse(&through("DeleteRange", &delete.to_payload(), 3)), Ok(delete));
    assert_eq!(SeriesDefinition::parse(&through("SeriesDefinition", &series.to_payload(), 5)), Ok(series));
    assert_eq!(OperatorDefinition::parse(&through("OperatorDefinition", &operator.to_payload(), 14)), Ok(operator));
    assert_eq!(Quarantined::parse(&through("Quarantined", &quarantined.to_payload(), 6)), Ok(quarantined));
}

/// Decodes and encodes again by the .proto file; every one of its `fields` must have been there.
fn through(name: &str, payload: &[u8], fields: usize) -> Vec<u8> {
    let message = reflect(name, payload);
    assert_eq!((message.fields().count(), message.descriptor().fields().count()), (fields, fields), "{name}");
    message.encode_to_vec()
}

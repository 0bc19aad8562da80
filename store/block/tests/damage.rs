//! Whatever happened to a block's bytes: the same samples or an error, never other samples and never a panic.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tidemill_model::{JournalIdentity, SampleColumn, SeriesId, TimeRange, ValueType, Values};
use tidemill_store_block::{Block, BlockError, BlockWriter, PageCache};

const JOURNAL: JournalIdentity = JournalIdentity { id: 5, generation: 2 };

fn columns() -> Vec<SampleColumn> {
    let times: Vec<i64> = (0..24).map(|row| row * 1_000_000_007).collect();
    let texts = (0..24).map(|row| "é".repeat(row % 5)).collect();
    [
        Values::Float((0..24).map(|row| f64::from(row) * 0.25).collect()),
        Values::Int((0..24).map(|row| -row).collect()),
        Values::Uint((0..24).map(|row| u64::MAX - row).collect()),
        Values::Bool((0..24).map(|row| row % 3 == 0).collect()),
        Values::Text(texts),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, values)| {
        let qualities = if i % 2 == 0 { Vec::new() } else { (0..24).map(|row| u32::from(row == 7) << 31).collect() };
        SampleColumn { times: times.clone(), values, qualities }
    })
    .collect()
}

fn write(path: &Path, columns: &[SampleColumn]) {
    let mut writer = BlockWriter::create(path, JOURNAL).unwrap();
    for (id, column) in (1..).zip(columns) {
        writer.push(SeriesId(id), column).unwrap();
    }
    writer.finish().unwrap();
}

fn read(path: &Path, types: &[ValueType]) -> Result<Vec<SampleColumn>, BlockError> {
    let (block, cache) = (Block::open(path, 1)?, PageCache::new(1 << 20));
    block.verify()?;
    (1..).zip(types).map(|(id, value_type)| block.scan(&cache, SeriesId(id), *value_type, TimeRange::ALL)).collect()
}

fn check(path: &Path, bytes: &[u8], what: &str) {
    fs::write(path, bytes).unwrap();
    match read(path, &ValueType::ALL) {
        Err(BlockError::Corrupt { file, .. }) => assert_eq!(file, path, "{what}"),
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what} was not noticed"),
    }
}

#[test]
fn truncations_and_a_flip_in_every_byte_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("block");
    write(&path, &columns());
    assert_eq!(read(&path, &ValueType::ALL).unwrap(), columns());
    let bytes = fs::read(&path).unwrap();
    for cut in (0..bytes.len()).step_by(3) {
        check(&path, &bytes[..cut], &format!("cut at {cut}"));
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        check(&path, &flipped, &format!("bit {} of byte {at}", at % 8));
    }
}

fn some_column() -> impl Strategy<Value = SampleColumn> {
    let row = (any::<u64>(), any::<bool>(), ".{0,9}", prop_oneof![3 => Just(0), 1 => any::<u32>()]);
    let rows = proptest::collection::btree_map(any::<i64>().prop_map(|t| t >> 1), row, 1..200);
    (rows, 0..5usize).prop_map(|(rows, value_type)| {
        let bits = rows.values().map(|row| row.0);
        let values = match ValueType::ALL[value_type] {
            ValueType::Float => Values::Float(bits.map(f64::from_bits).collect()),
            ValueType::Int => Values::Int(bits.map(|bits| bits as i64).collect()),
            ValueType::Uint => Values::Uint(bits.collect()),
            ValueType::Bool => Values::Bool(rows.values().map(|row| row.1).collect()),
            ValueType::Text => Values::Text(rows.values().map(|row| row.2.clone()).collect()),
        };
        let qualities: Vec<u32> = rows.values().map(|row| row.3).collect();
        let qualities = if qualities.iter().all(|quality| *quality == 0) { Vec::new() } else { qualities };
        SampleColumn { times: rows.keys().copied().collect(), values, qualities }
    })
}

/// As text, so that a NaN equals itself and its bits are seen.
fn exact(column: &SampleColumn) -> String {
    match &column.values {
        Values::Float(values) => {
            let bits: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
            format!("{:?} {bits:?} {:?}", column.times, column.qualities)
        }
        values => format!("{:?} {values:?} {:?}", column.times, column.qualities),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_bit_for_bit(columns in proptest::collection::vec(some_column(), 1..6)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("block");
        write(&path, &columns);
        let types: Vec<_> = columns.iter().map(|column| column.values.value_type()).collect();
        for (read, written) in read(&path, &types).unwrap().iter_mut().zip(&columns) {
            tidemill_store_block::column::normalize(read);
            prop_assert_eq!(exact(read), exact(written));
        }
    }

    #[test]
    fn arbitrary_bytes_are_an_error(bytes: Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("block");
        fs::write(&path, bytes).unwrap();
        prop_assert!(Block::open(&path, 1).is_err());
    }
}

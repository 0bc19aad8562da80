//! Sensor data stays small: what a sample costs on disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tidemill_model::{JournalIdentity, SampleColumn, SeriesId, TimeRange, ValueType, Values};
use tidemill_store_block::{Block, BlockWriter, PageCache};

/// A small deterministic generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB) >> 11
    }

    /// About normal, deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next() as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
    }
}

/// A walk of two decimals, once a second, up to 4 ms late.
fn sensor(random: &mut Random, rows: i64) -> SampleColumn {
    let mut value = 50.0 + random.normal() * 20.0;
    let mut times = Vec::new();
    let mut values = Vec::new();
    for row in 0..rows {
        value += random.normal() * 0.4;
        times.push((row * 1_000 + (random.next() % 5) as i64) * 1_000_000);
        values.push((value * 100.0).round() / 100.0);
    }
    SampleColumn { times, values: Values::Float(values), qualities: Vec::new() }
}

#[test]
fn a_sensor_sample_takes_less_than_two_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("block");
    let mut random = Random(1);
    let columns: Vec<_> = (0..1_000).map(|_| sensor(&mut random, 600)).collect();
    let mut writer = BlockWriter::create(&path, JournalIdentity { id: 1, generation: 1 }).unwrap();
    for (id, column) in (1..).zip(&columns) {
        writer.push(SeriesId(id), column).unwrap();
    }
    let summary = writer.finish().unwrap();
    let per_sample = summary.bytes as f64 / summary.rows as f64;
    println!("{per_sample:.3} bytes per sample");
    assert!(per_sample < 1.7, "{per_sample:.3} bytes per sample");

    let (block, cache) = (Block::open(&path, 1).unwrap(), PageCache::new(1 << 20));
    for (id, column) in (1..).zip(&columns) {
        assert_eq!(block.scan(&cache, SeriesId(id), ValueType::Float, TimeRange::ALL).as_ref(), Ok(column));
    }
}

//! One order for the records of several partitions: by ingest time, then by partition.
//!
//! ```text
//!   partition 0   10    12          15           next: the least head, and of equal ones the one of
//!   partition 1      11    12    14                    the lower partition
//!   merged        10 11 12 12'  14  15 …         15 waits until partition 1 has something behind 14
//! ```
//!
//! Ingest times never fall within a partition, so the order depends on nothing but what the journal holds: not on when
//! which record arrives here, nor on how records come in batches. The price: nothing goes on before *every* partition has a
//! next record. Heartbeats see to it that each has one soon.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use tidemill_model::{Offset, Record};

use crate::Batch;

/// Records of several partitions that wait for their turn. Partitions are named by their index.
#[derive(Debug)]
pub struct Merge {
    lanes: Vec<Lane>,
    /// Ingest time and index of the first record in every lane that has one.
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    /// Lanes that are empty and may get something.
    missing: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// Each with the offset after it.
    records: VecDeque<(Record, Offset)>,
    is_ended: bool,
}

impl Merge {
    /// A merge of so many partitions.
    pub fn new(partitions: usize) -> Self {
        let lanes = (0..partitions).map(|_| Lane::default()).collect();
        Self { lanes, heads: BinaryHeap::new(), missing: partitions }
    }

    /// A partition whose next record has to be known before anything can go on.
    pub fn wants(&self) -> Option<usize> {
        if self.missing == 0 {
            return None;
        }
        self.lanes.iter().position(|lane| lane.records.is_empty() && !lane.is_ended)
    }

    /// Adds what was read next in a partition.
    pub fn push(&mut self, index: usize, batch: Batch) {
        let lane = &mut self.lanes[index];
        let was_empty = lane.records.is_empty();
        let after: Vec<_> = batch.records.iter().skip(1).map(|record| record.offset).chain([batch.next]).collect();
        lane.records.extend(batch.records.into_iter().zip(after));
        if let Some((record, _)) = lane.records.front().filter(|_| was_empty) {
            self.heads.push(Reverse((record.ingest_time, index)));
            self.missing -= usize::from(!lane.is_ended);
        }
    }

    /// Nothing more comes of a partition: nobody waits for it.
    pub fn end(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        self.missing -= usize::from(lane.records.is_empty() && !lane.is_ended);
        lane.is_ended = true;
    }

    /// The next record, with its partition and the offset after it; `None` while [`Merge::wants`] names a partition, and at
    /// the end of all.
    pub fn take(&mut self) -> Option<(usize, Record, Offset)> {
        if self.missing > 0 {
            return None;
        }
        let Reverse((_, index)) = self.heads.pop()?;
        let lane = &mut self.lanes[index];
        let (record, after) = lane.records.pop_front()?;
        match lane.records.front() {
            Some((following, _)) => self.heads.push(Reverse((following.ingest_time, index))),
            None => self.missing += usize::from(!lane.is_ended),
        }
        Some((index, record, after))
    }
}

#[cfg(test)]
mod tests {
    use tidemill_model::ProducerId;

    use super::*;

    fn batch(times: &[i64], first: u64) -> Batch {
        let record = |(index, time): (u64, &i64)| Record {
            offset: Offset(first + 8 * index),
            ordinal: index,
            kind_number: 1,
            producer: ProducerId::NONE,
            epoch: 0,
            sequence: 0,
            ingest_time: *time,
            key: bytes::Bytes::new(),
            payload: bytes::Bytes::new(),
        };
        let records: Vec<_> = (0..).zip(times).map(record).collect();
        let next = Offset(first + 8 * records.len() as u64);
        Batch { records, next }
    }

    fn drain(merge: &mut Merge) -> Vec<(usize, i64)> {
        std::iter::from_fn(|| merge.take()).map(|(index, record, _)| (index, record.ingest_time)).collect()
    }

    #[test]
    fn records_come_by_ingest_time_and_then_by_partition() {
        let mut merge = Merge::new(2);
        merge.push(0, batch(&[10, 12, 15], 0));
        assert_eq!((merge.wants(), merge.take().is_none()), (Some(1), true), "partition 1 may have something older");
        merge.push(1, batch(&[11, 12, 14], 0));
        assert_eq!(drain(&mut merge), [(0, 10), (1, 11), (0, 12), (1, 12), (1, 14)]);
        assert_eq!(merge.wants(), Some(1));
        merge.end(1);
        assert_eq!(drain(&mut merge), [(0, 15)]);
    }

    #[test]
    fn the_order_does_not_depend_on_how_records_arrive() {
        let lanes: [Vec<i64>; 3] = [vec![1, 1, 4, 9], vec![1, 3, 4, 4, 8], vec![2, 4]];
        let merged = |size: usize| {
            let mut merge = Merge::new(lanes.len());
            let mut read = [0; 3];
            let mut order = Vec::new();
            loop {
                while let Some(index) = merge.wants() {
                    let rest = &lanes[index][read[index]..];
                    let taken = rest.len().min(size);
                    match taken {
                        0 => merge.end(index),
                        _ => merge.push(index, batch(&rest[..taken], read[index] as u64 * 8)),
                    }
                    read[index] += taken;
                }
                match merge.take() {
                    Some((index, record, after)) => order.push((index, record.offset, after)),
                    None => return order,
                }
            }
        };
        assert_eq!(merged(1).len(), 11);
        for size in 2..6 {
            assert_eq!(merged(size), merged(1));
        }
    }
}

//! The newest records of a partition, in memory, for those who follow its end.
//!
//! Ten followers at the tail would otherwise read, check and take apart the same bytes ten times. Only kept while somebody
//! reads near the end; who falls behind reads files.
//!
//! Invariant: what is here is durable and contiguous up to the durable offset, or nothing is here.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tidemill_journal::Batch;
use tidemill_model::{Offset, Record};

/// Bytes of records that are kept, with their heads.
const BYTES_MAX: usize = 8 << 20;
/// What a record takes beside its body.
const RECORD_BYTES: usize = size_of::<Record>();

#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Groups>);

#[derive(Debug, Default)]
struct Groups {
    groups: VecDeque<Group>,
    bytes: usize,
}

/// The records of one group: all from offset `from` to `end`.
#[derive(Clone, Debug)]
struct Group {
    from: u64,
    end: u64,
    records: Arc<[Record]>,
    bytes: usize,
}

impl Recent {
    /// Adds a group that has become durable; without records, nothing is kept.
    pub(crate) fn push(&self, from: u64, end: u64, records: Vec<Record>) {
        let bytes = records.iter().map(bytes_of).sum();
        let group = Group { from, end, records: records.into(), bytes };
        let mut recent = self.0.lock();
        if recent.groups.back().is_some_and(|last| last.end != from) || group.records.is_empty() {
            *recent = Groups::default();
        }
        if group.records.is_empty() {
            return;
        }
        recent.bytes += bytes;
        recent.groups.push_back(group);
        while recent.bytes > BYTES_MAX
            && let Some(oldest) = recent.groups.pop_front()
        {
            recent.bytes -= oldest.bytes;
        }
    }

    /// Forgets everything: it may be gone from the files.
    pub(crate) fn forget(&self) {
        *self.0.lock() = Groups::default();
    }

    /// Records from `from` on, in groups that end before `durable`: about `limit` bytes, at least one; `None` if they are
    /// not here.
    pub(crate) fn read(&self, from: u64, durable: u64, limit: usize) -> Option<Batch> {
        let groups = self.from(from, durable, limit);
        let first = groups.first()?;
        let skip = match from == first.from {
            true => 0,
            false => first.records.binary_search_by_key(&from, |record| record.offset.0).ok()?,
        };
        let (mut records, mut bytes) = (Vec::new(), 0);
        for record in groups.iter().flat_map(|group| group.records.iter()).skip(skip) {
            bytes += bytes_of(record);
            if !records.is_empty() && bytes > limit {
                return Some(Batch { records, next: record.offset });
            }
            records.push(record.clone());
        }
        let next = Offset(groups.last()?.end);
        Some(Batch { records, next })
    }

    /// The groups from the one with `from` on that may hold `limit` bytes.
    fn from(&self, from: u64, durable: u64, limit: usize) -> Vec<Group> {
        let recent = self.0.lock();
        let first = recent.groups.partition_point(|group| group.end <= from);
        let mut bytes = 0;
        let starts = |group: &Group| group.from <= from;
        let fits = |group: &&Group| {
            let is_wanted = group.end <= durable && bytes <= limit;
            bytes += group.bytes;
            is_wanted
        };
        match recent.groups.get(first).is_some_and(starts) {
            true => recent.groups.range(first..).take_while(fits).cloned().collect(),
            false => Vec::new(),
        }
    }
}

/// What a record counts as. Not less than on disk, so that a read keeps its limit.
fn bytes_of(record: &Record) -> usize {
    RECORD_BYTES + record.key.len() + record.payload.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidemill_model::record::RecordHeader;
    use tidemill_model::{NewRecord, RecordKind};

    use super::*;

    fn record(offset: u64, bytes: usize) -> Record {
        let record = NewRecord::anonymous(RecordKind::Samples, Bytes::from(vec![1; bytes]));
        RecordHeader::of(&record, 0).unwrap().into_record(Offset(offset), offset / 10, record.payload)
    }

    fn offsets(batch: &Batch) -> Vec<u64> {
        batch.records.iter().map(|record| record.offset.0).collect()
    }

    #[test]
    fn a_read_starts_at_any_record_or_where_the_group_before_ended() {
        let recent = Recent::default();
        recent.push(95, 120, vec![record(100, 1), record(110, 1)]);
        recent.push(120, 140, vec![record(130, 1)]);
        for (from, expected) in [(95, vec![100, 110, 130]), (110, vec![110, 130]), (120, vec![130]), (130, vec![130])] {
            let batch = recent.read(from, u64::MAX, usize::MAX).unwrap();
            assert_eq!((offsets(&batch), batch.next), (expected, Offset(140)), "from {from}");
        }
        assert_eq!(recent.read(95, 139, usize::MAX).map(|batch| batch.next), Some(Offset(120)), "only what is durable");
        for nothing in [94, 99, 105, 125, 140] {
            assert_eq!(recent.read(nothing, u64::MAX, usize::MAX), None, "from {nothing}");
        }
    }

    #[test]
    fn a_read_keeps_its_limit_but_returns_at_least_one_record() {
        let recent = Recent::default();
        recent.push(0, 20, vec![record(0, 500), record(10, 500)]);
        recent.push(20, 40, vec![record(20, 500), record(30, 500)]);
        let one = bytes_of(&record(0, 500));
        for (limit, count, next) in
            [(0, 1, 10), (2 * one - 1, 1, 10), (2 * one, 2, 20), (3 * one, 3, 30), (9 * one, 4, 40)]
        {
            let batch = recent.read(0, u64::MAX, limit).unwrap();
            assert_eq!((batch.records.len(), batch.next), (count, Offset(next)), "{limit} bytes");
        }
    }

    #[test]
    fn a_gap_and_a_group_that_was_not_kept_start_over() {
        let recent = Recent::default();
        recent.push(0, 10, vec![record(0, 1)]);
        recent.push(20, 30, vec![record(20, 1)]);
        assert_eq!(recent.read(0, u64::MAX, 1), None);
        assert!(recent.read(20, u64::MAX, 1).is_some());
        recent.push(30, 40, Vec::new());
        assert_eq!(recent.read(20, u64::MAX, 1), None);
    }

    #[test]
    fn only_the_newest_bytes_are_kept() {
        let recent = Recent::default();
        for i in 0..20 {
            recent.push(10 * i, 10 * i + 10, vec![record(10 * i, 1 << 20)]);
        }
        assert_eq!(recent.read(0, u64::MAX, 1), None);
        assert_eq!(recent.read(130, u64::MAX, usize::MAX).map(|b| b.records.len()), Some(7));
    }
}

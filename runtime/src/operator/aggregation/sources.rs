//! How far the first stage is in each partition, by group of the second one.
//!
//! A second stage closes a window when the slowest partition that still reports has passed it: while history is read, first
//! stages go at their own pace, and a window that closed with the fastest would be computed again for each of the others.
//! A partition that has said nothing for some heartbeats is not waited for.

use crate::operator::bytes::{Bytes, Damaged};

/// Heartbeats after which a partition without new results is not waited for.
const SILENT_BEATS: u8 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Source {
    partition: u32,
    /// The newest stamp of its results.
    newest: i64,
    /// Heartbeats since then, up to [`SILENT_BEATS`].
    beats: u8,
}

/// The sources of all groups.
#[derive(Default, Debug, PartialEq)]
pub(super) struct Sources {
    groups: Vec<Vec<Source>>,
}

impl Sources {
    /// A partition has a result stamped `time` for a group. Returns up to where all have reported.
    pub(super) fn note(&mut self, group: u32, partition: u32, time: i64) -> i64 {
        let group = group as usize;
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, Vec::new);
        }
        let sources = &mut self.groups[group];
        match sources.iter_mut().find(|source| source.partition == partition) {
            Some(source) => (source.newest, source.beats) = (source.newest.max(time), 0),
            None => sources.push(Source { partition, newest: time, beats: 0 }),
        }
        reported(sources)
    }

    /// A heartbeat. Calls `tell` for every group with up to where all that still report have reported.
    pub(super) fn heartbeat(&mut self, mut tell: impl FnMut(u32, i64)) {
        for (group, sources) in (0..).zip(&mut self.groups) {
            sources.iter_mut().for_each(|source| source.beats = (source.beats + 1).min(SILENT_BEATS));
            tell(group, reported(sources));
        }
    }

    /// Appends `groups u32`, and per group `sources u32`, and per source `partition u32 | newest i64 | beats u8`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.groups.len() as u32).to_le_bytes());
        for sources in &self.groups {
            out.extend_from_slice(&(sources.len() as u32).to_le_bytes());
            for Source { partition, newest, beats } in sources {
                out.extend_from_slice(&partition.to_le_bytes());
                out.extend_from_slice(&newest.to_le_bytes());
                out.push(*beats);
            }
        }
    }

    /// Reads what [`Sources::encode`] wrote, of an operator with so many `groups`.
    pub(super) fn decode(bytes: &mut Bytes<'_>, groups: usize) -> Result<Self, Damaged> {
        let count = bytes.u32()? as usize;
        if count > groups {
            return Err(Damaged("sources of a group that is not there"));
        }
        let mut all = Self::default();
        for _ in 0..count {
            let mut sources = Vec::new();
            for _ in 0..bytes.u32()? {
                sources.push(Source { partition: bytes.u32()?, newest: bytes.i64()?, beats: bytes.u8()? });
            }
            all.groups.push(sources);
        }
        Ok(all)
    }
}

/// The slowest of those that report, or the fastest of those that have.
fn reported(sources: &[Source]) -> i64 {
    let slowest = sources.iter().filter(|source| source.beats < SILENT_BEATS).map(|source| source.newest).min();
    slowest.or_else(|| sources.iter().map(|source| source.newest).max()).unwrap_or(i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_partition_is_waited_for_until_it_is_silent() {
        let mut sources = Sources::default();
        assert_eq!(sources.note(1, 0, 60), 60);
        assert_eq!(sources.note(1, 2, 0), 0, "a second one is behind");
        assert_eq!(sources.note(1, 0, 600), 0);
        assert_eq!(sources.note(1, 2, 60), 60);
        let mut told = Vec::new();
        for _ in 0..2 {
            sources.heartbeat(|group, time| told.push((group, time)));
            sources.note(1, 0, 660);
        }
        assert_eq!(told, [(0, i64::MIN), (1, 60), (0, i64::MIN), (1, 60)]);
        let mut bytes = Vec::new();
        sources.encode(&mut bytes);
        assert_eq!(Sources::decode(&mut Bytes::new(&bytes), 2), Ok(sources));
        let mut sources = Sources::decode(&mut Bytes::new(&bytes), 2).unwrap();
        told.clear();
        sources.heartbeat(|group, time| told.push((group, time)));
        assert_eq!(told[1], (1, 660), "three heartbeats without a word");
        assert!(Sources::decode(&mut Bytes::new(&bytes), 1).is_err());
    }
}

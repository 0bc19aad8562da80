//! How many instances an operator has, and which partitions each of them reads.

use std::ops::Range;

use tidemill_journal::Cursor;
use tidemill_model::Offset;

/// The instances of an operator: one per partition, or one that merges them all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    pub(crate) merges: bool,
    pub(crate) partitions: u32,
}

impl Layout {
    /// How many there are; they are numbered from 0.
    pub(crate) fn instances(self) -> u32 {
        if self.merges { 1 } else { self.partitions }
    }

    /// The partitions that an instance reads, in the order of its cursors.
    pub(crate) fn read_by(self, instance: u32) -> Range<u32> {
        if self.merges { 0..self.partitions } else { instance..instance + 1 }
    }

    /// Whether a node that works on the partitions `owned` runs an instance: the one that merges runs where partition 0 is.
    pub(crate) fn is_here(self, instance: u32, owned: &[u32]) -> bool {
        owned.contains(&self.read_by(instance).start)
    }
}

/// Where an instance begins that has no checkpoint, per partition that it reads.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    pub(crate) cursors: Vec<Cursor>,
    /// Outputs of inputs before this are on trial.
    pub(crate) cuts: Vec<Offset>,
}

impl Begin {
    /// At the journal's beginning, with nothing on trial.
    pub(crate) fn earliest(partitions: usize) -> Self {
        Self { cursors: vec![Cursor::default(); partitions], cuts: vec![Offset(0); partitions] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_reads_its_partition_or_all_of_them() {
        let apart = Layout { merges: false, partitions: 3 };
        assert_eq!((apart.instances(), apart.read_by(2)), (3, 2..3));
        assert!(apart.is_here(2, &[1, 2]) && !apart.is_here(0, &[1, 2]));
        let merged = Layout { merges: true, partitions: 3 };
        assert_eq!((merged.instances(), merged.read_by(0)), (1, 0..3));
        assert!(merged.is_here(0, &[0]) && !merged.is_here(0, &[1, 2]));
    }
}

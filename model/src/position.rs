//! Positions: one offset per partition of the `data` topic, with the identity of the journal they belong to.
//!
//! The receipt of a write, the `at_least` of a query, a checkpoint and a dashboard's resume token are all positions.
//! The text form is opaque to users, of fixed width for a given number of partitions, and sorts like the position:
//! `<journal id: 16 hex><generation: 8 hex>` and then `-<offset: 16 hex>` for every partition.

use std::fmt;
use std::str::FromStr;

/// Place of a record in a partition: opaque and ordered. Never subtract offsets to count records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Offset(pub u64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Which journal, and which life of it: the generation changes when history is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct JournalIdentity {
    /// Random, chosen when the journal was made.
    pub id: u64,
    /// 1 for a new journal.
    pub generation: u32,
}

impl fmt::Display for JournalIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:08x}", self.id, self.generation)
    }
}

/// A vector of offsets, one per partition of the `data` topic: the next offset to read in each.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Position {
    /// The journal it belongs to.
    pub journal: JournalIdentity,
    /// `[partition]`.
    pub offsets: Vec<Offset>,
}

/// Most partitions a position may name.
pub const PARTITIONS_MAX: usize = 1024;

impl Position {
    /// Everything before the first record.
    pub fn start(journal: JournalIdentity, partitions: usize) -> Self {
        Self { journal, offsets: vec![Offset(0); partitions] }
    }

    /// Whether all of `other` lies at or before this position. Positions of different journals never do.
    pub fn covers(&self, other: &Position) -> bool {
        self.journal == other.journal
            && self.offsets.len() == other.offsets.len()
            && self.offsets.iter().zip(&other.offsets).all(|(a, b)| a >= b)
    }

    /// Moves every partition up to `other`'s offset where that is further.
    pub fn advance(&mut self, other: &Position) {
        for (a, b) in self.offsets.iter_mut().zip(&other.offsets) {
            *a = (*a).max(*b);
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.journal)?;
        self.offsets.iter().try_for_each(|offset| write!(f, "-{:016x}", offset.0))
    }
}

/// A text that is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a position: use one that a write, a query or a live event returned")]
pub struct PositionError {
    /// The text.
    pub text: String,
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| PositionError { text: text.chars().take(200).collect() })
    }
}

fn parse(text: &str) -> Option<Position> {
    let mut parts = text.split('-');
    let head = parts.next()?;
    if head.len() != 24 || !head.is_ascii() {
        return None;
    }
    let journal = JournalIdentity { id: hex(&head[..16], 16)?, generation: u32::try_from(hex(&head[16..], 8)?).ok()? };
    let offsets = parts.map(|part| hex(part, 16).map(Offset)).collect::<Option<Vec<_>>>()?;
    (1..=PARTITIONS_MAX).contains(&offsets.len()).then_some(Position { journal, offsets })
}

/// Exactly `width` lower-case hex digits, so that every position has one text form only.
fn hex(text: &str, width: usize) -> Option<u64> {
    let well_formed = text.len() == width && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    well_formed.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

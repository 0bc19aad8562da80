//! The map that a copy leaves behind: which offset of the one journal is which of the other.
//!
//! While a copy is under way it gets a line per batch; when both sides have been compared, it is replaced by one that knows
//! the first records of a partition one by one and later ones every so many bytes.
//!
//! Text, one line each; a last line without its line feed was cut off by a crash and does not count:
//!
//! ```text
//! tidemill position map 1
//! from 01f3a9c2b4d5e6f700000001 /srv/old/journal
//! to 8c1d2e3a4b5c6d7e00000001 object:///srv/new
//! at data 0 64 0                topic, partition, offset in the one, offset in the other
//! at data 0 1048640 17
//! ```
//!
//! Offsets of a partition ascend on both sides, because records keep their order.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tidemill_journal::{TOPIC_DATA, TopicPartition};
use tidemill_model::{JournalIdentity, Offset, Position};

use crate::exit::{Exit, ended};

const HEAD: &str = "tidemill position map 1";

/// Corresponding offsets, ascending.
type Pairs = Vec<(Offset, Offset)>;

/// A map as read from its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionMap {
    /// The journal that was copied.
    pub from: JournalIdentity,
    /// The copy.
    pub to: JournalIdentity,
    partitions: BTreeMap<TopicPartition, Pairs>,
}

/// A position of the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The position.
    pub position: Position,
    /// Whether it stands for exactly the same records.
    pub is_exact: bool,
}

impl PositionMap {
    /// Reads a map.
    ///
    /// # Errors
    /// When the file cannot be read or is no map; with file and line.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read the map {}", path.display()))?;
        Self::parse(&text).map_err(|(line, reason)| {
            ended(Exit::Failure, format!("{}:{line}: {reason}: this is not a whole position map", path.display()))
        })
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = (1..).zip(whole.lines());
        let mut next = |what: &str| {
            let (line, text) = lines.next().ok_or((1, "cut short".to_owned()))?;
            text.strip_prefix(what).map(|rest| (line, rest.trim())).ok_or((line, format!("{what:?} is missing")))
        };
        next(HEAD)?;
        let from = next("from").and_then(|(line, text)| identity(text).ok_or((line, "no identity".to_owned())))?;
        let to = next("to").and_then(|(line, text)| identity(text).ok_or((line, "no identity".to_owned())))?;
        let mut partitions: BTreeMap<TopicPartition, Pairs> = BTreeMap::new();
        for (line, text) in lines {
            let (at, pair) = entry(text).ok_or((line, format!("{text:?} is no entry")))?;
            let pairs = partitions.entry(at).or_default();
            if pairs.last().is_some_and(|last| last.0 > pair.0 || last.1 > pair.1) {
                return Err((line, "offsets do not ascend".to_owned()));
            }
            pairs.push(pair);
        }
        Ok(Self { from, to, partitions })
    }

    /// The first corresponding offsets of a partition.
    pub fn first(&self, at: &TopicPartition) -> Option<(Offset, Offset)> {
        self.partitions.get(at)?.first().copied()
    }

    /// The last corresponding offsets of a partition.
    pub fn last(&self, at: &TopicPartition) -> Option<(Offset, Offset)> {
        self.partitions.get(at)?.last().copied()
    }

    /// Copies what is known of all partitions but those that `is_left_out` names.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn copy_to(&self, map: &mut MapWriter, is_left_out: impl Fn(&TopicPartition) -> bool) -> anyhow::Result<()> {
        for (at, pairs) in self.partitions.iter().filter(|(at, _)| !is_left_out(at)) {
            pairs.iter().try_for_each(|(from, to)| map.add(at, *from, *to))?;
        }
        Ok(())
    }

    /// The position of the copy that corresponds to `position`; between two known ones, the one before or, with `after`,
    /// behind it.
    ///
    /// # Errors
    /// When the position is of another journal, or lies beyond what was copied.
    pub fn translate(&self, position: &Position, after: bool) -> Result<Translated, String> {
        if position.journal != self.from {
            return Err(format!("the position is of journal {}, the map of {}", position.journal, self.from));
        }
        let (mut offsets, mut is_exact) = (Vec::new(), true);
        for (partition, offset) in (0..).zip(&position.offsets) {
            let pairs = self.partitions.get(&TopicPartition::new(TOPIC_DATA, partition));
            let pairs = pairs.ok_or_else(|| format!("the map has no partition {partition} of data"))?;
            let behind = pairs.partition_point(|(from, _)| from < offset);
            let found = match pairs.get(behind) {
                Some((from, to)) if from == offset => *to,
                // Before the first one nothing was copied: it is the beginning.
                Some((_, to)) if behind == 0 => *to,
                Some((_, to)) => {
                    is_exact = false;
                    if after { *to } else { pairs[behind - 1].1 }
                }
                None => return Err(format!("offset {offset} of partition {partition} lies beyond what was copied")),
            };
            offsets.push(found);
        }
        Ok(Translated { position: Position { journal: self.to, offsets }, is_exact })
    }
}

/// `<identity> …`
fn identity(text: &str) -> Option<JournalIdentity> {
    // A position begins with its journal.
    let position: Position = format!("{}-{:016x}", text.split(' ').next()?, 0).parse().ok()?;
    Some(position.journal)
}

/// `at <topic> <partition> <from> <to>`
fn entry(text: &str) -> Option<(TopicPartition, (Offset, Offset))> {
    let mut words = text.split(' ');
    let (Some("at"), Some(topic), Some(partition)) = (words.next(), words.next(), words.next()) else { return None };
    let mut offset = || words.next()?.parse().ok().map(Offset);
    let pair = (offset()?, offset()?);
    words.next().is_none().then_some((TopicPartition::new(topic, partition.parse().ok()?), pair))
}

/// Appends to a map.
pub struct MapWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl MapWriter {
    /// Begins a new map.
    ///
    /// # Errors
    /// When there is a file already, or it cannot be made.
    pub fn create(path: &Path, from: (JournalIdentity, &str), to: (JournalIdentity, &str)) -> anyhow::Result<Self> {
        if Self::is_begun(path) {
            let message = format!("{} is there already: go on with --resume, or choose another --map", path.display());
            return Err(ended(Exit::Refused, message));
        }
        Self::begin(path, from, to)
    }

    /// Whether there is a map; a copy that was cut off at once has left an empty file.
    pub fn is_begun(path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
    }

    fn begin(path: &Path, from: (JournalIdentity, &str), to: (JournalIdentity, &str)) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        let mut writer = Self { path: path.to_owned(), file: BufWriter::new(file) };
        writer.write(&format!("{HEAD}\nfrom {} {}\nto {} {}\n", from.0, from.1, to.0, to.1))?;
        writer.flush()?;
        Ok(writer)
    }

    /// Begins a map beside the one at `path` that is to replace it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn successor(path: &Path, from: (JournalIdentity, &str), to: (JournalIdentity, &str)) -> anyhow::Result<Self> {
        Self::begin(&path.with_extension("new"), from, to)
    }

    /// Puts a successor in its place; it is durable when this returns.
    ///
    /// # Errors
    /// When that is not possible; the map at `path` stays as it was.
    pub fn succeed(mut self, path: &Path) -> anyhow::Result<()> {
        self.sync()?;
        std::fs::rename(&self.path, path).with_context(|| format!("replace {}", path.display()))
    }

    /// Goes on with a map; a line that was cut off goes.
    ///
    /// # Errors
    /// When the file is no map, or of other journals.
    pub fn resume(path: &Path, from: JournalIdentity, to: JournalIdentity) -> anyhow::Result<(Self, PositionMap)> {
        let map = PositionMap::load(path)?;
        if (map.from, map.to) != (from, to) {
            let (file, map) = (path.display(), format!("{} to {}", map.from, map.to));
            bail!(ended(
                Exit::Refused,
                format!("{file} is the map of a copy from {map}, this one is from {from} to {to}")
            ));
        }
        let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let file = OpenOptions::new().append(true).open(path).with_context(|| format!("open {}", path.display()))?;
        file.set_len(whole as u64).with_context(|| format!("cut {}", path.display()))?;
        Ok((Self { path: path.to_owned(), file: BufWriter::new(file) }, map))
    }

    /// Two offsets correspond. Others see it after [`MapWriter::flush`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, at: &TopicPartition, from: Offset, to: Offset) -> anyhow::Result<()> {
        self.write(&format!("at {} {} {from} {to}\n", at.topic, at.partition))
    }

    /// Hands everything to the operating system: it outlives this process.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.file.flush().with_context(|| format!("write {}", self.path.display()))
    }

    /// Makes the map durable.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn sync(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        self.file.get_ref().sync_all().with_context(|| format!("write {}", self.path.display()))
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        self.file.write_all(text.as_bytes()).with_context(|| format!("write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: JournalIdentity = JournalIdentity { id: 7, generation: 1 };
    const TO: JournalIdentity = JournalIdentity { id: 8, generation: 1 };

    fn map() -> PositionMap {
        let text = format!(
            "{HEAD}\nfrom {FROM} /a b\nto {TO} object:///b\nat data 0 64 0\nat data 0 200 3\nat data 1 64 0\nat data 0 900 5\n"
        );
        PositionMap::parse(&text).unwrap()
    }

    fn translate(offsets: [u64; 2], after: bool) -> Result<([u64; 2], bool), String> {
        let position = Position { journal: FROM, offsets: offsets.map(Offset).to_vec() };
        let found = map().translate(&position, after)?;
        assert_eq!(found.position.journal, TO);
        Ok(([found.position.offsets[0].0, found.position.offsets[1].0], found.is_exact))
    }

    #[test]
    fn positions_between_batches_are_exact_and_those_within_are_rounded_as_asked() {
        assert_eq!(translate([200, 64], false), Ok(([3, 0], true)));
        assert_eq!(translate([0, 0], false), Ok(([0, 0], true)), "before the beginning");
        assert_eq!(translate([300, 64], false), Ok(([3, 0], false)));
        assert_eq!(translate([300, 64], true), Ok(([5, 0], false)));
        assert!(translate([901, 64], false).unwrap_err().contains("beyond"));
        let foreign = Position { journal: TO, offsets: vec![Offset(0)] };
        assert!(map().translate(&foreign, false).unwrap_err().contains("of journal"));
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_count_and_goes_on_resumption() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map");
        let at = TopicPartition::new("data", 0);
        let mut writer = MapWriter::create(&path, (FROM, "a"), (TO, "b")).unwrap();
        writer.add(&at, Offset(64), Offset(0)).unwrap();
        writer.flush().unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"at data 0 20").unwrap();
        assert!(MapWriter::create(&path, (FROM, "a"), (TO, "b")).is_err(), "a map is never overwritten");
        assert!(MapWriter::resume(&path, TO, FROM).is_err(), "another copy's map");
        let (mut writer, map) = MapWriter::resume(&path, FROM, TO).unwrap();
        assert_eq!((map.first(&at), map.last(&at)), (Some((Offset(64), Offset(0))), Some((Offset(64), Offset(0)))));
        writer.add(&at, Offset(200), Offset(3)).unwrap();
        writer.flush().unwrap();
        assert_eq!(PositionMap::load(&path).unwrap().last(&at), Some((Offset(200), Offset(3))));
    }

    #[test]
    fn what_is_no_map_is_refused_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("something\n", 1),
            ("tidemill position map 1\nfrom x\n", 2),
            (
                "tidemill position map 1\nfrom 000000000000000700000001 a\nto 000000000000000800000001 b\nat data 0 1\n",
                4,
            ),
            (
                "tidemill position map 1\nfrom 000000000000000700000001 a\nto 000000000000000800000001 b\nat d 0 5 5\nat d 0 4 6\n",
                5,
            ),
        ] {
            assert_eq!(PositionMap::parse(text).unwrap_err().0, line, "{text}");
        }
    }
}

//! The file `keeper`: what the keeper must still know after a restart. Above all, which records followers still need.
//!
//! ```text
//!  0  magic        u32  "TMK1"
//!  4  version      u16  1
//!  6  zero         u16
//!  8  scrub_began  i64  ns since the Unix epoch; 0: never
//! 16  scrub_ended  i64  end of the last whole pass; 0: never
//! 24  grace        u64  ns for which retention still drops nothing
//! 32  partitions   u32  followed by as many of these:
//!       topic_bytes u8, topic, partition u32,
//!       start       u64  where the partition started when this was written
//!       kept_since  i64  newest ingest time of what is gone; i64::MIN: unknown
//!       scrubbed    u64  segments before this index were read in the pass that is under way
//!       compacted   u64  segments before this index have been compacted
//!       holds       u32  followed by as many of these:
//!         name_bytes u8, name, from u64, silent u64 (ns)
//!  …  crc          u32  CRC32C of everything before it
//! ```
//!
//! A follower's silence counts only while the journal is open: after a long stop nobody has lost a hold. A file that is
//! damaged is replaced, and retention drops nothing for [`GRACE`], in which every follower that lives has spoken.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tidemill_journal::{JournalError, TopicPartition};
use tidemill_model::Offset;

use crate::files::{corrupt, read_whole, replace, u16_at, u32_at};
use crate::storage::Storage;

const MAGIC: [u8; 4] = *b"TMK1";
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 36;
/// Larger files are damage.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// How long retention waits for followers that a damaged file has forgotten.
pub(crate) const GRACE: Duration = Duration::from_secs(86_400);
/// Followers per partition; more are a mistake of somebody's, and are not remembered.
const FOLLOWERS_MAX: usize = 8192;
/// Bytes of a follower's name.
const NAME_BYTES_MAX: usize = u8::MAX as usize;

/// What a follower asks retention to keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Of which partition.
    pub at: TopicPartition,
    /// Who asks.
    pub follower: String,
    /// Everything from here on.
    pub from: Offset,
    /// How long nothing was heard of the follower, not counting times when the journal was closed.
    pub silent: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Held {
    from: u64,
    /// When it was heard of, on the journal's clock.
    heard: Duration,
    /// How long it had been silent then.
    silent: Duration,
}

/// The holds on one partition.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    by_name: BTreeMap<String, Held>,
    is_changed: bool,
}

impl Holds {
    /// A follower speaks. Returns whether there is room for it.
    pub(crate) fn set(&mut self, follower: &str, from: Option<u64>, clock: Duration) -> bool {
        let Some(from) = from else {
            self.is_changed |= self.by_name.remove(follower).is_some();
            return true;
        };
        let is_known = self.by_name.contains_key(follower);
        if !is_known && (self.by_name.len() >= FOLLOWERS_MAX || follower.len() > NAME_BYTES_MAX) {
            return false;
        }
        let before = self.by_name.insert(follower.to_owned(), Held { from, heard: clock, silent: Duration::ZERO });
        self.is_changed |= before.is_none_or(|before| before.from != from);
        true
    }

    /// The first offset that a follower still needs; `u64::MAX` if nobody asks for anything.
    pub(crate) fn needed(&self) -> u64 {
        self.by_name.values().map(|held| held.from).min().unwrap_or(u64::MAX)
    }

    /// Who needs something before `offset`.
    pub(crate) fn hurt_by(&self, offset: u64) -> Vec<String> {
        self.by_name.iter().filter(|(_, held)| held.from < offset).map(|(name, _)| name.clone()).collect()
    }

    /// Lets go of followers that were not heard of for `silence`; returns who that was.
    pub(crate) fn expire(&mut self, clock: Duration, silence: Duration) -> Vec<String> {
        let is_over = |held: &Held| held.silence(clock) >= silence;
        let gone: Vec<_> = self.by_name.iter().filter(|(_, held)| is_over(held)).map(|(n, _)| n.clone()).collect();
        self.by_name.retain(|_, held| !is_over(held));
        self.is_changed |= !gone.is_empty();
        gone
    }

    /// Number of holds.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether anything has changed since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// What is to be remembered.
    pub(crate) fn list(&self, at: &TopicPartition, clock: Duration) -> Vec<Hold> {
        let hold = |(name, held): (&String, &Held)| Hold {
            at: at.clone(),
            follower: name.clone(),
            from: Offset(held.from),
            silent: held.silence(clock),
        };
        self.by_name.iter().map(hold).collect()
    }

    /// Takes over what was remembered, except of followers that have spoken meanwhile.
    pub(crate) fn restore(&mut self, holds: &[Hold], clock: Duration) {
        for hold in holds {
            let held = Held { from: hold.from.0, heard: clock, silent: hold.silent };
            self.by_name.entry(hold.follower.clone()).or_insert(held);
        }
    }
}

impl Held {
    fn silence(&self, clock: Duration) -> Duration {
        self.silent.saturating_add(clock.saturating_sub(self.heard))
    }
}

/// What is remembered of a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Remembered {
    pub(crate) at: TopicPartition,
    pub(crate) start: u64,
    pub(crate) kept_since: Option<i64>,
    pub(crate) scrubbed: u64,
    pub(crate) compacted: u64,
    pub(crate) holds: Vec<Hold>,
}

/// The file's content.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) scrub_began: Option<i64>,
    pub(crate) scrub_ended: Option<i64>,
    pub(crate) grace: Duration,
    pub(crate) partitions: Vec<Remembered>,
}

impl Memory {
    pub(crate) fn store(&self, storage: &dyn Storage, dir: &Path) -> Result<(), JournalError> {
        replace(storage, &dir.join("keeper"), &self.encode())
    }

    /// What the file in `dir` says; nothing if there is none.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`], and when it cannot be read.
    pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Self, JournalError> {
        let has_file = storage.list(dir).is_ok_and(|entries| entries.iter().any(|entry| entry.name == "keeper"));
        if !has_file {
            return Ok(Self::default());
        }
        let path = dir.join("keeper");
        let bytes = read_whole(storage, &path, FILE_BYTES_MAX)?;
        Self::decode(&bytes).map_err(|(at, reason)| corrupt(&path, at as u64, reason))
    }

    fn encode(&self) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_slice(&MAGIC);
        out.put_u16_le(VERSION);
        out.put_u16_le(0);
        out.put_i64_le(self.scrub_began.unwrap_or(0));
        out.put_i64_le(self.scrub_ended.unwrap_or(0));
        out.put_u64_le(nanos(self.grace));
        out.put_u32_le(self.partitions.len() as u32);
        for p in &self.partitions {
            put_text(&mut out, &p.at.topic);
            out.put_u32_le(p.at.partition);
            out.put_u64_le(p.start);
            out.put_i64_le(p.kept_since.unwrap_or(i64::MIN));
            out.put_u64_le(p.scrubbed);
            out.put_u64_le(p.compacted);
            out.put_u32_le(p.holds.len() as u32);
            for hold in &p.holds {
                put_text(&mut out, &hold.follower);
                out.put_u64_le(hold.from.0);
                out.put_u64_le(nanos(hold.silent));
            }
        }
        let crc = crc32c::crc32c(&out);
        out.put_u32_le(crc);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, (usize, String)> {
        let Some((content, crc)) = bytes.split_last_chunk::<4>().filter(|(content, _)| content.len() >= HEAD_BYTES)
        else {
            return Err((bytes.len(), "the keeper's file is cut short".to_owned()));
        };
        if content[..4] != MAGIC {
            return Err((0, format!("this is not a keeper's file: it begins with {:02x?}", &content[..4])));
        }
        if crc32c::crc32c(content) != u32_at(crc, 0) {
            return Err((0, "the checksum of the keeper's file does not match".to_owned()));
        }
        if u16_at(content, 4) != VERSION {
            return Err((4, format!("the keeper's file has version {}: upgrade this program", u16_at(content, 4))));
        }
        let mut rest = Rest { all: content, used: 8 };
        rest.memory().ok_or((rest.used, "the keeper's file ends too early".to_owned()))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u8(u8::try_from(text.len()).expect("names of topics and followers are checked to be short"));
    out.put_slice(text.as_bytes());
}

/// What is left to be decoded.
struct Rest<'a> {
    all: &'a [u8],
    used: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let taken = self.all.get(self.used..)?.get(..bytes)?;
        self.used += bytes;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32_at(bytes, 0))
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8).map(|bytes| crate::files::u64_at(bytes, 0))
    }

    fn text(&mut self) -> Option<String> {
        let bytes = self.take(1)?[0];
        String::from_utf8(self.take(usize::from(bytes))?.to_vec()).ok()
    }

    fn memory(&mut self) -> Option<Memory> {
        let time = |ns: u64| (ns != 0).then_some(ns as i64);
        let (scrub_began, scrub_ended) = (time(self.u64()?), time(self.u64()?));
        let (grace, count) = (Duration::from_nanos(self.u64()?), self.u32()?);
        let partitions = (0..count).map(|_| self.partition()).collect::<Option<_>>()?;
        Some(Memory { scrub_began, scrub_ended, grace, partitions })
    }

    fn partition(&mut self) -> Option<Remembered> {
        let at = TopicPartition { topic: self.text()?, partition: self.u32()? };
        let (start, kept_since) = (self.u64()?, self.u64()? as i64);
        let (scrubbed, compacted, count) = (self.u64()?, self.u64()?, self.u32()?);
        let hold = |_| {
            let (follower, from) = (self.text()?, Offset(self.u64()?));
            Some(Hold { at: at.clone(), follower, from, silent: Duration::from_nanos(self.u64()?) })
        };
        let holds = (0..count).map(hold).collect::<Option<_>>()?;
        let kept_since = (kept_since != i64::MIN).then_some(kept_since);
        Some(Remembered { at, start, kept_since, scrubbed, compacted, holds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        let at = TopicPartition::new("data", 3);
        let hold = Hold { at: at.clone(), follower: "r1".into(), from: Offset(99), silent: Duration::from_secs(5) };
        let first = Remembered { at, start: 7, kept_since: Some(-1), scrubbed: 2, compacted: 1, holds: vec![hold] };
        let second =
            Remembered { at: TopicPartition::new("data", 4), kept_since: None, holds: vec![], ..first.clone() };
        Memory {
            scrub_began: Some(5),
            scrub_ended: None,
            grace: Duration::from_secs(1),
            partitions: vec![first, second],
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(Memory::decode(&memory().encode()), Ok(memory()));
        assert_eq!(Memory::decode(&Memory::default().encode()), Ok(Memory::default()));
    }

    #[test]
    fn every_damaged_bit_and_every_cut_is_noticed() {
        let good = memory().encode();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Memory::decode(&bad).is_err(), "bit {bit}");
        }
        (0..good.len()).for_each(|cut| assert!(Memory::decode(&good[..cut]).is_err(), "cut at {cut}"));
    }

    #[test]
    fn silence_counts_only_while_the_journal_is_open() {
        let day = Duration::from_secs(86_400);
        let at = TopicPartition::new("data", 0);
        let mut holds = Holds::default();
        assert!(holds.set("r1", Some(10), day));
        let remembered = holds.list(&at, day * 4);
        assert_eq!(remembered[0].silent, day * 3);
        let mut again = Holds::default();
        again.restore(&remembered, day * 100);
        assert!(again.expire(day * 103, day * 7).is_empty(), "three days before, three days after");
        assert_eq!(again.needed(), 10);
        assert_eq!(again.expire(day * 104, day * 7), ["r1"]);
        assert_eq!(again.needed(), u64::MAX);
    }

    #[test]
    fn followers_beyond_the_limit_are_not_remembered_and_known_ones_may_move() {
        let mut holds = Holds::default();
        for i in 0..FOLLOWERS_MAX {
            assert!(holds.set(&format!("r{i}"), Some(10), Duration::ZERO));
        }
        assert!(!holds.set("one more", Some(1), Duration::ZERO));
        assert!(holds.set("r0", Some(11), Duration::ZERO));
        assert!(!Holds::default().set(&"x".repeat(256), Some(1), Duration::ZERO), "a name that cannot be written");
        assert_eq!(holds.needed(), 10);
    }
}

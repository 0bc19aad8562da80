//! The manifest: the one file that says what a replica is. It is replaced as a whole by an atomic rename, so blocks,
//! cursors and digest always belong together.
//!
//! ```text
//! magic u32 "TMM1" | version u32 | journal id u64 | journal generation u32
//! partitions u32, each: bytes u32, cursor
//! digest u64 | samples u64 | next generation u64 | next file u64
//! blocks u32, each:     file u64 | generation u64 | bytes u64 | rows u64       (generations ascend)
//! deletions u32, each:  series u64 | start i64 | end i64 | generation u64      (generations ascend)
//! series u32, each:     id u64
//! crc u32 of all before
//! ```
//!
//! All integers are little-endian. `docs/formats/manifest.md` explains the fields.

use tidemill_journal::Cursor;
use tidemill_model::{JournalIdentity, SeriesId, TimeRange};

const MAGIC: u32 = u32::from_le_bytes(*b"TMM1");
/// The version this code writes and the highest it reads.
pub(crate) const VERSION: u32 = 1;

/// What a replica consists of.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Manifest {
    pub(crate) journal: JournalIdentity,
    /// `[partition]`
    pub(crate) cursors: Vec<Cursor>,
    pub(crate) digest: u64,
    pub(crate) samples: u64,
    /// Generation of the next flush.
    pub(crate) next_generation: u64,
    /// Number of the next block file.
    pub(crate) next_file: u64,
    /// Oldest first.
    pub(crate) blocks: Vec<BlockEntry>,
    /// Oldest first.
    pub(crate) deletions: Vec<DeletionEntry>,
    /// Every series that ever had a sample, in the order of the first ones.
    pub(crate) series: Vec<SeriesId>,
}

/// A block of the replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BlockEntry {
    pub(crate) file: u64,
    /// Where samples are in several blocks, the one of the highest generation counts.
    pub(crate) generation: u64,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// A range of a series that is deleted in all blocks of lower generations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DeletionEntry {
    pub(crate) series: SeriesId,
    pub(crate) range: TimeRange,
    pub(crate) generation: u64,
}

/// Why bytes are not a manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ManifestError {
    Damaged { at: usize, reason: String },
    Version(u32),
}

impl Manifest {
    /// A replica without anything.
    pub(crate) fn new(journal: JournalIdentity, partitions: usize) -> Self {
        Self {
            journal,
            cursors: vec![Cursor::default(); partitions],
            digest: 0,
            samples: 0,
            next_generation: 1,
            next_file: 1,
            blocks: Vec::new(),
            deletions: Vec::new(),
            series: Vec::new(),
        }
    }

    /// Drops deletions that have no older block left to hide anything in.
    pub(crate) fn drop_spent_deletions(&mut self) {
        let oldest = self.blocks.first().map_or(u64::MAX, |block| block.generation);
        self.deletions.retain(|deletion| deletion.generation > oldest);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + 32 * (self.blocks.len() + self.deletions.len()) + 8 * self.series.len());
        let u32_to = |out: &mut Vec<u8>, number: u32| out.extend_from_slice(&number.to_le_bytes());
        let u64s_to = |out: &mut Vec<u8>, numbers: &[u64]| {
            numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        };
        u32_to(&mut out, MAGIC);
        u32_to(&mut out, VERSION);
        u64s_to(&mut out, &[self.journal.id]);
        u32_to(&mut out, self.journal.generation);
        u32_to(&mut out, self.cursors.len() as u32);
        for cursor in self.cursors.iter().map(Cursor::encode) {
            u32_to(&mut out, cursor.len() as u32);
            out.extend_from_slice(&cursor);
        }
        u64s_to(&mut out, &[self.digest, self.samples, self.next_generation, self.next_file]);
        u32_to(&mut out, self.blocks.len() as u32);
        for block in &self.blocks {
            u64s_to(&mut out, &[block.file, block.generation, block.bytes, block.rows]);
        }
        u32_to(&mut out, self.deletions.len() as u32);
        for deletion in &self.deletions {
            let DeletionEntry { series, range, generation } = *deletion;
            u64s_to(&mut out, &[series.0, range.start as u64, range.end as u64, generation]);
        }
        u32_to(&mut out, self.series.len() as u32);
        self.series.iter().for_each(|series| u64s_to(&mut out, &[series.0]));
        let crc = crc32c::crc32c(&out);
        u32_to(&mut out, crc);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let damaged = |at, reason: &str| ManifestError::Damaged { at, reason: reason.to_owned() };
        let Some((body, crc)) = bytes.split_last_chunk::<4>() else {
            return Err(damaged(bytes.len(), "the file is cut short"));
        };
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return Err(damaged(body.len(), "the checksum does not match"));
        }
        let mut reader = Reader { bytes: body, at: 0 };
        if reader.u32()? != MAGIC {
            return Err(damaged(0, "no manifest starts here"));
        }
        match reader.u32()? {
            VERSION => {}
            found => return Err(ManifestError::Version(found)),
        }
        let manifest = reader.manifest()?;
        if reader.at < body.len() {
            return Err(damaged(reader.at, "there are bytes behind the last field"));
        }
        Ok(manifest)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn manifest(&mut self) -> Result<Manifest, ManifestError> {
        Ok(Manifest {
            journal: JournalIdentity { id: self.u64()?, generation: self.u32()? },
            cursors: self.list(Self::cursor)?,
            digest: self.u64()?,
            samples: self.u64()?,
            next_generation: self.u64()?,
            next_file: self.u64()?,
            blocks: self.list(Self::block)?,
            deletions: self.list(Self::deletion)?,
            series: self.list(|reader| reader.u64().map(SeriesId))?,
        })
    }

    /// Grows with what is really there, whatever the count claims.
    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, ManifestError>,
    ) -> Result<Vec<T>, ManifestError> {
        let count = self.u32()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn cursor(&mut self) -> Result<Cursor, ManifestError> {
        let at = self.at;
        let length = self.u32()? as usize;
        let bytes = self.take(length)?;
        Cursor::decode(bytes).map_err(|error| ManifestError::Damaged { at, reason: error.to_string() })
    }

    fn block(&mut self) -> Result<BlockEntry, ManifestError> {
        Ok(BlockEntry { file: self.u64()?, generation: self.u64()?, bytes: self.u64()?, rows: self.u64()? })
    }

    fn deletion(&mut self) -> Result<DeletionEntry, ManifestError> {
        let series = SeriesId(self.u64()?);
        let range = TimeRange::new(self.u64()? as i64, self.u64()? as i64);
        Ok(DeletionEntry { series, range, generation: self.u64()? })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ManifestError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count));
        let taken = taken.ok_or(ManifestError::Damaged { at: self.at, reason: "the file is cut short".to_owned() })?;
        self.at += count;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, ManifestError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn u64(&mut self) -> Result<u64, ManifestError> {
        Ok(u64::from(self.u32()?) | u64::from(self.u32()?) << 32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Manifest {
        let mut manifest = Manifest::new(JournalIdentity { id: 7, generation: 1 }, 2);
        manifest.digest = 99;
        manifest.blocks.push(BlockEntry { file: 3, generation: 4, bytes: 5, rows: 6 });
        let range = TimeRange::new(-5, 5);
        manifest.deletions.push(DeletionEntry { series: SeriesId(8), range, generation: 9 });
        manifest.series.push(SeriesId(8));
        manifest
    }

    #[test]
    fn the_encoded_form_round_trips_and_rejects_every_truncation_and_bit_flip() {
        let bytes = example().encode();
        assert_eq!(Manifest::decode(&bytes), Ok(example()));
        for cut in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_with_a_valid_checksum_are_a_manifest_or_an_error(mut bytes: Vec<u8>) {
            let mut all = [MAGIC.to_le_bytes(), VERSION.to_le_bytes()].concat();
            all.append(&mut bytes);
            let crc = crc32c::crc32c(&all);
            all.extend_from_slice(&crc.to_le_bytes());
            let _ = Manifest::decode(&all);
        }
    }
}

//! The ledger's file: written whole, beside the old one, and renamed over it.
//!
//! Layout, little-endian: `magic "TML1" | journal id u64 | generation u32 | partitions u32`, then per partition
//! `cursor bytes u32 | cursor | count u32 | count × offset u64`, then the XXH3-64 of everything before it.

use std::fs;
use std::io::Write;
use std::path::Path;

use tidemill_journal::Cursor;
use tidemill_model::{JournalIdentity, Offset};
use xxhash_rust::xxh3::xxh3_64;

use super::Page;
use crate::NodeError;

const MAGIC: &[u8; 4] = b"TML1";

pub(super) fn io(action: &'static str, path: &Path, error: &std::io::Error) -> NodeError {
    NodeError::Io { action, path: path.display().to_string(), reason: error.to_string() }
}

fn encode(identity: JournalIdentity, pages: &[Page]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&identity.id.to_le_bytes());
    out.extend_from_slice(&identity.generation.to_le_bytes());
    out.extend_from_slice(&(pages.len() as u32).to_le_bytes());
    for page in pages {
        let cursor = page.cursor.encode();
        out.extend_from_slice(&(cursor.len() as u32).to_le_bytes());
        out.extend_from_slice(&cursor);
        out.extend_from_slice(&(page.duplicates.len() as u32).to_le_bytes());
        page.duplicates.iter().for_each(|offset| out.extend_from_slice(&offset.0.to_le_bytes()));
    }
    let sum = xxh3_64(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// The pages; `None` when they belong to another journal.
fn decode(bytes: &[u8], identity: JournalIdentity) -> Result<Option<Vec<Page>>, String> {
    let (content, sum) = bytes.split_last_chunk::<8>().ok_or("cut short")?;
    if xxh3_64(content) != u64::from_le_bytes(*sum) {
        return Err("the checksum does not match".into());
    }
    let mut reader = Reader(content);
    if reader.take(4)? != MAGIC {
        return Err("written by another version".into());
    }
    let found = JournalIdentity { id: reader.u64()?, generation: reader.u32()? };
    let partitions = reader.u32()?;
    let mut pages = Vec::new();
    for _ in 0..partitions {
        let cursor_bytes = reader.u32()? as usize;
        let cursor = Cursor::decode(reader.take(cursor_bytes)?).map_err(|e| e.to_string())?;
        let count = reader.u32()?;
        let duplicates = (0..count).map(|_| reader.u64().map(Offset)).collect::<Result<_, _>>()?;
        pages.push(Page { cursor, duplicates });
    }
    Ok((found == identity).then_some(pages))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.take(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from(self.u32()?) | u64::from(self.u32()?) << 32)
    }
}

/// Reads the file; `None` if there is none for this journal.
pub(super) fn load(path: &Path, identity: JournalIdentity) -> Result<Option<Vec<Page>>, String> {
    match fs::read(path) {
        Ok(bytes) => decode(&bytes, identity),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Writes the file and makes it durable before it takes the old one's place.
pub(super) fn save(path: &Path, identity: JournalIdentity, pages: &[Page]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = fs::File::create(&fresh)?;
    file.write_all(&encode(identity, pages))?;
    file.sync_data()?;
    fs::rename(fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_round_trip_and_every_damage_is_noticed() {
        let identity = JournalIdentity { id: 7, generation: 1 };
        let pages =
            vec![Page { cursor: Cursor::at(Offset(64), 3), duplicates: vec![Offset(8), Offset(24)] }, Page::default()];
        let bytes = encode(identity, &pages);
        assert_eq!(decode(&bytes, identity), Ok(Some(pages)));
        assert_eq!(decode(&bytes, JournalIdentity { id: 8, generation: 1 }), Ok(None));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged, identity).is_err(), "byte {at}");
            assert!(decode(&bytes[..at], identity).is_err(), "cut at {at}");
        }
    }
}

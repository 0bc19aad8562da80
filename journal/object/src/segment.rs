//! Segments: a run of old pages in one object, so that there are fewer objects and old records take fewer requests.
//!
//! ```text
//!   0  magic       [u8; 4]  "TMS1"
//!   4  version     u16
//!   6  zero        u16
//!   8  stream      24 bytes
//!  32  run         u64      covers the pages from run * run_pages on
//!  40  count       u32      entries
//!  44  flags       u32      1: thinned: holds what key compaction left of this run and of all before it
//!  48  index_hash  [u8; 32] BLAKE3 of the entries
//!  80  zero        u32
//!  84  crc         u32
//!  88  entries              32 bytes each, by page:
//!                           page u64, at u64, bytes u64, max_ingest i64
//!      stored pages         at `at`
//! ```
//!
//! A stored page is the page object as it was. One that is larger than [`COPIED_BYTES_MAX`] stays an object of its own:
//! its `at` is all ones. In a thinned segment a stored page is the page's header as it was (so that the chain can still
//! be followed), the BLAKE3 of the rest, and per record its index (u32), its header and its body.
//!
//! Void pages have no entry. Which bytes a run gives is a function of its pages and the start, so writers that race to
//! make a segment do no harm.

use std::sync::Arc;

use bytes::Bytes;
use tidemill_journal::JournalError;

use crate::page::{HEADER_BYTES, Page, PageHeader, record_at};
use crate::partition::Partition;
use crate::wire::{Stream, bytes_at, corrupt, i64_at, put, seal, u32_at, u64_at, unseal};

const HEAD_BYTES: usize = 88;
const ENTRY_BYTES: usize = 32;
const MAGIC: [u8; 4] = *b"TMS1";
const IN_PLACE: u64 = u64::MAX;
const THINNED: u32 = 1;
const HASH_BYTES: usize = 32;
/// Larger pages stay where they are: copying them saves hardly a request, and a segment is made in memory.
pub(crate) const COPIED_BYTES_MAX: u64 = 64 << 10;
/// What key compaction leaves may be this large; a topic with more is not compacted any further.
pub(crate) const THINNED_BYTES_MAX: usize = 256 << 20;

/// Where one page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) page: u64,
    at: u64,
    bytes: u64,
    pub(crate) max_ingest: i64,
}

impl Entry {
    pub(crate) fn is_in_place(&self) -> bool {
        self.at == IN_PLACE
    }
}

/// Which pages a segment has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SegmentIndex {
    pub(crate) is_thinned: bool,
    pub(crate) entries: Vec<Entry>,
}

impl SegmentIndex {
    /// Reads head and entries of segment `run`.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`] where it is missing or damaged.
    pub(crate) async fn load(partition: &Partition, run: u64) -> Result<Self, JournalError> {
        let key = partition.keys.segment(run);
        let most = (HEAD_BYTES + ENTRY_BYTES * partition.run_pages as usize) as u64;
        let missing = || corrupt(&key, 0, "the segment is missing");
        let bytes = partition.store.get_range(&key, 0..most).await?.ok_or_else(missing)?;
        let head = Head::decode(&bytes, &partition.stream, run, &key)?;
        let end = HEAD_BYTES + ENTRY_BYTES * head.count as usize;
        let bytes = match bytes.len() < end {
            // What key compaction left of many runs.
            true => partition.store.get_range(&key, 0..end as u64).await?.ok_or_else(missing)?,
            false => bytes,
        };
        let entries = bytes.get(HEAD_BYTES..end).ok_or_else(|| corrupt(&key, bytes.len() as u64, "it is cut short"))?;
        if blake3::hash(entries) != head.index_hash {
            return Err(corrupt(&key, HEAD_BYTES as u64, "the hash of its entries does not match"));
        }
        let entry =
            |e: &[u8]| Entry { page: u64_at(e, 0), at: u64_at(e, 8), bytes: u64_at(e, 16), max_ingest: i64_at(e, 24) };
        Ok(Self { is_thinned: head.is_thinned, entries: entries.chunks_exact(ENTRY_BYTES).map(entry).collect() })
    }

    /// The first entry for a page not before `page`.
    pub(crate) fn at_or_after(&self, page: u64) -> Option<&Entry> {
        self.entries.get(self.entries.partition_point(|entry| entry.page < page))
    }

    /// Reads the page of an entry of segment `run`.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`] where it is missing or damaged.
    pub(crate) async fn page(&self, partition: &Partition, run: u64, entry: &Entry) -> Result<Page, JournalError> {
        let stream = &partition.stream;
        if entry.is_in_place() {
            let key = partition.keys.page(entry.page);
            let missing = || corrupt(&key, 0, "the page is missing");
            let bytes = partition.store.get(&key).await?.ok_or_else(missing)?;
            return Page::decode(&bytes, stream, entry.page, &key);
        }
        let key = partition.keys.segment(run);
        let missing = || corrupt(&key, entry.at, "the page is missing");
        let end = entry.at.checked_add(entry.bytes).ok_or_else(missing)?;
        let bytes = partition.store.get_range(&key, entry.at..end).await?.ok_or_else(missing)?;
        if bytes.len() as u64 != entry.bytes {
            return Err(missing());
        }
        match self.is_thinned {
            true => decode_thinned(&bytes, stream, entry.page, &key, entry.at),
            false => Page::decode(&bytes, stream, entry.page, &key),
        }
    }
}

struct Head {
    count: u32,
    is_thinned: bool,
    index_hash: [u8; 32],
}

impl Head {
    fn decode(bytes: &[u8], stream: &Stream, run: u64, key: &str) -> Result<Self, JournalError> {
        let h = unseal::<HEAD_BYTES>(&bytes[..bytes.len().min(HEAD_BYTES)], MAGIC, "segment", key)?;
        stream.expect(Stream::at(h, 8), key, 8)?;
        if u64_at(h, 32) != run {
            return Err(corrupt(key, 32, format!("it is segment {}", u64_at(h, 32))));
        }
        Ok(Self { count: u32_at(h, 40), is_thinned: u32_at(h, 44) & THINNED != 0, index_hash: bytes_at(h, 48) })
    }
}

/// A segment in the making.
pub(crate) struct SegmentBuilder {
    run: u64,
    is_thinned: bool,
    entries: Vec<Entry>,
    stored: Vec<u8>,
}

impl SegmentBuilder {
    pub(crate) fn new(run: u64, is_thinned: bool) -> Self {
        Self { run, is_thinned, entries: Vec::new(), stored: Vec::new() }
    }

    /// Adds a page object as it is, or where to find it if that is large.
    pub(crate) fn push(&mut self, header: &PageHeader, object: &Bytes) {
        let bytes = object.len() as u64;
        let at = if bytes > COPIED_BYTES_MAX { IN_PLACE } else { self.stored.len() as u64 };
        self.entries.push(Entry { page: header.page, at, bytes, max_ingest: header.max_ingest });
        if at != IN_PLACE {
            self.stored.extend_from_slice(object);
        }
    }

    /// Adds what is left of a page, unless nothing is.
    pub(crate) fn push_thinned(&mut self, page: &Page, is_kept: impl Fn(usize) -> bool) {
        let mut rest = Vec::new();
        for (at, (index, header, body)) in page.records.iter().enumerate() {
            if is_kept(at) {
                rest.extend_from_slice(&index.to_le_bytes());
                rest.extend_from_slice(&header.encode());
                rest.extend_from_slice(body);
            }
        }
        if rest.is_empty() {
            return;
        }
        let at = self.stored.len() as u64;
        self.stored.extend_from_slice(&page.header.encode());
        self.stored.extend_from_slice(blake3::hash(&rest).as_bytes());
        self.stored.extend_from_slice(&rest);
        let bytes = self.stored.len() as u64 - at;
        self.entries.push(Entry { page: page.header.page, at, bytes, max_ingest: page.header.max_ingest });
    }

    pub(crate) fn stored_bytes(&self) -> usize {
        self.stored.len()
    }

    /// The object.
    pub(crate) fn finish(self, stream: &Stream) -> Bytes {
        let base = (HEAD_BYTES + ENTRY_BYTES * self.entries.len()) as u64;
        let mut out = Vec::with_capacity(base as usize + self.stored.len());
        out.resize(HEAD_BYTES, 0);
        for entry in &self.entries {
            let at = if entry.is_in_place() { IN_PLACE } else { base + entry.at };
            out.extend_from_slice(&entry.page.to_le_bytes());
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(&entry.bytes.to_le_bytes());
            out.extend_from_slice(&entry.max_ingest.to_le_bytes());
        }
        let index_hash = *blake3::hash(&out[HEAD_BYTES..]).as_bytes();
        let head = &mut out[..HEAD_BYTES];
        stream.put(head, 8);
        put(head, 32, self.run.to_le_bytes());
        put(head, 40, (self.entries.len() as u32).to_le_bytes());
        put(head, 44, (if self.is_thinned { THINNED } else { 0 }).to_le_bytes());
        put(head, 48, index_hash);
        seal(head, MAGIC);
        out.extend_from_slice(&self.stored);
        out.into()
    }
}

fn decode_thinned(bytes: &Bytes, stream: &Stream, page: u64, key: &str, base: u64) -> Result<Page, JournalError> {
    let header = PageHeader::decode(bytes, stream, page, key)?;
    let from = HEADER_BYTES + HASH_BYTES;
    if bytes.len() < from {
        return Err(corrupt(key, base, "the page is cut short"));
    }
    let rest = bytes.slice(from..);
    if *blake3::hash(&rest).as_bytes() != bytes_at::<HASH_BYTES>(bytes, HEADER_BYTES) {
        return Err(corrupt(key, base + HEADER_BYTES as u64, "the hash of what is left of the page does not match"));
    }
    let (mut at, mut records) = (0, Vec::new());
    while at + 4 <= rest.len() {
        let index = u32_at(&rest, at);
        at += 4;
        let (record, body) = record_at(&rest, &mut at, key, base + from as u64)?;
        records.push((index, record, body));
    }
    Ok(Page { header, records })
}

/// Reads pages below the floor.
impl Partition {
    /// The first page not before `page` that segments hold; `None` if there is none below the floor.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn in_segments(
        &self,
        mut page: u64,
        boundary: &crate::objects::Boundary,
    ) -> Result<Option<Arc<Page>>, JournalError> {
        let floor = boundary.floor.next_page;
        while page < floor {
            let own = page / self.run_pages;
            let run = boundary.thinned.map_or(own, |thinned| own.max(thinned));
            let index = self.index(run).await?;
            if let Some(entry) = index.at_or_after(page).filter(|entry| entry.page < floor) {
                if let Some(page) = self.cached(entry.page) {
                    return Ok(Some(page));
                }
                let page = Arc::new(index.page(self, run, entry).await?);
                self.remember_old(page.clone());
                return Ok(Some(page));
            }
            page = (run + 1) * self.run_pages;
        }
        Ok(None)
    }
}

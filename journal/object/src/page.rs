//! Pages: what an append creates. Immutable, complete in one object, chained by hashes.
//!
//! ```text
//!   0  magic           [u8; 4]  "TMP1"
//!   4  version         u16
//!   6  zero            u16
//!   8  stream          24 bytes: journal id, generation, partition, topic
//!  32  page            u64      its number, as in its name
//!  40  epoch           u64      lease epoch its writer knew, 0 = none
//!  48  nonce           [u8; 16] of this attempt: tells the writer that the page is its own
//!  64  first_ordinal   u64      records before it
//!  72  count           u32      records, at least 1
//!  76  unconfirmed     u32      pages right before it that its writer did not yet know to be created
//!  80  min_ingest      i64      ns since the Unix epoch
//!  88  max_ingest      i64
//!  96  body_bytes      u64      bytes behind the header
//! 104  bytes_before    u64      bytes of all valid pages before it
//! 112  body_hash       [u8; 32] BLAKE3
//! 144  previous_hash   [u8; 32] BLAKE3 of the header of the last valid page before it, 0 for the first
//! 176  previous_page   u64      the number of that page, all ones for the first
//! 184  zero            u32
//! 188  crc             u32      CRC32C of bytes 0..188
//! 192  records                  48 bytes of header and the body each
//! ```

use bytes::Bytes;
use tidemill_journal::JournalError;
use tidemill_model::record::{self, RecordHeader};
use tidemill_model::{NewRecord, Offset, Record};

use crate::wire::{Hash, Stream, bytes_at, corrupt, i64_at, put, seal, u32_at, u64_at, unseal};

/// Bytes of an encoded header.
pub(crate) const HEADER_BYTES: usize = 192;
const MAGIC: [u8; 4] = *b"TMP1";
/// Bits of an offset that count records within a page.
pub(crate) const INDEX_BITS: u32 = 20;
/// Most records a page may have: an index, and the end behind the last, must fit into [`INDEX_BITS`].
pub(crate) const RECORDS_MAX: usize = (1 << INDEX_BITS) - 1;
/// Largest body: one page is read into memory at once.
pub(crate) const BODY_BYTES_MAX: u64 = 512 << 20;
/// Most pages that one writer creates at the same time. Persisted in how far orphans can lie beyond the tail: raising
/// it makes tails found by an older version wrong.
pub(crate) const PIPELINE_MAX: u64 = 8;

/// The place of record `index` of page `page`.
pub(crate) fn offset(page: u64, index: u32) -> Offset {
    Offset(page << INDEX_BITS | u64::from(index))
}

/// Page and index of an offset.
pub(crate) fn place(offset: Offset) -> (u64, u32) {
    (offset.0 >> INDEX_BITS, (offset.0 & RECORDS_MAX as u64) as u32)
}

/// A page's number and the hash of its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    pub(crate) page: u64,
    pub(crate) hash: Hash,
}

impl Link {
    /// What the first page follows.
    pub(crate) const NONE: Link = Link { page: u64::MAX, hash: [0; 32] };
}

/// A decoded header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PageHeader {
    pub(crate) stream: Stream,
    pub(crate) page: u64,
    pub(crate) epoch: u64,
    pub(crate) nonce: [u8; 16],
    pub(crate) first_ordinal: u64,
    pub(crate) count: u32,
    pub(crate) unconfirmed: u32,
    pub(crate) min_ingest: i64,
    pub(crate) max_ingest: i64,
    pub(crate) body_bytes: u64,
    pub(crate) bytes_before: u64,
    pub(crate) body_hash: Hash,
    pub(crate) previous: Link,
}

impl PageHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        self.stream.put(&mut out, 8);
        put(&mut out, 32, self.page.to_le_bytes());
        put(&mut out, 40, self.epoch.to_le_bytes());
        put(&mut out, 48, self.nonce);
        put(&mut out, 64, self.first_ordinal.to_le_bytes());
        put(&mut out, 72, self.count.to_le_bytes());
        put(&mut out, 76, self.unconfirmed.to_le_bytes());
        put(&mut out, 80, self.min_ingest.to_le_bytes());
        put(&mut out, 88, self.max_ingest.to_le_bytes());
        put(&mut out, 96, self.body_bytes.to_le_bytes());
        put(&mut out, 104, self.bytes_before.to_le_bytes());
        put(&mut out, 112, self.body_hash);
        put(&mut out, 144, self.previous.hash);
        put(&mut out, 176, self.previous.page.to_le_bytes());
        seal(&mut out, MAGIC);
        out
    }

    /// Reads the header of page `page` of `stream` from the first bytes of the object `key`.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`], or [`JournalError::Invalid`] for a newer version.
    pub(crate) fn decode(bytes: &[u8], stream: &Stream, page: u64, key: &str) -> Result<Self, JournalError> {
        let head = &bytes[..bytes.len().min(HEADER_BYTES)];
        let h = unseal::<HEADER_BYTES>(head, MAGIC, "page", key)?;
        let header = Self {
            stream: Stream::at(h, 8),
            page: u64_at(h, 32),
            epoch: u64_at(h, 40),
            nonce: bytes_at(h, 48),
            first_ordinal: u64_at(h, 64),
            count: u32_at(h, 72),
            unconfirmed: u32_at(h, 76),
            min_ingest: i64_at(h, 80),
            max_ingest: i64_at(h, 88),
            body_bytes: u64_at(h, 96),
            bytes_before: u64_at(h, 104),
            body_hash: bytes_at(h, 112),
            previous: Link { page: u64_at(h, 176), hash: bytes_at(h, 144) },
        };
        stream.expect(header.stream, key, 8)?;
        if header.page != page {
            return Err(corrupt(key, 32, format!("it is page {}", header.page)));
        }
        let is_possible = (1..=RECORDS_MAX).contains(&(header.count as usize))
            && u64::from(header.unconfirmed) < PIPELINE_MAX
            && header.body_bytes <= BODY_BYTES_MAX
            && page < 1 << (64 - INDEX_BITS);
        if !is_possible {
            return Err(corrupt(key, 72, "its counts are impossible"));
        }
        Ok(header)
    }

    /// How the next page refers to this one.
    pub(crate) fn link(&self) -> Link {
        Link { page: self.page, hash: *blake3::hash(&self.encode()).as_bytes() }
    }
}

/// What the next page follows: a pure function of the pages before it, so the same for everybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tip {
    /// The first page number that is not decided.
    pub(crate) next_page: u64,
    /// The last valid page.
    pub(crate) link: Link,
    /// Records so far.
    pub(crate) records: u64,
    /// Bytes of all valid pages so far.
    pub(crate) bytes: u64,
    /// The last record's ingest time.
    pub(crate) ingest: i64,
    /// Behind the last record.
    pub(crate) end: Offset,
}

impl Tip {
    /// Before the first page.
    pub(crate) const EMPTY: Tip =
        Tip { next_page: 0, link: Link::NONE, records: 0, bytes: 0, ingest: i64::MIN, end: Offset(0) };

    /// After a valid page.
    pub(crate) fn after(header: &PageHeader) -> Self {
        Self {
            next_page: header.page + 1,
            link: header.link(),
            records: header.first_ordinal + u64::from(header.count),
            bytes: header.bytes_before + HEADER_BYTES as u64 + header.body_bytes,
            ingest: header.max_ingest,
            end: offset(header.page, header.count),
        }
    }

    /// Before a valid page, as far as its header tells: `end` is where it begins.
    pub(crate) fn before(header: &PageHeader) -> Self {
        Self {
            next_page: header.page,
            link: header.previous,
            records: header.first_ordinal,
            bytes: header.bytes_before,
            ingest: header.min_ingest,
            end: offset(header.page, 0),
        }
    }

    /// Whether the page at `next_page` is valid; a void one is an orphan of a writer that was beaten to a number
    /// before it.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] when no writer could have made this page here.
    pub(crate) fn judge(&self, header: &PageHeader, key: &str) -> Result<bool, JournalError> {
        if header.previous != self.link {
            // A writer that knew everything before the page cannot have followed another page.
            let is_orphan = header.unconfirmed > 0;
            let reason = "it does not follow the page before it: history was replaced";
            return is_orphan.then_some(false).ok_or_else(|| corrupt(key, 144, reason));
        }
        let follows = header.first_ordinal == self.records
            && header.bytes_before == self.bytes
            && header.min_ingest >= self.ingest
            && header.max_ingest >= header.min_ingest;
        follows
            .then_some(true)
            .ok_or_else(|| corrupt(key, 64, "its counts do not continue those of the page before it"))
    }

    /// After a void page.
    pub(crate) fn stepped_over(self) -> Self {
        Self { next_page: self.next_page + 1, ..self }
    }
}

/// What a page is made with besides its records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) stream: Stream,
    pub(crate) epoch: u64,
    pub(crate) nonce: [u8; 16],
    pub(crate) unconfirmed: u32,
    pub(crate) ingest_time: i64,
}

/// Bytes that a record takes in a page.
pub(crate) fn stored_bytes(record: &NewRecord) -> u64 {
    (record::HEADER_BYTES + record.key.len() + record.payload.len()) as u64
}

/// Makes the page that follows `tip`.
///
/// # Panics
/// On records that were not checked with [`RecordHeader::of`].
pub(crate) fn encode<'a>(
    tip: &Tip,
    attempt: &Attempt,
    records: impl Iterator<Item = &'a NewRecord> + Clone,
) -> (PageHeader, Bytes) {
    let body_bytes: u64 = records.clone().map(stored_bytes).sum();
    let mut out = Vec::with_capacity(HEADER_BYTES + body_bytes as usize);
    out.resize(HEADER_BYTES, 0);
    let ingest_time = attempt.ingest_time.max(tip.ingest);
    let mut count = 0;
    for record in records {
        let header = RecordHeader::of(record, ingest_time).expect("records are checked before they are queued");
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(&record.key);
        out.extend_from_slice(&record.payload);
        count += 1;
    }
    let header = PageHeader {
        stream: attempt.stream,
        page: tip.next_page,
        epoch: attempt.epoch,
        nonce: attempt.nonce,
        first_ordinal: tip.records,
        count,
        unconfirmed: attempt.unconfirmed,
        min_ingest: ingest_time,
        max_ingest: ingest_time,
        body_bytes,
        bytes_before: tip.bytes,
        body_hash: *blake3::hash(&out[HEADER_BYTES..]).as_bytes(),
        previous: tip.link,
    };
    out[..HEADER_BYTES].copy_from_slice(&header.encode());
    (header, out.into())
}

/// A verified page, whole or thinned by key compaction.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) header: PageHeader,
    /// Index in the page, and the record's header and body, ascending.
    pub(crate) records: Vec<(u32, RecordHeader, Bytes)>,
}

impl Page {
    /// Reads the whole object of page `page`.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] for any difference from what was written.
    pub(crate) fn decode(bytes: &Bytes, stream: &Stream, page: u64, key: &str) -> Result<Self, JournalError> {
        let header = PageHeader::decode(bytes, stream, page, key)?;
        let body = bytes.slice(HEADER_BYTES..);
        if body.len() as u64 != header.body_bytes {
            let reason = format!("{} of {} body bytes are there", body.len(), header.body_bytes);
            return Err(corrupt(key, bytes.len() as u64, reason));
        }
        if blake3::hash(&body) != header.body_hash {
            return Err(corrupt(key, HEADER_BYTES as u64, "the hash of its body does not match"));
        }
        Self::split(header, &body, key)
    }

    /// The page that was just made.
    ///
    /// # Panics
    /// On anything but what [`encode`] returned.
    pub(crate) fn own(header: PageHeader, bytes: &Bytes) -> Self {
        Self::split(header, &bytes.slice(HEADER_BYTES..), "").expect("a page that was just made is whole")
    }

    fn split(header: PageHeader, body: &Bytes, key: &str) -> Result<Self, JournalError> {
        let mut records = Vec::with_capacity(header.count as usize);
        let mut at = 0;
        while at < body.len() {
            let (record, payload) = record_at(body, &mut at, key, HEADER_BYTES as u64)?;
            records.push((records.len() as u32, record, payload));
        }
        if records.len() != header.count as usize {
            return Err(corrupt(key, 72, format!("{} records of {} are there", records.len(), header.count)));
        }
        Ok(Self { header, records })
    }

    /// Bytes it holds in memory, about.
    pub(crate) fn weight(&self) -> usize {
        self.records.iter().map(|(_, _, body)| body.len() + 120).sum::<usize>() + 400
    }

    /// The record at position `at` of [`Page::records`].
    pub(crate) fn record(&self, at: usize) -> Option<Record> {
        let (index, header, body) = self.records.get(at)?;
        let ordinal = self.header.first_ordinal + u64::from(*index);
        Some(header.into_record(offset(self.header.page, *index), ordinal, body.clone()))
    }
}

/// Reads one record at `*at` of `body`, which stands at `base` in the object `key`, and moves on behind it.
pub(crate) fn record_at(
    body: &Bytes,
    at: &mut usize,
    key: &str,
    base: u64,
) -> Result<(RecordHeader, Bytes), JournalError> {
    let start = *at;
    let damaged = |e: record::RecordError| corrupt(key, base + start as u64, e.to_string());
    let header = RecordHeader::decode(body.get(start..).unwrap_or_default()).map_err(damaged)?;
    let from = start + record::HEADER_BYTES;
    let to = from + header.body_bytes as usize;
    if to > body.len() {
        return Err(damaged(record::RecordError::Short { have: body.len() - from, need: header.body_bytes as usize }));
    }
    *at = to;
    Ok((header, body.slice(from..to)))
}

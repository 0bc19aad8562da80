//! The index of a block: its pages, and the chunks of series in them.
//!
//! ```text
//! pages   33 bytes each: type u8 | chunks u32 | rows u32 | offset u64 | times_bytes u32 | values_bytes u32
//!                        | qualities_bytes u32 | crc u32 (CRC32C of the page's bytes)
//! chunks  ids u64 each | and then three times: bytes u32, pco: rows (u32), first times (i64), last times (i64)
//! ```
//!
//! A *chunk* is the rows of one series in one page. Chunks come in the order of pages, and of rows within a page.

use pco::DeltaSpec;
use tidemill_model::{SeriesId, ValueType};

use crate::format::Fields;
use crate::ids::IdMap;
use crate::page::{PAGE_ROWS_MAX, compress, decompress};

const PAGE_ENTRY_BYTES: usize = 33;

/// Where a page lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PageEntry {
    pub(crate) value_type: ValueType,
    pub(crate) chunks: u32,
    pub(crate) rows: u32,
    pub(crate) offset: u64,
    pub(crate) times_bytes: u32,
    pub(crate) values_bytes: u32,
    pub(crate) qualities_bytes: u32,
    pub(crate) crc: u32,
}

impl PageEntry {
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.times_bytes) + u64::from(self.values_bytes) + u64::from(self.qualities_bytes)
    }
}

/// The rows of one series in one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// The page's number in its block.
    pub page: u32,
    /// Its first row in the page.
    pub first: u32,
    /// Number of rows.
    pub rows: u32,
    /// Source time of the first row, ns.
    pub first_time: i64,
    /// Source time of the last row, ns.
    pub last_time: i64,
}

/// The whole index in memory.
#[derive(Default, Debug)]
pub(crate) struct Index {
    pub(crate) pages: Vec<PageEntry>,
    /// In the order of pages, while `ids` has the series of each.
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) ids: Vec<SeriesId>,
}

impl Index {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.pages.len() * PAGE_ENTRY_BYTES + self.chunks.len() * 16);
        for page in &self.pages {
            out.push(page.value_type as u8);
            out.extend_from_slice(&page.chunks.to_le_bytes());
            out.extend_from_slice(&page.rows.to_le_bytes());
            out.extend_from_slice(&page.offset.to_le_bytes());
            for number in [page.times_bytes, page.values_bytes, page.qualities_bytes, page.crc] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        self.ids.iter().for_each(|id| out.extend_from_slice(&id.0.to_le_bytes()));
        let rows: Vec<u32> = self.chunks.iter().map(|chunk| chunk.rows).collect();
        let first: Vec<i64> = self.chunks.iter().map(|chunk| chunk.first_time).collect();
        let last: Vec<i64> = self.chunks.iter().map(|chunk| chunk.last_time).collect();
        for column in
            [compress(&rows, DeltaSpec::NoOp), compress(&first, DeltaSpec::Auto), compress(&last, DeltaSpec::Auto)]
        {
            out.extend_from_slice(&(column.len() as u32).to_le_bytes());
            out.extend_from_slice(&column);
        }
        out
    }

    /// Reads an index with these numbers of pages and chunks, whose checksum has been verified, and checks that it is
    /// consistent in itself. Pages must lie one behind the other from `start` to `end`.
    pub(crate) fn decode(bytes: &[u8], pages: u32, chunks: u32, start: u64, end: u64) -> Result<Self, String> {
        let mut fields = Fields(bytes);
        let cut_short = || "the index is cut short".to_owned();
        let entries = fields.take(pages as usize * PAGE_ENTRY_BYTES).ok_or_else(cut_short)?;
        let pages: Option<Vec<_>> = entries.chunks(PAGE_ENTRY_BYTES).map(decode_page_entry).collect();
        let pages = pages.ok_or("a page has no valid type")?;
        let ids = fields.take(chunks as usize * 8).ok_or_else(cut_short)?;
        let ids: Vec<_> = ids.as_chunks::<8>().0.iter().map(|id| SeriesId(u64::from_le_bytes(*id))).collect();
        let mut column = || fields.u32().and_then(|length| fields.take(length as usize)).ok_or_else(cut_short);
        let (rows, first, last) = (column()?, column()?, column()?);
        if !fields.0.is_empty() {
            return Err(format!("{} bytes too many in the index", fields.0.len()));
        }
        // The ids have been there in full, so the count of chunks is not larger than the file.
        let rows: Vec<u32> = decompress(rows, ids.len())?;
        let first: Vec<i64> = decompress(first, ids.len())?;
        let last: Vec<i64> = decompress(last, ids.len())?;
        check_pages(&pages, start, end)?;
        let chunks = place_chunks(&pages, &rows, &first, &last)?;
        Ok(Self { pages, chunks, ids })
    }

    /// The chunks of each series, in time order.
    pub(crate) fn by_series(&self) -> Result<IdMap<Vec<Chunk>>, String> {
        let mut map: IdMap<Vec<Chunk>> = IdMap::default();
        for (id, chunk) in self.ids.iter().zip(&self.chunks) {
            let chunks = map.entry(*id).or_default();
            if chunks.last().is_some_and(|before| before.last_time >= chunk.first_time) {
                return Err(format!("the chunks of series {id} are not in time order"));
            }
            chunks.push(*chunk);
        }
        Ok(map)
    }
}

fn decode_page_entry(bytes: &[u8]) -> Option<PageEntry> {
    let mut fields = Fields(bytes);
    Some(PageEntry {
        value_type: ValueType::from_number(fields.u8()?)?,
        chunks: fields.u32()?,
        rows: fields.u32()?,
        offset: fields.u64()?,
        times_bytes: fields.u32()?,
        values_bytes: fields.u32()?,
        qualities_bytes: fields.u32()?,
        crc: fields.u32()?,
    })
}

fn check_pages(pages: &[PageEntry], start: u64, end: u64) -> Result<(), String> {
    let mut at = start;
    for (number, page) in pages.iter().enumerate() {
        if page.rows == 0 || page.rows as usize > PAGE_ROWS_MAX {
            return Err(format!("page {number} has {} rows", page.rows));
        }
        if page.offset != at {
            return Err(format!("page {number} starts at {}, expected {at}", page.offset));
        }
        at = at.checked_add(page.bytes()).ok_or("a page ends beyond all files")?;
    }
    if at == end { Ok(()) } else { Err(format!("the last page ends at {at}, the index starts at {end}")) }
}

fn place_chunks(pages: &[PageEntry], rows: &[u32], first: &[i64], last: &[i64]) -> Result<Vec<Chunk>, String> {
    let mut chunks = Vec::with_capacity(rows.len());
    for (number, page) in pages.iter().enumerate() {
        let mut row = 0u32;
        for _ in 0..page.chunks {
            let at = chunks.len();
            let &count = rows.get(at).ok_or("pages have more chunks than there are")?;
            if count == 0 || first[at] > last[at] {
                return Err(format!("chunk {at} is not possible"));
            }
            chunks.push(Chunk {
                page: number as u32,
                first: row,
                rows: count,
                first_time: first[at],
                last_time: last[at],
            });
            row = row.checked_add(count).ok_or("a page has too many rows")?;
        }
        if row != page.rows {
            return Err(format!("the chunks of page {number} have {row} rows, the page has {}", page.rows));
        }
    }
    if chunks.len() != rows.len() {
        return Err(format!("{} chunks lie in no page", rows.len() - chunks.len()));
    }
    Ok(chunks)
}

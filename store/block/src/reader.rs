//! Reads a block: the index when it is opened, pages when they are asked for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_model::{JournalIdentity, Sample, SampleColumn, SeriesId, TimeRange, ValueType};

use crate::column::{append, rows_inside};
use crate::format::{FOOTER_BYTES, Footer, FormatError, HEADER_BYTES, VERSION, decode_header};
use crate::ids::IdMap;
use crate::index::{Chunk, Index, PageEntry};
use crate::{BlockError, PageCache, page};

/// An open block. The file stays open, and readable even after it was deleted, as long as the block lives.
pub struct Block {
    path: PathBuf,
    file: File,
    number: u64,
    journal: JournalIdentity,
    bytes: u64,
    rows: u64,
    pages: Vec<PageEntry>,
    series: IdMap<Vec<Chunk>>,
}

impl Block {
    /// Opens a block, reads its index and checks that it is consistent. `number` tells it from others in a cache.
    ///
    /// # Errors
    /// When the file is damaged, from a newer version, or cannot be read.
    pub fn open(path: &Path, number: u64) -> Result<Self, BlockError> {
        let io = |action| move |error: std::io::Error| BlockError::io(path, action, &error);
        let corrupt = |at, reason: String| BlockError::corrupt(path, at, reason);
        let file = File::open(path).map_err(io("open the file"))?;
        let bytes = file.metadata().map_err(io("see the file's size"))?.len();
        if bytes < (HEADER_BYTES + FOOTER_BYTES) as u64 {
            return Err(corrupt(bytes, "the file is cut short".into()));
        }
        let format = |at, error| match error {
            FormatError::Damaged(reason) => corrupt(at, reason.into()),
            FormatError::Version(found) => BlockError::Version { file: path.to_owned(), found, known: VERSION },
        };
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0).map_err(io("read the header"))?;
        let journal = decode_header(&header).map_err(|error| format(0, error))?;
        let footer_at = bytes - FOOTER_BYTES as u64;
        let mut footer = [0; FOOTER_BYTES];
        file.read_exact_at(&mut footer, footer_at).map_err(io("read the footer"))?;
        let footer = Footer::decode(&footer).map_err(|error| format(footer_at, error))?;
        if footer.index_offset.checked_add(footer.index_bytes) != Some(footer_at) {
            return Err(corrupt(footer_at, "the index does not end at the footer".into()));
        }
        let mut index = vec![0; footer.index_bytes as usize];
        file.read_exact_at(&mut index, footer.index_offset).map_err(io("read the index"))?;
        if crc32c::crc32c(&index) != footer.index_crc {
            return Err(corrupt(footer.index_offset, "the index's checksum does not match".into()));
        }
        let in_index = |reason| corrupt(footer.index_offset, reason);
        let (start, end) = (HEADER_BYTES as u64, footer.index_offset);
        let index = Index::decode(&index, footer.pages, footer.chunks, start, end).map_err(in_index)?;
        let rows: u64 = index.pages.iter().map(|page| u64::from(page.rows)).sum();
        if rows != footer.rows {
            return Err(corrupt(footer_at, format!("pages have {rows} rows, the footer says {}", footer.rows)));
        }
        let series = index.by_series().map_err(in_index)?;
        Ok(Self { path: path.to_owned(), file, number, journal, bytes, rows, pages: index.pages, series })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number it was opened with.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The journal its samples came from.
    pub fn journal(&self) -> JournalIdentity {
        self.journal
    }

    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The series in it, in no order.
    pub fn series(&self) -> impl Iterator<Item = SeriesId> + '_ {
        self.series.keys().copied()
    }

    /// The chunks of a series, in time order.
    pub fn chunks(&self, series: SeriesId) -> &[Chunk] {
        self.series.get(&series).map_or(&[], Vec::as_slice)
    }

    /// Largest source time of a series.
    pub fn last_time(&self, series: SeriesId) -> Option<i64> {
        self.chunks(series).last().map(|chunk| chunk.last_time)
    }

    /// The samples of a series in `range`.
    ///
    /// # Errors
    /// When a page is damaged or cannot be read.
    pub fn scan(
        &self,
        cache: &PageCache,
        series: SeriesId,
        value_type: ValueType,
        range: TimeRange,
    ) -> Result<SampleColumn, BlockError> {
        let mut samples = SampleColumn::empty(value_type);
        for chunk in self.chunks(series).iter().filter(|chunk| range.overlaps(chunk.first_time, chunk.last_time)) {
            let page = self.chunk_page(cache, chunk, value_type)?;
            let rows = chunk.first as usize..(chunk.first + chunk.rows) as usize;
            append(&mut samples, &page, rows_inside(&page.times, rows, range));
        }
        Ok(samples)
    }

    /// The sample of a series at exactly `time`.
    ///
    /// # Errors
    /// When a page is damaged or cannot be read.
    pub fn find(
        &self,
        cache: &PageCache,
        series: SeriesId,
        value_type: ValueType,
        time: i64,
    ) -> Result<Option<Sample>, BlockError> {
        let inside = |chunk: &&Chunk| chunk.first_time <= time && time <= chunk.last_time;
        let Some(chunk) = self.chunks(series).iter().find(inside) else {
            return Ok(None);
        };
        let page = self.chunk_page(cache, chunk, value_type)?;
        let first = chunk.first as usize;
        let times = &page.times[first..first + chunk.rows as usize];
        Ok(times.binary_search(&time).ok().and_then(|row| page.get(first + row)))
    }

    fn chunk_page(
        &self,
        cache: &PageCache,
        chunk: &Chunk,
        value_type: ValueType,
    ) -> Result<Arc<SampleColumn>, BlockError> {
        let entry = &self.pages[chunk.page as usize];
        if entry.value_type != value_type {
            let reason = format!("page {} has values of type {}, expected {value_type}", chunk.page, entry.value_type);
            return Err(BlockError::corrupt(&self.path, entry.offset, reason));
        }
        cache.get_or_read((self.number, chunk.page), || self.read_page(entry))
    }

    /// Reads and decodes every page, which finds all damage.
    ///
    /// # Errors
    /// When a page is damaged or cannot be read.
    pub fn verify(&self) -> Result<(), BlockError> {
        self.pages.iter().try_for_each(|page| self.read_page(page).map(drop))
    }

    fn read_page(&self, entry: &PageEntry) -> Result<SampleColumn, BlockError> {
        // The index was checked: the page lies inside the file.
        let mut bytes = vec![0; entry.bytes() as usize];
        let read = self.file.read_exact_at(&mut bytes, entry.offset);
        read.map_err(|error| BlockError::io(&self.path, "read a page", &error))?;
        let corrupt = |reason: String| BlockError::corrupt(&self.path, entry.offset, reason);
        if crc32c::crc32c(&bytes) != entry.crc {
            return Err(corrupt("the page's checksum does not match".into()));
        }
        let (times, rest) = bytes.split_at(entry.times_bytes as usize);
        let (values, qualities) = rest.split_at(entry.values_bytes as usize);
        page::decode(entry.value_type, entry.rows as usize, [times, values, qualities]).map_err(corrupt)
    }
}

//! Writes a block, front to back.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tidemill_model::{JournalIdentity, SampleColumn, SeriesId, ValueType, Values};

use crate::BlockError;
use crate::column::append;
use crate::format::{Footer, HEADER_BYTES, encode_header};
use crate::index::{Chunk, Index, PageEntry};
use crate::page::{PAGE_ROWS_MAX, PAGE_TEXT_BYTES_MAX, encode};

/// Takes series after series and writes pages as they fill.
///
/// Series of one type should come in the order of their keys, so that neighbours share pages.
pub struct BlockWriter {
    path: PathBuf,
    file: BufWriter<File>,
    offset: u64,
    index: Index,
    /// The page being filled, `[ValueType as usize - 1]`.
    open: [OpenPage; 5],
}

struct OpenPage {
    rows: SampleColumn,
    text_bytes: usize,
    chunks: Vec<(SeriesId, Chunk)>,
}

/// What a finished block holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockSummary {
    /// Size of the file.
    pub bytes: u64,
    /// Number of rows.
    pub rows: u64,
}

impl BlockWriter {
    /// Starts a block. The file must not exist.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn create(path: &Path, journal: JournalIdentity) -> Result<Self, BlockError> {
        let file = File::create_new(path).map_err(|error| BlockError::io(path, "create the file", &error))?;
        let mut writer = Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 18, file),
            offset: 0,
            index: Index::default(),
            open: ValueType::ALL.map(OpenPage::new),
        };
        writer.write(&encode_header(journal))?;
        Ok(writer)
    }

    /// Adds the samples of a series, which must not have been added before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, series: SeriesId, samples: &SampleColumn) -> Result<(), BlockError> {
        let slot = samples.values.value_type() as usize - 1;
        let mut from = 0;
        while from < samples.len() {
            let left = samples.len() - from;
            let room = self.open[slot].room(&samples.values, from);
            // A series that fits into one page is not torn apart, unless that would leave a page half empty.
            if room == 0 || (left > room && left <= PAGE_ROWS_MAX && room < PAGE_ROWS_MAX / 2) {
                self.close_page(slot)?;
                continue;
            }
            let rows = left.min(room);
            self.open[slot].push(series, samples, from, rows);
            from += rows;
        }
        Ok(())
    }

    /// Writes what is left, index and footer, and makes the file durable. Its name becomes durable with its directory.
    ///
    /// # Errors
    /// When the file cannot be written or synced.
    pub fn finish(mut self) -> Result<BlockSummary, BlockError> {
        for slot in 0..self.open.len() {
            self.close_page(slot)?;
        }
        let index = self.index.encode();
        let rows = self.index.pages.iter().map(|page| u64::from(page.rows)).sum();
        let footer = Footer {
            index_offset: self.offset,
            index_bytes: index.len() as u64,
            pages: self.index.pages.len() as u32,
            chunks: self.index.chunks.len() as u32,
            rows,
            index_crc: crc32c::crc32c(&index),
        };
        self.write(&index)?;
        self.write(&footer.encode())?;
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|error| self.error("sync the file", &error))?;
        Ok(BlockSummary { bytes: self.offset, rows })
    }

    fn close_page(&mut self, slot: usize) -> Result<(), BlockError> {
        if self.open[slot].rows.is_empty() {
            return Ok(());
        }
        let page = std::mem::replace(&mut self.open[slot], OpenPage::new(ValueType::ALL[slot]));
        let encoded = encode(&page.rows);
        let columns = [&encoded.times, &encoded.values, &encoded.qualities];
        let number = self.index.pages.len() as u32;
        self.index.pages.push(PageEntry {
            value_type: ValueType::ALL[slot],
            chunks: page.chunks.len() as u32,
            rows: page.rows.len() as u32,
            offset: self.offset,
            times_bytes: encoded.times.len() as u32,
            values_bytes: encoded.values.len() as u32,
            qualities_bytes: encoded.qualities.len() as u32,
            crc: columns.iter().fold(0, |crc, bytes| crc32c::crc32c_append(crc, bytes)),
        });
        for (series, chunk) in page.chunks {
            self.index.ids.push(series);
            self.index.chunks.push(Chunk { page: number, ..chunk });
        }
        columns.into_iter().try_for_each(|bytes| self.write(bytes))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BlockError> {
        self.file.write_all(bytes).map_err(|error| self.error("write the file", &error))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn error(&self, action: &'static str, error: &io::Error) -> BlockError {
        BlockError::io(&self.path, action, error)
    }
}

const _: () = assert!(HEADER_BYTES == 24, "pages start behind the header");

impl OpenPage {
    fn new(value_type: ValueType) -> Self {
        Self { rows: SampleColumn::empty(value_type), text_bytes: 0, chunks: Vec::new() }
    }

    /// How many of `values` from `from` on fit in.
    fn room(&self, values: &Values, from: usize) -> usize {
        let room = PAGE_ROWS_MAX - self.rows.len();
        let Values::Text(texts) = values else {
            return room;
        };
        let mut bytes = self.text_bytes;
        let fits = |text: &&String| {
            bytes += text.len();
            bytes <= PAGE_TEXT_BYTES_MAX
        };
        let fitting = texts[from..].iter().take(room).take_while(fits).count();
        // A text that is larger than a page gets a page of its own.
        if self.rows.is_empty() { fitting.max(1) } else { fitting }
    }

    fn push(&mut self, series: SeriesId, samples: &SampleColumn, from: usize, rows: usize) {
        let chunk = Chunk {
            page: 0,
            first: self.rows.len() as u32,
            rows: rows as u32,
            first_time: samples.times[from],
            last_time: samples.times[from + rows - 1],
        };
        self.chunks.push((series, chunk));
        append(&mut self.rows, samples, from..from + rows);
        if let Values::Text(texts) = &samples.values {
            self.text_bytes += texts[from..from + rows].iter().map(String::len).sum::<usize>();
        }
    }
}

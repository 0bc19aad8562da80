//! Reading: by offset, by time, and waiting at the tail. Readers take no locks that anybody waits for and leave nothing
//! in the store.

use std::sync::Arc;

use tidemill_journal::{Batch, Bounds, JournalError, ReadLimits};
use tidemill_model::{Offset, Record, record};

use crate::objects::Boundary;
use crate::page::{Page, offset, place};
use crate::partition::{Object, Partition};
use crate::tail::Fetch;
use crate::wire::corrupt;

impl Partition {
    /// The seam's `read`.
    ///
    /// # Errors
    /// Those of the seam.
    pub(crate) async fn read(&self, from: Offset, limits: ReadLimits) -> Result<Batch, JournalError> {
        self.ready().await?;
        let ends = self.now().saturating_add(limits.wait);
        let mut poll = self.settings.poll_min;
        loop {
            let mut changes = self.tip.subscribe();
            if let Some(batch) = self.read_now(from, limits.bytes).await? {
                return Ok(batch);
            }
            let left = ends.saturating_sub(self.now());
            if left.is_zero() {
                return Ok(Batch { records: Vec::new(), next: from });
            }
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                () = self.store.env.sleep(poll.min(left)) => {
                    self.probe(poll).await?;
                    poll = (poll * 2).min(self.settings.poll_max);
                }
            }
        }
    }

    /// A batch if one is there; `None` if it may come.
    async fn read_now(&self, from: Offset, bytes: usize) -> Result<Option<Batch>, JournalError> {
        let asked = from;
        let Boundary { start, gone, .. } = self.boundary().await?;
        // Between the two there was never a record.
        let from = if (gone..start).contains(&from) { start } else { from };
        if from < start {
            return Err(JournalError::Trimmed { from, start });
        }
        if from == self.tip().end {
            self.probe(self.settings.poll_min).await?;
        } else if from > self.tip().end {
            // Perhaps somebody else's receipt.
            self.advance(Fetch::Headers, u64::MAX).await?;
        }
        let tip = self.tip();
        if from > tip.end {
            return Err(JournalError::NoSuchOffset { from, tail: tip.end });
        }
        if from == tip.end {
            return Ok(None);
        }
        let (number, index) = place(from);
        let refused = || JournalError::NoSuchOffset { from, tail: tip.end };
        let Some(mut page) = self.page_from(number).await? else { return Ok(None) };
        let is_thinned = self.is_thinned(number);
        let is_there = match page.header.page == number {
            true => index <= page.header.count,
            false => is_thinned || from == start || from == Offset(0),
        };
        if !is_there {
            let Boundary { start, gone, .. } = self.boundary().await?;
            return match from {
                _ if from < gone => Err(JournalError::Trimmed { from: asked, start }),
                // A trim has overtaken us without taking anything that was still to be read.
                _ if from < start => Ok(None),
                _ => Err(refused()),
            };
        }
        let mut batch = Batch { records: Vec::new(), next: from };
        let mut taken = 0;
        loop {
            take(&page, &mut batch, &mut taken, bytes);
            let next = page.header.page + 1;
            let is_done = batch.next < offset(page.header.page, page.header.count);
            if is_done || next >= self.tip().next_page || taken >= bytes && !batch.records.is_empty() {
                break;
            }
            page = match self.cached(next) {
                Some(page) => page,
                // What is not in memory waits for the next call, if there is something to return.
                None if !batch.records.is_empty() => break,
                None => match self.page_from(next).await? {
                    Some(page) => page,
                    None => break,
                },
            };
        }
        // A trim or key compaction may have overtaken us: then there is nothing, or something later.
        let Boundary { start, gone, .. } = self.known_boundary().boundary;
        if from < start && asked < gone {
            return Err(JournalError::Trimmed { from: asked, start });
        }
        Ok((!batch.records.is_empty()).then_some(batch))
    }

    fn is_thinned(&self, page: u64) -> bool {
        self.known_boundary().boundary.thinned.is_some_and(|run| page / self.run_pages <= run)
    }

    /// The first valid page not before `number`, verified; `None` at the tip.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn page_from(&self, mut number: u64) -> Result<Option<Arc<Page>>, JournalError> {
        loop {
            let boundary = self.boundary().await?;
            let floor = boundary.floor.next_page;
            number = number.max(place(boundary.start).0);
            if number < floor {
                if let Some(page) = self.in_segments(number, &boundary).await? {
                    return Ok(Some(page));
                }
                number = floor;
                continue;
            }
            if number >= self.tip().next_page {
                return Ok(None);
            }
            if self.is_void(number) {
                number += 1;
                continue;
            }
            if let Some(page) = self.cached(number) {
                return Ok(Some(page));
            }
            if let Some(page) = self.page_at(number).await? {
                return Ok(Some(page));
            }
        }
    }

    /// The page object `number`, below the tip; `None` if it is void or has gone below the floor.
    async fn page_at(&self, number: u64) -> Result<Option<Arc<Page>>, JournalError> {
        let key = self.keys.page(number);
        let bytes = match self.object(number, true).await? {
            Object::Found(bytes) => bytes,
            Object::Below => return Ok(None),
            Object::Absent => return Err(corrupt(&key, 0, "the page is missing, but later ones are there")),
        };
        let page = Page::decode(&bytes, &self.stream, number, &key)?;
        if self.is_valid(&page.header).await? {
            let page = Arc::new(page);
            self.remember(&page.header, Some(page.clone()));
            return Ok(Some(page));
        }
        if number >= self.boundary().await?.floor.next_page {
            self.remember_void(number);
        }
        Ok(None)
    }

    /// The seam's `bounds`.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn bounds(&self) -> Result<Bounds, JournalError> {
        self.ready().await?;
        self.probe(self.settings.poll_min).await?;
        let boundary = self.boundary().await?;
        let tip = self.tip();
        let end = tip.end.max(boundary.start);
        let kept_since = boundary.kept_since;
        Ok(Bounds { start: boundary.start, durable: end, tail: end, records: tip.records, kept_since })
    }

    /// The seam's `find`: halving over page numbers, then a look into the page.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn find(&self, ingest_time: i64) -> Result<Offset, JournalError> {
        self.ready().await?;
        self.probe(self.settings.poll_min).await?;
        let start = self.boundary().await?.start;
        let tip = self.tip();
        let mut low = self.first_page(|header| header.max_ingest >= ingest_time).await?;
        while let Some(page) = self.page_from(low).await? {
            let found = page.records.iter().find(|(_, record, _)| record.ingest_time >= ingest_time);
            if let Some((index, _, _)) = found {
                return Ok(offset(page.header.page, *index).max(start));
            }
            low = page.header.page + 1;
        }
        Ok(tip.end.max(start))
    }
}

/// Adds records of `page` from `batch.next` on, as far as `bytes` allow, at least one in all.
fn take(page: &Page, batch: &mut Batch, taken: &mut usize, bytes: usize) {
    let first = match place(batch.next) {
        (number, index) if number == page.header.page => index,
        _ => 0,
    };
    let from = page.records.partition_point(|(index, _, _)| *index < first);
    for at in from..page.records.len() {
        let Some(record) = page.record(at) else { break };
        let size = record_bytes(&record);
        if !batch.records.is_empty() && *taken + size > bytes {
            return;
        }
        *taken += size;
        batch.next = Offset(record.offset.0 + 1);
        batch.records.push(record);
    }
    batch.next = offset(page.header.page, page.header.count);
}

fn record_bytes(record: &Record) -> usize {
    record::HEADER_BYTES + record.key.len() + record.payload.len()
}

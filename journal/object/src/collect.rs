//! Maintenance of a partition: retention, segments, key compaction, and deleting what nobody reads any more.
//!
//! Nothing is deleted unless a boundary that says so was written first, and this process has known it for `grace`: by
//! then every answer that was given under the boundary before has been used or thrown away (see [`crate::partition`]).
//! Any number of processes may do this at the same time: boundaries are created one after the other, each on top of the
//! one before, and a segment is a function of its pages.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidemill_journal::JournalError;
use tidemill_model::Offset;

use crate::objects::Boundary;
use crate::page::{PIPELINE_MAX, Page, PageHeader, Tip, offset, place};
use crate::partition::{Object, Partition};
use crate::segment::{SegmentBuilder, THINNED_BYTES_MAX};
use crate::tail::Fetch;
use crate::wire::corrupt;

/// How long a record stays that says that its key is gone.
const TOMBSTONE: Duration = Duration::from_secs(24 * 3600);
/// Segments made in one round.
const RUNS_MAX: u32 = 4;
/// Objects deleted in one request.
const DELETES: usize = 1000;

/// What may be deleted once it is old enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Due {
    seen: Duration,
    start: u64,
    floor: u64,
    thinned: Option<u64>,
}

/// Looks after a partition until its queue is closed.
pub(crate) async fn maintain(partition: Arc<Partition>) {
    let mut due = VecDeque::new();
    loop {
        tokio::select! {
            biased;
            () = partition.queue.closed() => return,
            () = partition.store.env.sleep(partition.settings.maintenance) => {}
        }
        tokio::select! {
            biased;
            () = partition.queue.closed() => return,
            done = partition.round(&mut due) => if let Err(error) = done {
                tracing::warn!(%error, topic = partition.at.topic, partition = partition.at.partition,
                    "maintenance of an object journal failed and will be tried again");
            },
        }
    }
}

impl Partition {
    /// Retention and compaction, now. What they leave behind is deleted later.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn maintain_now(&self) -> Result<(), JournalError> {
        self.round(&mut VecDeque::new()).await
    }

    async fn round(&self, due: &mut VecDeque<Due>) -> Result<(), JournalError> {
        self.ready().await?;
        self.advance(Fetch::Headers, u64::MAX).await?;
        self.write_holds().await?;
        self.topic.refresh(&self.store).await?;
        self.refresh_boundary(self.known_boundary().number).await?;
        self.retain().await?;
        for _ in 0..RUNS_MAX {
            if !self.compact().await? {
                break;
            }
        }
        self.sweep(due).await
    }

    /// The seam's `trim`.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn trim(&self, before: Offset) -> Result<(), JournalError> {
        self.ready().await?;
        self.advance(Fetch::Headers, u64::MAX).await?;
        let tip = self.tip();
        if before.min(tip.end) <= self.boundary().await?.start {
            return Ok(());
        }
        let (mut number, mut index) = place(before.min(tip.end));
        let (start, page) = loop {
            let Some(page) = self.page_from(number).await? else {
                // Everything goes; the last page stays as an object, because it is where the next one continues.
                let last = place(tip.end).0;
                break (tip.end, self.page_from(last).await?);
            };
            let first = if page.header.page == number { index } else { 0 };
            if first < page.header.count {
                break (offset(page.header.page, first), Some(page));
            }
            (number, index) = (page.header.page + 1, 0);
        };
        let Some(page) = page else { return Ok(()) };
        let index = place(start).1;
        let gone = if index == 0 { self.end_before(&page).await?.unwrap_or(start) } else { start };
        let first = page.records.iter().find(|(at, _, _)| *at >= index);
        let kept_since = first.map_or(page.header.max_ingest, |(_, record, _)| record.ingest_time);
        self.move_boundary(|known| {
            let floor = if page.header.page > known.floor.next_page { Tip::before(&page.header) } else { known.floor };
            let moved = Boundary { start, gone, kept_since: Some(kept_since), floor, ..known };
            (start > known.start).then_some(moved)
        })
        .await
    }

    /// Where a reader stands that has read everything before `page`, as far as that can be told.
    async fn end_before(&self, page: &Page) -> Result<Option<Offset>, JournalError> {
        let previous = page.header.previous.page;
        let found = self.page_from(previous).await?.filter(|found| found.header.page == previous);
        Ok(found.map(|found| offset(previous, found.header.count)))
    }

    /// Writes the next boundary, on top of whatever others have written meanwhile. `change` answers `None` when there
    /// is nothing to do any more.
    async fn move_boundary(&self, change: impl Fn(Boundary) -> Option<Boundary>) -> Result<(), JournalError> {
        loop {
            self.refresh_boundary(self.known_boundary().number).await?;
            let known = self.known_boundary();
            let Some(next) = change(known.boundary) else { return Ok(()) };
            let next = Boundary { nonce: self.store.env.random(), ..next };
            let (number, asked) = (known.number + 1, self.now());
            let key = self.keys.boundary(number);
            if self.store.create_settled(&key, next.encode(&self.stream)).await?.is_none() {
                self.learn_boundary(number, next, asked);
                return Ok(());
            }
        }
    }

    /// Moves the start as far as retention and holds allow, by whole pages; the last page stays.
    async fn retain(&self) -> Result<(), JournalError> {
        let retention = self.topic.retention();
        let tip = self.tip();
        let mut start = 0;
        if let Some(age) = retention.age {
            let since = self.store.env.now().saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
            start = start.max(self.first_page(|header| header.max_ingest >= since).await?);
        }
        if let Some(bytes) = retention.bytes {
            let is_kept = |header: &PageHeader| tip.bytes.saturating_sub(Tip::after(header).bytes) < bytes;
            start = start.max(self.first_page(is_kept).await?);
        }
        start = start.min(place(tip.end).0);
        if offset(start, 0) <= self.boundary().await?.start {
            return Ok(());
        }
        let held = self.held().await?.map_or(start, |held| place(held).0);
        self.trim(offset(start.min(held), 0)).await
    }

    /// The number of the first page for which `is_late` holds, as it then does for all later ones; the tip if there is
    /// none.
    pub(crate) async fn first_page(&self, is_late: impl Fn(&PageHeader) -> bool) -> Result<u64, JournalError> {
        let (mut low, mut high) = (place(self.boundary().await?.start).0, self.tip().next_page);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.page_from(middle).await? {
                Some(page) if page.header.page < high && !is_late(&page.header) => low = page.header.page + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Makes the next segment, if its pages are there and settled; whether it did.
    async fn compact(&self) -> Result<bool, JournalError> {
        let floor = self.boundary().await?.floor;
        let run = floor.next_page / self.run_pages;
        let end = (run + 1) * self.run_pages;
        if self.tip().next_page < end + PIPELINE_MAX {
            return Ok(false);
        }
        let mut pages = Vec::new();
        let Some((plain, tip)) = self.build(run, floor, end, &mut pages).await? else { return Ok(false) };
        let built = match self.topic.retention().compacted {
            true => self.thin(run, floor, pages, tip.ingest).await?.unwrap_or(plain),
            false => plain,
        };
        // Another process may have made it already, from the same pages.
        self.store.create_settled(&self.keys.segment(run), built.finish(&self.stream)).await?;
        let is_thinned = self.index(run).await?.is_thinned;
        self.move_boundary(|known| {
            let thinned = if is_thinned { Some(run) } else { known.thinned };
            (known.floor.next_page == floor.next_page).then_some(Boundary { floor: tip, thinned, ..known })
        })
        .await?;
        Ok(true)
    }

    /// The segment of the pages from the floor to `end` as they are, and the tip behind them; `None` if somebody else
    /// has moved the floor meanwhile.
    async fn build(
        &self,
        run: u64,
        floor: Tip,
        end: u64,
        pages: &mut Vec<Arc<Page>>,
    ) -> Result<Option<(SegmentBuilder, Tip)>, JournalError> {
        let is_compacted = self.topic.retention().compacted;
        let (mut built, mut tip) = (SegmentBuilder::new(run, false), floor);
        while tip.next_page < end {
            let key = self.keys.page(tip.next_page);
            let bytes = match self.object(tip.next_page, true).await? {
                Object::Found(bytes) => bytes,
                Object::Below => return Ok(None),
                Object::Absent => return Err(corrupt(&key, 0, "the page is missing, but later ones are there")),
            };
            let page = Page::decode(&bytes, &self.stream, tip.next_page, &key)?;
            if !tip.judge(&page.header, &key)? {
                tip = tip.stepped_over();
                continue;
            }
            tip = Tip::after(&page.header);
            built.push(&page.header, &bytes);
            if is_compacted {
                pages.push(Arc::new(page));
            }
        }
        Ok(Some((built, tip)))
    }

    /// What key compaction leaves of everything readable up to the end of `run`, whose pages are given; `None` if that
    /// is too much to hold.
    async fn thin(
        &self,
        run: u64,
        floor: Tip,
        pages: Vec<Arc<Page>>,
        newest: i64,
    ) -> Result<Option<SegmentBuilder>, JournalError> {
        let boundary = self.boundary().await?;
        if boundary.floor.next_page != floor.next_page {
            return Ok(None);
        }
        let (mut all, mut weight) = (Vec::new(), 0);
        let mut number = place(boundary.start).0;
        while let Some(page) = self.in_segments(number, &boundary).await? {
            number = page.header.page + 1;
            weight += page.weight();
            if weight > THINNED_BYTES_MAX {
                return Ok(None);
            }
            all.push(page);
        }
        all.extend(pages.into_iter().filter(|page| page.header.page >= floor.next_page));
        let mut last = BTreeMap::new();
        for page in &all {
            for (index, header, body) in &page.records {
                let key = body.slice(..usize::from(header.key_bytes).min(body.len()));
                last.insert(key, (page.header.page, *index));
            }
        }
        let gone = newest.saturating_sub(TOMBSTONE.as_nanos() as i64);
        let mut built = SegmentBuilder::new(run, true);
        for page in &all {
            built.push_thinned(page, |at| {
                let (index, header, body) = &page.records[at];
                let key = body.slice(..usize::from(header.key_bytes).min(body.len()));
                let is_tombstone = key.len() == body.len() && header.ingest_time < gone;
                key.is_empty() || !is_tombstone && last.get(&key) == Some(&(page.header.page, *index))
            });
            if built.stored_bytes() > THINNED_BYTES_MAX {
                return Ok(None);
            }
        }
        Ok(Some(built))
    }

    /// Deletes what boundaries of some age say is no longer needed.
    async fn sweep(&self, due: &mut VecDeque<Due>) -> Result<(), JournalError> {
        let known = self.known_boundary();
        let boundary = known.boundary;
        let (start, floor) = (place(boundary.start).0, boundary.floor.next_page);
        let next = Due { seen: known.seen, start, floor, thinned: boundary.thinned };
        let is_news = due.back().is_none_or(|last: &Due| (last.start, last.floor) != (start, floor));
        if is_news && (start > boundary.swept_start || floor > boundary.swept_floor) {
            due.push_back(next);
        }
        let now = self.now();
        let mut ripe = None;
        while let Some(first) = due.pop_front_if(|first| now > first.seen + self.settings.grace) {
            ripe = Some(first);
        }
        let Some(Due { start, floor, thinned, .. }) = ripe else { return Ok(()) };
        let mut keys = Vec::new();
        for page in boundary.swept_start..floor {
            let is_gone = page < start || page >= boundary.swept_floor && !self.is_in_place(page, thinned).await?;
            if is_gone {
                keys.push(self.keys.page(page));
            }
        }
        let superseded = thinned.map_or(0..0, |thinned| boundary.swept_floor / self.run_pages..thinned);
        let passed = boundary.swept_start / self.run_pages..start / self.run_pages;
        keys.extend(passed.chain(superseded).map(|run| self.keys.segment(run)));
        for some in keys.chunks(DELETES) {
            self.store.delete(some.to_vec()).await?;
        }
        self.move_boundary(|known| {
            let (swept_start, swept_floor) = (known.swept_start.max(start), known.swept_floor.max(floor));
            let moved = Boundary { swept_start, swept_floor, ..known };
            (moved != known).then_some(moved)
        })
        .await
    }

    /// Whether a page below the floor is still read as an object of its own.
    async fn is_in_place(&self, page: u64, thinned: Option<u64>) -> Result<bool, JournalError> {
        let run = page / self.run_pages;
        if thinned.is_some_and(|thinned| run <= thinned) {
            return Ok(false);
        }
        let index = self.index(run).await?;
        Ok(index.at_or_after(page).is_some_and(|entry| entry.page == page && entry.is_in_place()))
    }
}

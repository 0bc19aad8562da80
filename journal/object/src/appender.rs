//! The writer of one partition.
//!
//! 1. Appends wait in the [`crate::queue::Queue`] until a page is full or the first has waited for its linger.
//! 2. A page is made on top of the one before it and created, up to `pipeline` pages at the same time.
//! 3. Whatever the store answers, the page's own name settles it: if an object with this page's nonce is there, the page
//!    is written; if another is there, this writer was beaten; if none is there, the same bytes are sent again, because
//!    an earlier attempt may still arrive.
//! 4. Pages are acknowledged in order. Once one is beaten, those behind it are void for everybody whatever becomes of
//!    them; their appends go back to the front of the queue, and the writer goes on behind the pages of others.
//!
//! So an append is refused only while none of its bytes were ever sent on top of a page that may still count.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tidemill_journal::{ErrorKind, JournalError, Receipt};

use crate::lease::Standing;
use crate::page::{Attempt, HEADER_BYTES, Page, PageHeader, Tip, encode, offset, place};
use crate::partition::Partition;
use crate::queue::Append;
use crate::store::{Backoff, Counters, Created, Store};
use crate::tail::Fetch;

/// Pages between two hints.
const HINT_PAGES: u64 = 256;
/// The longest sleep: what there is to do wakes the writer.
const IDLE: Duration = Duration::from_secs(3600);

/// What became of a page.
enum Settled {
    Mine,
    /// Somebody else's page has this number; the lease its writer knew.
    Beaten(u64),
}

/// What that means for its appends.
enum Fate {
    Written,
    /// Nothing of it counts, nor of the pages behind it.
    Beaten(u64),
    /// This writer was away for so long that what would tell is gone.
    Unknown,
}

struct InFlight {
    header: PageHeader,
    bytes: Bytes,
    appends: Vec<Append>,
    settled: Option<Settled>,
}

pub(crate) struct Appender {
    partition: Arc<Partition>,
    writer: u64,
    standing: Standing,
    pipeline: VecDeque<InFlight>,
    puts: FuturesUnordered<BoxFuture<'static, (u64, Settled)>>,
    /// Whether the tip is as far as this writer can know.
    is_at_tail: bool,
    backoff: Backoff,
    last_error: Option<JournalError>,
    closing_since: Option<Duration>,
    hinted: u64,
}

impl Appender {
    pub(crate) fn new(partition: Arc<Partition>) -> Self {
        Self {
            writer: partition.store.env.random(),
            partition,
            standing: Standing::ALONE,
            pipeline: VecDeque::new(),
            puts: FuturesUnordered::new(),
            is_at_tail: false,
            backoff: Backoff::new(),
            last_error: None,
            closing_since: None,
            hinted: 0,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        while !self.is_finished() {
            self.expire();
            if !self.is_at_tail && !self.partition.queue.is_empty() {
                if let Err(error) = self.find_tail().await {
                    if error.kind() != ErrorKind::Retry {
                        self.partition.queue.stop(error);
                        return;
                    }
                    self.last_error = Some(error);
                    let wait = self.backoff.next(self.partition.store.env.as_ref());
                    self.partition.store.env.sleep(wait).await;
                    continue;
                }
                (self.is_at_tail, self.backoff) = (true, Backoff::new());
            }
            self.fill();
            let partition = self.partition.clone();
            let sleep = partition.store.env.sleep(self.until_something_is_due());
            tokio::select! {
                biased;
                Some((page, settled)) = self.puts.next(), if !self.puts.is_empty() => self.settle(page, settled).await,
                () = partition.queue.news.notified() => {}
                () = sleep => {}
            }
        }
        if self.partition.tip() != Tip::EMPTY {
            self.partition.leave_hint().await;
        }
    }

    fn is_finished(&mut self) -> bool {
        let queue = &self.partition.queue;
        if !queue.is_closing() {
            return false;
        }
        let now = self.partition.now();
        let since = *self.closing_since.get_or_insert(now);
        // What is on its way when patience ends stays unknown: its callers hear that from the dropped channel.
        queue.is_empty() && (self.pipeline.is_empty() || now > since + self.partition.settings.patience)
    }

    /// Refuses appends that have waited too long without being sent.
    fn expire(&mut self) {
        let (now, patience) = (self.partition.now(), self.partition.settings.patience);
        let Some(before) = now.checked_sub(patience) else { return };
        let (place, last) = (&self.partition.store.place, &self.last_error);
        self.partition.queue.expire(before, || {
            let reason = format!("an append waited {} s and was not sent", patience.as_secs());
            last.clone().unwrap_or(JournalError::Unavailable { place: place.clone(), reason })
        });
    }

    async fn find_tail(&mut self) -> Result<(), JournalError> {
        self.partition.ready().await?;
        self.standing.look(&self.partition, self.writer).await?;
        self.partition.advance(Fetch::Pages, u64::MAX).await.map(drop)
    }

    fn until_something_is_due(&self) -> Duration {
        let partition = &self.partition;
        let Some(oldest) = partition.queue.oldest() else {
            return if partition.queue.is_closing() { partition.settings.patience } else { IDLE };
        };
        let is_free = self.is_at_tail && self.pipeline.len() < self.standing.pipeline(partition);
        let wait = if is_free { self.standing.linger(partition) } else { partition.settings.patience };
        // Just behind the moment, so that waking finds it passed.
        (oldest + wait + Duration::from_nanos(1)).saturating_sub(partition.now()).max(Duration::from_nanos(1))
    }

    /// Starts as many pages as there is room for.
    fn fill(&mut self) {
        let partition = self.partition.clone();
        while self.is_at_tail && self.pipeline.len() < self.standing.pipeline(&partition) {
            let linger = self.standing.linger(&partition);
            let appends = partition.queue.take(partition.settings.page_bytes, linger, partition.now());
            if appends.is_empty() {
                return;
            }
            self.start(appends);
        }
    }

    fn start(&mut self, appends: Vec<Append>) {
        let partition = &self.partition;
        let env = &partition.store.env;
        let tip = self.pipeline.back().map_or_else(|| partition.tip(), |last| Tip::after(&last.header));
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&env.random().to_le_bytes());
        nonce[8..].copy_from_slice(&(env.random() ^ self.writer).to_le_bytes());
        let attempt = Attempt {
            stream: partition.stream,
            epoch: self.standing.epoch,
            nonce,
            unconfirmed: self.pipeline.len() as u32,
            ingest_time: partition.store.clock.stamp(tip.ingest),
        };
        let (header, bytes) = encode(&tip, &attempt, appends.iter().flat_map(|append| &append.records));
        let page = header.page;
        let settle = settle(partition.store.clone(), partition.keys.page(page), bytes.clone(), header.clone());
        self.puts.push(Box::pin(async move { (page, settle.await) }));
        self.pipeline.push_back(InFlight { header, bytes, appends, settled: None });
    }

    async fn settle(&mut self, page: u64, settled: Settled) {
        if let Some(there) = self.pipeline.iter_mut().find(|there| there.header.page == page) {
            there.settled = Some(settled);
        }
        while let Some(head) = self.pipeline.front_mut() {
            let Some(settled) = head.settled.take() else { break };
            let (partition, header) = (self.partition.clone(), head.header.clone());
            match fate(&partition, &header, settled).await {
                Fate::Written => self.commit().await,
                Fate::Beaten(epoch) => return self.give_way(epoch).await,
                Fate::Unknown => return self.lose_track(),
            }
        }
        // Failing to look is no reason to stop.
        let _ = self.standing.look(&self.partition, self.writer).await;
    }

    /// Acknowledges the first page.
    async fn commit(&mut self) {
        let partition = self.partition.clone();
        let Some(head) = self.pipeline.pop_front() else { return };
        let page = head.header.page;
        partition.remember(&head.header, Some(Arc::new(Page::own(head.header.clone(), &head.bytes))));
        partition.learn(Tip::after(&head.header));
        let counters = &partition.store.counters;
        Counters::add(&counters.pages, 1);
        Counters::add(&counters.records, head.header.count.into());
        let mut index = 0;
        for append in head.appends {
            let first = offset(page, index);
            index += append.records.len() as u32;
            Counters::add(&counters.appends, 1);
            partition.queue.forget(append.bytes);
            // Nobody may be waiting; that is fine.
            let _ = append.done.send(Ok(Receipt { first, end: offset(page, index) }));
        }
        if page >= self.hinted + HINT_PAGES {
            self.hinted = page;
            partition.leave_hint().await;
        }
    }

    /// Gives up on all that is on its way: its callers hear from the dropped channels that nobody knows.
    fn lose_track(&mut self) {
        self.puts = FuturesUnordered::new();
        for append in self.pipeline.drain(..).flat_map(|page| page.appends) {
            self.partition.queue.forget(append.bytes);
        }
        self.is_at_tail = false;
    }

    /// Takes everything back that is on its way, and looks where to go on.
    async fn give_way(&mut self, epoch: u64) {
        Counters::add(&self.partition.store.counters.beaten, 1);
        self.puts = FuturesUnordered::new();
        let appends: Vec<_> = self.pipeline.drain(..).flat_map(|page| page.appends).collect();
        self.partition.queue.put_back(appends.into_iter());
        self.is_at_tail = false;
        if let Err(error) = self.standing.contend(&self.partition, self.writer, epoch).await {
            tracing::debug!(%error, "the lease was not taken");
        }
    }
}

/// What became of a page all before which are settled. An object under its name says so only as long as the page is not below the floor:
/// after that the name may have been free because it was collected, or taken by somebody who overslept. Then the
/// segment says it.
async fn fate(partition: &Partition, header: &PageHeader, settled: Settled) -> Fate {
    let (page, mut backoff) = (header.page, Backoff::new());
    let error = loop {
        match partition.boundary().await {
            Ok(boundary) if page >= boundary.floor.next_page => {
                return match settled {
                    Settled::Mine => Fate::Written,
                    Settled::Beaten(epoch) => Fate::Beaten(epoch),
                };
            }
            Ok(boundary) if page < place(boundary.start).0 => return Fate::Unknown,
            Ok(boundary) => match partition.in_segments(page, &boundary).await {
                Ok(Some(found)) if found.header.page == page => {
                    let is_mine = found.header.nonce == header.nonce;
                    return if is_mine { Fate::Written } else { Fate::Beaten(found.header.epoch) };
                }
                // A void page, unless key compaction left nothing of it.
                Ok(_) if boundary.thinned.is_none() => return Fate::Beaten(header.epoch),
                Ok(_) => return Fate::Unknown,
                Err(error) => break error,
            },
            Err(error) if error.kind() != ErrorKind::Retry => break error,
            Err(_) => partition.store.wait(&mut backoff).await,
        }
    };
    tracing::error!(%error, page, "what became of a page cannot be told");
    Fate::Unknown
}

/// Creates the page and finds out what became of it, however long that takes.
async fn settle(store: Arc<Store>, key: String, bytes: Bytes, header: PageHeader) -> Settled {
    let mut backoff = Backoff::new();
    loop {
        if let Created::Yes = store.create(&key, bytes.clone()).await {
            return Settled::Mine;
        }
        match store.get_range(&key, 0..HEADER_BYTES as u64).await {
            Ok(Some(found)) => match PageHeader::decode(&found, &header.stream, header.page, &key) {
                Ok(found) if found.nonce == header.nonce => return Settled::Mine,
                Ok(found) => return Settled::Beaten(found.epoch),
                // Not ours, whatever it is: whoever reads on here will say what is wrong with it.
                Err(_) => return Settled::Beaten(0),
            },
            Ok(None) | Err(_) => store.wait(&mut backoff).await,
        }
    }
}

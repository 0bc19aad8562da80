//! Finding the tail, and following it as pages of others appear.
//!
//! 1. The hint says where to begin; the boundary says below which page nothing counts.
//! 2. Doubling steps and halving find a page that is there and whose successor is not.
//! 3. That may be an orphan beyond the tail: a writer's pages can be created out of order, but no further than
//!    [`PIPELINE_MAX`] from the first that is missing. So go back that far to a valid page.
//! 4. From there read headers one by one, stepping over void pages, to the first page that is missing: the tail.

use std::sync::Arc;
use std::time::Duration;

use tidemill_journal::JournalError;

use crate::objects::Hint;
use crate::page::{Link, PIPELINE_MAX, Page, PageHeader, Tip};
use crate::partition::{Object, Partition};
use crate::wire::corrupt;

/// Whether to fetch whole pages, because they will be read, or only headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fetch {
    Pages,
    Headers,
}

impl Partition {
    /// Finds the tail, once.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn ready(&self) -> Result<(), JournalError> {
        let mut is_found = self.looking.lock().await;
        if !*is_found {
            self.discover().await?;
            *is_found = true;
        }
        Ok(())
    }

    async fn discover(&self) -> Result<(), JournalError> {
        let hint = self.hint().await?;
        let number = match hint.boundary {
            0 => 0,
            number => number * u64::from(self.store.exists(&self.keys.boundary(number)).await?),
        };
        let floor = self.refresh_boundary(number).await?.floor;
        self.learn(floor);
        let from = match hint.page > floor.next_page && self.store.exists(&self.keys.page(hint.page)).await? {
            true => hint.page,
            false => floor.next_page,
        };
        let last = self.store.newest(from, |page| self.keys.page(page)).await?;
        let mut found = last;
        while found > floor.next_page {
            found = found.saturating_sub(PIPELINE_MAX).max(floor.next_page);
            if let Object::Found(bytes) = self.object(found, false).await? {
                let header = PageHeader::decode(&bytes, &self.stream, found, &self.keys.page(found))?;
                if self.is_valid(&header).await? {
                    self.learn(Tip::after(&header));
                    break;
                }
            }
        }
        self.follow(Fetch::Headers, u64::MAX).await?;
        self.check_hole(last).await
    }

    /// Whether page `last`, which is there, proves that the page missing at the tip was there once.
    async fn check_hole(&self, last: u64) -> Result<(), JournalError> {
        let missing = self.tip().next_page;
        if last <= missing {
            return Ok(());
        }
        let Object::Found(bytes) = self.object(last, false).await? else { return Ok(()) };
        let header = PageHeader::decode(&bytes, &self.stream, last, &self.keys.page(last))?;
        let key = self.keys.page(missing);
        let reason = format!("the page is missing, but the writer of page {last} knew it");
        let is_orphan = last - u64::from(header.unconfirmed) <= missing;
        is_orphan.then_some(()).ok_or_else(|| corrupt(&key, 0, reason))
    }

    /// The hint, or where there is none worth believing: the beginning.
    async fn hint(&self) -> Result<Hint, JournalError> {
        let key = self.keys.hint();
        let bytes = self.store.get(&key).await?;
        Ok(bytes.and_then(|bytes| Hint::decode(&bytes, &self.stream, &key).ok()).unwrap_or_default())
    }

    /// Leaves a hint for the next start.
    pub(crate) async fn leave_hint(&self) {
        let (page, boundary) = (self.tip().next_page.saturating_sub(1), self.known_boundary().number);
        self.store.overwrite(&self.keys.hint(), Hint { page, boundary }.encode(&self.stream)).await;
    }

    /// Takes in pages that others created, at most `most`; whether the tail was reached.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn advance(&self, fetch: Fetch, most: u64) -> Result<bool, JournalError> {
        let _only_one_looks = self.looking.lock().await;
        self.follow(fetch, most).await
    }

    /// Like [`Partition::advance`] for readers at the tail, unless somebody looked within `interval`.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`].
    pub(crate) async fn probe(&self, interval: Duration) -> Result<(), JournalError> {
        let now = self.now();
        {
            let mut last = self.last_probe.lock();
            if last.is_some_and(|last| now < last + interval) {
                return Ok(());
            }
            *last = Some(now);
        }
        self.advance(Fetch::Pages, 16).await.map(drop)
    }

    async fn follow(&self, fetch: Fetch, most: u64) -> Result<bool, JournalError> {
        let mut taken = 0;
        while taken < most {
            let tip = self.tip();
            let page = tip.next_page;
            match self.object(page, fetch == Fetch::Pages).await? {
                Object::Below => self.learn(self.boundary().await?.floor),
                Object::Absent => return Ok(true),
                Object::Found(bytes) => {
                    self.take_in(&tip, &bytes, fetch)?;
                    taken += 1;
                }
            }
        }
        Ok(false)
    }

    fn take_in(&self, tip: &Tip, bytes: &bytes::Bytes, fetch: Fetch) -> Result<(), JournalError> {
        let key = self.keys.page(tip.next_page);
        let header = PageHeader::decode(bytes, &self.stream, tip.next_page, &key)?;
        if !tip.judge(&header, &key)? {
            self.remember_void(header.page);
            self.learn(tip.stepped_over());
            return Ok(());
        }
        let page = match fetch {
            Fetch::Pages => Some(Arc::new(Page::decode(bytes, &self.stream, header.page, &key)?)),
            Fetch::Headers => None,
        };
        self.remember(&header, page);
        self.learn(Tip::after(&header));
        Ok(())
    }

    /// Whether a page is valid, judged by the pages right before it: its writer named how many of them it did not yet
    /// know to be created, so that going back over those decides. Below the tail only, and not below the floor.
    ///
    /// # Errors
    /// Those of the store; [`JournalError::Corrupt`] where pages do not continue each other.
    pub(crate) async fn is_valid(&self, header: &PageHeader) -> Result<bool, JournalError> {
        let mut walked = vec![header.clone()];
        loop {
            let current = walked.last().expect("it begins with one");
            let key = self.keys.page(current.page);
            let Link { page, hash } = current.previous;
            let replaced = || corrupt(&key, 144, "it does not follow the page before it: history was replaced");
            let known = if current.previous == Link::NONE { Some(hash) } else { self.known_hash(page).await? };
            if let Some(known) = known {
                match known == hash {
                    true => break,
                    false if current.unconfirmed > 0 => return Ok(false),
                    false => return Err(replaced()),
                }
            }
            if current.unconfirmed > 0 && (page.checked_add(1) != Some(current.page) || self.is_void(page)) {
                return Ok(false);
            }
            let Object::Found(bytes) = self.object(page, false).await? else {
                // An orphan's predecessor never came. Otherwise it is below the floor, and was checked on its way there.
                if current.unconfirmed > 0 {
                    return Ok(false);
                }
                break;
            };
            let before = PageHeader::decode(&bytes, &self.stream, page, &self.keys.page(page))?;
            if before.link().hash != hash {
                return if current.unconfirmed > 0 { Ok(false) } else { Err(replaced()) };
            }
            if current.unconfirmed == 0 {
                break;
            }
            walked.push(before);
        }
        walked.iter().for_each(|header| self.remember(header, None));
        Ok(true)
    }

    /// The hash of a header that is known to be valid.
    async fn known_hash(&self, page: u64) -> Result<Option<crate::wire::Hash>, JournalError> {
        let floor = self.boundary().await?.floor;
        let is_floor = floor.link.page == page && floor != Tip::EMPTY;
        Ok(if is_floor { Some(floor.link.hash) } else { self.verified(page) })
    }
}

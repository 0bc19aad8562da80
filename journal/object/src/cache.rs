//! Verified pages in memory, bounded in bytes; those used longest ago go first.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::page::Page;

#[derive(Debug)]
pub(crate) struct Cache {
    bytes_max: usize,
    bytes: usize,
    clock: u64,
    /// By page number, with the time of the last use.
    pages: BTreeMap<u64, (u64, Arc<Page>)>,
    /// Page numbers by the time of their last use.
    uses: BTreeMap<u64, u64>,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, clock: 0, pages: BTreeMap::new(), uses: BTreeMap::new() }
    }

    pub(crate) fn get(&mut self, number: u64) -> Option<Arc<Page>> {
        let (used, page) = self.pages.get_mut(&number)?;
        self.uses.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.uses.insert(self.clock, number);
        Some(page.clone())
    }

    /// Puts a page in. The newest stays even if it alone is over the limit, so that reading on in it needs no request.
    pub(crate) fn put(&mut self, page: Arc<Page>) {
        let number = page.header.page;
        self.clock += 1;
        self.bytes += page.weight();
        if let Some((used, before)) = self.pages.insert(number, (self.clock, page)) {
            self.bytes -= before.weight();
            self.uses.remove(&used);
        }
        self.uses.insert(self.clock, number);
        while self.bytes > self.bytes_max && self.pages.len() > 1 {
            let Some((_, oldest)) = self.uses.pop_first() else { break };
            if let Some((_, gone)) = self.pages.remove(&oldest) {
                self.bytes -= gone.weight();
            }
        }
    }

    /// Drops pages before `number`.
    pub(crate) fn forget_below(&mut self, number: u64) {
        let kept = self.pages.split_off(&number);
        for (used, page) in std::mem::replace(&mut self.pages, kept).into_values() {
            self.bytes -= page.weight();
            self.uses.remove(&used);
        }
    }
}

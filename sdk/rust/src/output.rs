//! Where a calculation puts its results.

use crate::{Batch, Quality, Row, Time};

/// Rows on their way out.
#[derive(Debug)]
pub struct Output {
    pub(crate) batch: Batch,
    ports: u32,
}

impl Output {
    pub(crate) const fn new(ports: u32) -> Output {
        Output { batch: Batch::empty(), ports }
    }

    /// Emits one row. Rows may come in any order; those of one group and port are cheapest in a row and by time.
    ///
    /// # Panics
    /// There is no output port of that number.
    #[inline]
    pub fn push(&mut self, group: u32, port: u32, time: Time, value: f64, quality: Quality) {
        assert!(port < self.ports, "output port {port} does not exist: ABOUT.outputs names {}", self.ports);
        self.batch.push(Row { group, port, time, value, quality });
    }

    /// How many rows were emitted in this call.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Nothing was emitted in this call.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }
}

//! Where a calculation puts its results.

use crate::{Batch, Kind, Port, Quality, Row, Time};

/// Rows on their way out.
#[derive(Debug)]
pub struct Output {
    pub(crate) batch: Batch,
    ports: &'static [Port],
}

impl Output {
    pub(crate) const fn new(ports: &'static [Port]) -> Output {
        Output { batch: Batch::empty(), ports }
    }

    /// Emits one row. Rows may come in any order; those of one group and port are cheapest in a row and by time.
    ///
    /// # Panics
    /// There is no output port of that number for numbers.
    #[inline]
    pub fn push(&mut self, group: u32, port: u32, time: Time, value: f64, quality: Quality) {
        assert!(
            self.carries(port, Kind::Number),
            "output port {port} does not exist in ABOUT.outputs, or carries texts"
        );
        self.batch.push(Row { group, port, time, value, quality });
    }

    /// Emits one row of a text port.
    ///
    /// # Panics
    /// There is no output port of that number for texts.
    pub fn push_text(&mut self, group: u32, port: u32, time: Time, text: &str, quality: Quality) {
        assert!(
            self.carries(port, Kind::Text),
            "output port {port} does not exist in ABOUT.outputs, or carries numbers"
        );
        self.batch.push_text(Row { group, port, time, value: 0.0, quality }, text);
    }

    fn carries(&self, port: u32, kind: Kind) -> bool {
        self.ports.get(port as usize).is_some_and(|port| port.kind == kind)
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

//! The texts that rows of open windows refer to: each stands here once, and a row holds its place.
//!
//! Bounded: a table that is full is freed of texts that no row refers to any more; if that is not enough, the rows give way
//! to notes and history keeps the texts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::operator::bytes::{Bytes, Damaged, push_block};
use crate::operator::windows::OpenWindows;

/// Different texts at most. A checkpoint holds them all.
const TEXTS_MAX: usize = 65_536;
/// Bytes of them together.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// Interned texts.
#[derive(Default, Debug)]
pub(super) struct Texts {
    list: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
    bytes: usize,
}

impl Texts {
    /// The place of a text, as the value of a row.
    pub(super) fn place(&mut self, text: &str) -> f64 {
        if let Some(place) = self.places.get(text) {
            return f64::from(*place);
        }
        let (text, place) = (Arc::<str>::from(text), self.list.len() as u32);
        self.bytes += text.len();
        self.list.push(text.clone());
        self.places.insert(text, place);
        f64::from(place)
    }

    /// The texts by their places.
    pub(super) fn all(&self) -> &[Arc<str>] {
        &self.list
    }

    /// How many bytes they take.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there are as many as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= TEXTS_MAX || self.bytes >= TEXT_BYTES_MAX
    }

    /// Whether there would be little room left even now.
    pub(super) fn is_half_full(&self) -> bool {
        self.list.len() >= TEXTS_MAX / 2 || self.bytes >= TEXT_BYTES_MAX / 2
    }

    /// Forgets texts that no row refers to, and gives the others new places in the order of the rows.
    pub(super) fn compact(&mut self, windows: &mut [OpenWindows]) {
        let before = std::mem::take(self);
        for row in windows.iter_mut().flat_map(OpenWindows::rows_mut) {
            row.value = self.place(&before.list[row.value as usize]);
        }
    }

    /// Appends `count u32`, and each text as a block.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.list.len() as u32).to_le_bytes());
        self.list.iter().for_each(|text| push_block(out, text.as_bytes()));
    }

    /// Reads what [`Texts::encode`] wrote and checks that the rows refer to it.
    pub(super) fn decode(bytes: &mut Bytes<'_>, windows: &mut [OpenWindows]) -> Result<Self, Damaged> {
        let mut texts = Self::default();
        for _ in 0..bytes.u32()? {
            texts.place(std::str::from_utf8(bytes.block()?).map_err(|_| Damaged("a text that is not UTF-8"))?);
        }
        let count = texts.list.len() as f64;
        let fits = |value: f64| value >= 0.0 && value < count && value.fract() == 0.0;
        if windows.iter_mut().flat_map(OpenWindows::rows_mut).all(|row| fits(row.value)) {
            Ok(texts)
        } else {
            Err(Damaged("a row with a text that is not there"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::windows::{Kind, Row, Shape};

    #[test]
    fn only_texts_that_rows_refer_to_are_kept() {
        let shape = Shape { kind: Kind::Sliding { length: 1000 }, lateness: 0, idle_close: 0, is_told: false };
        let mut texts = Texts::default();
        let mut windows = [OpenWindows::new(false)];
        for (time, text) in [(1, "open"), (2, "closed"), (3, "open")] {
            let value = texts.place(text);
            windows[0].push(Row { time, value, quality: 0, member: 0 }, &shape);
        }
        texts.place("unused");
        windows[0].delete(0, 1, 2, &shape);
        texts.compact(&mut windows);
        let all: Vec<_> = texts.all().iter().map(|text| &**text).collect();
        assert_eq!(all, ["closed", "open"]);
        assert_eq!(windows[0].rows_mut().iter().map(|row| row.value).collect::<Vec<_>>(), [0.0, 1.0]);
        let mut bytes = Vec::new();
        texts.encode(&mut bytes);
        assert_eq!(Texts::decode(&mut Bytes::new(&bytes), &mut windows).unwrap().all(), texts.all());
        windows[0].rows_mut()[0].value = 2.0;
        assert!(Texts::decode(&mut Bytes::new(&bytes), &mut windows).is_err());
    }
}

//! Images: a guest's whole state between two calls, as bytes.
//!
//! Between calls a guest's stack is empty, so linear memory and the mutable globals are everything. Pages that are all
//! zero are left out. An image fits only the very same module.
//!
//! Encoded form, little-endian: `memory_bytes u64 | globals u32 | pages u32 | entries u32`, then per global `type u8 | bits u128`,
//! then the page numbers as u32, then the pages of 4096 bytes, then per entry of the state by key `group u32 | key block |
//! value block`.

use wasmtime::{V128, Val};

use crate::guest::state::Change;
use crate::operator::bytes::{Bytes, Damaged, push_block};

/// Bytes of a page of an image. Smaller than Wasm's, because guests leave much of theirs zero.
pub(crate) const PAGE_BYTES: usize = 4096;

/// The number types that a global can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GlobalBits {
    I32(u32),
    I64(u64),
    F32(u32),
    F64(u64),
    V128(u128),
}

/// A guest's state between two calls.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Image {
    /// Length of linear memory, a multiple of 64 KiB.
    pub(crate) memory_bytes: u64,
    /// In the order of their exports.
    pub(crate) globals: Vec<GlobalBits>,
    /// Numbers of the pages that are not zero, ascending.
    pub(crate) page_numbers: Vec<u32>,
    /// Those pages, one after the other.
    pub(crate) pages: Vec<u8>,
    /// The state by key; every one has a value.
    pub(crate) entries: Vec<Change>,
}

impl Image {
    /// The image of a memory, globals and state by key.
    pub(crate) fn of(memory: &[u8], globals: Vec<GlobalBits>, entries: Vec<Change>) -> Self {
        let mut image = Self { memory_bytes: memory.len() as u64, globals, entries, ..Self::default() };
        for (number, page) in (0..).zip(memory.as_chunks::<PAGE_BYTES>().0) {
            if !is_zero(page) {
                image.page_numbers.push(number);
                image.pages.extend_from_slice(page);
            }
        }
        image
    }

    /// Bytes that its encoded form has, roughly.
    pub fn size_bytes(&self) -> usize {
        let entry = |(key, value): &Change| 12 + key.1.len() + value.as_ref().map_or(0, Vec::len);
        let entries: usize = self.entries.iter().map(entry).sum();
        20 + self.globals.len() * 17 + self.page_numbers.len() * 4 + self.pages.len() + entries
    }

    /// Puts the pages into `memory`, which has the image's length, and zeroes all others.
    pub(crate) fn write_to(&self, memory: &mut [u8]) {
        let mut stored = self.page_numbers.iter().zip(self.pages.as_chunks::<PAGE_BYTES>().0).peekable();
        for (number, page) in (0u32..).zip(memory.as_chunks_mut::<PAGE_BYTES>().0) {
            match stored.next_if(|(stored, _)| **stored == number) {
                Some((_, content)) => *page = *content,
                // Reading first leaves pages that were never touched to the operating system.
                None if !is_zero(page) => page.fill(0),
                None => {}
            }
        }
    }

    /// Appends the encoded form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.size_bytes());
        out.extend_from_slice(&self.memory_bytes.to_le_bytes());
        out.extend_from_slice(&(self.globals.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.page_numbers.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for global in &self.globals {
            let (kind, bits) = match *global {
                GlobalBits::I32(bits) => (0u8, u128::from(bits)),
                GlobalBits::I64(bits) => (1, u128::from(bits)),
                GlobalBits::F32(bits) => (2, u128::from(bits)),
                GlobalBits::F64(bits) => (3, u128::from(bits)),
                GlobalBits::V128(bits) => (4, bits),
            };
            out.push(kind);
            out.extend_from_slice(&bits.to_le_bytes());
        }
        self.page_numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        out.extend_from_slice(&self.pages);
        for ((group, key), value) in &self.entries {
            out.extend_from_slice(&group.to_le_bytes());
            push_block(out, key);
            push_block(out, value.as_deref().unwrap_or_default());
        }
    }

    /// Reads the encoded form.
    pub(crate) fn decode(bytes: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let memory_bytes = bytes.u64()?;
        let (global_count, page_count, entry_count) = (bytes.u32()?, bytes.u32()? as usize, bytes.u32()?);
        let globals = (0..global_count).map(|_| decode_global(bytes)).collect::<Result<_, _>>()?;
        let page_numbers: Vec<u32> = (0..page_count).map(|_| bytes.u32()).collect::<Result<_, _>>()?;
        let pages = bytes.take(page_count.checked_mul(PAGE_BYTES).ok_or(Damaged("an impossible page count"))?)?;
        if !page_numbers.is_sorted_by(|a, b| a < b) {
            return Err(Damaged("page numbers out of order"));
        }
        let end = page_numbers.last().map_or(0, |last| (u64::from(*last) + 1) * PAGE_BYTES as u64);
        if end > memory_bytes {
            return Err(Damaged("a page beyond the memory"));
        }
        let entry = |bytes: &mut Bytes<'_>| {
            let key = (bytes.u32()?, bytes.block()?.to_vec());
            Ok((key, Some(bytes.block()?.to_vec())))
        };
        let entries = (0..entry_count).map(|_| entry(bytes)).collect::<Result<_, Damaged>>()?;
        Ok(Self { memory_bytes, globals, page_numbers, pages: pages.to_vec(), entries })
    }
}

fn decode_global(bytes: &mut Bytes<'_>) -> Result<GlobalBits, Damaged> {
    let (kind, bits) = (bytes.u8()?, bytes.u128()?);
    Ok(match kind {
        0 => GlobalBits::I32(bits as u32),
        1 => GlobalBits::I64(bits as u64),
        2 => GlobalBits::F32(bits as u32),
        3 => GlobalBits::F64(bits as u64),
        4 => GlobalBits::V128(bits),
        _ => return Err(Damaged("an unknown type of global")),
    })
}

/// What a numeric global holds.
pub(crate) fn bits_of(value: Val) -> GlobalBits {
    match value {
        Val::I32(bits) => GlobalBits::I32(bits as u32),
        Val::I64(bits) => GlobalBits::I64(bits as u64),
        Val::F32(bits) => GlobalBits::F32(bits),
        Val::F64(bits) => GlobalBits::F64(bits),
        Val::V128(bits) => GlobalBits::V128(bits.as_u128()),
        _ => unreachable!("the inspection refused mutable references"),
    }
}

/// The value that a global with this content has.
pub(crate) fn value_of(bits: GlobalBits) -> Val {
    match bits {
        GlobalBits::I32(bits) => Val::I32(bits as i32),
        GlobalBits::I64(bits) => Val::I64(bits as i64),
        GlobalBits::F32(bits) => Val::F32(bits),
        GlobalBits::F64(bits) => Val::F64(bits),
        GlobalBits::V128(bits) => Val::V128(V128::from(bits)),
    }
}

fn is_zero(page: &[u8; PAGE_BYTES]) -> bool {
    page.as_chunks::<64>().0.iter().all(|line| line.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_round_trips_and_rejects_every_truncation() {
        let mut memory = vec![0; 4 * PAGE_BYTES];
        memory[PAGE_BYTES + 7] = 9;
        memory[3 * PAGE_BYTES] = 1;
        let globals = vec![GlobalBits::I32(5), GlobalBits::F64(1.5f64.to_bits()), GlobalBits::V128(7)];
        let entries = vec![((3, b"key".to_vec()), Some(b"value".to_vec()))];
        let image = Image::of(&memory, globals, entries);
        assert_eq!(image.page_numbers, [1, 3]);

        let mut bytes = Vec::new();
        image.encode(&mut bytes);
        assert_eq!(Image::decode(&mut Bytes::new(&bytes)), Ok(image.clone()));
        for cut in 0..bytes.len() {
            assert!(Image::decode(&mut Bytes::new(&bytes[..cut])).is_err(), "cut at {cut}");
        }

        let mut restored = vec![0xff; memory.len()];
        image.write_to(&mut restored);
        assert_eq!(restored, memory);
    }
}

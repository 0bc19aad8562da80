//! A guest's whole state between two calls, and what of it has changed since an earlier look.
//!
//! Between calls a guest's stack is empty, so linear memory, the mutable globals and the state by key are everything.
//! Pages that are all zero are left out. Either fits only the very same module.
//!
//! Invariant: an [`Image`] that every [`Delta`] since has been applied to, in order, is the guest's state at the last one.
//!
//! Encoded form of both, little-endian: `memory_bytes u64 | globals u32 | pages u32 | zeroed u32 | changes u32`, then per
//! global `type u8 | bits u128`, the numbers of pages and of zeroed pages as u32, the pages of 4096 bytes, and per change of
//! the state by key `group u32 | key block | is there u8 | value block`.

use std::collections::BTreeMap;

use wasmtime::{V128, Val};

use super::dirty::PAGE_BYTES;
use crate::guest::state::{Change, Key};
use crate::operator::bytes::{Bytes, Damaged, push_block};

/// The content of a page.
type Page = [u8; PAGE_BYTES];

/// The number types that a global can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GlobalBits {
    I32(u32),
    I64(u64),
    F32(u32),
    F64(u64),
    V128(u128),
}

/// What of a guest's state has changed; of an empty state: everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delta {
    /// Length of linear memory, a multiple of 64 KiB.
    pub(crate) memory_bytes: u64,
    /// All of them, in the order of their exports.
    pub(crate) globals: Vec<GlobalBits>,
    /// Numbers of the pages that have changed and are not zero, ascending.
    page_numbers: Vec<u32>,
    /// Those pages, one after the other.
    pages: Vec<u8>,
    /// Numbers of the pages that have become zero, ascending.
    zeroed: Vec<u32>,
    /// Of the state by key.
    changes: Vec<Change>,
}

impl Delta {
    /// A delta without pages yet.
    pub(crate) fn new(memory_bytes: u64, globals: Vec<GlobalBits>, changes: Vec<Change>) -> Self {
        Self { memory_bytes, globals, changes, ..Self::default() }
    }

    /// Adds all pages that are not zero.
    pub(crate) fn add_all(&mut self, memory: &[u8]) {
        for (number, page) in (0..).zip(memory.as_chunks::<PAGE_BYTES>().0) {
            if !is_zero(page) {
                self.page_numbers.push(number);
                self.pages.extend_from_slice(page);
            }
        }
    }

    /// Adds pages by their numbers, which ascend.
    pub(crate) fn add(&mut self, memory: &[u8], numbers: &[u32]) {
        let all = memory.as_chunks::<PAGE_BYTES>().0;
        for number in numbers {
            let page = &all[*number as usize];
            if is_zero(page) {
                self.zeroed.push(*number);
            } else {
                self.page_numbers.push(*number);
                self.pages.extend_from_slice(page);
            }
        }
    }

    /// Numbers of the pages that are not zero, and of those that have become so.
    pub(crate) fn page_numbers(&self) -> (&[u32], &[u32]) {
        (&self.page_numbers, &self.zeroed)
    }

    /// Bytes of its encoded form, roughly.
    pub fn size_bytes(&self) -> usize {
        let change = |(key, value): &Change| 13 + key.1.len() + value.as_ref().map_or(0, Vec::len);
        let changes: usize = self.changes.iter().map(change).sum();
        24 + self.globals.len() * 17 + (self.page_numbers.len() + self.zeroed.len()) * 4 + self.pages.len() + changes
    }

    /// The encoded form: what stands before the pages, the pages, and what stands behind them.
    pub(crate) fn encode(&self) -> (Vec<u8>, &[u8], Vec<u8>) {
        let changes = self.changes.iter().map(|(key, value)| (key, value.as_deref()));
        let head =
            head(self.memory_bytes, &self.globals, self.page_numbers.iter().copied(), &self.zeroed, changes.len());
        (head, &self.pages, tail(changes))
    }

    /// Reads the encoded form.
    pub(crate) fn decode(bytes: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let memory_bytes = bytes.u64()?;
        let (global_count, page_count) = (bytes.u32()?, bytes.u32()? as usize);
        let (zeroed_count, change_count) = (bytes.u32()?, bytes.u32()?);
        let globals = (0..global_count).map(|_| decode_global(bytes)).collect::<Result<_, _>>()?;
        let page_numbers = decode_numbers(bytes, page_count, memory_bytes)?;
        let zeroed = decode_numbers(bytes, zeroed_count as usize, memory_bytes)?;
        let pages = bytes.take(page_count.checked_mul(PAGE_BYTES).ok_or(Damaged("an impossible page count"))?)?;
        let change = |bytes: &mut Bytes<'_>| {
            let key = (bytes.u32()?, bytes.block()?.to_vec());
            let is_there = bytes.u8()? != 0;
            let value = bytes.block()?.to_vec();
            Ok((key, is_there.then_some(value)))
        };
        let changes = (0..change_count).map(|_| change(bytes)).collect::<Result<_, Damaged>>()?;
        Ok(Self { memory_bytes, globals, page_numbers, pages: pages.to_vec(), zeroed, changes })
    }
}

/// A guest's whole state between two calls.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Image {
    pub(crate) memory_bytes: u64,
    pub(crate) globals: Vec<GlobalBits>,
    /// The pages that are not zero, by number.
    pages: BTreeMap<u32, Box<Page>>,
    entries: BTreeMap<Key, Vec<u8>>,
}

impl Image {
    /// Takes over what has changed.
    pub fn apply(&mut self, delta: &Delta) {
        self.memory_bytes = delta.memory_bytes;
        self.globals.clone_from(&delta.globals);
        for number in &delta.zeroed {
            self.pages.remove(number);
        }
        for (number, page) in delta.page_numbers.iter().zip(delta.pages.as_chunks::<PAGE_BYTES>().0) {
            self.pages.entry(*number).and_modify(|old| **old = *page).or_insert_with(|| Box::new(*page));
        }
        for (key, value) in &delta.changes {
            match value {
                Some(value) => drop(self.entries.insert(key.clone(), value.clone())),
                None => drop(self.entries.remove(key)),
            }
        }
    }

    /// Puts the pages into `memory`, which has the image's length, and zeroes all others.
    pub(crate) fn write_to(&self, memory: &mut [u8]) {
        for (number, page) in (0u32..).zip(memory.as_chunks_mut::<PAGE_BYTES>().0) {
            match self.pages.get(&number) {
                Some(content) => *page = **content,
                // Reading first leaves pages that were never touched to the operating system.
                None if !is_zero(page) => page.fill(0),
                None => {}
            }
        }
    }

    /// The state by key.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Key, &Vec<u8>)> {
        self.entries.iter()
    }

    /// Numbers of the pages that are not zero.
    pub(crate) fn page_numbers(&self) -> impl Iterator<Item = u32> {
        self.pages.keys().copied()
    }

    /// Hands the encoded form to `write`, piece by piece.
    pub(crate) fn encode<E>(&self, mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let changes = self.entries.iter().map(|(key, value)| (key, Some(value.as_slice())));
        write(&head(self.memory_bytes, &self.globals, self.pages.keys().copied(), &[], changes.len()))?;
        self.pages.values().try_for_each(|page| write(&page[..]))?;
        write(&tail(changes))
    }
}

fn head(
    memory_bytes: u64,
    globals: &[GlobalBits],
    pages: impl ExactSizeIterator<Item = u32>,
    zeroed: &[u32],
    changes: usize,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 + globals.len() * 17 + (pages.len() + zeroed.len()) * 4);
    out.extend_from_slice(&memory_bytes.to_le_bytes());
    for count in [globals.len(), pages.len(), zeroed.len(), changes] {
        out.extend_from_slice(&(count as u32).to_le_bytes());
    }
    for global in globals {
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
    pages.chain(zeroed.iter().copied()).for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
    out
}

fn tail<'a>(changes: impl Iterator<Item = (&'a Key, Option<&'a [u8]>)>) -> Vec<u8> {
    let mut out = Vec::new();
    for ((group, key), value) in changes {
        out.extend_from_slice(&group.to_le_bytes());
        push_block(&mut out, key);
        out.push(u8::from(value.is_some()));
        push_block(&mut out, value.unwrap_or_default());
    }
    out
}

fn decode_numbers(bytes: &mut Bytes<'_>, count: usize, memory_bytes: u64) -> Result<Vec<u32>, Damaged> {
    let numbers: Vec<u32> = (0..count).map(|_| bytes.u32()).collect::<Result<_, _>>()?;
    if !numbers.is_sorted_by(|a, b| a < b) {
        return Err(Damaged("page numbers out of order"));
    }
    let end = numbers.last().map_or(0, |last| (u64::from(*last) + 1) * PAGE_BYTES as u64);
    if end > memory_bytes { Err(Damaged("a page beyond the memory")) } else { Ok(numbers) }
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

    fn encoded(delta: &Delta) -> Vec<u8> {
        let (head, pages, tail) = delta.encode();
        [&head, pages, &tail].concat()
    }

    #[test]
    fn a_delta_round_trips_and_rejects_every_truncation() {
        let mut memory = vec![0; 4 * PAGE_BYTES];
        memory[PAGE_BYTES + 7] = 9;
        memory[3 * PAGE_BYTES] = 1;
        let globals = vec![GlobalBits::I32(5), GlobalBits::F64(1.5f64.to_bits()), GlobalBits::V128(7)];
        let changes = vec![((3, b"gone".to_vec()), None), ((3, b"key".to_vec()), Some(b"value".to_vec()))];
        let mut delta = Delta::new(memory.len() as u64, globals, changes);
        delta.add(&memory, &[1, 2, 3]);
        assert_eq!(delta.page_numbers(), (&[1, 3][..], &[2][..]));
        let bytes = encoded(&delta);
        assert_eq!(Delta::decode(&mut Bytes::new(&bytes)), Ok(delta));
        for cut in 0..bytes.len() {
            assert!(Delta::decode(&mut Bytes::new(&bytes[..cut])).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn an_image_with_its_deltas_is_the_memory_and_encodes_as_a_delta_of_nothing() {
        let mut memory = vec![0; 4 * PAGE_BYTES];
        memory[7] = 9;
        memory[3 * PAGE_BYTES] = 1;
        let mut first = Delta::new(memory.len() as u64, Vec::new(), vec![((1, b"a".to_vec()), Some(b"1".to_vec()))]);
        first.add_all(&memory);
        memory[7] = 0;
        memory[2 * PAGE_BYTES] = 4;
        let mut second = Delta::new(memory.len() as u64, vec![GlobalBits::I32(1)], vec![((1, b"a".to_vec()), None)]);
        second.add(&memory, &[0, 2]);
        let mut image = Image::default();
        image.apply(&first);
        image.apply(&second);
        let mut restored = vec![0xff; memory.len()];
        image.write_to(&mut restored);
        assert!(restored == memory && image.entries().next().is_none());

        let mut bytes = Vec::new();
        let push = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok::<_, ()>(())
        };
        image.encode(push).unwrap();
        let mut again = Image::default();
        again.apply(&Delta::decode(&mut Bytes::new(&bytes)).unwrap());
        assert_eq!(again, image);
    }
}

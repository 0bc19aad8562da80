//! One frame of a checkpoint file, and what a base with its deltas adds up to.
//!
//! ```text
//! magic u32 "TMCK" | version u8 = 2 | kind u8 (0 base, 1 delta) | 0 u16 | sequence u64 | content bytes u64 | crc of the head u32
//! content:  identity (of a base only: operator block | generation u64 | plugin hash block | partition u32)
//!           cursors block | counters block | new places block | state block | has memory u8 | memory, as `Delta` encodes it
//! crc u32   CRC32C of the content
//! ```
//!
//! Cursors, counters and state of a delta replace those before it; its places stand behind those before it; its memory is
//! laid over that before it.

use tidemill_model::Offset;

use crate::guest::{Delta, Image};
use crate::operator::bytes::{Bytes, Damaged, push_block};
use crate::operator::spec::Spec;

const MAGIC: u32 = u32::from_le_bytes(*b"TMCK");
const VERSION: u8 = 2;
pub(super) const CRC_BYTES: usize = 4;
/// Bytes of a frame before its content.
pub(super) const HEAD_BYTES: usize = 28;

/// What an operator hands over to be written.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Whether it stands alone.
    pub(crate) is_base: bool,
    /// Where the operator would read on, per partition.
    pub(crate) next: Vec<Offset>,
    /// A cursor per partition, behind each other.
    pub(crate) cursor: Vec<u8>,
    pub(crate) counters: Vec<u8>,
    /// Groups' members that are new since the frame before.
    pub(crate) places: Vec<u8>,
    /// The rest of the state, whole.
    pub(crate) state: Vec<u8>,
    /// What of the guest's memory is state and has changed.
    pub(crate) memory: Option<Delta>,
}

/// A base with its deltas.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Saved {
    pub(crate) cursor: Vec<u8>,
    pub(crate) counters: Vec<u8>,
    pub(crate) places: Vec<u8>,
    pub(crate) state: Vec<u8>,
    pub(crate) memory: Option<Image>,
}

impl Saved {
    /// Takes over a frame.
    pub(crate) fn apply(&mut self, frame: &Frame) {
        if frame.is_base {
            *self = Self::default();
        }
        self.cursor.clone_from(&frame.cursor);
        self.counters.clone_from(&frame.counters);
        self.places.extend_from_slice(&frame.places);
        self.state.clone_from(&frame.state);
        if let Some(delta) = &frame.memory {
            self.memory.get_or_insert_default().apply(delta);
        }
    }

    /// Hands the content of a base frame with all of this to `write`, piece by piece.
    pub(super) fn content<E>(&self, identity: &[u8], mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        write(identity)?;
        write(&blocks([&self.cursor, &self.counters, &self.places, &self.state], self.memory.is_some()))?;
        self.memory.as_ref().map_or(Ok(()), |memory| memory.encode(write))
    }
}

fn blocks(parts: [&Vec<u8>; 4], has_memory: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum::<usize>() + 1);
    parts.into_iter().for_each(|part| push_block(&mut out, part));
    out.push(u8::from(has_memory));
    out
}

impl Frame {
    /// Hands the content to `write`, piece by piece. A base begins with the identity.
    pub(super) fn content<E>(&self, identity: &[u8], mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if self.is_base {
            write(identity)?;
        }
        write(&blocks([&self.cursor, &self.counters, &self.places, &self.state], self.memory.is_some()))?;
        let Some(memory) = &self.memory else {
            return Ok(());
        };
        let (head, pages, tail) = memory.encode();
        write(&head)?;
        write(pages)?;
        write(&tail)
    }

    /// Reads a content.
    pub(super) fn decode(is_base: bool, identity: &Identity, content: &[u8]) -> Result<Self, String> {
        let mut bytes = Bytes::new(content);
        if is_base {
            identity.check(&mut bytes)?;
        }
        Self::decode_rest(is_base, &mut bytes).map_err(damaged)
    }

    fn decode_rest(is_base: bool, bytes: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let mut part = || bytes.block().map(<[u8]>::to_vec);
        let (cursor, counters, places, state) = (part()?, part()?, part()?, part()?);
        let memory = if bytes.u8()? == 0 { None } else { Some(Delta::decode(bytes)?) };
        if !bytes.is_empty() {
            return Err(Damaged("bytes behind a frame's end"));
        }
        Ok(Self { is_base, next: Vec::new(), cursor, counters, places, state, memory })
    }
}

/// Says of damage what it is.
pub(super) fn damaged(error: Damaged) -> String {
    format!("checkpoint is damaged: {error}")
}

/// Whose checkpoint it is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    operator: String,
    generation: u64,
    hash: String,
    partition: u32,
}

impl Identity {
    pub(super) fn new(spec: &Spec, partition: u32) -> Self {
        let (operator, hash) = (spec.name.clone(), spec.hash.clone());
        Self { operator, generation: spec.generation, hash, partition }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        push_block(&mut out, self.operator.as_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        push_block(&mut out, self.hash.as_bytes());
        out.extend_from_slice(&self.partition.to_le_bytes());
        out
    }

    fn check(&self, bytes: &mut Bytes<'_>) -> Result<(), String> {
        let operator = bytes.block().map_err(damaged)?;
        let generation = bytes.u64().map_err(damaged)?;
        let hash = bytes.block().map_err(damaged)?;
        let partition = bytes.u32().map_err(damaged)?;
        let own = (self.operator.as_bytes(), self.generation, self.hash.as_bytes(), self.partition);
        if (operator, generation, hash, partition) == own {
            return Ok(());
        }
        let operator = String::from_utf8_lossy(operator);
        Err(format!("checkpoint is of operator {operator}, generation {generation}, partition {partition}"))
    }
}

/// What stands before a content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) is_base: bool,
    /// Counts the frames of a file from 0.
    pub(super) sequence: u64,
    pub(super) content_bytes: u64,
}

impl Head {
    pub(super) fn encode(self) -> [u8; HEAD_BYTES] {
        let mut out = [0; HEAD_BYTES];
        out[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[4] = VERSION;
        out[5] = u8::from(!self.is_base);
        out[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        out[16..24].copy_from_slice(&self.content_bytes.to_le_bytes());
        let crc = crc32c::crc32c(&out[..24]);
        out[24..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(super) fn decode(head: &[u8; HEAD_BYTES]) -> Result<Self, String> {
        let mut bytes = Bytes::new(head);
        if bytes.u32().map_err(damaged)? != MAGIC {
            return Err("not a checkpoint".into());
        }
        let version = bytes.u8().map_err(damaged)?;
        if version != VERSION {
            return Err(format!("checkpoint has version {version}, this program reads version {VERSION}"));
        }
        let kind = bytes.u8().map_err(damaged)?;
        bytes.take(2).map_err(damaged)?;
        let sequence = bytes.u64().map_err(damaged)?;
        let content_bytes = bytes.u64().map_err(damaged)?;
        if kind > 1 || bytes.u32().map_err(damaged)? != crc32c::crc32c(&head[..24]) {
            return Err(damaged(Damaged("checksum of a head does not match")));
        }
        Ok(Self { is_base: kind == 0, sequence, content_bytes })
    }
}

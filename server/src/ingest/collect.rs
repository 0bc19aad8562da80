//! Collects the samples of a body into payloads, per partition, and remembers the lines that were refused.

use bytes::Bytes;
use tidemill_model::payload::SamplesBuilder;
use tidemill_model::{NewRecord, ProducerId, RecordKind, SeriesId};

use super::line_protocol::{FieldValue, Line, LineError, unescape_text};

/// A record is closed when it holds about so much. Larger records delay followers, smaller ones cost headers.
const RECORD_BYTES: usize = 1 << 20;
/// Roughly what a sample takes in a payload.
const SAMPLE_BYTES: usize = 28;
/// Refused lines that an answer lists. The others are only counted.
const ERRORS_LISTED_MAX: usize = 100;
/// A request's records in a partition are numbered `sequence << PART_BITS | part`; the last part is [`LAST_PART`], so
/// that a request counts as seen only when all of it is.
const PART_BITS: u32 = 16;
/// See [`PART_BITS`].
const LAST_PART: u64 = (1 << PART_BITS) - 1;

/// Who sent a request, for its repetitions to be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The producer.
    pub producer: ProducerId,
    /// Its epoch.
    pub epoch: u32,
    /// The request's number, which grows.
    pub sequence: u64,
}

impl Identity {
    /// Largest sequence a request may have.
    pub(crate) const SEQUENCE_MAX: u64 = (1 << (64 - PART_BITS)) - 1;

    /// The sequence of the request's last record in a partition.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.sequence << PART_BITS | LAST_PART
    }
}

/// The samples for one partition.
#[derive(Debug, Default)]
struct Part {
    builder: SamplesBuilder,
    bytes: usize,
    closed: Vec<Bytes>,
}

/// What a body has given so far.
#[derive(Debug)]
pub(crate) struct Collected {
    parts: Vec<Part>,
    /// Lines that were accepted.
    pub lines: u64,
    /// Samples in them.
    pub samples: u64,
    /// Lines that were refused.
    pub rejected: u64,
    /// The first of them.
    pub errors: Vec<LineError>,
}

impl Collected {
    /// Nothing yet, for a topic with so many partitions.
    pub(crate) fn new(partitions: u32) -> Self {
        let parts = (0..partitions).map(|_| Part::default()).collect();
        Self { parts, lines: 0, samples: 0, rejected: 0, errors: Vec::new() }
    }

    /// Notes a refused line.
    #[cold]
    pub(crate) fn refuse(&mut self, error: LineError) {
        self.rejected += 1;
        if self.errors.len() < ERRORS_LISTED_MAX {
            self.errors.push(error);
        }
    }

    /// Adds the samples of a line whose fields have these ids. The line's texts are valid UTF-8.
    #[inline]
    pub(super) fn add(&mut self, partition: u32, line: &Line<'_, '_>, ids: &[SeriesId], time: i64) {
        let part = &mut self.parts[partition as usize];
        for (field, id) in line.fields.iter().zip(ids) {
            match field.value {
                FieldValue::Bits(value_type, bits) => part.builder.push_bits(*id, value_type, time, bits, line.quality),
                FieldValue::Text(raw) => {
                    let text = unescape_text(raw).unwrap_or_default();
                    part.bytes += text.len();
                    part.builder.push_text(*id, time, text, line.quality);
                }
            }
        }
        part.bytes += SAMPLE_BYTES * ids.len();
        self.lines += 1;
        self.samples += ids.len() as u64;
        if part.bytes >= RECORD_BYTES {
            part.close();
        }
    }

    /// The records of every partition that got samples.
    pub(crate) fn into_records(mut self, identity: Option<Identity>) -> Vec<(u32, Vec<NewRecord>)> {
        self.parts.iter_mut().for_each(Part::close);
        let touched = self.parts.into_iter().enumerate().filter(|(_, part)| !part.closed.is_empty());
        touched.map(|(partition, part)| (partition as u32, records(part.closed, identity))).collect()
    }
}

impl Part {
    fn close(&mut self) {
        if !self.builder.is_empty() {
            self.closed.push(self.builder.encode().into());
            self.bytes = 0;
        }
    }
}

fn records(payloads: Vec<Bytes>, identity: Option<Identity>) -> Vec<NewRecord> {
    let last = payloads.len() - 1;
    let record = |(index, payload)| match identity {
        None => NewRecord::anonymous(RecordKind::Samples, payload),
        Some(Identity { producer, epoch, sequence }) => {
            let part = if index == last { LAST_PART } else { index as u64 };
            NewRecord {
                producer,
                epoch,
                sequence: sequence << PART_BITS | part,
                ..NewRecord::anonymous(RecordKind::Samples, payload)
            }
        }
    };
    payloads.into_iter().enumerate().map(record).collect()
}

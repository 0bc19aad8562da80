//! The three things that librdkafka tells and its Rust interface does not. All unsafe code of this crate is here.

use std::ptr;

use rdkafka::bindings;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::message::BorrowedMessage;

/// Whether a record that was handed to librdkafka is in the partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It was never sent, or the broker has refused it.
    NotWritten,
    /// It was sent and no answer came.
    Unknown,
    /// The broker has acknowledged it.
    Written,
}

/// What became of the record of a delivery report.
pub(crate) fn fate(report: &BorrowedMessage<'_>) -> Fate {
    // SAFETY: the pointer is that of a message which lives as long as `report`; the call only reads from it.
    let status = unsafe { bindings::rd_kafka_message_status(report.ptr()) };
    match status {
        bindings::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Fate::NotWritten,
        bindings::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED => Fate::Unknown,
        bindings::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_PERSISTED => Fate::Written,
    }
}

/// The value of the last header with this name. Other headers, whose names may be any bytes, are not looked at.
pub(crate) fn header<'a>(message: &'a BorrowedMessage<'_>, name: &std::ffi::CStr) -> Option<&'a [u8]> {
    let (mut headers, mut value, mut bytes) = (ptr::null_mut(), ptr::null(), 0);
    let none = bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    // SAFETY: the pointer is that of a message which lives as long as `message`; `headers` is written on success only.
    if unsafe { bindings::rd_kafka_message_headers(message.ptr(), &mut headers) } != none || headers.is_null() {
        return None;
    }
    // SAFETY: `headers` belongs to the message and is not changed while it is borrowed; `name` ends with a zero.
    if unsafe { bindings::rd_kafka_header_get_last(headers, name.as_ptr(), &mut value, &mut bytes) } != none
        || value.is_null()
    {
        return None;
    }
    // SAFETY: on success librdkafka returns `bytes` readable bytes that live as long as the message's headers.
    Some(unsafe { std::slice::from_raw_parts(value.cast(), bytes) })
}

/// The generation of the group that a consumer is a member of; it grows with every change of who owns what.
pub(crate) fn group_generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<u64> {
    // SAFETY: the client lives as long as `consumer`. What is returned, if anything, is ours and destroyed below.
    unsafe {
        let metadata = bindings::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = bindings::rd_kafka_consumer_group_metadata_generation_id(metadata);
        bindings::rd_kafka_consumer_group_metadata_destroy(metadata);
        u64::try_from(generation).ok()
    }
}

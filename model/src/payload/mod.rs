//! The payloads of records: protobuf messages, described in `model/proto/tidemill.proto`.
//!
//! Samples, the hot one, have a codec of their own that copies columns instead of looping over fields; the rare ones
//! use `prost`. A test holds both against the `.proto` file.

pub mod samples;

mod catalog;

pub use catalog::{
    DeleteRange, Heartbeat, Label, OperatorDefinition, OperatorState, OperatorVersion, PayloadError, Quarantined,
    SeriesDefinition,
};
pub use samples::{SamplesBuilder, SamplesView};

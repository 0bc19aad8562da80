//! The rare payloads: heartbeats, edits, catalog entries and quarantined records.

use prost::Message;

use crate::sample::ValueType;
use crate::series::{Series, SeriesId, SeriesKey};

/// Why a payload cannot be decoded. Deterministic: the same bytes fail the same way everywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not the protobuf message its kind promises.
    #[error("payload is not a valid {message}: {reason}")]
    Malformed {
        /// The message's name.
        message: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl PayloadError {
    pub(crate) fn malformed(message: &'static str, reason: impl ToString) -> Self {
        Self::Malformed { message, reason: reason.to_string() }
    }
}

/// The writer is alive and nothing older than `time` is waiting in it.
#[derive(Clone, PartialEq, Message)]
pub struct Heartbeat {
    /// ns since the Unix epoch.
    #[prost(sfixed64, tag = "1")]
    pub time: i64,
}

/// Deletes every earlier sample of the series in `start..end`.
#[derive(Clone, PartialEq, Message)]
pub struct DeleteRange {
    /// Series ids.
    #[prost(fixed64, repeated, tag = "1")]
    pub series: Vec<u64>,
    /// First time deleted, ns.
    #[prost(sfixed64, tag = "2")]
    pub start: i64,
    /// First time kept, ns.
    #[prost(sfixed64, tag = "3")]
    pub end: i64,
}

/// A label on the wire.
#[derive(Clone, PartialEq, Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Registers a series on the wire; see [`SeriesDefinition::series`].
#[derive(Clone, PartialEq, Message)]
pub struct SeriesDefinition {
    /// The id, which must be the hash of the key.
    #[prost(fixed64, tag = "1")]
    pub id: u64,
    /// The measurement.
    #[prost(string, tag = "2")]
    pub measurement: String,
    /// The field.
    #[prost(string, tag = "3")]
    pub field: String,
    /// The labels.
    #[prost(message, repeated, tag = "4")]
    pub labels: Vec<Label>,
    /// Number of the [`ValueType`].
    #[prost(uint32, tag = "5")]
    pub value_type: u32,
}

impl SeriesDefinition {
    /// The message that registers `series`.
    pub fn of(series: &Series) -> Self {
        let label = |(name, value): &(String, String)| Label { name: name.clone(), value: value.clone() };
        Self {
            id: series.id.0,
            measurement: series.key.measurement().to_owned(),
            field: series.key.field().to_owned(),
            labels: series.key.labels().iter().map(label).collect(),
            value_type: series.value_type as u32,
        }
    }

    /// The series it registers.
    ///
    /// # Errors
    /// When the key or the type is not valid, or the id is not the hash of the key.
    pub fn series(self) -> Result<Series, PayloadError> {
        let error = |reason: String| PayloadError::malformed("SeriesDefinition", reason);
        let value_type = u8::try_from(self.value_type).ok().and_then(ValueType::from_number);
        let value_type = value_type.ok_or_else(|| error(format!("unknown value type {}", self.value_type)))?;
        let labels = self.labels.into_iter().map(|l| (l.name, l.value)).collect();
        let key = SeriesKey::new(self.measurement, self.field, labels).map_err(|e| error(e.to_string()))?;
        let series = Series::new(key, value_type);
        if series.id != SeriesId(self.id) {
            return Err(error(format!("id {:016x} is not the hash of {}", self.id, series.key)));
        }
        Ok(series)
    }
}

/// The state an operator shall be in. The numbers are persisted: never change them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum OperatorState {
    /// It follows its inputs.
    Running = 1,
    /// It keeps its state and its cursor and does nothing.
    Paused = 2,
    /// It is gone, with its state.
    Removed = 3,
}

/// A deployed plugin on the wire.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorDefinition {
    /// The operator's name, unique.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Hash of the installed Wasm file, lower-case hex.
    #[prost(string, tag = "2")]
    pub plugin_hash: String,
    /// JSON, as `tidemill plugin deploy` took it.
    #[prost(string, tag = "3")]
    pub config: String,
    /// Number of the [`OperatorState`].
    #[prost(uint32, tag = "4")]
    pub state: u32,
    /// Grows with every deploy under this name; a new generation starts from nothing.
    #[prost(fixed64, tag = "5")]
    pub generation: u64,
    /// The plugin's own name, for people.
    #[prost(string, tag = "6")]
    pub plugin: String,
    /// Where it starts in each partition if it does not start at the beginning: offsets.
    #[prost(fixed64, repeated, tag = "7")]
    pub start_offsets: Vec<u64>,
    /// The ordinals of the records there.
    #[prost(fixed64, repeated, tag = "8")]
    pub start_ordinals: Vec<u64>,
    /// Id of the journal in which that is so.
    #[prost(fixed64, tag = "9")]
    pub start_journal: u64,
    /// It runs beside the operator of its config's name, and its outputs go to the topic `shadow`.
    #[prost(bool, tag = "10")]
    pub shadow: bool,
    /// Outputs of earlier inputs of each partition go to the topic `shadow`.
    #[prost(fixed64, repeated, tag = "11")]
    pub cut_offsets: Vec<u64>,
    /// The definition that this one was promoted over, encoded, without its own previous.
    #[prost(bytes = "bytes", tag = "12")]
    pub previous: bytes::Bytes,
    /// What ran under this name before, oldest first.
    #[prost(message, repeated, tag = "13")]
    pub versions: Vec<OperatorVersion>,
    /// The generation whose state it starts with; 0: with none.
    #[prost(fixed64, tag = "14")]
    pub load_from: u64,
}

/// A generation of an operator.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorVersion {
    /// Its number.
    #[prost(fixed64, tag = "1")]
    pub generation: u64,
    /// Hash of its plugin, lower-case hex.
    #[prost(string, tag = "2")]
    pub plugin_hash: String,
    /// The plugin's own name and version, for people.
    #[prost(string, tag = "3")]
    pub plugin: String,
}

impl OperatorDefinition {
    /// The state, if this version knows it.
    pub fn operator_state(&self) -> Option<OperatorState> {
        use OperatorState::{Paused, Removed, Running};
        [Running, Paused, Removed].into_iter().find(|s| *s as u32 == self.state)
    }
}

/// A record that a follower could not apply.
#[derive(Clone, PartialEq, Message)]
pub struct Quarantined {
    /// Name of the follower.
    #[prost(string, tag = "1")]
    pub follower: String,
    /// The record's topic.
    #[prost(string, tag = "2")]
    pub topic: String,
    /// The record's partition.
    #[prost(uint32, tag = "3")]
    pub partition: u32,
    /// The record's offset.
    #[prost(fixed64, tag = "4")]
    pub offset: u64,
    /// Why it was refused.
    #[prost(string, tag = "5")]
    pub reason: String,
    /// The refused payload.
    #[prost(bytes = "bytes", tag = "6")]
    pub payload: bytes::Bytes,
}

macro_rules! decodable {
    ($($message:ident),+) => {$(
        impl $message {
            /// Reads the message from a payload.
            ///
            /// # Errors
            /// When the bytes are not this message.
            pub fn parse(payload: &[u8]) -> Result<Self, PayloadError> {
                Self::decode(payload).map_err(|e| PayloadError::malformed(stringify!($message), e))
            }

            /// The payload's bytes.
            pub fn to_payload(&self) -> bytes::Bytes {
                self.encode_to_vec().into()
            }
        }
    )+};
}

decodable!(Heartbeat, DeleteRange, SeriesDefinition, OperatorDefinition, Quarantined);

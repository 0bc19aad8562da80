//! Wire types of the network API, and the clients and servers that are generated with them.
//!
//! What the messages mean is written in `proto/`. Knows nothing of what is behind the API: the crates that use these
//! types turn them into their own and check them.

/// A node's journal, for other nodes.
pub mod journal {
    /// Version 1: fields are added, never changed.
    #[allow(missing_docs, unreachable_pub, clippy::allow_attributes_without_reason, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("tidemill.journal.v1");
    }
}

use bytes::Bytes;
use prost::Message;

use journal::v1::ErrorDetail;

impl ErrorDetail {
    /// The bytes that stand in the details of a status.
    pub fn to_details(&self) -> Bytes {
        self.encode_to_vec().into()
    }

    /// What stands in the details of a status; `None` if that is something else, or nothing.
    pub fn from_details(details: &[u8]) -> Option<Self> {
        (!details.is_empty()).then(|| Self::decode(details).ok()).flatten()
    }
}

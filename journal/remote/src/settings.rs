//! What a remote journal is opened with.

use std::path::PathBuf;
use std::time::Duration;

use tidemill_journal::JournalError;
use tidemill_model::JournalIdentity;

/// What a remote journal is opened with.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    /// Who asks: begins the names of this client's holds, so that the replicas of two nodes are not taken for one.
    /// The same after a restart.
    pub client: String,
    /// The journal that must be there. With it, opening does not wait for the other node; without it, the journal is
    /// whichever is found.
    pub identity: Option<JournalIdentity>,
    /// File with the certificates (PEM) of those who may vouch for the other node; needed for `grpcs`.
    pub ca_file: Option<PathBuf>,
    /// How long an append waits for the other node, from the call on, until it is given up.
    pub append_wait: Duration,
    /// How long any other call waits for the other node.
    pub call_wait: Duration,
}

impl RemoteSettings {
    /// The usual: appends wait for 30 s, other calls for 10 s, any journal will do.
    pub fn new(client: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            identity: None,
            ca_file: None,
            append_wait: Duration::from_secs(30),
            call_wait: Duration::from_secs(10),
        }
    }
}

/// Where another node is: `grpc://host:port`, or `grpcs://host:port` with TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    /// As it was given.
    pub(crate) text: String,
    /// Host and port.
    pub(crate) authority: String,
    pub(crate) has_tls: bool,
}

impl Address {
    /// # Errors
    /// [`JournalError::Invalid`] for any other text.
    pub(crate) fn parse(text: &str) -> Result<Self, JournalError> {
        let (scheme, authority) = text.split_once("://").unwrap_or(("", text));
        let authority = authority.trim_end_matches('/');
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        let is_host = !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']);
        if !matches!(scheme, "grpc" | "grpcs") || !is_host || port.parse::<u16>().is_err() {
            let reason = format!("{text:?} is not the address of a node: write grpc://host:port or grpcs://host:port");
            return Err(JournalError::Invalid { reason });
        }
        Ok(Self {
            text: format!("{scheme}://{authority}"),
            authority: authority.to_owned(),
            has_tls: scheme == "grpcs",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_a_host_and_a_port() {
        let address = Address::parse("grpc://10.0.0.1:7300").unwrap();
        assert_eq!((address.authority.as_str(), address.has_tls), ("10.0.0.1:7300", false));
        let address = Address::parse("grpcs://[::1]:7300/").unwrap();
        assert_eq!((address.authority.as_str(), address.has_tls), ("[::1]:7300", true));
        for wrong in
            ["", "host:1", "http://host:1", "grpc://host", "grpc://:1", "grpc://h:x", "grpc://h:70000", "grpc://h/p:1"]
        {
            assert!(matches!(Address::parse(wrong), Err(JournalError::Invalid { .. })), "{wrong}");
        }
    }
}

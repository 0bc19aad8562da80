//! A case: a module that means no good or was built wrongly, and what must become of it.

use crate::guest::Guest;

/// What must become of a module.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// The node does not take it, for a reason with these words.
    Refused(String),
    /// It is taken; an operator of it is not deployed, for a reason with these words.
    NotDeployed(String),
    /// An operator of it runs, and what it is given fails with these words.
    Fails(String),
    /// An operator of it runs without errors: it is odd, and does no harm.
    Works,
}

/// A module and its fate.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) wasm: Vec<u8>,
    pub(crate) fate: Fate,
    /// An aggregation is deployed with a window.
    pub(crate) is_aggregation: bool,
    /// It is deployed in two stages.
    pub(crate) is_combining: bool,
}

impl Case {
    /// A case of bytes.
    pub(crate) fn bytes(name: impl Into<String>, wasm: Vec<u8>, fate: Fate) -> Self {
        Self { name: name.into(), wasm, fate, is_aggregation: false, is_combining: false }
    }

    /// A case of WebAssembly text.
    pub(crate) fn text(name: impl Into<String>, wat: &str, fate: Fate) -> Self {
        let name = name.into();
        let wasm = wat::parse_str(wat).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self::bytes(name, wasm, fate)
    }

    /// A case of a guest that was spoiled.
    pub(crate) fn of(name: impl Into<String>, guest: &Guest, fate: Fate) -> Self {
        let (is_aggregation, is_combining) = (guest.is_aggregation(), guest.is_combining());
        Self { is_aggregation, is_combining, ..Self::text(name, &guest.wat(), fate) }
    }
}

/// Not taken, with these words.
pub(crate) fn refused(words: &str) -> Fate {
    Fate::Refused(words.to_owned())
}

/// Not deployed, with these words.
pub(crate) fn not_deployed(words: &str) -> Fate {
    Fate::NotDeployed(words.to_owned())
}

/// Fails on what it is given, with these words.
pub(crate) fn fails(words: &str) -> Fate {
    Fate::Fails(words.to_owned())
}

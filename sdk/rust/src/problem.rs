//! Why a call could not do what it was asked for.

use std::fmt;

/// An answer other than a result. People read the text in the operator's status, so say what is wrong, where, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// [`Problem::PARAMETER`], [`Problem::CONTRACT`], or the plugin's own from [`Problem::OWN`] upwards.
    pub code: u32,
    /// Lower-case, without full stop.
    pub text: String,
}

impl Problem {
    /// A parameter is wrong.
    pub const PARAMETER: u32 = 1;
    /// The host broke the contract.
    pub const CONTRACT: u32 = 2;
    /// The first code that is the plugin's own.
    pub const OWN: u32 = 100;

    /// A problem of the plugin's own, with code [`Problem::OWN`].
    pub fn new(text: impl Into<String>) -> Problem {
        Problem { code: Problem::OWN, text: text.into() }
    }

    /// Parameter `name` is wrong because of `reason`.
    pub fn parameter(name: &str, reason: &str) -> Problem {
        Problem { code: Problem::PARAMETER, text: format!("parameter `{name}` {reason}") }
    }

    pub(crate) fn contract(text: &str) -> Problem {
        Problem { code: Problem::CONTRACT, text: format!("the host broke the plugin contract: {text}") }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.text, self.code)
    }
}

impl std::error::Error for Problem {}

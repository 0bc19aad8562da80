//! Exit codes, and how an error says which one it wants.
//!
//! 0 ok, 1 failure, 2 usage, 3 not found, 4 refused or not now. Scripts rely on these numbers: never change them.

use std::fmt;

use crate::client::ClientError;

/// Why a command ends without success.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// It was tried and did not work.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// What was named is not there.
    NotFound = 3,
    /// The node, or a safety rule of this command, refuses; it may agree later or with another option.
    Refused = 4,
}

/// An error that knows its exit code.
#[derive(Debug)]
pub struct Ended {
    exit: Exit,
    message: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Ended {}

/// An error with this message that ends the command with `exit`.
pub fn ended(exit: Exit, message: impl Into<String>) -> anyhow::Error {
    Ended { exit, message: message.into() }.into()
}

/// The exit code that `error` asks for.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if let Some(ended) = cause.downcast_ref::<Ended>() {
            return ended.exit;
        }
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            return error.exit();
        }
    }
    Exit::Failure
}

/// Whether the reader of our output has gone away, as `tidemill … | head` does: that is no failure.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_pipe = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(is_pipe))
}

//! The command as a tool: run to its end, with what it said.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Result, bail};

use crate::binary;

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// This end if it was a success.
    ///
    /// # Errors
    /// With what was said otherwise.
    pub fn ok(self) -> Result<Self> {
        if self.code != Some(0) {
            bail!("ended with {:?}: {}{}", self.code, self.out, self.err);
        }
        Ok(self)
    }
}

/// Runs `tidemill` with these arguments.
///
/// # Errors
/// When it cannot be started.
pub fn tidemill<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<Ended> {
    let mut command = Command::new(binary()?);
    let output = command.args(arguments).env_remove("TIDEMILL_SERVER").env_remove("TIDEMILL_JOURNAL").output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
}

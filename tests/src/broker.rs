//! A Kafka broker as a child process.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::node::wait_for;

/// A running broker. Dropping it kills it.
pub struct Broker {
    process: Child,
    address: String,
}

impl Broker {
    /// Starts a broker with its data in `directory` and waits until it accepts connections.
    ///
    /// # Errors
    /// When Java or Maven are missing, or it does not come up; what it says goes to standard error.
    pub fn start(directory: &Path) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/broker.sh");
        let file: PathBuf = directory.join("address");
        let process = Command::new(&script).arg(directory).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let process = process.with_context(|| format!("run {}", script.display()))?;
        let mut broker = Self { process, address: String::new() };
        wait_for("the broker to accept connections", || {
            if let Some(status) = broker.process.try_wait()? {
                bail!("the broker ended with {status}: what it needs stands in {}", script.display());
            }
            broker.address = std::fs::read_to_string(&file).unwrap_or_default().trim().to_owned();
            Ok(!broker.address.is_empty() && TcpStream::connect(&broker.address).is_ok())
        })?;
        Ok(broker)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

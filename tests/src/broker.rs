//! A Kafka broker as a child process.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::node::wait_for;

/// A running broker. Dropping it kills it.
pub struct Broker {
    directory: PathBuf,
    process: Child,
    address: String,
}

impl Broker {
    /// Starts a broker with its data in `directory` and waits until it accepts connections.
    ///
    /// # Errors
    /// When Java or Maven are missing, or it does not come up; what it says goes to standard error.
    pub fn start(directory: &Path) -> Result<Self> {
        let process = launch(directory, &[])?;
        let mut broker = Self { directory: directory.to_owned(), process, address: String::new() };
        broker.wait()?;
        Ok(broker)
    }

    /// Kills it at once (SIGKILL). What it has acknowledged is in its files.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again after [`Broker::kill`], with the same data at the same address.
    ///
    /// # Errors
    /// As for [`Broker::start`].
    pub fn restart(&mut self) -> Result<()> {
        let settings = std::fs::read_to_string(self.directory.join("server.properties"))?;
        let listeners = settings.lines().find_map(|line| line.strip_prefix("listeners="));
        let ports = listeners.unwrap_or_default().split(',').filter_map(|listener| listener.rsplit(':').next());
        self.process = launch(&self.directory, &ports.collect::<Vec<_>>())?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let file = self.directory.join("address");
        wait_for("the broker to accept connections", || {
            if let Some(status) = self.process.try_wait()? {
                bail!("the broker ended with {status}: what it needs stands in {}", SCRIPT);
            }
            self.address = std::fs::read_to_string(&file).unwrap_or_default().trim().to_owned();
            Ok(!self.address.is_empty() && TcpStream::connect(&self.address).is_ok())
        })
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kafka/broker.sh");

fn launch(directory: &Path, ports: &[&str]) -> Result<Child> {
    let mut command = Command::new(SCRIPT);
    command.arg(directory).args(ports).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().with_context(|| format!("run {SCRIPT}"))
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

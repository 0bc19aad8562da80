//! A node as a child process, to be killed and restarted.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::Client;

/// How long anything may take before a test gives up. Generous: machines are shared.
const PATIENCE: Duration = Duration::from_secs(120);

/// Partitions that a node of a test has at most.
const PARTITIONS_MAX: u64 = 8;

/// The `tidemill` binary that was built beside the tests.
///
/// # Errors
/// When it has not been built.
pub fn binary() -> Result<PathBuf> {
    let file = profile_dir()?.join("tidemill");
    file.is_file().then_some(file).context("no tidemill beside the tests: cargo build -p tidemill-cli")
}

/// A plugin that `make plugins` has built.
///
/// # Errors
/// When it has not been built.
pub fn plugin_file(name: &str) -> Result<PathBuf> {
    let profile = profile_dir()?;
    let target = profile.parent().context("profiles lie in the target directory")?;
    let file = target.join("plugins").join(format!("{name}.wasm"));
    file.is_file().then_some(file).with_context(|| format!("no plugin {name}: run make plugins first"))
}

/// The folder of the build profile. Tests lie in its `deps`, other programs in itself.
pub(crate) fn profile_dir() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?;
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    profile.map(Path::to_owned).context("tests lie in target/<profile>/deps")
}

/// How a node is started.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Number of replicas.
    pub replicas: usize,
    /// Number of data partitions.
    pub partitions: u32,
    /// More arguments of `tidemill serve`.
    pub arguments: Vec<String>,
    /// The data directory is a disk of its own with so many MiB. What is on it is lost with the process.
    pub disk_mib: Option<u32>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self { replicas: 2, partitions: 1, arguments: Vec::new(), disk_mib: None }
    }
}

/// A running node. Dropping it kills it.
pub struct Node {
    data: PathBuf,
    port: u16,
    options: NodeOptions,
    child: Child,
    client: Client,
}

impl Node {
    /// Starts a node on `data` and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready; with what it said.
    pub fn start(data: &Path, options: NodeOptions) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = spawn(data, port, &options)?;
        let client = Client::new(&format!("http://127.0.0.1:{port}"));
        let mut node = Self { data: data.to_owned(), port, options, child, client };
        node.wait_until_ready()?;
        Ok(node)
    }

    /// A client of this node; it stays valid over restarts.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When the process is not there.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts the node again on the same data and port.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.data, self.port, &self.options)?;
        self.wait_until_ready()
    }

    /// SIGTERM, and waits for a clean end.
    ///
    /// # Errors
    /// When the node does not end with status 0.
    pub fn stop(&mut self) -> Result<()> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status()?;
        if !status.success() {
            bail!("no process {}", self.child.id());
        }
        let ended = self.child.wait()?;
        if !ended.success() {
            bail!("node ended with {ended}");
        }
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let client = self.client.clone();
        wait_for("the node to be ready", || {
            if let Some(status) = self.child.try_wait()? {
                bail!("node ended with {status} before it was ready");
            }
            Ok(client.get("/readyz").is_ok_and(|reply| reply.status == 200))
        })
    }

    /// Installs a plugin and deploys it; `request` is the deploy request without the plugin.
    ///
    /// # Errors
    /// What the node says.
    pub fn deploy(&self, plugin: &str, mut request: Value) -> Result<()> {
        request["plugin"] = self.client.install(&std::fs::read(plugin_file(plugin)?)?)?.into();
        self.deploy_installed(request)
    }

    /// Deploys an installed plugin; `request` is the whole deploy request.
    ///
    /// # Errors
    /// What the node says.
    pub fn deploy_installed(&self, request: Value) -> Result<()> {
        let json = [("Content-Type", "application/json")];
        self.client.post("/api/v1/operators", &json, request.to_string().as_bytes())?.ok()?;
        Ok(())
    }

    /// Waits until every replica and operator has nothing left to do and all replicas agree; returns their digest.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub fn wait_until_settled(&self) -> Result<String> {
        let mut last = Value::Null;
        let settled = wait_for("the node to settle", || {
            last = self.client.status()?;
            Ok(is_settled(&last))
        });
        settled.with_context(|| format!("last status: {last}"))?;
        Ok(last["replicas"][0]["digest"].as_str().unwrap_or_default().to_owned())
    }
}

fn is_settled(status: &Value) -> bool {
    // One that merges partitions waits with a heartbeat of each for the next one of the first.
    let waiting = |one: &Value| if one["merges_partitions"] == true { PARTITIONS_MAX } else { 0 };
    let is_idle = |one: &Value| one["lag_records"].as_u64().unwrap_or(u64::MAX) <= 2 + waiting(one);
    let idle = |list: &str| status[list].as_array().is_some_and(|all| all.iter().all(is_idle));
    // Heartbeats arrive every second, so equal positions are a moment that has to be caught.
    let replicas = status["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
    let agree = replicas
        .windows(2)
        .all(|pair| pair[0]["digest_position"] == pair[1]["digest_position"] && pair[0]["digest"] == pair[1]["digest"]);
    let served = replicas.iter().all(|replica| replica["state"] == "serving");
    idle("replicas") && idle("operators") && served && agree
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, in a mount namespace of its own if the data directory is to be a small disk.
fn program(data: &Path, options: &NodeOptions) -> Result<Command> {
    let binary = binary()?;
    let Some(mib) = options.disk_mib else { return Ok(Command::new(binary)) };
    let mut command = Command::new("unshare");
    let script = format!("mount -t tmpfs -o size={mib}m tmpfs \"$0\" && exec \"$@\"");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(data).arg(binary);
    Ok(command)
}

fn spawn(data: &Path, port: u16, options: &NodeOptions) -> Result<Child> {
    let mut child = program(data, options)?
        .args(["serve", "--http", &format!("127.0.0.1:{port}"), "--data"])
        .arg(data)
        .args(["--replicas", &options.replicas.to_string(), "--partitions", &options.partitions.to_string()])
        .args(&options.arguments)
        .env("TIDEMILL_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take().context("stderr is piped")?;
    // What the node says goes through the test's own output, so that it is shown when the test fails.
    #[expect(clippy::disallowed_methods, reason = "tests are composition roots")]
    std::thread::spawn(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).for_each(|l| eprintln!("node: {l}"))
    });
    Ok(child)
}

/// Waits until `condition` holds.
///
/// # Errors
/// The condition's own, or that it did not hold in time.
#[expect(clippy::disallowed_methods, reason = "tests are composition roots; the pause only paces the question")]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition()? {
        if Instant::now() > deadline {
            bail!("waited {} s in vain for {what}", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

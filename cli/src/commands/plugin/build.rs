//! `tidemill plugin build`: compiles a plugin to WebAssembly.
//!
//! A project with a `plugin.toml` is built by the command in it. A crate without one is built by cargo: the toolchain is what `sdk/wasm-toolchain.sh` finds or makes, if the plugin lies in a checkout that has it; otherwise plain
//! cargo, with the target that rustup installs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use crate::commands::plugin::project::Project;
use crate::exit::{Exit, ended};
use crate::output::{self, Context};

const TARGET: &str = "wasm32-unknown-unknown";
const TOOLCHAIN_SCRIPT: &str = "sdk/wasm-toolchain.sh";

/// Options of `tidemill plugin build`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidemill plugin build
  tidemill plugin add \"$(tidemill plugin build plugins/rollup)\"

A directory with a plugin.toml is built by the command that stands in it, one with only a Cargo.toml by cargo.")]
pub struct BuildArgs {
    /// Directory of the plugin, with its plugin.toml or Cargo.toml
    #[arg(default_value = ".")]
    pub dir: PathBuf,
}

/// Builds the plugin and prints where the file is.
///
/// # Errors
/// When there is no plugin, no toolchain, or it does not compile; the compiler's own messages are on standard error.
pub fn run(context: &Context, args: &BuildArgs) -> anyhow::Result<()> {
    let wasm = build(&args.dir)?;
    if context.json {
        output::json(&json!({ "wasm": wasm }))?;
    } else {
        output::line(wasm.display())?;
    }
    Ok(())
}

/// Builds the plugin in a directory. Returns the file.
///
/// # Errors
/// As [`run`].
pub fn build(given: &Path) -> anyhow::Result<PathBuf> {
    match Project::open(given)? {
        Some(project) => project.build(),
        None => build_crate(given),
    }
}

fn build_crate(given: &Path) -> anyhow::Result<PathBuf> {
    let dir = given.canonicalize().with_context(|| format!("open {}", given.display()))?;
    let manifest = dir.join("Cargo.toml");
    if !manifest.is_file() {
        let message = format!(
            "{} is not a plugin: it has neither plugin.toml nor Cargo.toml; start one with `tidemill plugin new`",
            given.display()
        );
        return Err(ended(Exit::NotFound, message));
    }
    let package = metadata(&manifest)?;
    let cargo = wasm_cargo(&dir)?;
    let root = PathBuf::from(package["target_directory"].as_str().context("cargo metadata names no target directory")?);
    let target_dir = root.join("wasm");
    let status = Command::new(&cargo)
        .args(["build", "--lib", "--target", TARGET, "--manifest-path"])
        .arg(&manifest)
        .args(["--profile", profile(&package), "--target-dir"])
        .arg(&target_dir)
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .with_context(|| format!("run {}", cargo.display()))?;
    if !status.success() {
        let hint = format!("if the compiler has no target {TARGET}: rustup target add {TARGET}");
        return Err(ended(Exit::Failure, format!("the plugin does not build; {hint}")));
    }
    let wasm = target_dir.join(TARGET).join(profile(&package)).join(file_name(&package, &manifest)?);
    anyhow::ensure!(wasm.is_file(), "cargo has not made {}: the crate needs crate-type = [\"cdylib\"]", wasm.display());
    Ok(wasm)
}

fn metadata(manifest: &Path) -> anyhow::Result<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo: install Rust from https://rustup.rs first")?;
    anyhow::ensure!(output.status.success(), "cargo cannot read {}", manifest.display());
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The workspace's own profile for plugins, where there is one.
fn profile(package: &Value) -> &'static str {
    let root = package["workspace_root"].as_str().unwrap_or_default();
    let manifest = std::fs::read_to_string(Path::new(root).join("Cargo.toml")).unwrap_or_default();
    if manifest.contains("[profile.plugin]") { "plugin" } else { "release" }
}

fn file_name(metadata: &Value, manifest: &Path) -> anyhow::Result<String> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let is_ours = |package: &&Value| package["manifest_path"].as_str().map(Path::new) == Some(manifest);
    let package = packages.iter().find(is_ours).context("the directory is a workspace, not a plugin")?;
    let targets = package["targets"].as_array().into_iter().flatten();
    let is_library = |target: &&Value| target["kind"].as_array().is_some_and(|kinds| kinds.contains(&json!("cdylib")));
    let library = targets.filter(is_library).find_map(|target| target["name"].as_str());
    let library = library.context("the crate makes no .wasm file: set crate-type = [\"cdylib\"] under [lib]")?;
    Ok(format!("{}.wasm", library.replace('-', "_")))
}

/// The cargo that builds plugins.
fn wasm_cargo(dir: &Path) -> anyhow::Result<PathBuf> {
    let Some(script) = dir.ancestors().map(|parent| parent.join(TOOLCHAIN_SCRIPT)).find(|path| path.is_file()) else {
        return Ok(PathBuf::from("cargo"));
    };
    let output = Command::new("sh").arg(&script).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("run {}", script.display()))?;
    anyhow::ensure!(output.status.success(), "{} found no toolchain that builds plugins", script.display());
    let text = String::from_utf8_lossy(&output.stdout);
    let path = text.lines().last().context("the toolchain script printed nothing")?;
    Ok(PathBuf::from(path.trim()))
}

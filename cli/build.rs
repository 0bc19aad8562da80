//! Packs the SDKs and their templates into the command, for `tidemill plugin new`.
//!
//! Every folder of `sdk/` that has a `template/` is a language; its name is what `--lang` takes. Invariants: equal
//! sources make equal bytes (files are sorted by path); what `.gitignore` files name stays out.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Never part of an SDK, whatever ignore files say.
const NEVER: [&str; 3] = ["target", "node_modules", "__pycache__"];
/// The Rust SDK is a crate of this workspace: its files, and where they go.
const RUST_SDK: &str = "rust/tidemill";

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let sdk = root.join("sdk");
    println!("cargo:rerun-if-changed={}", sdk.display());
    println!("cargo:rerun-if-changed={}", root.join("Cargo.toml").display());
    let mut files = Vec::new();
    for lang in sorted(&sdk).into_iter().filter(|dir| dir.join("template").is_dir()) {
        let name = file_name(&lang);
        collect(&lang.join("template"), &format!("{name}/template"), &[], &mut files);
        // All templates are the same plugin, so they share its fixtures.
        collect(&sdk.join("fixtures"), &format!("{name}/template/fixtures"), &[], &mut files);
        if lang.join("tidemill").is_dir() {
            collect(&lang.join("tidemill"), &format!("{name}/tidemill"), &[], &mut files);
        }
    }
    collect(&sdk.join("toolchains"), "toolchains", &[], &mut files);
    files.push(("toolchains/wasm-toolchain.sh".to_owned(), sdk.join("wasm-toolchain.sh")));
    collect(&sdk.join("rust/src"), &format!("{RUST_SDK}/src"), &[], &mut files);
    files.push((format!("{RUST_SDK}/Cargo.toml"), rust_manifest(&root)));
    files.sort();

    let mut code = String::from("pub(super) static FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in &files {
        let path = path.canonicalize().expect("a file that was just listed");
        writeln!(code, "    ({name:?}, include_bytes!({path:?})),").expect("a string takes everything");
    }
    code.push_str("];\n");
    fs::write(out_dir().join("sdk_files.rs"), code).expect("the output directory can be written");
}

fn out_dir() -> PathBuf {
    PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"))
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable directory").path()).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).expect("names in the SDKs are UTF-8").to_owned()
}

/// Adds the files under `dir` by name, but not those that an ignore file on the way names.
fn collect(dir: &Path, name: &str, inherited: &[String], files: &mut Vec<(String, PathBuf)>) {
    let mut ignored = inherited.to_vec();
    let own = fs::read_to_string(dir.join(".gitignore")).unwrap_or_default();
    ignored.extend(own.lines().map(|line| line.trim().trim_matches('/').to_owned()).filter(|line| !line.is_empty()));
    for path in sorted(dir) {
        let file = file_name(&path);
        if NEVER.contains(&file.as_str()) || ignored.iter().any(|pattern| matches(pattern, &file)) {
            continue;
        }
        let name = format!("{name}/{file}");
        if path.is_dir() { collect(&path, &name, &ignored, files) } else { files.push((name, path)) }
    }
}

/// Whether a name fits a pattern with at most one `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail),
    }
}

/// The Rust SDK's manifest without references to this workspace.
fn rust_manifest(root: &Path) -> PathBuf {
    let read = |path: PathBuf| fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (workspace, own) = (read(root.join("Cargo.toml")), read(root.join("sdk/rust/Cargo.toml")));
    let shared = workspace.split("[workspace.package]").nth(1).expect("the workspace has shared settings");
    let shared = shared.split("\n[").next().unwrap_or_default();
    let mut manifest = String::new();
    for line in own.split("[lints]").next().unwrap_or_default().lines() {
        match line.strip_suffix(".workspace = true") {
            None => manifest.push_str(line),
            Some(key) => {
                let is_it = |line: &&str| line.split('=').next().is_some_and(|name| name.trim() == key);
                manifest.push_str(shared.lines().find(is_it).expect("what is inherited is set in the workspace"));
            }
        }
        manifest.push('\n');
    }
    let path = out_dir().join("sdk-Cargo.toml");
    fs::write(&path, manifest.trim_end().to_owned() + "\n").expect("the output directory can be written");
    path
}

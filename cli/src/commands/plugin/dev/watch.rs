//! Which files a project is made of, and whether they have changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Directories that builds and tests write to.
const NEVER: [&str; 6] = ["target", "node_modules", "__pycache__", ".zig-cache", "zig-out", ".git"];

/// Time of change and size of every file.
pub(super) type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The sources of a project.
pub(super) struct Sources {
    dir: PathBuf,
    /// Names of files and directories, and names with one `*`, relative to the directory.
    patterns: Vec<String>,
}

impl Sources {
    pub(super) fn new(dir: &Path, patterns: Vec<String>) -> Self {
        Self { dir: dir.to_owned(), patterns }
    }

    /// The files as they are now. What cannot be read counts as not there.
    pub(super) fn seen(&self) -> Seen {
        let mut seen = Seen::new();
        for pattern in &self.patterns {
            match pattern.split_once('*') {
                None => add(&self.dir.join(pattern), &mut seen),
                Some((head, tail)) => {
                    let fits = |name: &str| {
                        name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
                    };
                    let files = entries(&self.dir).into_iter().filter(|path| file_name(path).is_some_and(fits));
                    files.for_each(|path| add(&path, &mut seen));
                }
            }
        }
        seen
    }
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn add(path: &Path, seen: &mut Seen) {
    if file_name(path).is_some_and(|name| NEVER.contains(&name)) {
        return;
    }
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => entries(path).iter().for_each(|path| add(path, seen)),
        Ok(found) => drop(seen.insert(path.to_owned(), (found.modified().ok(), found.len()))),
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_directories_and_patterns_are_seen_and_builds_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        ["a.c", "b.h", "src/x/y.rs", "src/target/z.rs", "plugin.toml"].iter().for_each(|name| write(name, ""));
        let patterns = ["*.c", "src", "plugin.toml", "missing"].map(str::to_owned).to_vec();
        let sources = Sources::new(dir.path(), patterns);
        let names: Vec<_> =
            sources.seen().into_keys().map(|path| path.strip_prefix(dir.path()).unwrap().to_owned()).collect();
        assert_eq!(names, ["a.c", "plugin.toml", "src/x/y.rs"].map(PathBuf::from));
        let before = sources.seen();
        write("b.h", "not watched");
        assert_eq!(sources.seen(), before);
        write("src/x/y.rs", "longer");
        assert_ne!(sources.seen(), before);
    }
}

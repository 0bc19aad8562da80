//! Local files that survive the loss of power.
//!
//! The library's own file store does not sync. This one writes a file aside, syncs it, gives it its name in one step
//! (which fails if the name is taken, where that is asked for), and syncs the directory before it answers. What has a
//! name is therefore whole. Everything else is the library's.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tidemill_journal::Env;

/// A directory whose files are synced.
#[derive(Debug)]
pub(crate) struct SyncedFiles {
    files: LocalFileSystem,
    root: PathBuf,
    /// Random, so that processes do not write the same file aside.
    process: u64,
    count: AtomicU64,
}

impl SyncedFiles {
    /// Opens `root`, which is made if it is not there.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn open(root: &FilePath, env: &Arc<dyn Env>) -> Result<Self> {
        let failed = |source: std::io::Error| generic(root, source);
        fs::create_dir_all(root).map_err(failed)?;
        let root = fs::canonicalize(root).map_err(failed)?;
        let files = LocalFileSystem::new_with_prefix(&root)?;
        Ok(Self { files, root, process: env.random(), count: AtomicU64::new(0) })
    }

    /// The name a file has until it is whole. The library does not list names that end like this.
    fn aside(&self, target: &FilePath) -> PathBuf {
        let number = self.process.wrapping_add(self.count.fetch_add(1, Relaxed));
        let mut name = target.as_os_str().to_owned();
        name.push(format!("#{number}"));
        name.into()
    }
}

fn generic(path: &FilePath, source: std::io::Error) -> Error {
    Error::Generic { store: "local files", source: format!("{}: {source}", path.display()).into() }
}

/// Steps 1 to 4 of the module.
fn write(root: &FilePath, target: &FilePath, aside: &FilePath, payload: &PutPayload, mode: &PutMode) -> Result<()> {
    let directory = target.parent().unwrap_or(root);
    make_directory(root, directory).map_err(|e| generic(directory, e))?;
    let written = write_aside(aside, payload).and_then(|()| match mode {
        PutMode::Overwrite => fs::rename(aside, target),
        _ => fs::hard_link(aside, target),
    });
    // Already gone after a rename.
    let _ = fs::remove_file(aside);
    match written {
        Ok(()) => sync_directory(directory).map_err(|e| generic(directory, e)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            Err(Error::AlreadyExists { path: target.display().to_string(), source: e.into() })
        }
        Err(e) => Err(generic(target, e)),
    }
}

fn write_aside(aside: &FilePath, payload: &PutPayload) -> std::io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(aside)?;
    payload.iter().try_for_each(|chunk| file.write_all(chunk))?;
    file.sync_all()
}

/// Makes `directory` below `root`, and syncs every directory that got a new entry.
fn make_directory(root: &FilePath, directory: &FilePath) -> std::io::Result<()> {
    if directory.is_dir() || directory == root {
        return Ok(());
    }
    let parent = directory.parent().unwrap_or(root);
    make_directory(root, parent)?;
    match fs::create_dir(directory) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => sync_directory(parent),
    }
}

fn sync_directory(directory: &FilePath) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

impl std::fmt::Display for SyncedFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "files in {}", self.root.display())
    }
}

/// Blocks a thread that is there for that, as the library does with its own file operations.
#[expect(clippy::disallowed_methods, reason = "blocking file operations belong on the runtime's threads for them")]
fn blocking(work: impl FnOnce() -> Result<()> + Send + 'static) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move { tokio::task::spawn_blocking(work).await? })
}

#[async_trait]
impl ObjectStore for SyncedFiles {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let target = self.files.path_to_filesystem(location)?;
        let (root, aside) = (self.root.clone(), self.aside(&target));
        blocking(move || write(&root, &target, &aside, &payload, &options.mode)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }
}

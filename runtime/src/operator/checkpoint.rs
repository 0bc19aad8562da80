//! The checkpoint file of one operator in one partition: state and cursor, replaced in one atomic step.
//!
//! Little-endian; `block` is a length as u32 and so many bytes. `docs/formats/checkpoint.md` has the whole picture.
//!
//! ```text
//! magic u32 "TMCK" | version u8 = 1 | operator block | generation u64 | plugin hash block | partition u32
//! cursor block     (tidemill_journal::cursor)
//! body block       (counters, groups, the world's state)
//! crc u32          CRC32C of everything before
//! ```

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tidemill_journal::Cursor;

use crate::error::RuntimeError;
use crate::operator::bytes::{Bytes, Damaged, push_block};
use crate::operator::spec::Spec;

const MAGIC: u32 = u32::from_le_bytes(*b"TMCK");
const VERSION: u8 = 1;
const CRC_BYTES: usize = 4;

/// A checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}; remove it to recompute from the start: rm {file}")]
pub(crate) struct CheckpointError {
    pub(crate) file: String,
    pub(crate) reason: String,
}

/// Where the checkpoints of one operator in one partition go.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointFile {
    path: PathBuf,
    partition: u32,
}

/// What a checkpoint holds besides its identity.
#[derive(Debug, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) cursor: Cursor,
    pub(crate) body: Vec<u8>,
}

impl CheckpointFile {
    /// The file in an operator's directory.
    pub(crate) fn new(operator_dir: &Path, partition: u32) -> Self {
        Self { path: operator_dir.join(format!("p{partition}.ckpt")), partition }
    }

    /// An error about this file.
    pub(crate) fn error(&self, reason: impl ToString) -> CheckpointError {
        CheckpointError { file: self.path.display().to_string(), reason: reason.to_string() }
    }

    /// Replaces the checkpoint; it is durable when this returns.
    pub(crate) fn write(&self, spec: &Spec, cursor: &Cursor, body: &[u8]) -> Result<(), RuntimeError> {
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(&MAGIC.to_le_bytes());
        head.push(VERSION);
        push_block(&mut head, spec.name.as_bytes());
        head.extend_from_slice(&spec.generation.to_le_bytes());
        push_block(&mut head, spec.hash.as_bytes());
        head.extend_from_slice(&self.partition.to_le_bytes());
        push_block(&mut head, &cursor.encode());
        let bytes = u32::try_from(body.len()).expect("the limits keep a state below 4 GiB");
        head.extend_from_slice(&bytes.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head), body);
        replace(&self.path, &[&head, body, &crc.to_le_bytes()])
    }

    /// Reads the checkpoint; `None` if there is none yet.
    pub(crate) fn read(&self, spec: &Spec) -> Result<Option<Loaded>, CheckpointError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.error(error)),
        };
        self.parse(spec, &bytes).map(Some).map_err(|reason| self.error(reason))
    }

    fn parse(&self, spec: &Spec, bytes: &[u8]) -> Result<Loaded, String> {
        let damaged = |error: Damaged| format!("checkpoint is damaged: {error}");
        let content = bytes.split_last_chunk::<CRC_BYTES>();
        let (content, crc) = content.ok_or_else(|| damaged(Damaged("cut short")))?;
        let mut rest = Bytes::new(content);
        if rest.u32().map_err(damaged)? != MAGIC {
            return Err("not a checkpoint".into());
        }
        if crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
            return Err(damaged(Damaged("checksum does not match")));
        }
        let version = rest.u8().map_err(damaged)?;
        if version != VERSION {
            return Err(format!("checkpoint has version {version}, this program reads version {VERSION}"));
        }
        let name = rest.block().map_err(damaged)?;
        let generation = rest.u64().map_err(damaged)?;
        let hash = rest.block().map_err(damaged)?;
        let partition = rest.u32().map_err(damaged)?;
        let own = (spec.name.as_bytes(), spec.generation, spec.hash.as_bytes(), self.partition);
        if (name, generation, hash, partition) != own {
            let name = String::from_utf8_lossy(name);
            return Err(format!("checkpoint is of operator {name}, generation {generation}, partition {partition}"));
        }
        let cursor = Cursor::decode(rest.block().map_err(damaged)?).map_err(|error| error.to_string())?;
        let body = rest.block().map_err(damaged)?.to_vec();
        if !rest.is_empty() {
            return Err(damaged(Damaged("bytes behind its end")));
        }
        Ok(Loaded { cursor, body })
    }
}

/// Writes a file beside its place, makes it durable, and puts it there.
pub(crate) fn replace(path: &Path, parts: &[&[u8]]) -> Result<(), RuntimeError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| RuntimeError::io(action, &path, &error)
    };
    fs::create_dir_all(dir).map_err(io("create", dir))?;
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).map_err(io("create", &temporary))?;
    for part in parts {
        file.write_all(part).map_err(io("write", &temporary))?;
    }
    file.sync_data().map_err(io("sync", &temporary))?;
    fs::rename(&temporary, path).map_err(io("rename", path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("sync", dir))
}

//! The file `node` in the data directory: which node this is, and which journal it follows.
//!
//! Replicas, checkpoints and the ledger hold offsets of one journal. Offsets of another one would fit them just as well and
//! mean something else, so a node checks before it writes anything. The file is text, replaced whole:
//!
//! ```text
//! tidemill node 1
//! node 6f0c1d2e3a4b5c6d
//! journal 01f3a9c2b4d5e6f700000001
//! place kafka://a:9092/plant
//! check 3f2504e04f8911d3       XXH3-64 of everything before this line
//! ```

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tidemill_journal::{Env, JournalError};
use tidemill_journal_embedded::open_read_only;
use tidemill_model::{JournalIdentity, Position};
use xxhash_rust::xxh3::xxh3_64;

use super::JournalUrl;
use crate::NodeError;

const HEAD: &str = "tidemill node 1";

/// What a data directory belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Followed {
    /// Tells this node from others on the same journal.
    pub node: u64,
    /// The journal.
    pub journal: JournalIdentity,
    /// Where it was when the node last started.
    pub place: String,
}

fn path(data: &Path) -> PathBuf {
    data.join("node")
}

fn io(action: &'static str, path: &Path, error: &std::io::Error) -> NodeError {
    NodeError::Io { action, path: path.display().to_string(), reason: error.to_string() }
}

fn damaged(path: &Path, data: &Path, reason: &str) -> NodeError {
    let (path, data) = (path.display(), data.display());
    let remedy = format!("restore it, or remove everything in {data} but its journal");
    NodeError::Config(format!("{path} is damaged: {reason}; {remedy}"))
}

impl Followed {
    /// Reads what `data` belongs to; `None` in a new directory. One that was made before there was such a file belongs to
    /// the journal inside it.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub(crate) fn load(data: &Path, env: &dyn Env) -> Result<Option<Self>, NodeError> {
        let path = path(data);
        match fs::read_to_string(&path) {
            Ok(text) => parse(&text).map(Some).map_err(|reason| damaged(&path, data, &reason)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let inside = data.join("journal");
                if !inside.join("meta").is_file() {
                    return Ok(None);
                }
                let journal = open_read_only(&inside)?.identity();
                let place = std::path::absolute(&inside).unwrap_or(inside).display().to_string();
                Ok(Some(Self { node: env.random(), journal, place }))
            }
            Err(error) => Err(io("read", &path, &error)),
        }
    }

    /// Whether the file is there.
    pub(crate) fn is_stored(data: &Path) -> bool {
        path(data).is_file()
    }

    /// Where the journal was when the node in `data` last started.
    ///
    /// # Errors
    /// As for [`Followed::load`].
    pub(crate) fn place_in(data: &Path) -> Result<Option<String>, NodeError> {
        let path = path(data);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(|error| io("read", &path, &error))?;
        parse(&text).map(|followed| Some(followed.place)).map_err(|reason| damaged(&path, data, &reason))
    }

    /// Writes the file; it is durable when this returns.
    pub(crate) fn store(&self, data: &Path) -> Result<(), NodeError> {
        let path = path(data);
        let fresh = path.with_extension("new");
        let written = File::create(&fresh).and_then(|mut file| {
            file.write_all(self.text().as_bytes())?;
            file.sync_all()
        });
        let replaced = written.and_then(|()| fs::rename(&fresh, &path));
        replaced.and_then(|()| File::open(data)?.sync_all()).map_err(|error| io("write", &path, &error))
    }

    fn text(&self) -> String {
        let Self { node, journal, place } = self;
        let content = format!("{HEAD}\nnode {node:016x}\njournal {journal}\nplace {place}\n");
        let check = xxh3_64(content.as_bytes());
        format!("{content}check {check:016x}\n")
    }

    /// Checks that the journal `found` at `url` is the one that is followed.
    ///
    /// # Errors
    /// [`JournalError::WrongJournal`] with what to do.
    pub(crate) fn check(&self, data: &Path, url: &JournalUrl, found: JournalIdentity) -> Result<(), JournalError> {
        if found == self.journal {
            return Ok(());
        }
        let (place, expected) = (url.to_string(), self.journal);
        Err(JournalError::WrongJournal { place, found, expected, remedy: self.remedy(data) })
    }

    /// There is no journal at `url`, and none may be made there.
    pub(crate) fn missing(&self, data: &Path, url: &JournalUrl) -> NodeError {
        NodeError::Config(format!("there is no journal at {url}; {}", self.remedy(data)))
    }

    fn remedy(&self, data: &Path) -> String {
        let (data, place) = (data.display(), &self.place);
        format!(
            "the node in {data} follows the journal that was at {place}: start it with --journal {place}, or start with another --data directory"
        )
    }
}

fn parse(text: &str) -> Result<Followed, String> {
    let (content, check) = text.rsplit_once("check ").ok_or("it is cut short")?;
    let check = check.strip_suffix('\n').ok_or("it is cut short")?;
    if format!("{:016x}", xxh3_64(content.as_bytes())) != check {
        return Err("the checksum does not match".to_owned());
    }
    let mut lines = content.lines();
    if lines.next() != Some(HEAD) {
        return Err("another version wrote it: use the newer program".to_owned());
    }
    let mut field = |name: &str| {
        let value = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map(str::to_owned).ok_or_else(|| format!("there is no {name}"))
    };
    let node = u64::from_str_radix(&field("node")?, 16).map_err(|error| error.to_string())?;
    // A position begins with its journal.
    let position: Position = format!("{}-{:016x}", field("journal")?, 0).parse().map_err(|_| "no identity")?;
    Ok(Followed { node, journal: position.journal, place: field("place")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed() -> Followed {
        let journal = JournalIdentity { id: 0x01f3_a9c2_b4d5_e6f7, generation: 3 };
        Followed { node: 7, journal, place: "kafka://a:9092/plant check 1".to_owned() }
    }

    #[test]
    fn the_text_round_trips_and_every_damage_is_noticed() {
        let text = followed().text();
        assert_eq!(parse(&text), Ok(followed()));
        for cut in 0..text.len() {
            assert!(parse(&text[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            damaged[at] ^= 1;
            assert!(parse(&String::from_utf8(damaged).unwrap()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn another_journal_or_generation_is_refused_with_the_way_back() {
        let followed = followed();
        let url: JournalUrl = "object:///srv/j".parse().unwrap();
        let check = |journal| followed.check(Path::new("/data"), &url, journal);
        assert!(check(followed.journal).is_ok());
        for other in
            [JournalIdentity { generation: 4, ..followed.journal }, JournalIdentity { id: 1, ..followed.journal }]
        {
            let error = check(other).unwrap_err();
            assert_eq!(error.kind(), tidemill_journal::ErrorKind::Fenced);
            let text = error.to_string();
            assert!(text.contains("object:///srv/j") && text.contains("--journal kafka://a:9092/plant"), "{text}");
        }
    }
}

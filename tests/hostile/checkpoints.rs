//! Checkpoints that an operator must not go on from: of another operator, damaged, cut off, of a newer version.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidemill_tests::node::wait_for;

use crate::guest::Guest;
use crate::neighbours::Town;

/// Something done to the bytes of a file.
type Damage = fn(&mut Vec<u8>);

/// What is done to a checkpoint, by the name of the operator that it is done to.
const DAMAGES: [(&str, Damage); 12] = [
    ("empty", Vec::clear),
    ("cut-short", |file| file.truncate(3)),
    ("cut-in-the-head", |file| file.truncate(20)),
    ("cut-in-half", |file| file.truncate(base_bytes(file) / 2)),
    ("cut-at-the-end", |file| file.truncate(base_bytes(file) - 1)),
    ("other-magic", |file| file[0] ^= 1),
    ("other-version", |file| file[4] = 99),
    ("other-name", |file| file[33] ^= 1),
    ("other-hash", |file| file[60] ^= 0xff),
    ("other-middle", |file| flip(file, 2)),
    ("other-sum", |file| flip(file, 1)),
    ("zeros", |file| file.fill(0)),
];

/// What an operator goes on from: a frame behind the base that was being written when the process ended.
const TORN: [(&str, Damage); 2] =
    [("torn-in-zeros", |file| file.extend([0; 9])), ("torn-in-a-head", |file| file.extend_from_within(..10))];

/// Length of the first frame: a head of 28 bytes that says the length of the content, the content, and its checksum.
fn base_bytes(file: &[u8]) -> usize {
    let content = file[16..24].try_into().expect("eight bytes");
    28 + usize::try_from(u64::from_le_bytes(content)).expect("a small file") + 4
}

/// Flips a bit in the middle of the first frame, or at its end.
fn flip(file: &mut [u8], share: usize) {
    let at = (base_bytes(file) - 1) / share;
    file[at] ^= 4;
}

/// The checkpoint of an operator in the only partition.
fn checkpoint(data: &Path, operator: &str) -> Result<PathBuf> {
    let all = data.join("runtime").join("operators");
    let prefix = format!("{operator}-");
    let is_number = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    for entry in std::fs::read_dir(&all)? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(|name| name.strip_prefix(&prefix)).is_some_and(is_number) {
            return Ok(entry.path().join("p0.ckpt"));
        }
    }
    anyhow::bail!("{} has no checkpoint of {operator}", all.display())
}

#[test]
fn a_checkpoint_that_is_not_its_own_fails_the_operator_alone() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut town = Town::found(directory.path())?;
    let wasm = wat::parse_str(Guest::calculation(2).wat())?;
    let hash = town.client.post("/api/v1/plugins", &[], &wasm)?.ok()?.json()?["hash"].clone();
    let names = DAMAGES.iter().chain(&TORN).map(|(name, _)| *name).chain(["swapped", "whole"]);
    for name in names.clone() {
        let request = json!({"name": name, "plugin": hash, "inputs": {"value": "load"}});
        let json = [("Content-Type", "application/json")];
        town.client.post("/api/v1/operators", &json, request.to_string().as_bytes())?.ok()?;
    }
    town.check()?;
    town.node.stop()?;
    for (name, damage) in DAMAGES.into_iter().chain(TORN) {
        let file = checkpoint(directory.path(), name)?;
        let mut bytes = std::fs::read(&file)?;
        damage(&mut bytes);
        std::fs::write(&file, bytes)?;
    }
    std::fs::copy(checkpoint(directory.path(), "whole")?, checkpoint(directory.path(), "swapped")?)?;
    town.node.restart()?;
    let mut seen = Vec::new();
    let failed = wait_for("the operators with bad checkpoints to fail", || {
        seen = town.operators()?;
        Ok(seen.iter().filter(|one| one["state"] == "failed").count() == DAMAGES.len() + 1)
    });
    failed.with_context(|| format!("{seen:?}"))?;
    for operator in &seen {
        let is_failed = operator["state"] == "failed";
        let is_hurt = !["band", "roll", "whole", TORN[0].0, TORN[1].0].iter().any(|name| operator["name"] == *name);
        ensure!(is_failed == is_hurt, "{operator}");
        let reason = operator["last_error"].as_str().unwrap_or_default();
        ensure!(!is_failed || reason.contains(".ckpt"), "the file is not named: {operator}");
    }
    town.check()
}

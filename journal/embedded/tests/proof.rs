//! The running hash: what was noted once can be proven later, and a changed past cannot.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::ops::Range;
use std::path::Path;

use common::{at, open_with_topic, record, segment};
use tidemill_journal::{Journal, Retention, SystemEnv};
use tidemill_journal_embedded::{Head, Report, verify, verify_against};
use tidemill_model::record::{HEADER_BYTES, RecordHeader};

fn head(dir: &Path) -> Head {
    let Report { heads, damage, .. } = verify(dir, |_| ()).unwrap();
    assert_eq!((heads.len(), damage), (1, Vec::new()));
    heads[0].clone()
}

async fn append(dir: &Path, numbers: Range<u64>) {
    let journal = open_with_topic(dir, Retention::default(), SystemEnv::new()).await;
    for number in numbers {
        journal.append(&at(), vec![record(number, 700)]).await.unwrap();
    }
    journal.close().await;
}

#[tokio::test]
async fn heads_that_were_noted_are_proven_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let mut noted = Vec::new();
    for round in 0..5 {
        append(dir.path(), 40 * round..40 * round + 40).await;
        noted.push(head(dir.path()));
    }
    let report = verify_against(dir.path(), &noted, |_| ()).unwrap();
    assert_eq!((report.damage, report.proven), (Vec::new(), 5));
    assert!(report.segments > 5, "the hash goes on over segments");
    for head in &noted {
        assert_eq!(head.to_string().parse::<Head>().as_ref(), Ok(head), "the text form comes back");
    }
    let wrong = Head { hash: [7; 32], ..noted[2].clone() };
    let report = verify_against(dir.path(), &[wrong], |_| ()).unwrap();
    assert!(report.damage[0].reason.contains("history was changed"), "{:?}", report.damage);
    let nowhere = Head { offset: noted[2].offset + 8, ..noted[2].clone() };
    let report = verify_against(dir.path(), &[nowhere], |_| ()).unwrap();
    assert!(report.damage[0].reason.contains("no record ends there"), "{:?}", report.damage);
}

/// A forger can make every checksum right, but not the running hash.
#[tokio::test]
async fn a_record_exchanged_for_a_valid_one_is_found() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), 0..100).await;
    let noted = head(dir.path());
    let path = segment(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    forge(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let report = verify_against(dir.path(), &[noted], |_| ()).unwrap();
    assert_eq!(report.records, 100, "every checksum is right");
    assert!(report.damage.iter().any(|d| d.reason.contains("running hash is not that of the footer")), "{report:?}");
    assert_eq!(report.damage[0].file, path.display().to_string());
}

/// Changes the payload of the first record and makes all checksums right again.
fn forge(segment: &mut [u8]) {
    const FRAME: usize = 128;
    const RECORD: usize = FRAME + 32;
    let header = RecordHeader::decode(&segment[RECORD..]).unwrap();
    let body = RECORD + HEADER_BYTES..RECORD + HEADER_BYTES + header.body_bytes as usize;
    segment[body.end - 1] ^= 1;
    let forged = RecordHeader { body_crc: crc32c::crc32c(&segment[body]), ..header };
    segment[RECORD..RECORD + HEADER_BYTES].copy_from_slice(&forged.encode());
    let head = crc32c::crc32c(&segment[FRAME..FRAME + 28]);
    let crc = crc32c::crc32c_append(head, &segment[RECORD..RECORD + HEADER_BYTES]);
    segment[FRAME + 28..FRAME + 32].copy_from_slice(&crc.to_le_bytes());
}

//! What a crash leaves behind is taken up; damage to what was acknowledged is one clear error.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use common::{at, copy_dir, mark, open, open_with_topic, read_all, record, segment};
use tempfile::TempDir;
use tidemill_journal::{ErrorKind, Journal, JournalError, ReadLimits, Retention, SystemEnv};
use tidemill_journal_embedded::{EmbeddedJournal, open_read_only, verify};
use tidemill_model::{Offset, Record};

async fn new_journal(dir: &Path) -> Arc<EmbeddedJournal> {
    open_with_topic(dir, Retention::default(), SystemEnv::new()).await
}

/// A closed journal with 3 groups of one record in one segment.
async fn small_journal(dir: &Path) -> Vec<Record> {
    let journal = new_journal(dir).await;
    for i in 0..3 {
        journal.append(&at(), vec![record(i, 50)]).await.unwrap();
    }
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    journal.close().await;
    all
}

/// A closed journal that fills several segments.
async fn long_journal(dir: &Path) -> Vec<Record> {
    let journal = new_journal(dir).await;
    for i in 0..30 {
        journal.append(&at(), (0..3).map(|j| record(3 * i + j, 700)).collect()).await.unwrap();
    }
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    journal.close().await;
    all
}

fn corrupt_file(result: Result<Arc<EmbeddedJournal>, JournalError>) -> (String, u64, String) {
    match result {
        Err(JournalError::Corrupt { file, at, reason, remedy }) => {
            assert!(!remedy.is_empty());
            (file, at, reason)
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the damage went unnoticed"),
    }
}

#[tokio::test]
async fn everything_is_there_after_a_reopen_and_appends_go_on() {
    let dir = TempDir::new().unwrap();
    let all = long_journal(dir.path()).await;
    let journal = open(dir.path()).unwrap();
    assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap(), all);
    let before = journal.bounds(&at()).await.unwrap();
    let receipt = journal.append(&at(), vec![record(90, 10)]).await.unwrap();
    assert!(receipt.first >= before.durable);
    let batch = journal.read(&at(), before.durable, ReadLimits::default()).await.unwrap();
    assert_eq!((batch.records[0].ordinal, batch.records[0].sequence), (90, 90));
    assert!(batch.records[0].ingest_time >= all[89].ingest_time);
    journal.close().await;
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_has_closed() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()).err(), Some(JournalError::InUse { .. })));
    first.close().await;
    let second = open(dir.path()).unwrap();
    assert_eq!(second.identity(), first.identity());
    second.close().await;
}

#[tokio::test]
async fn appends_after_close_are_refused_and_those_before_are_kept() {
    let dir = TempDir::new().unwrap();
    let journal = new_journal(dir.path()).await;
    let pending: Vec<_> = (0..100).map(|i| journal.append(&at(), vec![record(i, 500)])).collect();
    journal.close().await;
    for append in pending {
        append.await.unwrap();
    }
    assert!(matches!(journal.append(&at(), vec![record(0, 1)]).await, Err(JournalError::Closed)));
    let journal = open(dir.path()).unwrap();
    assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap().len(), 100);
}

/// The image that a kill leaves: files as they are while the journal is open, the mark as it was before the last group.
#[tokio::test]
async fn the_acknowledged_prefix_survives_a_cut_at_every_byte_of_the_last_group() {
    let (dir, images) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let journal = new_journal(dir.path()).await;
    for i in 0..5 {
        journal.append(&at(), vec![record(i, 40)]).await.unwrap();
    }
    let old_mark = fs::read(mark(dir.path())).unwrap();
    let acknowledged = journal.bounds(&at()).await.unwrap().durable.0 as usize;
    journal.append(&at(), (5..7).map(|i| record(i, 16)).collect()).await.unwrap();
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    let end = journal.bounds(&at()).await.unwrap().durable.0 as usize;
    let image = images.path().join("image");
    copy_dir(dir.path(), &image);
    let file = fs::read(segment(&image, 0)).unwrap();
    for cut in acknowledged..=end {
        for zeros_follow in [false, true] {
            let mut torn = file[..cut].to_vec();
            torn.resize(if zeros_follow { file.len() } else { cut }, 0);
            fs::write(segment(&image, 0), torn).unwrap();
            fs::write(mark(&image), &old_mark).unwrap();
            let journal = open(&image).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
            let kept = read_all(journal.as_ref(), Offset(0)).await.unwrap();
            assert!(kept.len() >= 5, "cut at {cut}: acknowledged records are lost");
            assert_eq!(kept, all[..kept.len()], "cut at {cut}");
            assert_eq!(kept.len() == 7, cut == end, "cut at {cut}");
            journal.append(&at(), vec![record(99, 40)]).await.unwrap();
            journal.close().await;
        }
    }
}

#[tokio::test]
async fn a_hole_in_the_last_group_is_torn_and_a_hole_before_it_is_damage() {
    let (dir, images) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let journal = new_journal(dir.path()).await;
    journal.append(&at(), vec![record(0, 40)]).await.unwrap();
    let old_mark = fs::read(mark(dir.path())).unwrap();
    journal.append(&at(), vec![record(1, 40)]).await.unwrap();
    journal.append(&at(), (2..5).map(|i| record(i, 40)).collect()).await.unwrap();
    let all = read_all(journal.as_ref(), Offset(0)).await.unwrap();
    for (hole, survivors) in [(1, None), (2, Some(2)), (3, Some(3)), (4, Some(4))] {
        let image = images.path().join(format!("{hole}"));
        copy_dir(dir.path(), &image);
        let mut file = fs::read(segment(&image, 0)).unwrap();
        let start = all[hole].offset.0 as usize;
        file[start..start + 40].fill(0);
        fs::write(segment(&image, 0), file).unwrap();
        fs::write(mark(&image), &old_mark).unwrap();
        match survivors {
            None => {
                let (file, byte, _) = corrupt_file(open(&image));
                assert!(file.ends_with("00000000.seg"));
                assert_eq!(byte, start as u64);
            }
            Some(survivors) => {
                let journal = open(&image).unwrap();
                assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap(), all[..survivors]);
                journal.close().await;
            }
        }
    }
}

#[tokio::test]
async fn every_flipped_bit_is_noticed_or_harmless() {
    let (dir, images) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let all = small_journal(dir.path()).await;
    let end = 64 + 3 * 136;
    let image = images.path().join("image");
    copy_dir(dir.path(), &image);
    for name in ["meta", "data/topic", "data/0/durable", "data/0/00000000.seg"] {
        let mut file = fs::read(image.join(name)).unwrap();
        if name.ends_with("seg") {
            file.resize(end + 16, 0);
        }
        // The mark is a lower bound and has a second copy: a sample of its bits does.
        fs::write(image.join(name), &file).unwrap();
        for bit in (0..file.len() * 8).step_by(if name.ends_with("durable") { 11 } else { 1 }) {
            if name.ends_with("durable") && !(bit / 8 < 48 || (4096..4144).contains(&(bit / 8))) {
                continue;
            }
            poke(&image.join(name), bit / 8, file[bit / 8] ^ 1 << (bit % 8));
            let saved_mark = fs::read(mark(&image)).unwrap();
            match open(&image) {
                Ok(journal) => {
                    let is_harmless = name.ends_with("durable") || bit / 8 >= end;
                    assert!(is_harmless, "bit {bit} of {name} went unnoticed");
                    assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap(), all, "bit {bit} of {name}");
                    journal.close().await;
                    fs::write(mark(&image), saved_mark).unwrap();
                    fs::write(image.join(name), &file).unwrap();
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit} of {name}: {error}"),
            }
            poke(&image.join(name), bit / 8, file[bit / 8]);
        }
    }
}

/// Changes a byte in place.
fn poke(path: &Path, at: usize, byte: u8) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&[byte], at as u64).unwrap();
}

#[tokio::test]
async fn damage_in_a_sealed_segment_stops_reads_there_and_nowhere_else() {
    let dir = TempDir::new().unwrap();
    let all = long_journal(dir.path()).await;
    let victim = &all[4];
    let mut file = fs::read(segment(dir.path(), 0)).unwrap();
    file[victim.offset.0 as usize + 100] ^= 1;
    fs::write(segment(dir.path(), 0), file).unwrap();
    let journal = open(dir.path()).unwrap();
    let before = journal.read(&at(), Offset(0), ReadLimits::default()).await.unwrap();
    assert_eq!((before.records.as_slice(), before.next), (&all[..4], victim.offset));
    match journal.read(&at(), victim.offset, ReadLimits::default()).await {
        Err(JournalError::Corrupt { file, at, .. }) => {
            assert!(file.ends_with("00000000.seg") && at == victim.offset.0, "{file} {at}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(read_all(journal.as_ref(), all[5].offset).await.unwrap(), all[5..]);
    journal.close().await;
    let mut segments = 0;
    let report = verify(dir.path(), |_| segments += 1).unwrap();
    assert_eq!((report.records, report.damage.len(), report.partitions), (89, 1, 1));
    assert_eq!((report.damage[0].at, segments), (victim.offset.0, report.segments));
}

#[tokio::test]
async fn missing_truncated_and_foreign_segments_are_named() {
    let (dir, images) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    long_journal(dir.path()).await;
    let other = TempDir::new().unwrap();
    long_journal(other.path()).await;
    type Harm = Box<dyn Fn(&Path)>;
    let write_at = |index, at: usize, bytes: &'static [u8]| -> Harm {
        Box::new(move |dir| {
            let mut file = fs::read(segment(dir, index)).unwrap();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            if at == 4 {
                let crc = crc32c::crc32c(&file[..60]);
                file[60..64].copy_from_slice(&crc.to_le_bytes());
            }
            fs::write(segment(dir, index), file).unwrap();
        })
    };
    let cut = |index, by: u64| -> Harm {
        Box::new(move |dir| {
            let file = fs::File::options().write(true).open(segment(dir, index)).unwrap();
            file.set_len(file.metadata().unwrap().len().saturating_sub(by)).unwrap();
        })
    };
    let foreign = other.path().to_owned();
    let harms: Vec<(&str, Harm)> = vec![
        ("missing", Box::new(|dir| fs::remove_file(segment(dir, 1)).unwrap())),
        ("missing", Box::new(|dir| fs::remove_file(segment(dir, 4)).unwrap())),
        ("does not end where it was sealed", cut(1, 32)),
        ("cut short", cut(1, u64::MAX)),
        ("were synced", cut(4, 8)),
        ("cut short", cut(4, u64::MAX)),
        ("not a journal segment", write_at(2, 0, b"ELF!")),
        ("upgrade it", write_at(2, 4, b"\x09")),
        ("belongs to journal", Box::new(move |dir| fs::copy(segment(&foreign, 2), segment(dir, 2)).map(drop).unwrap())),
        ("belongs at offset", Box::new(|dir| fs::copy(segment(dir, 1), segment(dir, 2)).map(drop).unwrap())),
        ("not the name of a segment", Box::new(|dir| fs::write(dir.join("data/0/x.seg"), b"").unwrap())),
        ("no segment", Box::new(|dir| (0..5).for_each(|i| fs::remove_file(segment(dir, i)).unwrap()))),
        ("file is missing", Box::new(|dir| fs::remove_file(dir.join("meta")).unwrap())),
    ];
    for (n, (expected, harm)) in harms.iter().enumerate() {
        let image = images.path().join(n.to_string());
        copy_dir(dir.path(), &image);
        harm(&image);
        let opened = open(&image);
        assert!(opened.is_err(), "{n}: {expected:?} went unnoticed");
        let (file, _, reason) = corrupt_file(opened);
        assert!(reason.contains(expected), "{file}: {reason}; expected {expected:?}");
        let verified = verify(&image, |_| ());
        assert!(verified.as_ref().map_or(true, |r| !r.damage.is_empty()), "{expected}: {verified:?}");
    }
}

#[tokio::test]
async fn a_crash_between_sealing_and_the_next_segment_is_no_damage() {
    let dir = TempDir::new().unwrap();
    let all = long_journal(dir.path()).await;
    // As if the last segment had not been created yet, nor the mark moved on.
    fs::remove_file(segment(dir.path(), 4)).unwrap();
    let kept: Vec<_> = all.iter().filter(|r| r.offset.0 < 4 * (16 << 10)).cloned().collect();
    let synced = kept.last().map(|r| r.offset.0).unwrap();
    rewrite_mark(dir.path(), synced, kept.len() as u64 - 1);
    fs::write(segment(dir.path(), 4).with_extension("new"), b"half").unwrap();
    let journal = open(dir.path()).unwrap();
    assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap(), kept);
    journal.append(&at(), (0..5).map(|i| record(i, 700)).collect()).await.unwrap();
    assert_eq!(read_all(journal.as_ref(), Offset(0)).await.unwrap().len(), kept.len() + 5);
    journal.close().await;
}

/// Writes a valid mark by the documented layout, not by the code under test.
fn rewrite_mark(dir: &Path, durable: u64, records: u64) {
    let mut slot = Vec::new();
    slot.extend_from_slice(b"TMD1\x01\0\0\0");
    for value in [1, durable, durable, records] {
        slot.extend_from_slice(&u64::to_le_bytes(value));
    }
    slot.extend_from_slice(&[0; 4]);
    let crc = crc32c::crc32c(&slot);
    slot.extend_from_slice(&crc.to_le_bytes());
    fs::write(mark(dir), slot).unwrap();
}

#[tokio::test]
async fn another_process_can_look_while_one_writes() {
    let dir = TempDir::new().unwrap();
    let journal = new_journal(dir.path()).await;
    let outside = open_read_only(dir.path()).unwrap();
    assert_eq!(outside.read(&at(), Offset(0), 1000).unwrap().records, []);
    for i in 0..60 {
        let receipt = journal.append(&at(), vec![record(i, 700)]).await.unwrap();
        assert_eq!(outside.bounds(&at()).unwrap().durable, receipt.end);
    }
    let (mut from, mut seen) = (Offset(0), Vec::new());
    loop {
        let batch = outside.read(&at(), from, 5000).unwrap();
        if batch.records.is_empty() {
            break;
        }
        from = batch.next;
        seen.extend(batch.records);
    }
    assert_eq!(seen, read_all(journal.as_ref(), Offset(0)).await.unwrap());
    assert_eq!(outside.topics().unwrap(), journal.topics().await.unwrap());
    assert_eq!(verify(dir.path(), |_| ()).unwrap().damage, []);
    assert_eq!(outside.identity(), journal.identity());
    journal.close().await;
}

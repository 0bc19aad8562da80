//! Checkpoint files, cut and damaged anywhere.

use std::fs;
use std::sync::Arc;

use tidemill_journal::{Env, SystemEnv};
use tidemill_model::Offset;

use super::file::End;
use super::frame::Identity;
use super::*;
use crate::guest::{Delta, Image};
use crate::operator::spec::tests::some_spec;

fn identity() -> Identity {
    Identity::new(&some_spec(), 0)
}

/// A frame whose parts tell its number. Only the base has a page: so many bytes can be cut one by one.
fn frame(number: u8) -> Frame {
    let mut memory = vec![0; 64 << 10];
    memory[0] = u8::from(number == 0);
    let mut delta = Delta::new(memory.len() as u64, Vec::new(), vec![((0, vec![number]), Some(vec![number; 3]))]);
    delta.add(&memory, &[u32::from(number / 2)]);
    Frame {
        is_base: number == 0,
        next: vec![Offset(u64::from(number))],
        cursor: vec![number; 9],
        counters: vec![number; 5],
        places: vec![number; 2],
        state: vec![number],
        memory: Some(delta),
    }
}

/// What frames 0 to `last` add up to.
fn sum(last: u8) -> Saved {
    let mut saved = Saved::default();
    (0..=last).for_each(|number| saved.apply(&frame(number)));
    saved
}

/// A file of four frames, and where each of them ends.
fn four_frames(file: &CheckpointFile) -> Vec<End> {
    let mut ends = vec![file.write_base(&identity(), &frame(0)).unwrap()];
    for number in 1..4 {
        ends.push(file.append(ends[ends.len() - 1], &frame(number)).unwrap());
    }
    ends
}

#[test]
fn a_file_cut_anywhere_behind_its_base_is_its_whole_frames() {
    let dir = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(dir.path(), 0);
    let ends = four_frames(&file);
    let bytes = fs::read(&file.path).unwrap();
    for cut in ends[0].bytes as usize..=bytes.len() {
        fs::write(&file.path, &bytes[..cut]).unwrap();
        let loaded = file.load(&identity()).unwrap().unwrap();
        let whole = ends.iter().rposition(|end| end.bytes as usize <= cut).unwrap();
        assert_eq!((loaded.saved, loaded.end), (sum(whole as u8), ends[whole]), "cut at {cut}");
        // What was torn is no hindrance to what comes next.
        let end = file.append(loaded.end, &frame(whole as u8 + 1)).unwrap();
        let again = file.load(&identity()).unwrap().unwrap();
        assert_eq!((again.saved, again.end), (sum(whole as u8 + 1), end), "cut at {cut}");
    }
}

#[test]
fn a_base_that_was_being_written_leaves_the_file_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(dir.path(), 0);
    four_frames(&file);
    let bytes = fs::read(&file.path).unwrap();
    for cut in (0..bytes.len()).step_by(97) {
        fs::write(file.path.with_extension("tmp"), &bytes[..cut]).unwrap();
        assert_eq!(file.load(&identity()).unwrap().unwrap().saved, sum(3));
    }
}

#[test]
fn damage_before_a_whole_frame_is_an_error_and_in_the_last_one_costs_that() {
    let dir = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(dir.path(), 0);
    let ends = four_frames(&file);
    let bytes = fs::read(&file.path).unwrap();
    for at in (0..ends[0].bytes as usize).step_by(7).chain(ends[0].bytes as usize..bytes.len()) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        fs::write(&file.path, &damaged).unwrap();
        let loaded = file.load(&identity());
        if at < ends[2].bytes as usize {
            let reason = loaded.unwrap_err().to_string();
            assert!(reason.contains("p0.ckpt") && reason.contains("remove it"), "flip at {at}: {reason}");
        } else {
            assert_eq!(loaded.unwrap().unwrap().saved, sum(2), "flip at {at}");
        }
    }
}

#[test]
fn deltas_larger_than_their_base_become_a_base() {
    let dir = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(dir.path(), 0);
    let large = |number: u8| Frame { counters: vec![number; 3 << 20], ..frame(number) };
    let mut end = file.write_base(&identity(), &large(0)).unwrap();
    let mut saved = Saved::default();
    saved.apply(&large(0));
    for number in 1..4 {
        end = file.append(end, &large(number)).unwrap();
        end = file.merge_if_due(&identity(), end).unwrap();
        saved.apply(&large(number));
        let loaded = file.load(&identity()).unwrap().unwrap();
        assert!(loaded.saved == saved && loaded.end == end, "frame {number}");
        assert_eq!(end.next_sequence, [1, 2, 1, 2][usize::from(number)], "merged by the second delta");
    }
}

#[test]
fn another_version_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(dir.path(), 0);
    fs::write(&file.path, [b"TMCK\x01".as_slice(), &[0; 40]].concat()).unwrap();
    let reason = file.load(&identity()).unwrap_err().to_string();
    assert!(reason.contains("version 1, this program reads version 2"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_written_is_kept_until_a_base_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("operator");
    let file = CheckpointFile::new(&place, 0);
    let env: Arc<dyn Env> = SystemEnv::new();
    let (mut keeper, saved) = Keeper::open(file.clone(), &some_spec(), env.clone()).unwrap();
    assert!(saved.is_none() && keeper.wants_base() && keeper.recall().unwrap().is_none());
    let write = |keeper: &mut Keeper, frame: Frame| {
        keeper.write(frame);
        matches!(keeper.wait(), Some(Outcome::Durable(_)))
    };
    assert!(write(&mut keeper, frame(0)) && write(&mut keeper, frame(1)));
    assert_eq!(keeper.recall().unwrap(), Some(sum(1)));

    // A folder stands where the file was.
    fs::rename(&file.path, place.join("aside")).unwrap();
    fs::create_dir(&file.path).unwrap();
    assert!(!write(&mut keeper, frame(2)), "a folder cannot be appended to");
    assert!(keeper.wants_base());
    let base = || Frame { is_base: true, ..frame(3) };
    let mut alone = Saved::default();
    alone.apply(&base());
    assert!(!write(&mut keeper, base()), "nor can a file be put in its place");
    assert_eq!(keeper.recall().unwrap(), Some(alone));

    fs::remove_dir(&file.path).unwrap();
    assert!(write(&mut keeper, base()) && !keeper.wants_base());
    drop(keeper);
    let (_, saved) = Keeper::open(file, &some_spec(), env).unwrap();
    let memory = saved.unwrap().memory.unwrap();
    let mut expected = Image::default();
    expected.apply(base().memory.as_ref().unwrap());
    assert_eq!(memory, expected);
}

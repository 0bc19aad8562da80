//! Which rows of a record a guest fails on, found by trying halves.
//!
//! Deterministic as long as the attempts are: the same rows on the same state end the same way, in a re-run too.

use std::ops::Range;

/// Failed attempts per record; then whatever still fails is refused as it is, without being halved any more. One bad row
/// of 4,096 costs 12; every attempt costs a new guest, and a loop costs all the fuel of a call.
const FAILURES_MAX: usize = 32;

/// A guest that can be set back.
pub(super) trait Attempts {
    /// Hands rows to the guest.
    ///
    /// # Errors
    /// Why it failed on them; its state is unknown then.
    fn try_rows(&mut self, rows: Range<usize>) -> Result<(), String>;

    /// Back to the state before the record, with these rows handed over, in these pieces.
    ///
    /// # Errors
    /// When that is not possible.
    fn back_to(&mut self, taken: &[Range<usize>]) -> Result<(), String>;
}

/// What became of a record's rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sifted {
    /// What the guest has got, piece by piece.
    pub(super) taken: Vec<Range<usize>>,
    /// What it fails on, and why.
    pub(super) refused: Vec<(Range<usize>, String)>,
}

/// Hands over the rows of a record on which the guest has failed for `reason` and been set back, except those it fails on.
///
/// # Errors
/// When the guest cannot be set back.
pub(super) fn sift(rows: usize, reason: String, attempts: &mut impl Attempts) -> Result<Sifted, String> {
    let mut sifted = Sifted::default();
    let mut failures = 0;
    let mut pending = Vec::new();
    let mut failed = Some((0..rows, reason));
    loop {
        if let Some((range, reason)) = failed.take() {
            failures += 1;
            if range.len() == 1 || failures > FAILURES_MAX {
                sifted.refused.push((range, reason));
            } else {
                let half = range.start + range.len() / 2;
                pending.push(half..range.end);
                pending.push(range.start..half);
            }
        }
        let Some(range) = pending.pop() else {
            return Ok(sifted);
        };
        match attempts.try_rows(range.clone()) {
            Ok(()) => sifted.taken.push(range),
            Err(reason) => {
                attempts.back_to(&sifted.taken)?;
                failed = Some((range, reason));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails on some rows, and once it has failed on everything until it is set back.
    struct Model {
        bad: Vec<usize>,
        got: Option<Vec<usize>>,
        attempts: usize,
    }

    impl Attempts for Model {
        fn try_rows(&mut self, rows: Range<usize>) -> Result<(), String> {
            self.attempts += 1;
            let mut got = self.got.take().ok_or("not set back")?;
            if let Some(bad) = rows.clone().find(|row| self.bad.contains(row)) {
                return Err(format!("row {bad}"));
            }
            got.extend(rows);
            self.got = Some(got);
            Ok(())
        }

        fn back_to(&mut self, taken: &[Range<usize>]) -> Result<(), String> {
            self.got = Some(taken.iter().cloned().flatten().collect());
            Ok(())
        }
    }

    fn check(rows: usize, bad: &[usize]) -> (Sifted, usize) {
        let mut model = Model { bad: bad.to_vec(), got: Some(Vec::new()), attempts: 0 };
        let sifted = sift(rows, "at first".into(), &mut model).expect("the model can always be set back");
        let taken: Vec<_> = sifted.taken.iter().cloned().flatten().collect();
        assert_eq!(model.got, Some(taken.clone()), "the guest has got what was taken, in order");
        let mut all: Vec<_> = sifted.refused.iter().flat_map(|(range, _)| range.clone()).chain(taken).collect();
        all.sort_unstable();
        assert_eq!(all, (0..rows).collect::<Vec<_>>(), "every row is taken or refused");
        (sifted, model.attempts)
    }

    #[test]
    fn exactly_the_bad_rows_are_refused() {
        for bad in [vec![0], vec![6], vec![3, 4], vec![0, 1, 2, 3, 4, 5, 6]] {
            let (sifted, _) = check(7, &bad);
            let refused: Vec<_> = sifted.refused.iter().flat_map(|(range, _)| range.clone()).collect();
            assert_eq!(refused, bad);
        }
        let (sifted, attempts) = check(4096, &[1234]);
        assert_eq!(sifted.refused, [(1234..1235, "row 1234".to_owned())]);
        assert_eq!(attempts, 24);
    }

    #[test]
    fn a_record_of_bad_rows_costs_a_bounded_number_of_attempts() {
        let (sifted, attempts) = check(4096, &(0..4096).collect::<Vec<_>>());
        assert!(sifted.taken.is_empty());
        assert!(attempts <= 2 * FAILURES_MAX, "{attempts}");
    }
}

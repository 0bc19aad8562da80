//! Joins the series of one group by time: k sorted columns become rows at the union of their times.

use std::ops::Range;

use tidemill_model::SampleColumn;

use crate::column::ColumnBuilder;

/// One series of a group, read up to `next`.
pub(crate) struct Track {
    pub(crate) slot: usize,
    column: SampleColumn,
    next: usize,
}

/// Consecutive rows at which a track has values (`Some`: which of them) or has none.
struct Stretch {
    rows: usize,
    values: Option<Range<usize>>,
}

impl Track {
    pub(crate) fn new(slot: usize, column: SampleColumn) -> Self {
        Self { slot, column, next: 0 }
    }

    fn rest(&self) -> &[i64] {
        &self.column.times[self.next..]
    }

    /// Bytes that the samples take in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let texts = match &self.column.values {
            tidemill_model::Values::Text(texts) => texts.iter().map(|text| text.len() + 24).sum(),
            values => values.len() * 8,
        };
        texts + self.column.times.len() * 8 + self.column.qualities.len() * 4
    }
}

/// The next times at which any track has a value, at most `rows_max` of them; empty when all tracks are done.
pub(crate) fn next_times(tracks: &[Track], rows_max: usize) -> Vec<i64> {
    let Some((first, others)) = tracks.split_first() else { return Vec::new() };
    let ahead = &first.rest()[..first.rest().len().min(rows_max)];
    if !ahead.is_empty() && others.iter().all(|track| track.rest().starts_with(ahead)) {
        return ahead.to_vec();
    }
    let mut rests: Vec<&[i64]> = tracks.iter().map(Track::rest).collect();
    let mut times = Vec::with_capacity(rows_max.min(rests.iter().map(|rest| rest.len()).max().unwrap_or(0)));
    while times.len() < rows_max {
        let Some(time) = rests.iter().filter_map(|rest| rest.first()).min().copied() else { break };
        for rest in &mut rests {
            if rest.first() == Some(&time) {
                *rest = &rest[1..];
            }
        }
        times.push(time);
    }
    times
}

/// Moves `track` past `times` and writes what it has there.
pub(crate) fn take(
    track: &mut Track,
    times: &[i64],
    values: Option<&mut ColumnBuilder>,
    qualities: Option<&mut [u32]>,
) {
    let (stretches, next) = stretches(track, times);
    track.next = next;
    if let Some(values) = values {
        for stretch in &stretches {
            match &stretch.values {
                Some(range) => values.append(&track.column.values, range.clone()),
                None => values.append_nulls(stretch.rows),
            }
        }
    }
    if let Some(qualities) = qualities.filter(|_| !track.column.qualities.is_empty()) {
        let mut row = 0;
        for stretch in &stretches {
            if let Some(range) = &stretch.values {
                let worst = qualities[row..row + stretch.rows].iter_mut();
                worst.zip(&track.column.qualities[range.clone()]).for_each(|(worst, q)| *worst = (*worst).max(*q));
            }
            row += stretch.rows;
        }
    }
}

/// Cuts `times` into stretches with and without values of the track, and tells where the track goes on.
fn stretches(track: &Track, times: &[i64]) -> (Vec<Stretch>, usize) {
    let (mut out, mut row, mut next) = (Vec::new(), 0, track.next);
    while row < times.len() {
        let rest = &track.column.times[next..];
        let shared = times[row..].iter().zip(rest).take_while(|(a, b)| a == b).count();
        if shared > 0 {
            out.push(Stretch { rows: shared, values: Some(next..next + shared) });
            next += shared;
            row += shared;
            continue;
        }
        let missing = match rest.first() {
            Some(time) => times[row..].iter().take_while(|t| *t < time).count(),
            None => times.len() - row,
        };
        // The times are the union, so a track that has no value at a row has its next one later.
        assert!(missing > 0, "times of a row lie beyond a track's next value");
        out.push(Stretch { rows: missing, values: None });
        row += missing;
    }
    (out, next)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;
    use tidemill_model::{ValueType, Values};

    use super::*;

    fn track(slot: usize, times: Vec<i64>) -> Track {
        let qualities = times.iter().map(|t| *t as u32).collect();
        let values = Values::Int(times.iter().map(|t| t * 10 + slot as i64).collect());
        Track::new(slot, SampleColumn { times, values, qualities })
    }

    proptest! {
        /// Against a model: for every time of the union, the value of each track that has it.
        #[test]
        fn rows_are_the_union_of_times(
            times in prop::collection::vec(prop::collection::btree_set(0i64..40, 0..20), 1..4),
            rows_max in 1usize..9,
        ) {
            let mut tracks: Vec<Track> =
                times.iter().enumerate().map(|(slot, set)| track(slot, set.iter().copied().collect())).collect();
            let mut union: Vec<i64> = times.iter().flatten().copied().collect();
            union.sort_unstable();
            union.dedup();
            let mut seen = Vec::new();
            loop {
                let rows = next_times(&tracks, rows_max);
                if rows.is_empty() {
                    break;
                }
                prop_assert!(rows.len() <= rows_max);
                for (track, set) in tracks.iter_mut().zip(&times) {
                    let mut builder = ColumnBuilder::new(ValueType::Int, rows.len());
                    let mut qualities = vec![0; rows.len()];
                    take(track, &rows, Some(&mut builder), Some(&mut qualities));
                    let array = builder.finish();
                    let values: Vec<_> = array.as_primitive::<Int64Type>().iter().collect();
                    let slot = track.slot as i64;
                    let wanted: Vec<_> = rows.iter().map(|t| set.contains(t).then_some(t * 10 + slot)).collect();
                    prop_assert_eq!(values, wanted);
                    let worst: Vec<u32> = rows.iter().map(|t| if set.contains(t) { *t as u32 } else { 0 }).collect();
                    prop_assert_eq!(qualities, worst);
                }
                seen.extend(rows);
            }
            prop_assert_eq!(seen, union);
        }
    }
}

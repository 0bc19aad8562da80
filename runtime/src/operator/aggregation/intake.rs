//! What records bring: rows for windows, deletions, and the word that time has passed.

use std::sync::atomic::Ordering::Relaxed;

use tidemill_model::payload::SamplesView;
use tidemill_model::{TimeRange, ValueType};

use super::Aggregation;
use crate::operator::calculation::as_f64;
use crate::operator::inputs::{Member, Target};
use crate::operator::stage;
use crate::operator::windows::{OpenWindows, Pushed, Row};

/// Rows of a series from which on it pays to look at their times before they are taken in.
const LONG_RUN: usize = 8;
/// Most rows that all groups of an instance hold together, looked at with every heartbeat: a checkpoint takes 24 bytes for each, and
/// has to stay below 4 GiB.
const ROWS_TOTAL_MAX: usize = 32 << 20;

impl Aggregation {
    pub(super) fn take_in_rows(
        &mut self,
        view: &SamplesView<'_>,
        targets: &[Target],
        groups: &[Vec<Member>],
        ingest_time: i64,
    ) -> (u64, Option<i64>) {
        let (mut rows_in, mut late_rows, mut newest) = (0, 0, i64::MIN);
        let mut targets = targets.iter();
        let shape = self.shape;
        for column in view.columns() {
            let value_type = column.value_type();
            let is_float = value_type == ValueType::Float;
            for (run, target) in column.runs().zip(&mut targets) {
                if !target.is_input() {
                    continue;
                }
                let windows = &mut self.windows[target.group as usize];
                let was_due = windows.due_by != i64::MIN;
                let rows = run.first..run.first + run.rows;
                let member = target.member;
                let number = |row| Row {
                    time: column.time(row),
                    value: as_f64(value_type, is_float, column.bits(row)),
                    quality: column.quality(row).0,
                    member,
                };
                let (mut is_due, mut run_newest, mut is_done) = (false, i64::MIN, false);
                if run.rows >= LONG_RUN && value_type != ValueType::Text {
                    let (oldest, newest) = bounds(rows.clone().map(|row| column.time(row)));
                    let pushed = windows.push_calm(rows.clone().map(number), (oldest, newest), &shape);
                    (is_due, run_newest, is_done) = (pushed == Some(Pushed::Due), newest, pushed.is_some());
                }
                for row in if is_done { 0..0 } else { rows } {
                    let row = match (&mut self.texts, value_type) {
                        (Some(texts), ValueType::Text) => {
                            let (time, quality) = (column.time(row), column.quality(row).0);
                            Row { time, value: texts.place(column.text(row)), quality, member }
                        }
                        _ => number(row),
                    };
                    run_newest = run_newest.max(row.time);
                    match windows.push(row, &shape) {
                        Pushed::Open => {}
                        Pushed::Due => is_due = true,
                        Pushed::Late => {
                            late_rows += 1;
                            let slot = shape.slot(row.time);
                            self.touched.add(target.group, slot.start, slot.end, false);
                        }
                    }
                }
                rows_in += run.rows as u64;
                newest = newest.max(run_newest);
                let is_afterthought =
                    self.sources.is_some() && windows.is_afterthought(run_newest, ingest_time, &shape);
                if is_afterthought {
                    continue;
                }
                windows.is_busy = true;
                if let Some(sources) = &mut self.sources {
                    let series = &groups[target.group as usize][target.member as usize].series;
                    let reported = sources.note(target.group, stage::partition_of(&series.key), run_newest);
                    is_due = windows.tell(reported);
                }
                if is_due && !was_due {
                    self.due.push_back(target.group);
                }
                if windows.len() > self.holding.rows_max {
                    windows.spill(&shape);
                }
            }
        }
        self.bound_texts();
        self.status().counters.late_rows.fetch_add(late_rows, Relaxed);
        (rows_in, Some(newest))
    }

    /// Frees a table of texts that is full.
    fn bound_texts(&mut self) {
        let Some(texts) = self.texts.as_mut().filter(|texts| texts.is_full()) else {
            return;
        };
        texts.compact(&mut self.windows);
        if texts.is_half_full() {
            self.windows.iter_mut().filter(|windows| windows.len() > 0).for_each(|windows| windows.spill(&self.shape));
            texts.compact(&mut self.windows);
        }
    }

    /// Deletes rows of series.
    pub(super) fn take_out(&mut self, targets: &[Target], range: TimeRange) {
        let mut groups = Vec::new();
        for target in targets {
            let windows = &mut self.windows[target.group as usize];
            windows.delete(target.member, range.start, range.end, &self.shape);
            groups.push(target.group);
        }
        self.revise(range, &groups);
    }

    /// Has the closed windows of `groups` that times in `range` lie in computed again from history, at the next heartbeat. Windows
    /// that hold nothing any more have their outputs withdrawn. Open windows are left alone.
    pub(crate) fn revise(&mut self, range: TimeRange, groups: &[u32]) {
        for group in groups {
            if (*group as usize) < self.windows.len() && !range.is_empty() {
                self.touched.add(*group, range.start, range.end, true);
            }
        }
    }

    /// Closes what is over in groups that are silent.
    pub(super) fn close_idle(&mut self, time: i64) {
        for (group, windows) in (0..).zip(&mut self.windows) {
            if windows.heartbeat(time, &self.shape) {
                if windows.due_by == i64::MIN {
                    self.due.push_back(group);
                }
                windows.due_by = windows.due_by.max(time);
            }
        }
        if let Some(sources) = &mut self.sources {
            sources.heartbeat(|group, reported| {
                let windows = &mut self.windows[group as usize];
                let was_due = windows.due_by != i64::MIN;
                if windows.tell(reported) && !was_due {
                    self.due.push_back(group);
                }
            });
        }
        if self.windows.iter().map(OpenWindows::len).sum::<usize>() > ROWS_TOTAL_MAX {
            self.windows.iter_mut().filter(|windows| windows.len() > 0).for_each(|windows| windows.spill(&self.shape));
        }
    }
}

/// The least and the largest of some times.
fn bounds(times: impl Iterator<Item = i64>) -> (i64, i64) {
    times.fold((i64::MAX, i64::MIN), |(least, most), time| (least.min(time), most.max(time)))
}

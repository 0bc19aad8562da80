//! The rows of all groups, as columns in the order in which they came, and which group each belongs to.
//!
//! Rows of one group mostly come one after another, so groups are kept as runs. Invariants: the columns have the same length,
//! except that `qualities` is empty while all rows are good; the runs cover the rows without holes.

/// Consecutive rows of one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    group: usize,
    first: usize,
    rows: usize,
}

/// See the module.
#[derive(Default, Debug)]
pub(crate) struct Rows {
    times: Vec<i64>,
    values: Vec<f64>,
    qualities: Vec<u32>,
    runs: Vec<Run>,
}

/// Rows to be added, as columns of one length.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) values: &'a [f64],
    /// Absent: all good.
    pub(crate) qualities: Option<&'a [u32]>,
}

/// One row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Row {
    pub(crate) time: i64,
    pub(crate) value: f64,
    pub(crate) quality: u32,
}

impl Rows {
    /// Adds rows, of which `groups` names the groups.
    pub(crate) fn append(&mut self, columns: Columns<'_>, groups: &[usize]) {
        let mut first = self.times.len();
        self.times.extend_from_slice(columns.times);
        self.values.extend_from_slice(columns.values);
        match columns.qualities {
            Some(qualities) if !self.qualities.is_empty() || qualities.iter().any(|quality| *quality != 0) => {
                self.qualities.resize(first, 0);
                self.qualities.extend_from_slice(qualities);
            }
            _ if !self.qualities.is_empty() => self.qualities.resize(self.times.len(), 0),
            _ => {}
        }
        for run in groups.chunk_by(|a, b| a == b) {
            self.push_run(run[0], first, run.len());
            first += run.len();
        }
    }

    /// Adds one row.
    pub(crate) fn push(&mut self, group: usize, row: Row) {
        let qualities = [row.quality];
        let columns = Columns { times: &[row.time], values: &[row.value], qualities: Some(&qualities) };
        self.append(columns, &[group]);
    }

    fn push_run(&mut self, group: usize, first: usize, rows: usize) {
        match self.runs.last_mut() {
            Some(last) if last.group == group => last.rows += rows,
            _ => self.runs.push(Run { group, first, rows }),
        }
    }

    /// Bytes that are reserved.
    pub(crate) fn size_bytes(&self) -> usize {
        (self.times.capacity() + self.values.capacity()) * 8
            + self.qualities.capacity() * 4
            + self.runs.capacity() * size_of::<Run>()
    }

    /// Calls `visit` with every group below `groups` and its rows, sorted by time; rows of the same time stay in the order in
    /// which they came.
    pub(crate) fn for_each_group<E>(
        &self,
        groups: usize,
        mut visit: impl FnMut(usize, &[Row]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut runs: Vec<Run> = self.runs.iter().copied().filter(|run| run.group < groups).collect();
        // Stable: a group's runs stay in order.
        runs.sort_by_key(|run| run.group);
        let mut rows = Vec::new();
        let mut runs = runs.chunk_by(|a, b| a.group == b.group).peekable();
        for group in 0..groups {
            rows.clear();
            let own = runs.next_if(|runs| runs[0].group == group).unwrap_or_default();
            own.iter().for_each(|run| rows.extend((run.first..run.first + run.rows).map(|row| self.row(row))));
            if !rows.is_sorted_by_key(|row: &Row| row.time) {
                rows.sort_by_key(|row| row.time);
            }
            visit(group, &rows)?;
        }
        Ok(())
    }

    fn row(&self, row: usize) -> Row {
        let quality = self.qualities.get(row).copied().unwrap_or(0);
        Row { time: self.times[row], value: self.values[row], quality }
    }

    /// Forgets the groups below `groups`; the others are numbered from 0 again.
    pub(crate) fn drop_first(&mut self, groups: usize) {
        let old = std::mem::take(self);
        for run in old.runs.iter().filter(|run| run.group >= groups) {
            let range = run.first..run.first + run.rows;
            let columns = Columns {
                times: &old.times[range.clone()],
                values: &old.values[range.clone()],
                qualities: old.qualities.get(range),
            };
            self.append(columns, &vec![run.group - groups; run.rows]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(rows: &Rows, count: usize) -> Vec<Vec<(i64, f64, u32)>> {
        let mut all = Vec::new();
        let kept = rows.for_each_group(count, |group, rows| {
            assert_eq!(group, all.len());
            all.push(rows.iter().map(|row| (row.time, row.value, row.quality)).collect());
            Ok::<(), ()>(())
        });
        assert_eq!(kept, Ok(()));
        all
    }

    fn some_rows() -> Rows {
        let mut rows = Rows::default();
        rows.append(Columns { times: &[5, 6, 1], values: &[0.5, 0.6, 0.1], qualities: None }, &[0, 0, 2]);
        rows.append(Columns { times: &[4, 0, 5], values: &[1.4, 1.0, 1.5], qualities: Some(&[7, 0, 8]) }, &[0, 2, 0]);
        rows.push(3, Row { time: 9, value: 9.0, quality: 0 });
        rows
    }

    #[test]
    fn rows_of_a_group_come_by_time_and_equal_times_as_they_came() {
        let wanted = vec![
            vec![(4, 1.4, 7), (5, 0.5, 0), (5, 1.5, 8), (6, 0.6, 0)],
            vec![],
            vec![(0, 1.0, 0), (1, 0.1, 0)],
            vec![(9, 9.0, 0)],
        ];
        assert_eq!(groups(&some_rows(), 4), wanted);
        assert_eq!(groups(&some_rows(), 1), wanted[..1]);
    }

    #[test]
    fn dropping_the_first_groups_leaves_the_others_as_they_were() {
        let all = groups(&some_rows(), 4);
        for dropped in 0..=4 {
            let mut rows = some_rows();
            rows.drop_first(dropped);
            assert_eq!(groups(&rows, 4 - dropped), all[dropped..], "{dropped}");
        }
    }

    #[test]
    fn good_rows_take_no_room_for_qualities() {
        let mut rows = Rows::default();
        rows.append(Columns { times: &[1, 2], values: &[1.0, 2.0], qualities: Some(&[0, 0]) }, &[0, 0]);
        assert!(rows.qualities.is_empty());
        assert_eq!(rows.runs.len(), 1);
    }
}

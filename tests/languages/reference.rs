//! What `smooth` is to do, written down once more: a few lines without an SDK, against which every language is held.

use std::collections::BTreeMap;

/// A row of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) group: u32,
    pub(super) time: i64,
    pub(super) value: f64,
    pub(super) quality: u32,
}

/// What a row of the output carries. Numbers are compared by their bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Number(u64),
    Text(String),
}

/// A row of the output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Output {
    pub(super) group: u32,
    pub(super) time: i64,
    pub(super) value: Value,
    pub(super) quality: u32,
}

#[derive(Default)]
struct Group {
    level: Option<f64>,
    newest: i64,
    is_stale: bool,
}

/// The reference.
pub(super) struct Reference {
    alpha: f64,
    stale_ns: i64,
    groups: BTreeMap<u32, Group>,
}

impl Reference {
    pub(super) fn new(alpha: f64, stale_ns: i64) -> Self {
        Self { alpha, stale_ns, groups: BTreeMap::new() }
    }

    pub(super) fn process(&mut self, row: &Row, out: &mut Vec<Output>) {
        let is_bad = row.quality >> 31 == 1;
        let group = self.groups.entry(row.group).or_default();
        let is_late = group.level.is_some() && row.time < group.newest;
        if is_bad || row.value.is_nan() || is_late {
            return;
        }
        if group.level.is_none() || group.is_stale {
            out.push(state(row.group, row.time, "fresh"));
        }
        let level = group.level.map_or(row.value, |level| level + self.alpha * (row.value - level));
        *group = Group { level: Some(level), newest: row.time, is_stale: false };
        // The host makes every NaN the same one.
        let bits = if level.is_nan() { f64::NAN.to_bits() } else { level.to_bits() };
        out.push(Output { group: row.group, time: row.time, value: Value::Number(bits), quality: row.quality });
    }

    pub(super) fn advance(&mut self, watermark: i64, out: &mut Vec<Output>) {
        for (number, group) in &mut self.groups {
            if group.level.is_some() && !group.is_stale && watermark - group.newest >= self.stale_ns {
                group.is_stale = true;
                out.push(state(*number, group.newest + self.stale_ns, "stale"));
            }
        }
    }
}

fn state(group: u32, time: i64, text: &str) -> Output {
    Output { group, time, value: Value::Text(text.to_owned()), quality: 0 }
}

//! Windows on their way to the guest, as few calls as fit, and its answers.
//!
//! A window that the guest fails on is given up and counted, so that it costs no other window: a call that fails is made again
//! with each half of its windows, down to single ones. Texts are numbered anew for every call.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tidemill_model::Series;

use crate::guest::{CallError, Instance, OutputRows, WindowColumns, Withdrawal};
use crate::operator::calculation::GuestFactory;
use crate::operator::inputs::Member;
use crate::operator::spec::OnError;
use crate::operator::stage::{self, Stage};
use crate::operator::status::{Shared, WindowNote};
use crate::operator::windows::{Row, Span};

/// Rows per call, unless a single window has more: 20 bytes each have to fit into the guest's memory.
const ROWS_PER_CALL: usize = 131_072;
/// Windows per call.
const WINDOWS_PER_CALL: usize = 16_384;
/// Failed calls per record after which windows are no longer halved, each part getting one more try: enough to find two bad windows
/// among those of a call. An endless loop costs a second each time.
const FAILED_CALLS_MAX: u32 = 28;
/// Failed calls per record after which the rest of its windows is given up untried.
const FAILED_CALLS_LAST: u32 = 64;

/// What the host has to know of a window when its answer comes.
#[derive(Clone, Copy)]
struct Mark {
    /// Source time of the output.
    stamp: i64,
    /// It may have had an output before.
    is_revision: bool,
}

/// A window for the guest.
pub(super) struct Ready<'a> {
    pub(super) group: u32,
    pub(super) span: Span,
    pub(super) stamp: i64,
    pub(super) is_revision: bool,
    pub(super) rows: &'a [Row],
    /// Of the group: what the rows' numbers of members mean.
    pub(super) members: &'a [Member],
}

/// The guest and what waits for its next call.
pub(super) struct Calls {
    factory: GuestFactory,
    guest: Instance,
    shared: Arc<Shared>,
    instance: u32,
    /// The first series of every group, for people.
    series: Vec<Arc<Series>>,
    input: WindowColumns,
    marks: Vec<Mark>,
    /// Places of texts in `input.texts`.
    places: HashMap<Arc<str>, u32>,
    answers: Vec<f64>,
    failed_calls: u32,
    /// Why the operator must stop instead of giving a window up.
    halted: Option<String>,
}

impl Calls {
    pub(super) fn new(factory: GuestFactory, instance: u32, shared: Arc<Shared>) -> Result<Self, CallError> {
        Ok(Self {
            guest: factory.start()?,
            factory,
            shared,
            instance,
            series: Vec::new(),
            input: WindowColumns::default(),
            marks: Vec::new(),
            places: HashMap::new(),
            answers: Vec::new(),
            failed_calls: 0,
            halted: None,
        })
    }

    /// Fuel that the guest has used since it was started.
    pub(super) fn fuel(&self) -> u64 {
        self.guest.fuel_total()
    }

    /// A new record begins; there may be new groups.
    pub(super) fn begin_record(&mut self, groups: &[Vec<Member>]) {
        self.failed_calls = 0;
        self.series.extend(groups[self.series.len()..].iter().map(|members| members[0].series.clone()));
    }

    /// Number of output ports.
    pub(super) fn ports(&self) -> usize {
        self.factory.spec.outputs.len()
    }

    /// Adds a window to the next call, and makes the call if it is full. `texts` are those that the rows refer to; none of a
    /// number port.
    pub(super) fn add(&mut self, window: &Ready<'_>, texts: Option<&[Arc<str>]>, rows: &mut OutputRows) {
        let Ready { group, span, stamp, is_revision, rows: content, .. } = *window;
        if content.is_empty() {
            return;
        }
        if self.factory.spec.stage == Some(Stage::Combine) {
            return self.add_parts(window, rows);
        }
        self.input.windows.push((group, content.len() as u32, span.start, span.end));
        self.marks.push(Mark { stamp, is_revision });
        self.input.dt.extend(content.iter().map(|row| row.time.wrapping_sub(span.start)));
        match texts {
            None => self.input.values.extend(content.iter().map(|row| row.value)),
            Some(texts) => content.iter().for_each(|row| {
                let place = self.place_of(&texts[row.value as usize]);
                self.input.values.push(f64::from(place));
            }),
        }
        self.input.qualities.extend(content.iter().map(|row| row.quality));
        if self.input.dt.len() >= ROWS_PER_CALL || self.input.windows.len() >= WINDOWS_PER_CALL {
            self.call(rows);
        }
    }

    /// Adds a window of the second stage: its rows are outputs of the first, by partition and port.
    fn add_parts(&mut self, window: &Ready<'_>, rows: &mut OutputRows) {
        let ports = self.ports();
        let mut parts: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        // Rows at other times are results of other windows, which the operator had before it was deployed anew.
        for row in window.rows.iter().filter(|row| row.time == window.span.start) {
            let Member { series, port } = &window.members[row.member as usize];
            let part = parts.entry(stage::partition_of(&series.key)).or_insert_with(|| vec![f64::NAN; ports]);
            part[*port as usize] = row.value;
        }
        if parts.is_empty() {
            // All that is there was left by what ran under this name before.
            if window.is_revision {
                let (group, start) = (window.group, window.stamp);
                rows.withdrawn.push(Withdrawal { group, port: None, start, end: start.saturating_add(1) });
            }
            return;
        }
        self.input.windows.push((window.group, (parts.len() * ports) as u32, window.span.start, window.span.end));
        self.marks.push(Mark { stamp: window.stamp, is_revision: window.is_revision });
        self.input.values.extend(parts.into_values().flatten());
        if self.input.values.len() >= ROWS_PER_CALL || self.input.windows.len() >= WINDOWS_PER_CALL {
            self.call(rows);
        }
    }

    fn place_of(&mut self, text: &Arc<str>) -> u32 {
        let next = self.input.texts.len() as u32;
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        self.input.texts.push(text.to_string());
        self.places.insert(text.clone(), next);
        next
    }

    /// Why the operator must stop instead of giving a window up.
    pub(super) fn take_halt(&mut self) -> Option<String> {
        self.halted.take()
    }

    /// Hands the collected windows to the guest.
    pub(super) fn call(&mut self, rows: &mut OutputRows) {
        let (mut input, mut marks) = (std::mem::take(&mut self.input), std::mem::take(&mut self.marks));
        if !input.windows.is_empty() {
            self.call_or_split(&mut input, &mut marks, rows);
        }
        input.windows.clear();
        input.dt.clear();
        input.values.clear();
        input.qualities.clear();
        input.texts.clear();
        marks.clear();
        self.places.clear();
        (self.input, self.marks) = (input, marks);
    }

    /// Calls the guest; when it fails, calls it with each half, down to single windows.
    fn call_or_split(&mut self, input: &mut WindowColumns, marks: &mut Vec<Mark>, rows: &mut OutputRows) {
        if input.qualities.iter().all(|quality| *quality == 0) {
            input.qualities.clear();
        }
        let failure = if self.failed_calls >= FAILED_CALLS_LAST {
            "given up after too many failures in one record".to_owned()
        } else {
            match self.try_call(input, marks, rows) {
                Ok(()) => return,
                Err(error) => error.to_string(),
            }
        };
        if input.windows.len() > 1 && self.failed_calls < FAILED_CALLS_MAX {
            let mut second = split_off(input);
            let mut second_marks = marks.split_off(input.windows.len());
            self.call_or_split(input, marks, rows);
            self.call_or_split(&mut second, &mut second_marks, rows);
            return;
        }
        if self.factory.spec.on_error == OnError::Halt
            && let Some((_, _, start, _)) = input.windows.first()
        {
            self.halted.get_or_insert(format!("window at {start} ns: {failure}; resume the operator to try again"));
        }
        for (group, _, start, end) in &input.windows {
            self.give_up(*group, Span::new(*start, *end), &failure);
        }
    }

    /// Counts and lists a window that has no output.
    pub(super) fn give_up(&self, group: u32, span: Span, failure: &str) {
        self.shared.error(self.instance, format!("window at {} ns has no output: {failure}", span.start));
        self.shared.instances[self.instance as usize].failed_windows.fetch_add(1, Relaxed);
        self.note(group, span, "failed", Some(failure.to_owned()));
    }

    /// Lists a window.
    pub(super) fn note(&self, group: u32, span: Span, reason: &'static str, detail: Option<String>) {
        let series = self.series.get(group as usize).map(|series| series.key.to_string()).unwrap_or_default();
        let (partition, start_ns, end_ns) = (self.instance, span.start, span.end);
        self.shared.note_window(WindowNote { partition, series, start_ns, end_ns, reason, detail });
    }

    fn try_call(&mut self, input: &WindowColumns, marks: &[Mark], rows: &mut OutputRows) -> Result<(), CallError> {
        let ports = self.factory.spec.outputs.len() as u32;
        self.answers.clear();
        let called = match self.factory.spec.stage {
            Some(Stage::Combine) => {
                let parts: Vec<_> = input.windows.iter().map(|(_, values, ..)| values / ports.max(1)).collect();
                self.guest.combine(&parts, &input.values, ports, &mut self.answers)
            }
            _ => self.guest.aggregate(input, ports, &mut self.answers),
        };
        if let Err(error) = called {
            self.failed_calls += 1;
            self.guest = self.factory.start()?;
            return Err(error);
        }
        let answers = self.answers.chunks_exact(ports.max(1) as usize);
        for (((group, ..), mark), values) in input.windows.iter().zip(marks).zip(answers) {
            for (port, value) in (0..).zip(values) {
                if !value.is_nan() {
                    rows.push((*group, port), mark.stamp, *value);
                } else if mark.is_revision {
                    let (start, end) = (mark.stamp, mark.stamp.saturating_add(1));
                    rows.withdrawn.push(Withdrawal { group: *group, port: Some(port), start, end });
                }
            }
        }
        Ok(())
    }
}

/// Moves the second half of the windows out.
fn split_off(input: &mut WindowColumns) -> WindowColumns {
    let half = input.windows.len() / 2;
    let rows: usize = input.windows[..half].iter().map(|(_, rows, ..)| *rows as usize).sum();
    WindowColumns {
        windows: input.windows.split_off(half),
        dt: if input.dt.is_empty() { Vec::new() } else { input.dt.split_off(rows) },
        values: input.values.split_off(rows),
        qualities: if input.qualities.is_empty() { Vec::new() } else { input.qualities.split_off(rows) },
        texts: input.texts.clone(),
    }
}

//! Calculations: stateful guests that get every input row once, in journal order.
//!
//! What happens to a record that the guest fails on: its store is dropped, a fresh guest gets the state that was captured
//! last and the records since then. Then the record is handed over again without the rows that the guest fails on
//! (`sifting`), or the operator halts, as it was deployed. Calls are deterministic, so a re-run ends the same way.
//!
//! Invariant: `since` holds every record since the state in `rebuilt` or, without that, since the last capture.

mod sifting;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use tidemill_journal::{ApplyError, Env};
use tidemill_model::payload::SamplesView;
use tidemill_model::time::SECOND_NS;
use tidemill_model::{Record, ValueType};

use crate::guest::{BatchColumns, CallError, Delta, Image, Instance, Logs, OutputBounds, OutputRows, Plugin};
use crate::operator::bytes::{Bytes, Damaged};
use crate::operator::checkpoint::{Keeper, Saved};
use crate::operator::inputs::{Event, Inputs, Target};
use crate::operator::refused::RefusedRows;
use crate::operator::spec::{OnError, Spec};

/// Records replayed at most after a failure, or little more. More cost memory and time then, fewer cost captures now.
const REPLAY_RECORDS_MAX: usize = 65_536;
/// Bytes of those records.
const REPLAY_BYTES_MAX: usize = 32 << 20;

/// What makes new instances of one operator's guest.
pub(crate) struct GuestFactory {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) spec: Arc<Spec>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) env: Arc<dyn Env>,
}

impl GuestFactory {
    /// A fresh guest that knows its parameters.
    pub(crate) fn start(&self) -> Result<Instance, CallError> {
        self.start_with(self.logs.clone())
    }

    fn start_with(&self, logs: Arc<Logs>) -> Result<Instance, CallError> {
        let mut instance = self.bare(logs)?;
        instance.configure(&self.spec.params)?;
        Ok(instance)
    }

    /// A fresh guest that is about to get an image.
    fn bare(&self, logs: Arc<Logs>) -> Result<Instance, CallError> {
        Instance::new(&self.plugin, self.spec.limits, logs, self.env.clone())
    }
}

/// Source time as the guest is told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clock {
    /// Newest source time seen, less the lateness; `i64::MIN` before the first row.
    watermark: i64,
    /// The whole second that the guest was last told of.
    second: i64,
    /// Whether rows came since the last heartbeat. Only then does a heartbeat not move the watermark.
    is_busy: bool,
}

impl Clock {
    const START: Clock = Clock { watermark: i64::MIN, second: i64::MIN, is_busy: false };

    fn encode(self) -> Vec<u8> {
        let busy = [u8::from(self.is_busy)];
        [&self.watermark.to_le_bytes()[..], &self.second.to_le_bytes()[..], &busy[..]].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut bytes = Bytes::new(bytes);
        Ok(Self { watermark: bytes.i64()?, second: bytes.i64()?, is_busy: bytes.u8()? != 0 })
    }
}

/// What became of a record.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Input rows that the guest has got.
    pub(crate) rows_in: u64,
    /// The newest source time among them.
    pub(crate) newest: Option<i64>,
    /// Rows that it fails on.
    pub(crate) refused: Vec<RefusedRows>,
}

/// A record, and the rows of it that were handed over, if not all at once.
type Applying = (Record, Option<Vec<Range<usize>>>);

/// A calculation in one partition.
pub(crate) struct Calculation {
    factory: GuestFactory,
    instance: Instance,
    clock: Clock,
    batch: BatchColumns,
    /// The state after the last failure, until the next capture: other failures may follow soon.
    rebuilt: Option<(Image, Clock)>,
    since: Vec<Applying>,
    since_bytes: usize,
}

impl Calculation {
    /// A calculation that has seen nothing.
    pub(crate) fn new(factory: GuestFactory) -> Result<Self, CallError> {
        let instance = factory.start()?;
        let (batch, since) = (BatchColumns::default(), Vec::new());
        Ok(Self { factory, instance, clock: Clock::START, batch, rebuilt: None, since, since_bytes: 0 })
    }

    /// Applies a record; appends its outputs to `rows`.
    ///
    /// # Errors
    /// After a refusal, and before a halt for its sake, the state is as before.
    pub(crate) fn apply(
        &mut self,
        record: &Record,
        inputs: &mut Inputs,
        event: &Event<'_>,
        rows: &mut OutputRows,
        keeper: &mut Keeper,
    ) -> Result<Applied, ApplyError> {
        let newest = match self.run(event, inputs, rows) {
            Ok(newest) => newest,
            Err(error) => {
                rows.clear();
                self.recover(inputs, keeper).map_err(|e| ApplyError::Halt(format!("cannot restore its state: {e}")))?;
                return match event {
                    Event::Samples(view, targets) if error.call() == "process" => {
                        self.apply_sifted(record, (view, targets), inputs, error.to_string(), rows)
                    }
                    _ => Err(self.refuse(format!("record at {}: {error}", record.offset))),
                };
            }
        };
        if !matches!(event, Event::Nothing) {
            self.remember(record, None);
        }
        let rows_in = if newest.is_some() { self.batch.dt.len() as u64 } else { 0 };
        Ok(Applied { rows_in, newest, refused: Vec::new() })
    }

    /// What the operator does about a record that it fails on as a whole.
    fn refuse(&self, reason: String) -> ApplyError {
        match self.factory.spec.on_error {
            OnError::Quarantine => ApplyError::Refused(reason),
            OnError::Halt => ApplyError::Halt(format!("{reason}; resume the operator to try again")),
        }
    }

    fn run(&mut self, event: &Event<'_>, inputs: &Inputs, rows: &mut OutputRows) -> Result<Option<i64>, CallError> {
        let groups = inputs.groups().len() as u32;
        let mut newest = None;
        match event {
            Event::Nothing => return Ok(None),
            Event::Samples(view, targets) => {
                let newest_time = fill(&mut self.batch, view, targets);
                self.note_rows(newest_time);
                newest = Some(newest_time);
                let (instance, spec) = (&mut self.instance, &self.factory.spec);
                let bounds = OutputBounds { groups, ports: &spec.output_kinds };
                in_reach(&mut self.batch, |t0, batch| instance.process(t0, batch, bounds, rows))?;
            }
            Event::Heartbeat(time) => {
                if !self.clock.is_busy && self.clock.watermark != i64::MIN {
                    let watermark = time.saturating_sub(self.factory.spec.lateness_ns);
                    self.clock.watermark = self.clock.watermark.max(watermark);
                }
                self.clock.is_busy = false;
            }
        }
        self.tell_time(groups, rows)?;
        Ok(newest)
    }

    /// Moves the watermark behind rows.
    fn note_rows(&mut self, newest: i64) {
        self.clock.is_busy = true;
        self.clock.watermark = self.clock.watermark.max(newest.saturating_sub(self.factory.spec.lateness_ns));
    }

    /// Tells the guest of the watermark if that has passed a second.
    fn tell_time(&mut self, groups: u32, rows: &mut OutputRows) -> Result<(), CallError> {
        let second = self.clock.watermark.div_euclid(SECOND_NS);
        if self.clock.watermark == i64::MIN || second <= self.clock.second {
            return Ok(());
        }
        self.clock.second = second;
        let bounds = OutputBounds { groups, ports: &self.factory.spec.output_kinds };
        self.instance.advance(self.clock.watermark, bounds, rows)
    }

    /// Back to the state before the record that failed.
    fn recover(&mut self, inputs: &mut Inputs, keeper: &mut Keeper) -> Result<(), String> {
        let reason = |error: CallError| error.to_string();
        // What is replayed has been logged before.
        let silent = Arc::new(Logs::default());
        match self.rebuilt {
            Some(_) => self.back_to_rebuilt(silent)?,
            None => match keeper.recall().map_err(|error| error.to_string())? {
                Some(saved) => self.restore(&saved, silent)?,
                None => {
                    self.instance = self.factory.start_with(silent).map_err(reason)?;
                    self.clock = Clock::START;
                }
            },
        }
        let mut ignored = OutputRows::default();
        for (record, taken) in std::mem::take(&mut self.since) {
            let event = inputs.read(&record).map_err(|error| error.to_string())?;
            ignored.clear();
            match (&event, taken) {
                (Event::Samples(view, targets), Some(taken)) => {
                    let groups = inputs.groups().len() as u32;
                    self.repeat_sifted((view, targets), groups, &taken, &mut ignored).map_err(reason)?;
                }
                _ => drop(self.run(&event, inputs, &mut ignored).map_err(reason)?),
            }
        }
        self.since_bytes = 0;
        self.instance.log_to(self.factory.logs.clone());
        self.keep_rebuilt();
        Ok(())
    }

    /// Keeps the state as it is now for the next failure.
    fn keep_rebuilt(&mut self) {
        let mut image = Image::default();
        image.apply(&self.instance.capture(true));
        self.rebuilt = Some((image, self.clock));
    }

    /// Back to the state after the last failure.
    fn back_to_rebuilt(&mut self, logs: Arc<Logs>) -> Result<(), String> {
        let (image, clock) = self.rebuilt.take().ok_or("there is no state to go back to")?;
        let resumed = self.resume(&image, clock, logs).map_err(|error| error.to_string());
        self.rebuilt = Some((image, clock));
        resumed
    }

    /// A fresh guest in a state that was captured.
    fn resume(&mut self, image: &Image, clock: Clock, logs: Arc<Logs>) -> Result<(), CallError> {
        self.instance = self.factory.bare(logs)?;
        self.instance.restore(image)?;
        self.clock = clock;
        Ok(())
    }

    fn restore(&mut self, saved: &Saved, logs: Arc<Logs>) -> Result<(), String> {
        let clock = Clock::decode(&saved.state).map_err(|error| error.to_string())?;
        let image = saved.memory.as_ref().ok_or("checkpoint is damaged: a calculation without memory")?;
        self.resume(image, clock, logs).map_err(|error| error.to_string())
    }

    /// Keeps a copy of a record for a replay. A copy, because the record may be a small part of a large read.
    fn remember(&mut self, record: &Record, taken: Option<Vec<Range<usize>>>) {
        let payload = bytes::Bytes::copy_from_slice(&record.payload);
        self.since_bytes += payload.len();
        self.since.push((Record { payload, ..record.clone() }, taken));
    }

    /// Whether so much would have to be replayed that a capture should come before anything else.
    pub(crate) fn is_full(&self) -> bool {
        self.since.len() >= REPLAY_RECORDS_MAX || self.since_bytes >= REPLAY_BYTES_MAX
    }

    /// Whether the next capture has to be whole.
    pub(crate) fn wants_base(&self) -> bool {
        self.rebuilt.is_some()
    }

    /// Fuel that its guest has used since it was started.
    pub(crate) fn fuel(&self) -> u64 {
        self.instance.fuel_total()
    }

    /// Bytes of state.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.instance.state_bytes()
    }

    /// The clock, and what of the memory has changed since the last capture, or all of it.
    pub(crate) fn capture(&mut self, whole: bool) -> (Vec<u8>, Delta) {
        self.rebuilt = None;
        self.since.clear();
        self.since_bytes = 0;
        (self.clock.encode(), self.instance.capture(whole))
    }

    /// Takes over the state of another version of the plugin, group by group; `saved` is what `from` has captured.
    pub(crate) fn inherit(&mut self, from: &GuestFactory, saved: &Saved, groups: u32) -> Result<(), String> {
        let image = saved.memory.as_ref().ok_or("the version before has saved no memory")?;
        let text = |error: CallError| error.to_string();
        let mut old = from.start_with(Arc::new(Logs::default())).map_err(text)?;
        old.restore(image).map_err(text)?;
        let groups: Vec<u32> = (0..groups).collect();
        let states = old.save(&groups).map_err(text)?;
        self.instance.take_over_entries(image);
        self.instance.load(&groups, &states).map_err(text)?;
        self.clock = Clock::decode(&saved.state).map_err(|error| error.to_string())?;
        // Before its first checkpoint this is what a failure goes back to.
        self.keep_rebuilt();
        Ok(())
    }

    /// Takes over a state that was captured.
    pub(crate) fn decode(&mut self, saved: &Saved) -> Result<(), String> {
        self.restore(saved, self.factory.logs.clone())
    }
}

/// Farthest that a row's time may be from the batch's first one: what a JavaScript number holds exactly.
const REACH_NS: i64 = 1 << 53;

/// Turns the input rows of a record into a batch with absolute times in `dt`; rows are time-ordered within a run. Returns
/// the newest time.
fn fill(batch: &mut BatchColumns, view: &SamplesView<'_>, targets: &[Target]) -> i64 {
    batch.runs.clear();
    batch.dt.clear();
    batch.values.clear();
    batch.qualities.clear();
    batch.texts.clear();
    let (mut newest, mut all_good) = (i64::MIN, true);
    let mut targets = targets.iter();
    let mut order = Vec::new();
    let mut places: HashMap<&str, u32> = HashMap::new();
    for column in view.columns() {
        let value_type = column.value_type();
        let is_float = value_type == ValueType::Float;
        for (run, target) in column.runs().zip(&mut targets) {
            if !target.is_input() {
                continue;
            }
            batch.runs.push([target.group, target.port, run.rows as u32]);
            let mut push = |row: usize| {
                let time = column.time(row);
                newest = newest.max(time);
                batch.dt.push(time);
                batch.values.push(match value_type {
                    ValueType::Text => {
                        let text = column.text(row);
                        let next = places.len() as u32;
                        f64::from(*places.entry(text).or_insert_with(|| {
                            batch.texts.push(text.to_owned());
                            next
                        }))
                    }
                    _ => as_f64(value_type, is_float, column.bits(row)),
                });
                batch.qualities.push(column.quality(row).0);
            };
            let rows = run.first..run.first + run.rows;
            if run.rows == 1 || rows.clone().is_sorted_by_key(|row| column.time(row)) {
                rows.for_each(&mut push);
            } else {
                order.clear();
                order.extend(rows);
                order.sort_by_key(|row| column.time(*row));
                order.iter().for_each(|row| push(*row));
            }
            all_good &= column.all_good();
        }
    }
    if all_good {
        batch.qualities.clear();
    }
    newest
}

/// Makes the times of a batch relative to its first row and hands it over: whole if every row is in reach, else in parts.
fn in_reach<E>(batch: &mut BatchColumns, mut call: impl FnMut(i64, &BatchColumns) -> Result<(), E>) -> Result<(), E> {
    let Some(t0) = batch.dt.iter().copied().min() else {
        return Ok(());
    };
    let is_near = |time: &i64| time.checked_sub(t0).is_some_and(|dt| dt <= REACH_NS);
    if batch.dt.iter().all(is_near) {
        batch.dt.iter_mut().for_each(|time| *time -= t0);
        return call(t0, batch);
    }
    let mut part = BatchColumns { texts: batch.texts.clone(), ..BatchColumns::default() };
    let (mut row, mut oldest, mut newest) = (0, i64::MAX, i64::MIN);
    for [group, port, rows] in &batch.runs {
        part.runs.push([*group, *port, 0]);
        for _ in 0..*rows {
            let time = batch.dt[row];
            let (low, high) = (oldest.min(time), newest.max(time));
            if !part.dt.is_empty() && high.checked_sub(low).is_none_or(|span| span > REACH_NS) {
                flush_part(&mut part, oldest, &mut call)?;
                part.runs.push([*group, *port, 0]);
                (oldest, newest) = (time, time);
            } else {
                (oldest, newest) = (low, high);
            }
            if let Some(run) = part.runs.last_mut() {
                run[2] += 1;
            }
            part.dt.push(time);
            part.values.push(batch.values[row]);
            part.qualities.extend(batch.qualities.get(row));
            row += 1;
        }
    }
    flush_part(&mut part, oldest, &mut call)
}

fn flush_part<E>(
    part: &mut BatchColumns,
    t0: i64,
    call: &mut impl FnMut(i64, &BatchColumns) -> Result<(), E>,
) -> Result<(), E> {
    part.runs.retain(|run| run[2] > 0);
    part.dt.iter_mut().for_each(|time| *time -= t0);
    let done = call(t0, part);
    part.runs.clear();
    part.dt.clear();
    part.values.clear();
    part.qualities.clear();
    done
}

/// A numeric or boolean value as the guest gets it.
#[inline]
pub(crate) fn as_f64(value_type: ValueType, is_float: bool, bits: u64) -> f64 {
    match value_type {
        _ if is_float => f64::from_bits(bits),
        ValueType::Int => bits as i64 as f64,
        _ => bits as f64,
    }
}

//! The calls of the contract, by the canonical ABI made by hand.
//!
//! A call allocates its lists in the guest with `cabi_realloc`, copies columns in whole, calls, copies the result out of
//! the return area and calls `cabi_post_<name>` if there is one. `docs/plugins/contract.md` draws the areas.

use crate::guest::abi;
use crate::guest::columns::{About, BatchColumns, OutputBounds, OutputRows, ROW_BYTES, WindowColumns};
use crate::guest::results::{check_runs, is_problem, problem, read_lists, read_ports, read_runs, resolve_texts};
use crate::guest::{CallError, Instance, abi::u32_at};

const BATCH_AREA_BYTES: u64 = 56;
const BATCH_AREA_BYTES_0_1: u64 = 48;
const SMALL_AREA_BYTES: u64 = 16;
const ABOUT_AREA_BYTES: u64 = 32;

/// Contract 0.2 has texts.
const TEXTS_SINCE: u32 = 2;

impl Instance {
    /// Asks the plugin what it is.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn describe(&mut self) -> Result<About, CallError> {
        const CALL: &str = "describe";
        self.refuel(CALL)?;
        let area_at = self.call(CALL, "() -> i32", ())?;
        let memory = self.memory.data(&self.store);
        let area = abi::region(memory, CALL, (area_at, ABOUT_AREA_BYTES), 4)?;
        let has_kinds = self.contract >= TEXTS_SINCE;
        let about = About {
            name: abi::read_text(memory, CALL, abi::list_at(area, 0))?,
            version: abi::read_text(memory, CALL, abi::list_at(area, 8))?,
            inputs: read_ports(memory, CALL, abi::list_at(area, 16), has_kinds)?,
            outputs: read_ports(memory, CALL, abi::list_at(area, 24), has_kinds)?,
        };
        self.post(CALL, area_at)?;
        Ok(about)
    }

    /// Hands the plugin its parameters, a JSON object.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn configure(&mut self, params: &str) -> Result<(), CallError> {
        const CALL: &str = "configure";
        self.refuel(CALL)?;
        let (at, len) = self.put_raw(CALL, 1, params.len(), |target| target.copy_from_slice(params.as_bytes()))?;
        let area_at = self.call(CALL, "(i32, i32) -> i32", (at, len))?;
        self.check_done(CALL, area_at)
    }

    /// Reads a `result<_, problem>`.
    fn check_done(&mut self, call: &'static str, area_at: u32) -> Result<(), CallError> {
        let memory = self.memory.data(&self.store);
        let area = abi::region(memory, call, (area_at, SMALL_AREA_BYTES), 4)?;
        if is_problem(area, call)? {
            return Err(problem(memory, area, call, 4));
        }
        self.post(call, area_at)
    }

    /// Hands a calculation a batch and appends what it answers to `out`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn process(
        &mut self,
        t0: i64,
        batch: &BatchColumns,
        bounds: OutputBounds<'_>,
        out: &mut OutputRows,
    ) -> Result<(), CallError> {
        if batch.dt.len() as u64 <= self.limits.rows_per_call {
            return self.process_whole(t0, batch, bounds, out);
        }
        let rows = usize::try_from(self.limits.rows_per_call).unwrap_or(usize::MAX).max(1);
        batch.parts(rows).iter().try_for_each(|part| self.process_whole(t0, part, bounds, out))
    }

    fn process_whole(
        &mut self,
        t0: i64,
        batch: &BatchColumns,
        bounds: OutputBounds<'_>,
        out: &mut OutputRows,
    ) -> Result<(), CallError> {
        const CALL: &str = "process";
        self.refuel(CALL)?;
        let (runs, runs_len) = self.put_raw(CALL, 4, batch.runs.len() * 12, |target| {
            for (slot, [group, port, rows]) in target.as_chunks_mut::<12>().0.iter_mut().zip(&batch.runs) {
                slot[0..4].copy_from_slice(&group.to_le_bytes());
                slot[4..8].copy_from_slice(&port.to_le_bytes());
                slot[8..12].copy_from_slice(&rows.to_le_bytes());
            }
        })?;
        let runs_len = runs_len / 12;
        let (dt, dt_len) = self.put(CALL, &batch.dt)?;
        let (values, values_len) = self.put(CALL, &batch.values)?;
        let (qualities, qualities_len) = self.put(CALL, &batch.qualities)?;
        let area_at = if self.contract < TEXTS_SINCE {
            let args = (t0, runs, runs_len, dt, dt_len, values, values_len, qualities, qualities_len);
            self.call(CALL, "(i64, eight times i32) -> i32", args)?
        } else {
            let (texts, texts_len) = self.put_lists(CALL, &batch.texts)?;
            let args = (t0, runs, runs_len, dt, dt_len, values, values_len, qualities, qualities_len, texts, texts_len);
            self.call(CALL, "(i64, ten times i32) -> i32", args)?
        };
        self.read_batch(CALL, area_at, bounds, out)?;
        self.post(CALL, area_at)
    }

    /// Tells a calculation that no sample before `watermark` is to be expected and appends what it answers to `out`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn advance(&mut self, watermark: i64, bounds: OutputBounds<'_>, out: &mut OutputRows) -> Result<(), CallError> {
        const CALL: &str = "advance";
        self.refuel(CALL)?;
        let area_at = self.call(CALL, "(i64) -> i32", watermark)?;
        self.read_batch(CALL, area_at, bounds, out)?;
        self.post(CALL, area_at)
    }

    /// Hands an aggregation closed windows and appends its `outputs` values per window to `out`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn aggregate(&mut self, input: &WindowColumns, outputs: u32, out: &mut Vec<f64>) -> Result<(), CallError> {
        const CALL: &str = "aggregate";
        self.refuel(CALL)?;
        let (windows, _) = self.put_raw(CALL, 8, input.windows.len() * 24, |target| {
            for (slot, (group, rows, start, end)) in target.as_chunks_mut::<24>().0.iter_mut().zip(&input.windows) {
                slot[0..4].copy_from_slice(&group.to_le_bytes());
                slot[4..8].copy_from_slice(&rows.to_le_bytes());
                slot[8..16].copy_from_slice(&start.to_le_bytes());
                slot[16..24].copy_from_slice(&end.to_le_bytes());
            }
        })?;
        let windows_len = input.windows.len() as u32;
        let (dt, dt_len) = self.put(CALL, &input.dt)?;
        let (values, values_len) = self.put(CALL, &input.values)?;
        let (qualities, qualities_len) = self.put(CALL, &input.qualities)?;
        let area_at = if self.contract < TEXTS_SINCE {
            let args = (windows, windows_len, dt, dt_len, values, values_len, qualities, qualities_len);
            self.call(CALL, "(eight times i32) -> i32", args)?
        } else {
            let (texts, texts_len) = self.put_lists(CALL, &input.texts)?;
            let args =
                (windows, windows_len, dt, dt_len, values, values_len, qualities, qualities_len, texts, texts_len);
            self.call(CALL, "(ten times i32) -> i32", args)?
        };
        self.read_answers(CALL, area_at, u64::from(windows_len) * u64::from(outputs), out)
    }

    /// Hands an aggregation the results of parts of windows, and appends its `outputs` values per window to `out`. `parts`
    /// says how many parts each window has, `values` are `[window][part][output]`; NaN: no value.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn combine(
        &mut self,
        parts: &[u32],
        values: &[f64],
        outputs: u32,
        out: &mut Vec<f64>,
    ) -> Result<(), CallError> {
        const CALL: &str = "combine";
        self.refuel(CALL)?;
        let (parts_at, parts_len) = self.put(CALL, parts)?;
        let (values_at, values_len) = self.put(CALL, values)?;
        let args = (parts_at, parts_len, values_at, values_len);
        let area_at = self.call(CALL, "(i32, i32, i32, i32) -> i32", args)?;
        self.read_answers(CALL, area_at, u64::from(parts_len) * u64::from(outputs), out)
    }

    /// Copies a `result<list<f64>, problem>` with `expected` values out of the guest.
    fn read_answers(
        &mut self,
        call: &'static str,
        area_at: u32,
        expected: u64,
        out: &mut Vec<f64>,
    ) -> Result<(), CallError> {
        let memory = self.memory.data(&self.store);
        let area = abi::region(memory, call, (area_at, SMALL_AREA_BYTES), 4)?;
        if is_problem(area, call)? {
            return Err(problem(memory, area, call, 4));
        }
        let (at, len) = abi::list_at(area, 4);
        if u64::from(len) != expected {
            return Err(CallError::malformed(call, format!("it returned {len} values, {expected} were expected")));
        }
        let first = out.len();
        abi::read_list(memory, call, (at, len), out)?;
        abi::canonicalise(&mut out[first..]);
        self.post(call, area_at)
    }

    /// The states of groups, in their order, in a form that other versions of the plugin can read.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn save(&mut self, groups: &[u32]) -> Result<Vec<Vec<u8>>, CallError> {
        const CALL: &str = "save";
        self.refuel(CALL)?;
        let (at, len) = self.put(CALL, groups)?;
        let area_at = self.call(CALL, "(i32, i32) -> i32", (at, len))?;
        let memory = self.memory.data(&self.store);
        let area = abi::region(memory, CALL, (area_at, 8), 4)?;
        let (at, count) = (u32_at(area, 0), u32_at(area, 4));
        if count as usize != groups.len() {
            let reason = format!("it returned {count} states for {} groups", groups.len());
            return Err(CallError::malformed(CALL, reason));
        }
        let states = read_lists(memory, CALL, (at, count), self.limits.state_bytes)?;
        self.post(CALL, area_at)?;
        Ok(states)
    }

    /// Hands over states that [`Instance::save`] returned.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn load(&mut self, groups: &[u32], states: &[Vec<u8>]) -> Result<(), CallError> {
        const CALL: &str = "load";
        self.refuel(CALL)?;
        let (at, len) = self.put(CALL, groups)?;
        let (states, states_len) = self.put_lists(CALL, states)?;
        let area_at = self.call(CALL, "(i32, i32, i32, i32) -> i32", (at, len, states, states_len))?;
        self.check_done(CALL, area_at)
    }

    /// Copies a `result<batch, problem>` out of the guest and checks it.
    fn read_batch(
        &self,
        call: &'static str,
        area_at: u32,
        bounds: OutputBounds<'_>,
        out: &mut OutputRows,
    ) -> Result<(), CallError> {
        let memory = self.memory.data(&self.store);
        let has_texts = self.contract >= TEXTS_SINCE;
        let area_bytes = if has_texts { BATCH_AREA_BYTES } else { BATCH_AREA_BYTES_0_1 };
        let area = abi::region(memory, call, (area_at, area_bytes), 8)?;
        if is_problem(area, call)? {
            return Err(problem(memory, area, call, 8));
        }
        let t0 = abi::i64_at(area, 8);
        let [runs, dt, values, qualities] = [16, 24, 32, 40].map(|at| abi::list_at(area, at));
        let rows = dt.1;
        let total = out.times.len() as u64 + u64::from(rows);
        if total > self.limits.output_rows {
            return Err(CallError::too_much(call, "rows", total, ("output_rows", self.limits.output_rows)));
        }
        if values.1 != rows || (qualities.1 != rows && qualities.1 != 0) || runs.1 > rows {
            let reason = format!("{} runs, {rows} times, {} values, {} qualities", runs.1, values.1, qualities.1);
            return Err(CallError::malformed(call, reason));
        }
        let (first, first_run) = (out.times.len(), out.runs.len());
        read_runs(memory, call, runs, &mut out.runs)?;
        abi::read_list(memory, call, dt, &mut out.times)?;
        abi::read_list(memory, call, values, &mut out.values)?;
        abi::read_list(memory, call, qualities, &mut out.qualities)?;
        out.qualities.resize(out.times.len(), 0);
        abi::canonicalise(&mut out.values[first..]);
        check_runs(call, &out.runs[first_run..], rows, bounds)?;
        for time in &mut out.times[first..] {
            let sum = t0.checked_add(*time).filter(|time| *time != i64::MAX);
            *time = sum.ok_or_else(|| CallError::malformed(call, format!("time {t0} + {time} is out of range")))?;
        }
        out.bytes += u64::from(rows) * ROW_BYTES;
        if has_texts {
            // One record may cause many calls, all of whose texts are held.
            let left = self.limits.output_bytes.saturating_sub(out.text_bytes);
            let texts = read_lists(memory, call, abi::list_at(area, 48), left)?;
            out.text_bytes += texts.iter().map(|text| text.len() as u64 + 8).sum::<u64>();
            resolve_texts(call, texts, (first, first_run), bounds, out)?;
        }
        if out.bytes > self.limits.output_bytes {
            return Err(CallError::too_much(call, "bytes", out.bytes, ("output_bytes", self.limits.output_bytes)));
        }
        Ok(())
    }
}

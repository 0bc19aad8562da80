//! A plugin behind the ABI: holds it, its output buffers and the return areas.

use crate::batch::Texts;
use crate::window::{WindowHead, Windows};
use crate::{
    About, Aggregation, Batch, Calculation, Combining, Durable, Output, Params, Parts, Port, Problem, Run, Time,
};

/// The contract that this SDK speaks: 0.2.
pub const CONTRACT: u32 = 2;

/// A return area of `WORDS` machine words. Aligned to 8 because a batch starts with an s64.
#[repr(C, align(8))]
struct Area<const WORDS: usize>([usize; WORDS]);

impl<const WORDS: usize> Area<WORDS> {
    const fn new() -> Self {
        Area([0; WORDS])
    }

    fn address(&self) -> *const usize {
        self.0.as_ptr()
    }

    /// Writes pointer and length of a list.
    fn put<T>(&mut self, word: usize, list: &[T]) {
        self.0[word] = list.as_ptr().expose_provenance();
        self.0[word + 1] = list.len();
    }

    /// Writes a failure; its payload starts at `payload`.
    fn put_problem(&mut self, payload: usize, problem: &Problem) {
        self.0[0] = 1;
        self.0[payload] = problem.code as usize;
        self.put(payload + 1, problem.text.as_bytes());
    }
}

/// What every plugin answers besides its work: description, result of `configure`, and the text of the last problem.
struct Common {
    about: Area<8>,
    inputs: Vec<[usize; 3]>,
    outputs: Vec<[usize; 3]>,
    configured: Area<4>,
    problem: Option<Problem>,
}

impl Common {
    const fn new() -> Common {
        Common { about: Area::new(), inputs: Vec::new(), outputs: Vec::new(), configured: Area::new(), problem: None }
    }

    fn describe(&mut self, about: &About) -> *const usize {
        let word = |port: &Port| [port.name.as_ptr().expose_provenance(), port.name.len(), port.kind as usize];
        self.inputs = about.inputs.iter().map(word).collect();
        self.outputs = about.outputs.iter().map(word).collect();
        self.about.put(0, about.name.as_bytes());
        self.about.put(2, about.version.as_bytes());
        self.about.put(4, &self.inputs);
        self.about.put(6, &self.outputs);
        self.about.address()
    }

    /// Makes a plugin with its parameters.
    fn configure<P: Default>(
        &mut self,
        params: Vec<u8>,
        configure: impl FnOnce(&mut P, &mut Params) -> Result<(), Problem>,
    ) -> (Option<P>, *const usize) {
        let made = String::from_utf8(params)
            .map_err(|_| Problem::contract("params are not UTF-8"))
            .and_then(|text| configured(&text, configure));
        let (plugin, problem) = made.map_or_else(|problem| (None, Some(problem)), |plugin| (Some(plugin), None));
        self.problem = problem;
        self.configured.0[0] = 0;
        if let Some(problem) = &self.problem {
            self.configured.put_problem(1, problem);
        }
        (plugin, self.configured.address())
    }
}

/// A plugin with its parameters, none of them left over.
pub(crate) fn configured<P: Default>(
    params: &str,
    configure: impl FnOnce(&mut P, &mut Params) -> Result<(), Problem>,
) -> Result<P, Problem> {
    let mut params = Params::parse(params)?;
    let mut plugin = P::default();
    configure(&mut plugin, &mut params)?;
    params.finish()?;
    Ok(plugin)
}

fn not_configured() -> Problem {
    Problem::contract("configure has not been called, or has failed")
}

/// A [`Calculation`] behind the ABI.
pub struct CalculationGuest<C> {
    calculation: Option<C>,
    common: Common,
    output: Output,
    reply: Area<14>,
    texts: Vec<[usize; 2]>,
    saved: Vec<Vec<u8>>,
}

impl<C: Calculation> CalculationGuest<C> {
    /// Not configured yet.
    #[expect(clippy::new_without_default, reason = "a const constructor is needed for a static")]
    pub const fn new() -> Self {
        CalculationGuest {
            calculation: None,
            common: Common::new(),
            output: Output::new(C::ABOUT.outputs),
            reply: Area::new(),
            texts: Vec::new(),
            saved: Vec::new(),
        }
    }

    /// `describe`.
    pub fn describe(&mut self) -> *const usize {
        report_panics();
        self.common.describe(&C::ABOUT)
    }

    /// `configure`.
    pub fn configure(&mut self, params: Vec<u8>) -> *const usize {
        report_panics();
        let (calculation, reply) = self.common.configure(params, C::configure);
        self.calculation = calculation;
        reply
    }

    /// `process`.
    pub fn process(
        &mut self,
        t0: i64,
        runs: Vec<Run>,
        dt: Vec<i64>,
        values: Vec<f64>,
        qualities: Vec<u32>,
        texts: Vec<String>,
    ) -> *const usize {
        let input = Batch { t0, runs, dt, values, qualities, texts: Texts::given(texts) }.checked();
        self.call(|calculation, output| calculation.process(&input?, output))
    }

    /// `advance`.
    pub fn advance(&mut self, watermark: i64) -> *const usize {
        self.call(|calculation, output| calculation.advance(Time(watermark), output))
    }

    fn call(&mut self, work: impl FnOnce(&mut C, &mut Output) -> Result<(), Problem>) -> *const usize {
        self.output.batch.clear();
        let done = match &mut self.calculation {
            Some(calculation) => work(calculation, &mut self.output),
            None => Err(not_configured()),
        };
        self.common.problem = done.err();
        match &self.common.problem {
            None => self.put_batch(),
            Some(problem) => self.reply.put_problem(2, problem),
        }
        self.reply.address()
    }

    fn put_batch(&mut self) {
        let (reply, batch) = (&mut self.reply, &self.output.batch);
        self.texts.clear();
        self.texts.extend(batch.texts.list.iter().map(|text| [text.as_ptr().expose_provenance(), text.len()]));
        reply.0[0] = 0;
        let t0 = if batch.is_empty() { 0 } else { batch.t0 };
        reply.0[2] = t0 as u32 as usize;
        reply.0[3] = (t0 >> 32) as u32 as usize;
        reply.put(4, &batch.runs);
        reply.put(6, &batch.dt);
        reply.put(8, &batch.values);
        reply.put(10, &batch.qualities);
        reply.put(12, &self.texts);
    }

    /// `cabi_post_…`: the host has copied the result.
    pub fn post(&mut self) {
        self.output.batch.clear();
        self.saved = Vec::new();
        self.common.problem = None;
    }
}

impl<C: Durable> CalculationGuest<C> {
    /// `save`.
    pub fn save(&mut self, groups: Vec<u32>) -> *const usize {
        let state = |group: &u32| self.calculation.as_ref().map(|c| c.save(*group)).unwrap_or_default();
        self.saved = groups.iter().map(state).collect();
        self.texts.clear();
        self.texts.extend(self.saved.iter().map(|state| [state.as_ptr().expose_provenance(), state.len()]));
        self.reply.put(0, &self.texts);
        self.reply.address()
    }

    /// `load`.
    pub fn load(&mut self, groups: Vec<u32>, states: Vec<Vec<u8>>) -> *const usize {
        let done = match &mut self.calculation {
            Some(calculation) => {
                groups.iter().zip(&states).try_for_each(|(group, state)| calculation.load(*group, state))
            }
            None => Err(not_configured()),
        };
        self.common.problem = done.err();
        self.reply.0[0] = 0;
        if let Some(problem) = &self.common.problem {
            self.reply.put_problem(1, problem);
        }
        self.reply.address()
    }
}

/// An [`Aggregation`] behind the ABI.
pub struct AggregationGuest<A> {
    aggregation: Option<A>,
    common: Common,
    output: Vec<f64>,
    reply: Area<4>,
}

impl<A: Aggregation> AggregationGuest<A> {
    /// Not configured yet.
    #[expect(clippy::new_without_default, reason = "a const constructor is needed for a static")]
    pub const fn new() -> Self {
        AggregationGuest { aggregation: None, common: Common::new(), output: Vec::new(), reply: Area::new() }
    }

    /// `describe`.
    pub fn describe(&mut self) -> *const usize {
        report_panics();
        self.common.describe(&A::ABOUT)
    }

    /// `configure`.
    pub fn configure(&mut self, params: Vec<u8>) -> *const usize {
        report_panics();
        let (aggregation, reply) = self.common.configure(params, A::configure);
        self.aggregation = aggregation;
        reply
    }

    /// `aggregate`.
    pub fn aggregate(
        &mut self,
        heads: Vec<WindowHead>,
        dt: Vec<i64>,
        values: Vec<f64>,
        qualities: Vec<u32>,
        texts: Vec<String>,
    ) -> *const usize {
        let windows = Windows { heads, dt, values, qualities, texts: Texts::given(texts) }.checked();
        let done = match (&mut self.aggregation, windows) {
            (None, _) => Err(not_configured()),
            (_, Err(problem)) => Err(problem),
            (Some(aggregation), Ok(windows)) => {
                aggregate_all(aggregation, &windows, &mut self.output);
                Ok(())
            }
        };
        self.reply(done)
    }

    fn reply(&mut self, done: Result<(), Problem>) -> *const usize {
        self.common.problem = done.err();
        self.reply.0[0] = 0;
        match &self.common.problem {
            None => self.reply.put(1, &self.output),
            Some(problem) => self.reply.put_problem(1, problem),
        }
        self.reply.address()
    }

    /// `cabi_post_…`: the host has copied the result.
    pub fn post(&mut self) {
        self.output.clear();
        self.output.shrink_to(VALUES_KEPT_MAX);
        self.common.problem = None;
    }
}

impl<A: Combining> AggregationGuest<A> {
    /// `combine`.
    pub fn combine(&mut self, parts: Vec<u32>, values: Vec<f64>) -> *const usize {
        let done = match &mut self.aggregation {
            None => Err(not_configured()),
            Some(aggregation) => combine_all(aggregation, &parts, &values, &mut self.output),
        };
        self.reply(done)
    }
}

/// A buffer beyond this many values (512 KiB) is given back after the call: it would be part of every checkpoint.
const VALUES_KEPT_MAX: usize = 65_536;

/// Row by row: [window][output].
pub(crate) fn aggregate_all<A: Aggregation>(aggregation: &mut A, windows: &Windows, output: &mut Vec<f64>) {
    let outputs = A::ABOUT.outputs.len();
    output.clear();
    output.resize(windows.heads.len() * outputs, f64::NAN);
    for (window, out) in windows.iter().zip(output.chunks_exact_mut(outputs)) {
        aggregation.aggregate(&window, out);
    }
}

/// The same, of the results of parts: `values` are [window][part][output].
pub(crate) fn combine_all<A: Combining>(
    aggregation: &mut A,
    parts: &[u32],
    values: &[f64],
    output: &mut Vec<f64>,
) -> Result<(), Problem> {
    let outputs = A::ABOUT.outputs.len();
    output.clear();
    output.resize(parts.len() * outputs, f64::NAN);
    let mut rest = values;
    for (count, out) in parts.iter().zip(output.chunks_exact_mut(outputs)) {
        let Some((own, behind)) = rest.split_at_checked(*count as usize * outputs) else {
            return Err(Problem::contract("fewer values than the parts of windows need"));
        };
        rest = behind;
        aggregation.combine(&Parts::new(own, outputs), out);
    }
    Ok(())
}

/// Before a panic becomes a trap, its message goes to the operator's log.
fn report_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));
}

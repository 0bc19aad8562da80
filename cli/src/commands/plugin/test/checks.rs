//! What is checked of one fixture.

use anyhow::Context as _;
use tidemill_runtime::DeployRequest;
use tidemill_runtime::guest::World;
use tidemill_runtime::trial::{Conditions, Difference, Fixture, Found, Outcome, Subject, difference};

use crate::fixture;
use crate::time::format_time;
use crate::trials::{Arena, FixtureDir};

/// Crashes of one trial at most: each starts the plugin anew.
const CRASHES_MAX: usize = 256;
/// Later than any window that a fixture may leave open ends, ns: 400 days.
const CLOSING_NS: i64 = 400 * 86_400 * 1_000_000_000;

/// How a check ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Well.
    Passed(String),
    /// The expected outputs have been written.
    Blessed,
    /// Badly; with the reason.
    Failed(String),
}

impl Verdict {
    /// Whether it is a failure.
    pub fn is_failure(&self) -> bool {
        matches!(self, Verdict::Failed(_))
    }
}

/// A check and how it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
}

/// What came of one fixture.
#[derive(Debug)]
pub struct Tested {
    /// The fixture.
    pub fixture: String,
    /// The undisturbed run.
    pub outcome: Outcome,
    /// The checks.
    pub checks: Vec<Check>,
}

/// Runs all checks of a fixture.
///
/// # Errors
/// When a file is wrong, or the operator does not start.
pub fn test_fixture(arena: &Arena, subject: &Subject, dir: &FixtureDir, bless: bool) -> anyhow::Result<Tested> {
    let named = || format!("fixture {}", dir.name);
    let (request, input) = (dir.request().with_context(named)?, dir.input().with_context(named)?);
    let bench = Bench { arena, subject, request: &request, input: &input };
    let outcome = bench.run(&input, Conditions::default()).with_context(named)?;
    let mut checks = vec![Check { name: "golden", verdict: golden(dir, &outcome, bless).with_context(named)? }];
    if outcome.errors.is_empty() {
        let mut add = |name, verdict: anyhow::Result<Verdict>| {
            let verdict = verdict.unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
            checks.push(Check { name, verdict });
        };
        add("again", bench.again(&outcome));
        add("crashes", bench.crashes(&outcome));
        add("cut", bench.cut(&outcome));
        if subject.world() == World::Aggregation {
            add("late", bench.late());
        }
    }
    Ok(Tested { fixture: dir.name.clone(), outcome, checks })
}

fn golden(dir: &FixtureDir, outcome: &Outcome, bless: bool) -> anyhow::Result<Verdict> {
    if let Some(error) = outcome.errors.first() {
        let more = match outcome.errors.len() {
            1 => String::new(),
            count => format!("; and {} more", count - 1),
        };
        return Ok(Verdict::Failed(format!("{error}{more}")));
    }
    let path = dir.expected_path();
    if bless {
        let comments =
            ["The outputs of the input beside this, with the offsets of the input records that caused them."];
        let text = fixture::write(&outcome.outputs, &comments);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        return Ok(Verdict::Blessed);
    }
    let Some(expected) = dir.expected()? else {
        return Ok(Verdict::Failed(format!("{} is missing: write it with --bless, and read it", path.display())));
    };
    let rows = expected.rows().count();
    Ok(verdict(difference(&expected, &outcome.outputs, true), || format!("{rows} rows")))
}

fn verdict(difference: Option<Difference>, passed: impl FnOnce() -> String) -> Verdict {
    difference.map_or_else(|| Verdict::Passed(passed()), |difference| Verdict::Failed(describe(&difference)))
}

fn describe(difference: &Difference) -> String {
    let text = |found: &Option<Found>| match found {
        None => "nothing".to_owned(),
        Some(Found { offset, time, value, quality }) => {
            let (value, time) = (fixture::value_text(value), format_time(*time));
            let quality = if quality.0 == 0 { String::new() } else { format!(" with quality {:#010x}", quality.0) };
            format!("{value} at {time}{quality}, of the record at {offset}")
        }
    };
    let (expected, found) = (text(&difference.expected), text(&difference.found));
    format!("{} row {}: expected {expected}; found {found}", difference.series, difference.row)
}

struct Bench<'a> {
    arena: &'a Arena,
    subject: &'a Subject,
    request: &'a DeployRequest,
    input: &'a Fixture,
}

impl Bench<'_> {
    fn run(&self, input: &Fixture, conditions: Conditions) -> anyhow::Result<Outcome> {
        self.arena.trial(self.subject, self.request, input, conditions)
    }

    fn again(&self, first: &Outcome) -> anyhow::Result<Verdict> {
        let second = self.run(self.input, Conditions::default())?;
        Ok(compared(first, &second, true, || "two runs are equal".to_owned()))
    }

    fn crashes(&self, calm: &Outcome) -> anyhow::Result<Verdict> {
        let every = self.input.steps.len().div_ceil(CRASHES_MAX).max(1);
        let outcome = self.run(self.input, Conditions { crash_every: Some(every), ..Conditions::default() })?;
        Ok(compared(calm, &outcome, true, || format!("{} crashes, one every {every} records", outcome.crashes)))
    }

    fn cut(&self, whole: &Outcome) -> anyhow::Result<Verdict> {
        let rows = self.input.rows().count();
        let passed = || format!("{rows} rows one by one");
        if self.subject.world() == World::Aggregation {
            return self.same_windows(&self.input.one_row_per_record(), passed);
        }
        let outcome = self.run(self.input, Conditions { rows_per_call: Some(1), ..Conditions::default() })?;
        Ok(compared(whole, &outcome, false, passed))
    }

    fn late(&self) -> anyhow::Result<Verdict> {
        let lateness_ns = self.subject.lateness_ns(self.request)?;
        let passed = || format!("rows up to {} ms later", lateness_ns / 1_000_000);
        self.same_windows(&self.input.shuffled(lateness_ns), passed)
    }

    /// Whether rows in another arrangement give the same windows, once all are closed.
    fn same_windows(&self, other: &Fixture, passed: impl FnOnce() -> String) -> anyhow::Result<Verdict> {
        let end = self.input.newest().unwrap_or(0).saturating_add(CLOSING_NS);
        let closed = |fixture: &Fixture| self.run(&fixture.clone().closed_by(end), Conditions::default());
        Ok(compared(&closed(self.input)?, &closed(other)?, false, passed))
    }
}

/// Compares all rows with the offsets that caused them (`strictly`), or what each series ends with.
fn compared(expected: &Outcome, found: &Outcome, strictly: bool, passed: impl FnOnce() -> String) -> Verdict {
    if let Some(error) = found.errors.first() {
        return Verdict::Failed(error.clone());
    }
    let differs = match strictly {
        true => difference(&expected.outputs, &found.outputs, true),
        false => difference(&expected.outputs.last_of_each_time(), &found.outputs.last_of_each_time(), false),
    };
    verdict(differs, passed)
}

//! The parts of results that are more than columns: the result's case, problems, port names and runs.

use crate::guest::CallError;
use crate::guest::abi;
use crate::guest::columns::OutputBounds;

/// Ports of a plugin, per direction.
const PORTS_MAX: u32 = 64;

/// Whether a `result` is its error case.
pub(crate) fn is_problem(area: &[u8], call: &'static str) -> Result<bool, CallError> {
    match area[0] {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(CallError::malformed(call, format!("a result can be 0 or 1, not {other}"))),
    }
}

/// The problem whose `code` lies at `at` in the return area.
pub(crate) fn problem(memory: &[u8], area: &[u8], call: &'static str, at: usize) -> CallError {
    match abi::read_text(memory, call, abi::list_at(area, at + 4)) {
        Ok(text) => CallError::Problem { call, code: abi::u32_at(area, at), text },
        Err(error) => error,
    }
}

/// A list of strings.
pub(crate) fn read_texts(memory: &[u8], call: &'static str, (at, len): (u32, u32)) -> Result<Vec<String>, CallError> {
    if len > PORTS_MAX {
        return Err(CallError::malformed(call, format!("{len} ports, at most {PORTS_MAX} are allowed")));
    }
    let mut numbers = Vec::new();
    abi::read_list::<u32>(memory, call, (at, len * 2), &mut numbers)?;
    numbers.as_chunks::<2>().0.iter().map(|[at, len]| abi::read_text(memory, call, (*at, *len))).collect()
}

/// Appends a list of runs to `out`. The caller has bounded its length.
pub(crate) fn read_runs(
    memory: &[u8],
    call: &'static str,
    (at, len): (u32, u32),
    out: &mut Vec<[u32; 3]>,
) -> Result<(), CallError> {
    if len == 0 {
        return Ok(());
    }
    let bytes = abi::region(memory, call, (at, u64::from(len) * 12), 4)?;
    out.extend(bytes.as_chunks::<12>().0.iter().map(|run| [0, 4, 8].map(|at| abi::u32_at(run, at))));
    Ok(())
}

/// Checks that runs cover exactly `rows` and name groups and ports that exist.
pub(crate) fn check_runs(
    call: &'static str,
    runs: &[[u32; 3]],
    rows: u32,
    bounds: OutputBounds,
) -> Result<(), CallError> {
    let mut covered = 0;
    for [group, port, run_rows] in runs {
        covered += u64::from(*run_rows);
        if *group >= bounds.groups || *port >= bounds.ports {
            let (groups, ports) = (bounds.groups, bounds.ports);
            let reason =
                format!("a run is for group {group}, port {port}; there are {groups} groups and {ports} ports");
            return Err(CallError::malformed(call, reason));
        }
    }
    if covered != u64::from(rows) {
        return Err(CallError::malformed(call, format!("its runs cover {covered} rows, it returned {rows}")));
    }
    Ok(())
}

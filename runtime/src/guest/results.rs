//! The parts of results that are more than columns: the result's case, problems, port names and runs.

use crate::guest::CallError;
use crate::guest::abi;
use crate::guest::columns::{Kind, OutputBounds, OutputRows, Port};

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

/// A list of ports; before contract 0.2 they were names of number ports.
pub(crate) fn read_ports(
    memory: &[u8],
    call: &'static str,
    (at, len): (u32, u32),
    has_kinds: bool,
) -> Result<Vec<Port>, CallError> {
    if len > PORTS_MAX {
        return Err(CallError::malformed(call, format!("{len} ports, at most {PORTS_MAX} are allowed")));
    }
    let words = if has_kinds { 3 } else { 2 };
    let mut numbers = Vec::new();
    abi::read_list::<u32>(memory, call, (at, len * words), &mut numbers)?;
    let port = |words: &[u32]| {
        let name = abi::read_text(memory, call, (words[0], words[1]))?;
        // The kind is one byte; what lies behind it is padding.
        let kind = match words.get(2).map_or(0, |word| word & 0xff) {
            0 => Kind::Number,
            1 => Kind::Text,
            other => return Err(CallError::malformed(call, format!("a port's kind can be 0 or 1, not {other}"))),
        };
        Ok(Port { name, kind })
    };
    numbers.chunks_exact(words as usize).map(port).collect()
}

/// A list of lists of bytes, of at most `bytes_max` bytes together.
pub(crate) fn read_lists(
    memory: &[u8],
    call: &'static str,
    (at, len): (u32, u32),
    bytes_max: u64,
) -> Result<Vec<Vec<u8>>, CallError> {
    if len == 0 {
        return Ok(Vec::new());
    }
    let heads = abi::region(memory, call, (at, u64::from(len) * 8), 4)?;
    let mut total = 0;
    let mut lists = Vec::new();
    for head in heads.as_chunks::<8>().0 {
        let (at, len) = abi::list_at(head, 0);
        total += u64::from(len) + 8;
        if total > bytes_max {
            return Err(CallError::malformed(call, format!("texts or states of more than {bytes_max} bytes")));
        }
        lists.push(if len == 0 { Vec::new() } else { abi::region(memory, call, (at, u64::from(len)), 1)?.to_vec() });
    }
    Ok(lists)
}

/// Appends the texts of a call to those of the calls before, and makes the values of text rows refer to them there.
pub(crate) fn resolve_texts(
    call: &'static str,
    texts: Vec<Vec<u8>>,
    (mut row, first_run): (usize, usize),
    bounds: OutputBounds<'_>,
    out: &mut OutputRows,
) -> Result<(), CallError> {
    let before = out.texts.len();
    out.texts.extend(texts.into_iter().map(|text| String::from_utf8_lossy(&text).into_owned()));
    let count = (out.texts.len() - before) as f64;
    for [_, port, rows] in &out.runs[first_run..] {
        let run = row..row + *rows as usize;
        row = run.end;
        if bounds.ports[*port as usize] == Kind::Number {
            continue;
        }
        for value in &mut out.values[run] {
            if !(*value >= 0.0 && *value < count && value.fract() == 0.0) {
                let reason = format!("a row refers to text {value}, there are {count}");
                return Err(CallError::malformed(call, reason));
            }
            let place = before + *value as usize;
            out.bytes += out.texts[place].len() as u64;
            *value = place as f64;
        }
    }
    Ok(())
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
    bounds: OutputBounds<'_>,
) -> Result<(), CallError> {
    let mut covered = 0;
    for [group, port, run_rows] in runs {
        covered += u64::from(*run_rows);
        if *group >= bounds.groups || *port as usize >= bounds.ports.len() {
            let (groups, ports) = (bounds.groups, bounds.ports.len());
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

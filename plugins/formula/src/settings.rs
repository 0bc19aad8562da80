//! Parameters of a formula: the expression, names and units.

use crate::check;
use crate::parse::{self, is_reserved};
use crate::program::Program;
use crate::units::{Dimension, Unit};
use tidemill_sdk::{Params, Problem};

/// The input ports.
pub(crate) const PORTS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// About 31 years: beyond it, nanoseconds would come near the end of their range.
const MAX_AGE_S_MAX: f64 = 1e9;

#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) program: Program,
    /// Ports that the expression reads, ascending.
    pub(crate) used: Vec<usize>,
    /// By port.
    pub(crate) units: [Unit; 8],
    pub(crate) unit: Unit,
    pub(crate) max_age_ns: i64,
}

impl Settings {
    pub(crate) fn from_params(params: &mut Params) -> Result<Settings, Problem> {
        let expression = params.text("expression")?;
        let names = names(&params.text_or("names", "")?)?;
        let port_of = |name: &str| {
            let named = |names: &[String; 8]| names.iter().position(|known| known == name);
            PORTS.iter().position(|port| *port == name).or_else(|| named(&names))
        };
        let units = units(&params.text_or("units", "")?, &port_of)?;
        let unit = Unit::parse(&params.text_or("unit", "1")?)
            .map_err(|reason| Problem::parameter("unit", &format!("has {reason}")))?;
        let max_age_s = params.non_negative_or("max_age_s", 0.0)?;
        if max_age_s > MAX_AGE_S_MAX {
            return Err(Problem::parameter("max_age_s", &format!("is {max_age_s}, but must not be above 1e9")));
        }
        let program = compile(&expression, &port_of, &units, unit)?;
        let used = program.inputs();
        if used.is_empty() {
            return Err(Problem::parameter("expression", "reads no input; use one of a … h"));
        }
        Ok(Settings { program, used, units, unit, max_age_ns: (max_age_s * 1e9) as i64 })
    }
}

fn compile(
    expression: &str,
    port_of: &dyn Fn(&str) -> Option<usize>,
    units: &[Unit; 8],
    unit: Unit,
) -> Result<Program, Problem> {
    let wrong = |reason: String| Problem::parameter("expression", &reason);
    let tree = parse::parse(expression, port_of).map_err(wrong)?;
    let dimension = check::dimension(&tree, &units.map(|unit| unit.dimension)).map_err(wrong)?;
    if dimension != unit.dimension {
        return Err(dimension_differs(dimension, unit.dimension));
    }
    Ok(Program::of(&tree))
}

fn dimension_differs(computed: Dimension, wanted: Dimension) -> Problem {
    Problem::parameter("unit", &format!("is of dimension {wanted}, but the expression gives {computed}"))
}

/// Units by port; an input without one is a plain number.
fn units(text: &str, port_of: &dyn Fn(&str) -> Option<usize>) -> Result<[Unit; 8], Problem> {
    let wrong = |reason: String| Problem::parameter("units", &reason);
    let mut units = [None; 8];
    for (name, unit) in pairs("units", text)? {
        let port = port_of(&name).ok_or_else(|| wrong(format!("has `{name}`, which is no input and no name")))?;
        if units[port].is_some() {
            return Err(wrong(format!("has input `{}` twice, by port and by name", PORTS[port])));
        }
        units[port] = Some(Unit::parse(&unit).map_err(|reason| wrong(format!("has {reason}")))?);
    }
    Ok(units.map(Option::unwrap_or_default))
}

/// Names by port, empty where there is none.
fn names(text: &str) -> Result<[String; 8], Problem> {
    let mut names: [String; 8] = Default::default();
    for (port, name) in pairs("names", text)? {
        let wrong = |reason: &str| Err(Problem::parameter("names", reason));
        let Some(place) = PORTS.iter().position(|known| *known == port) else {
            return wrong(&format!("has `{port}`, which is none of a … h"));
        };
        let begins_well = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !begins_well || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return wrong(&format!("has `{name}`; a name is letters, digits and `_`, and begins with no digit"));
        }
        if is_reserved(&name) || PORTS.contains(&name.as_str()) || names.contains(&name) {
            return wrong(&format!("has `{name}`, which means something else already"));
        }
        names[place] = name;
    }
    Ok(names)
}

/// `key=value;key=value`, each key once.
fn pairs(parameter: &'static str, text: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
        let Some((key, value)) = entry.split_once('=') else {
            return Err(Problem::parameter(parameter, &format!("has `{entry}`; write it as in `a=bar;b=m3/h`")));
        };
        if pairs.iter().any(|(known, _)| known == key.trim()) {
            return Err(Problem::parameter(parameter, &format!("has `{}` twice", key.trim())));
        }
        pairs.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(pairs)
}

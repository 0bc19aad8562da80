//! What each column of a CSV file becomes.

use std::fmt::Write;

use super::ImportArgs;
use super::survey::Survey;
use crate::time::parse_date_time;

/// Names that a time column usually has, for files in which several columns look like times.
const TIME_NAMES: [&str; 7] = ["time", "timestamp", "datetime", "date", "ts", "date_time", "utc"];

/// What a file becomes. The hash of its debug form is part of the import's identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// The measurement.
    pub measurement: String,
    /// Column with the time.
    pub time: usize,
    /// How times are written.
    pub format: TimeFormat,
    /// Columns that become labels, with the label's name.
    pub labels: Vec<(usize, String)>,
    /// Labels that are the same on every row.
    pub constants: Vec<(String, String)>,
    /// Columns that become fields.
    pub fields: Vec<Field>,
}

/// A column that becomes a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// The column.
    pub column: usize,
    /// The field's name.
    pub name: String,
    /// What its cells are.
    pub kind: FieldKind,
}

/// What a field's cells are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// Numbers, stored as floats.
    Number,
    /// `true` or `false`.
    Flag,
    /// Anything.
    Text,
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeFormat {
    /// A calendar date with a clock.
    Date,
    /// A number of units since 1970; the unit is this many ns.
    Epoch {
        /// Nanoseconds in a unit.
        unit_ns: i64,
    },
}

impl TimeFormat {
    /// The format that more than half of the cells have; the others are then bad rows.
    pub fn of<'a>(cells: impl Iterator<Item = &'a str>) -> Option<Self> {
        let cells: Vec<&str> = cells.collect();
        let is_most = |count: usize| count * 2 > cells.len();
        if is_most(cells.iter().filter(|cell| parse_date_time(cell).is_some()).count()) {
            return Some(TimeFormat::Date);
        }
        let units: Vec<i64> = cells.iter().filter_map(|cell| epoch_unit(cell)).collect();
        let unit_ns = *units.get(units.len() / 2)?;
        is_most(units.iter().filter(|unit| **unit == unit_ns).count()).then_some(TimeFormat::Epoch { unit_ns })
    }

    /// The time in a cell, ns.
    pub fn parse(self, cell: &str) -> Option<i64> {
        match self {
            TimeFormat::Date => parse_date_time(cell),
            TimeFormat::Epoch { unit_ns } => match cell.parse::<i64>() {
                Ok(count) => count.checked_mul(unit_ns),
                Err(_) => {
                    let ns = cell.parse::<f64>().ok()? * unit_ns as f64;
                    (ns.abs() < 9.2e18).then_some(ns.round() as i64)
                }
            },
        }
    }

    fn name(self) -> &'static str {
        match self {
            TimeFormat::Date => "dates, UTC where no zone is given",
            TimeFormat::Epoch { unit_ns: 1 } => "ns since 1970",
            TimeFormat::Epoch { unit_ns: 1_000 } => "us since 1970",
            TimeFormat::Epoch { unit_ns: 1_000_000 } => "ms since 1970",
            TimeFormat::Epoch { .. } => "s since 1970",
        }
    }
}

/// The unit of a number since 1970, told by its size: between 1973 and 5138 the four units do not overlap.
fn epoch_unit(cell: &str) -> Option<i64> {
    let value = cell.parse::<f64>().ok()?.abs();
    let unit = |from: f64, unit_ns: i64| (from..from * 1e3).contains(&value).then_some(unit_ns);
    unit(1e8, 1_000_000_000).or(unit(1e11, 1_000_000)).or(unit(1e14, 1_000)).or(unit(1e17, 1))
}

impl Mapping {
    /// Guesses from the survey what the options leave open.
    ///
    /// # Errors
    /// When an option names a column that is not there, there is no time column, or nothing is left to store. The
    /// message says what to do.
    pub fn guess(survey: &Survey, args: &ImportArgs) -> Result<Self, String> {
        let find = |name: &String| column(survey, name);
        let (time, format) = time_column(survey, args)?;
        let mut labels = args.labels.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let named = args.fields.iter().chain(&args.text).map(find).collect::<Result<Vec<_>, _>>()?;
        let forced_text = args.text.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let mut fields = Vec::new();
        for (index, name) in survey.header.iter().enumerate() {
            let is_wanted = if args.fields.is_empty() { true } else { named.contains(&index) };
            if index == time || labels.contains(&index) || !is_wanted {
                continue;
            }
            let kind = if forced_text.contains(&index) { FieldKind::Text } else { kind_of(survey, index) };
            if kind == FieldKind::Text && args.text_as_labels && !named.contains(&index) {
                labels.push(index);
            } else {
                fields.push(Field { column: index, name: name.clone(), kind });
            }
        }
        if fields.is_empty() {
            return Err("no column is left for a field: name fewer --labels, or other --fields".to_owned());
        }
        let labels = labels.into_iter().map(|index| (index, survey.header[index].clone())).collect();
        let constants = args.label.iter().map(|text| constant(text)).collect::<Result<_, _>>()?;
        let measurement = args.measurement.clone().unwrap_or_else(|| survey.stem.clone());
        Ok(Self { measurement, time, format, labels, constants, fields })
    }

    /// What the mapping does, for people.
    pub fn describe(&self, survey: &Survey) -> String {
        let list = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let labels = self.labels.iter().map(|(_, name)| name.clone());
        let constants = self.constants.iter().map(|(name, value)| format!("{name}={value}"));
        let kind = |field: &Field| match field.kind {
            FieldKind::Number => "number",
            FieldKind::Flag => "true or false",
            FieldKind::Text => "text",
        };
        let fields = self.fields.iter().map(|field| format!("{} ({})", field.name, kind(field))).collect();
        let mut out = String::new();
        let _ = writeln!(out, "measurement  {}", self.measurement);
        let _ = writeln!(out, "time         {} ({})", survey.header[self.time], self.format.name());
        let _ = writeln!(out, "labels       {}", list(labels.chain(constants).collect()));
        let _ = write!(out, "fields       {}", list(fields));
        out
    }
}

fn column(survey: &Survey, name: &String) -> Result<usize, String> {
    let found = survey.header.iter().position(|column| column == name);
    found.ok_or_else(|| format!("there is no column {name:?}; the columns are {}", survey.header.join(", ")))
}

fn constant(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("--label {text:?} is not of the form name=value")),
    }
}

fn time_column(survey: &Survey, args: &ImportArgs) -> Result<(usize, TimeFormat), String> {
    if let Some(name) = &args.time {
        let index = column(survey, name)?;
        let format = TimeFormat::of(survey.cells(index)).ok_or_else(|| {
            let cell = survey.cells(index).next().unwrap_or("nothing");
            format!("column {name:?} has no times in it: {cell:?} is neither a date nor a number since 1970")
        })?;
        return Ok((index, format));
    }
    let found = |index: usize| Some((index, TimeFormat::of(survey.cells(index))?));
    let candidates: Vec<(usize, TimeFormat)> = (0..survey.header.len()).filter_map(found).collect();
    let is_named = |index: usize| TIME_NAMES.contains(&survey.header[index].to_lowercase().as_str());
    let named = candidates.iter().find(|(index, _)| is_named(*index));
    // Dates are certain, numbers only look like times.
    let dated = candidates.iter().find(|(_, format)| *format == TimeFormat::Date);
    named.or(dated).or(candidates.first()).copied().ok_or_else(|| {
        format!("no column looks like a time: name one with --time; the columns are {}", survey.header.join(", "))
    })
}

/// A column is numbers (or flags) if at least 9 in 10 of its surveyed cells are; the others are then bad rows.
fn kind_of(survey: &Survey, column: usize) -> FieldKind {
    let (mut cells, mut numbers, mut flags) = (0, 0, 0);
    for cell in survey.cells(column) {
        cells += 1;
        numbers += usize::from(cell.parse::<f64>().is_ok());
        flags += usize::from(parse_flag(cell).is_some());
    }
    match () {
        () if numbers * 10 >= cells * 9 => FieldKind::Number,
        () if flags * 10 >= cells * 9 => FieldKind::Flag,
        () => FieldKind::Text,
    }
}

/// A truth value in a cell.
pub fn parse_flag(cell: &str) -> Option<bool> {
    match cell {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

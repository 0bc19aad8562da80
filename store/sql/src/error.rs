//! What can go wrong with a query, and what the caller does about it.

use datafusion::common::SchemaError;
use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::error::DataFusionError;

/// Columns or tables that an error message lists at most.
const NAMES_LISTED_MAX: usize = 40;

/// What a caller does about an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SqlErrorKind {
    /// The query is wrong and will stay wrong.
    Invalid,
    /// The query asks for more than the limits allow: make it smaller.
    Limit,
    /// The replica or the engine failed; the query may be right.
    Internal,
}

/// Why a query has no (complete) answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The query is wrong.
    #[error("{message}")]
    Invalid {
        /// What is wrong and what to do.
        message: String,
    },
    /// The result has too many rows.
    #[error(
        "result has more than {rows_max} rows, which is the limit: add a LIMIT, a shorter time range or an aggregate"
    )]
    Rows {
        /// The limit.
        rows_max: u64,
    },
    /// Queries want more memory than they have.
    #[error(
        "query needs more memory than the {memory_bytes} bytes that all running queries share: \
         select fewer columns, a shorter time range or fewer groups, or try again later"
    )]
    Memory {
        /// The limit.
        memory_bytes: usize,
    },
    /// A function of a plugin could not be started or has failed.
    #[error("{function}: {reason}")]
    Function {
        /// As the query calls it.
        function: String,
        /// Why; for wrong parameters, the plugin's own words.
        reason: String,
    },
    /// Whoever asked wants no answer any more.
    #[error("query was stopped before it was answered")]
    Stopped,
    /// The replica or the engine failed.
    #[error("{message}")]
    Internal {
        /// What failed.
        message: String,
    },
}

impl SqlError {
    /// What the caller does about it.
    pub fn kind(&self) -> SqlErrorKind {
        match self {
            SqlError::Invalid { .. } | SqlError::Function { .. } => SqlErrorKind::Invalid,
            SqlError::Rows { .. } | SqlError::Memory { .. } | SqlError::Stopped => SqlErrorKind::Limit,
            SqlError::Internal { .. } => SqlErrorKind::Internal,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        SqlError::Invalid { message: message.into() }
    }

    pub(crate) fn internal(message: impl ToString) -> Self {
        SqlError::Internal { message: message.to_string() }
    }

    /// Translates an error of the engine, which has `memory_bytes` of memory.
    pub(crate) fn of_engine(error: &DataFusionError, memory_bytes: usize) -> Self {
        match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                Self::of_engine(inner, memory_bytes)
            }
            DataFusionError::Shared(inner) => Self::of_engine(inner, memory_bytes),
            DataFusionError::Collection(errors) => match errors.first() {
                Some(first) => Self::of_engine(first, memory_bytes),
                None => Self::internal("query failed without a reason"),
            },
            DataFusionError::External(inner) => match inner.downcast_ref::<SqlError>() {
                Some(error) => error.clone(),
                None => Self::internal(inner),
            },
            DataFusionError::ResourcesExhausted(_) => SqlError::Memory { memory_bytes },
            DataFusionError::SchemaError(error, _) => Self::invalid(schema_message(error)),
            DataFusionError::SQL(error, _) => {
                let text = error.to_string();
                let text = text.trim_start_matches("sql parser error: ").trim_start_matches("ParserError: ");
                Self::invalid(format!("sql syntax: {}", lower_first(text)))
            }
            DataFusionError::ArrowError(error, _) => Self::invalid(lower_first(&error.to_string())),
            DataFusionError::Plan(text)
            | DataFusionError::NotImplemented(text)
            | DataFusionError::Configuration(text)
            | DataFusionError::Execution(text) => Self::invalid(tidy(text)),
            other => Self::internal(tidy(&other.message())),
        }
    }
}

/// A sentence or two of the engine in our style: on one line, without backtrace, prefix, capital or full stop.
fn tidy(text: &str) -> String {
    let text = text.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or(text);
    // A call with wrong types is explained twice, first for the engine's authors, unless it is one of our functions.
    let text = match text.split_once("user-defined coercion failed with: ") {
        Some((_, reason)) => reason.split("No function matches").next().unwrap_or(reason),
        None => text.find("No function matches").map_or(text, |at| &text[at..]),
    };
    let text = text.split("This issue was likely caused by a bug").next().unwrap_or(text);
    let text = text.replace("Error during planning: ", "").replace("Execution error: ", "");
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    lower_first(line.trim_end_matches('.'))
}

/// Lower-cases the first letter of a sentence, but leaves names such as `LIMIT` and `T1` alone.
fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

fn schema_message(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let names: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
            not_found("column", &field.name, &names, "columns")
        }
        SchemaError::AmbiguousReference { field } => {
            format!("column {} is ambiguous: write the table's name before it", field.quoted_flat_name())
        }
        other => tidy(&other.to_string()),
    }
}

/// Says that there is no such column or table, and which one may have been meant.
pub(crate) fn not_found(what: &str, name: &str, known: &[&str], plural: &str) -> String {
    let mut message = format!("no {what} named {name:?}");
    if let Some(same) = known.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        message += &format!("; names with capital letters need double quotes: \"{same}\"");
    } else if let Some(close) = closest(name, known) {
        message += &format!("; did you mean {close:?}?");
    }
    if known.is_empty() {
        return message + &format!("; there are no {plural}");
    }
    message += &format!("; {plural}: {}", known[..known.len().min(NAMES_LISTED_MAX)].join(", "));
    if known.len() > NAMES_LISTED_MAX {
        message += &format!(" and {} more", known.len() - NAMES_LISTED_MAX);
    }
    message
}

/// The known name that differs least, if it is close.
fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &&&str| levenshtein(name, known);
    let close = known.iter().min_by_key(distance)?;
    (levenshtein(name, close) * 3 <= name.chars().count().max(3)).then_some(*close)
}

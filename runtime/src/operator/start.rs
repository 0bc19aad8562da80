//! Where an operator begins to read, as users write it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tidemill_model::Position;

/// Where a new operator begins to read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Start {
    /// At the oldest record there is.
    Earliest,
    /// Behind the newest record at the time of the deploy.
    #[default]
    Latest,
    /// At the first record that was appended at this time or later, ns since the Unix epoch.
    Time(i64),
    /// At a position, such as a write's receipt.
    Position(Position),
    /// Where the running version is, with its state: both versions must be able to save and load it.
    State,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Earliest => f.write_str("earliest"),
            Start::Latest => f.write_str("latest"),
            Start::Time(time) => write!(f, "{time}"),
            Start::Position(position) => position.fmt(f),
            Start::State => f.write_str("state"),
        }
    }
}

impl From<Start> for String {
    fn from(start: Start) -> Self {
        start.to_string()
    }
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "earliest" => Start::Earliest,
            "latest" => Start::Latest,
            "state" => Start::State,
            _ => match (text.parse(), text.parse()) {
                (Ok(time), _) => Start::Time(time),
                (_, Ok(position)) => Start::Position(position),
                _ => {
                    return Err(format!(
                        "start {text:?} is neither earliest, latest, state, nanoseconds since 1970 nor a position"
                    ));
                }
            },
        })
    }
}

impl TryFrom<String> for Start {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_reads_its_own_text() {
        let position = "00000000000000010000000200000000-0000000000000040";
        for text in ["earliest", "latest", "state", "-5", "1700000000000000000"] {
            assert_eq!(text.parse::<Start>().map(|start| start.to_string()), Ok(text.to_owned()));
        }
        assert!(position.parse::<Start>().is_err(), "it has a digit too many");
        assert!("yesterday".parse::<Start>().is_err_and(|reason| reason.contains("nor a position")));
    }
}

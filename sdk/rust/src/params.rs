//! The parameters of an operator.
//!
//! Invariant: every parameter is either taken by the plugin or refused by name, so that a typing error is never silent.

use crate::Problem;
use crate::json::{self, Value};

/// Parameters to be taken, each at most once. What is left when `configure` returns is refused.
#[derive(Debug)]
pub struct Params {
    entries: Vec<(String, Value)>,
    asked: Vec<&'static str>,
}

impl Params {
    /// Reads a JSON object; an empty text is an empty object.
    pub(crate) fn parse(text: &str) -> Result<Params, Problem> {
        let entries = if text.trim().is_empty() { Ok(Vec::new()) } else { json::object(text) };
        entries.map(|entries| Params { entries, asked: Vec::new() }).map_err(|reason| Problem {
            code: Problem::PARAMETER,
            text: format!("the parameters are not a JSON object of plain values: {reason}"),
        })
    }

    /// Takes the number `name`.
    ///
    /// # Errors
    /// It is missing or not a number.
    pub fn number(&mut self, name: &'static str) -> Result<f64, Problem> {
        self.optional_number(name)?.ok_or_else(|| missing(name, "a number"))
    }

    /// Takes the number `name`, or `default` if it is missing.
    ///
    /// # Errors
    /// It is not a number.
    pub fn number_or(&mut self, name: &'static str, default: f64) -> Result<f64, Problem> {
        Ok(self.optional_number(name)?.unwrap_or(default))
    }

    /// Takes the number `name`, or `default` if it is missing; it must be 0 or more.
    ///
    /// # Errors
    /// It is not a number, or negative.
    pub fn non_negative_or(&mut self, name: &'static str, default: f64) -> Result<f64, Problem> {
        let number = self.number_or(name, default)?;
        if number < 0.0 {
            Err(Problem::parameter(name, &format!("is {number}, but must be 0 or more")))
        } else {
            Ok(number)
        }
    }

    /// Takes the string `name`.
    ///
    /// # Errors
    /// It is missing or not a string.
    pub fn text(&mut self, name: &'static str) -> Result<String, Problem> {
        match self.take(name) {
            Some(Value::Text(text)) => Ok(text),
            None => Err(missing(name, "a string")),
            Some(other) => Err(not(name, "a string", &other)),
        }
    }

    /// Takes the string `name`, or `default` if it is missing.
    ///
    /// # Errors
    /// It is not a string.
    pub fn text_or(&mut self, name: &'static str, default: &str) -> Result<String, Problem> {
        match self.take(name) {
            Some(Value::Text(text)) => Ok(text),
            None => Ok(default.to_owned()),
            Some(other) => Err(not(name, "a string", &other)),
        }
    }

    /// Takes the boolean `name`, or `default` if it is missing.
    ///
    /// # Errors
    /// It is not a boolean.
    pub fn flag_or(&mut self, name: &'static str, default: bool) -> Result<bool, Problem> {
        match self.take(name) {
            Some(Value::Flag(flag)) => Ok(flag),
            None => Ok(default),
            Some(other) => Err(not(name, "a boolean", &other)),
        }
    }

    fn optional_number(&mut self, name: &'static str) -> Result<Option<f64>, Problem> {
        match self.take(name) {
            Some(Value::Number(number)) => Ok(Some(number)),
            None => Ok(None),
            Some(other) => Err(not(name, "a number", &other)),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.asked.push(name);
        let place = self.entries.iter().position(|(known, _)| known == name)?;
        Some(self.entries.remove(place).1)
    }

    /// Refuses what nobody has taken.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        let Some((unknown, _)) = self.entries.first() else { return Ok(()) };
        let known = if self.asked.is_empty() { "none".to_owned() } else { format!("`{}`", self.asked.join("`, `")) };
        Err(Problem::parameter(unknown, &format!("is unknown; this plugin takes {known}")))
    }
}

fn missing(name: &str, wanted: &str) -> Problem {
    Problem::parameter(name, &format!("is missing; give {wanted}"))
}

fn not(name: &str, wanted: &str, got: &Value) -> Problem {
    let got = match got {
        Value::Number(number) => format!("the number {number}"),
        Value::Text(text) => format!("the string \"{text}\""),
        Value::Flag(flag) => format!("the boolean {flag}"),
    };
    Problem::parameter(name, &format!("is {got}, but must be {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::parse(text).expect("valid JSON")
    }

    #[test]
    fn values_are_taken_by_name_and_type() {
        let mut given = params(r#"{"width": 2.5, "unit": "bar", "strict": true}"#);
        assert_eq!(given.number("width"), Ok(2.5));
        assert_eq!(given.text("unit"), Ok("bar".to_owned()));
        assert_eq!(given.flag_or("strict", false), Ok(true));
        assert_eq!(given.number_or("max_interval_s", 60.0), Ok(60.0));
        assert_eq!(given.text_or("method", "mean"), Ok("mean".to_owned()));
        assert_eq!(given.finish(), Ok(()));
    }

    #[test]
    fn errors_name_the_parameter_and_what_to_do() {
        let text = |problem: Problem| problem.text;
        assert_eq!(
            params("{}").number("width").map_err(text),
            Err("parameter `width` is missing; give a number".to_owned())
        );
        assert_eq!(
            params(r#"{"width": "2"}"#).number("width").map_err(text),
            Err("parameter `width` is the string \"2\", but must be a number".to_owned())
        );
        assert_eq!(
            params(r#"{"width": -1}"#).non_negative_or("width", 0.0).map_err(text),
            Err("parameter `width` is -1, but must be 0 or more".to_owned())
        );
        let mut misspelt = params(r#"{"widht": 1}"#);
        assert_eq!(misspelt.number_or("width", 0.0), Ok(0.0));
        assert_eq!(
            misspelt.finish().map_err(text),
            Err("parameter `widht` is unknown; this plugin takes `width`".to_owned())
        );
        assert!(Params::parse("nonsense").expect_err("not an object").text.contains("not a JSON object"));
    }
}

//! Selectors: which series a subscription, an operator or a delete speaks of.
//!
//! The text form looks like a series key whose parts may hold `*` for any run of characters:
//! `measurement`, `measurement:field`, `measurement:field{label=value,other=*}`. A missing field part means every
//! field; labels that are not named may have any value or be missing. Several selectors are joined by `;`.

use std::fmt;
use std::str::FromStr;

use crate::series::SeriesKey;

/// Selects series by measurement, field and labels. An empty list of alternatives selects nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector {
    alternatives: Vec<Alternative>,
    text: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Alternative {
    measurement: String,
    field: String,
    labels: Vec<(String, String)>,
}

/// A text that is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("selector {text:?} is not of the form measurement:field{{label=pattern}}: {reason}")]
pub struct SelectorError {
    /// The text.
    pub text: String,
    /// What is wrong.
    pub reason: &'static str,
}

impl Selector {
    /// Selects every series.
    pub fn all() -> Self {
        let any = Alternative { measurement: "*".into(), field: "*".into(), labels: Vec::new() };
        Self { alternatives: vec![any], text: "*".into() }
    }

    /// Whether `key` is selected.
    pub fn matches(&self, key: &SeriesKey) -> bool {
        self.alternatives.iter().any(|alternative| alternative.matches(key))
    }

    /// The measurement that it selects; `None` if it may select several.
    pub fn measurement(&self) -> Option<&str> {
        let first = self.alternatives.first()?.measurement.as_str();
        let is_one =
            !first.contains('*') && self.alternatives.iter().all(|alternative| alternative.measurement == first);
        is_one.then_some(first)
    }

    /// Whether there can be a series that both select.
    pub fn overlaps(&self, other: &Selector) -> bool {
        self.alternatives.iter().any(|one| other.alternatives.iter().any(|two| one.overlaps(two)))
    }
}

impl Alternative {
    fn overlaps(&self, other: &Alternative) -> bool {
        let agree = |(name, pattern): &(String, String)| {
            other.labels.iter().filter(|(other, _)| other == name).all(|(_, other)| globs_overlap(pattern, other))
        };
        globs_overlap(&self.measurement, &other.measurement)
            && globs_overlap(&self.field, &other.field)
            && self.labels.iter().all(agree)
    }

    fn matches(&self, key: &SeriesKey) -> bool {
        glob(&self.measurement, key.measurement())
            && glob(&self.field, key.field())
            && self.labels.iter().all(|(name, pattern)| key.label(name).is_some_and(|value| glob(pattern, value)))
    }
}

/// Whether there is a text that matches both patterns.
fn globs_overlap(one: &str, two: &str) -> bool {
    let (one, two): (Vec<char>, Vec<char>) = (one.chars().collect(), two.chars().collect());
    // reached[j]: the first i characters of `one` and the first j of `two` can match the same text.
    let mut reached = vec![false; two.len() + 1];
    reached[0] = true;
    for j in 0..two.len() {
        reached[j + 1] = reached[j] && two[j] == '*';
    }
    for a in &one {
        let mut next = vec![false; two.len() + 1];
        next[0] = reached[0] && *a == '*';
        for (j, b) in two.iter().enumerate() {
            // A star on either side takes a character more, or none.
            next[j + 1] = if *a == '*' || *b == '*' { next[j] || reached[j + 1] } else { reached[j] && a == b };
        }
        reached = next;
    }
    reached[two.len()]
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut rest = rest;
    while let Some((middle, after)) = rest.split_once('*') {
        let Some(at) = text.find(middle) else {
            return false;
        };
        text = &text[at + middle.len()..];
        rest = after;
    }
    text.ends_with(rest)
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| SelectorError { text: text.chars().take(200).collect(), reason };
        let alternatives = split_unescaped(text, ';')
            .into_iter()
            .map(|part| parse_alternative(part.trim()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(error)?;
        Ok(Self { alternatives, text: text.to_owned() })
    }
}

fn parse_alternative(text: &str) -> Result<Alternative, &'static str> {
    let (name, labels) = match split_unescaped(text, '{').as_slice() {
        [name] => (*name, Vec::new()),
        [name, labels] => {
            let inner = labels.strip_suffix('}').ok_or("the label part does not end with }")?;
            (*name, parse_labels(inner)?)
        }
        _ => return Err("more than one {"),
    };
    let (measurement, field) = match split_unescaped(name, ':').as_slice() {
        [measurement] => (unescape(measurement), "*".to_owned()),
        [measurement, field] => (unescape(measurement), unescape(field)),
        _ => return Err("more than one :"),
    };
    if measurement.is_empty() || field.is_empty() {
        return Err("measurement and field may not be empty; use * for any");
    }
    Ok(Alternative { measurement, field, labels })
}

fn parse_labels(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    split_unescaped(text, ',')
        .into_iter()
        .map(|pair| match split_unescaped(pair, '=').as_slice() {
            [name, pattern] if !name.is_empty() => Ok((unescape(name), unescape(pattern))),
            _ => Err("a label is not of the form name=pattern"),
        })
        .collect()
}

fn split_unescaped(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == separator => {
                parts.push(&text[start..i]);
                start = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(text: &str) -> String {
    let (mut out, mut escaped) = (String::with_capacity(text.len()), false);
    for c in text.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}

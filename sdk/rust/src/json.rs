//! Reads the one kind of JSON that parameters are: an object of numbers, strings and booleans (RFC 8259).
//!
//! Nested lists and objects are refused by name. `null` counts as absent.

use std::iter::Peekable;
use std::str::Chars;

/// A parameter's value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    Number(f64),
    Text(String),
    Flag(bool),
}

/// Entries of the object in `text`, in their order. Errors say what is wrong.
pub(crate) fn object(text: &str) -> Result<Vec<(String, Value)>, String> {
    let mut reader = Reader { chars: text.chars().peekable() };
    let entries = reader.object()?;
    match reader.after_space() {
        None => Ok(entries),
        Some(c) => Err(format!("`{c}` after the end of the object")),
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn object(&mut self) -> Result<Vec<(String, Value)>, String> {
        let mut entries: Vec<(String, Value)> = Vec::new();
        self.expect('{')?;
        if self.take('}') {
            return Ok(entries);
        }
        loop {
            self.expect('"')?;
            let key = self.string()?;
            self.expect(':')?;
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(format!("`{key}` is there twice"));
            }
            if let Some(value) = self.value(&key)? {
                entries.push((key, value));
            }
            if self.take('}') {
                return Ok(entries);
            }
            self.expect(',')?;
        }
    }

    fn value(&mut self, key: &str) -> Result<Option<Value>, String> {
        match self.after_space() {
            Some('"') => {
                self.chars.next();
                Ok(Some(Value::Text(self.string()?)))
            }
            Some('{' | '[') => {
                Err(format!("`{key}` is a list or an object; only numbers, strings and booleans can be parameters"))
            }
            _ => self.word().and_then(|word| match word.as_str() {
                "true" => Ok(Some(Value::Flag(true))),
                "false" => Ok(Some(Value::Flag(false))),
                "null" => Ok(None),
                number => parse_number(number)
                    .map(|number| Some(Value::Number(number)))
                    .ok_or_else(|| format!("`{key}` is `{number}`, which is not a JSON value")),
            }),
        }
    }

    /// Everything up to the next delimiter.
    fn word(&mut self) -> Result<String, String> {
        let mut word = String::new();
        while let Some(c) = self.chars.next_if(|c| !matches!(c, ',' | '}' | ']' | '"' | ' ' | '\t' | '\n' | '\r')) {
            word.push(c);
        }
        if word.is_empty() { Err("a value is missing".to_owned()) } else { Ok(word) }
    }

    /// The rest of a string whose opening quote was read.
    fn string(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.chars.next() {
                None => return Err("a string does not end".to_owned()),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) if c < ' ' => return Err("a control character in a string; write it as an escape".to_owned()),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        match self.chars.next() {
            Some(c @ ('"' | '\\' | '/')) => Ok(c),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => self.unicode_escape(),
            _ => Err("an unknown escape in a string".to_owned()),
        }
    }

    fn unicode_escape(&mut self) -> Result<char, String> {
        let broken = || "a broken \\u escape in a string".to_owned();
        let first = self.four_hex_digits().ok_or_else(broken)?;
        let code = if (0xD800..0xDC00).contains(&first) {
            if self.chars.next() != Some('\\') || self.chars.next() != Some('u') {
                return Err(broken());
            }
            let second = self.four_hex_digits().filter(|low| (0xDC00..0xE000).contains(low)).ok_or_else(broken)?;
            0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(broken)
    }

    fn four_hex_digits(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |code, _| Some(code * 16 + self.chars.next()?.to_digit(16)?))
    }

    fn after_space(&mut self) -> Option<char> {
        while self.chars.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
        self.chars.peek().copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        self.after_space() == Some(wanted) && self.chars.next().is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.after_space() {
            Some(c) if c == wanted => {
                self.chars.next();
                Ok(())
            }
            Some(c) => Err(format!("`{c}` where `{wanted}` belongs")),
            None => Err(format!("the end where `{wanted}` belongs")),
        }
    }
}

/// Rust accepts more than JSON does (`inf`, `.5`, `+1`), so the first character and the result are checked.
fn parse_number(word: &str) -> Option<f64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let starts_like_a_number = digits.starts_with(|c: char| c.is_ascii_digit()) && !digits.ends_with('.');
    word.parse().ok().filter(|number: &f64| starts_like_a_number && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_plain_values_is_read() {
        let text = " {\"a\": -1.5e3, \"b\":\"x\\n\\u00e9\\ud83d\\ude00\", \"c\":true,\n \"d\": null, \"e\":0} ";
        let expected = [
            ("a", Value::Number(-1500.0)),
            ("b", Value::Text("x\né😀".to_owned())),
            ("c", Value::Flag(true)),
            ("e", Value::Number(0.0)),
        ];
        assert_eq!(object(text), Ok(expected.map(|(key, value)| (key.to_owned(), value)).to_vec()));
        assert_eq!(object("{}"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, reason) in [
            ("", "the end where `{` belongs"),
            ("[]", "`[` where `{` belongs"),
            ("{\"a\":1,}", "`}` where `\"` belongs"),
            ("{\"a\":1} x", "`x` after the end"),
            ("{\"a\":[1]}", "`a` is a list"),
            ("{\"a\":1,\"a\":2}", "`a` is there twice"),
            ("{\"a\":}", "a value is missing"),
            ("{\"a\":inf}", "`inf`, which is not"),
            ("{\"a\":+1}", "`+1`, which is not"),
            ("{\"a\":1e999}", "`1e999`, which is not"),
            ("{\"a\":1.}", "`1.`, which is not"),
            ("{\"a\":\"\\ud83d\"}", "a broken \\u escape"),
            ("{\"a\":\"x", "a string does not end"),
        ] {
            let error = object(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}

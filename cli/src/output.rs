//! What commands print: data on standard output, messages on standard error.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::client::Client;

/// What every command gets: the node, and how to print.
#[derive(Clone, Debug)]
pub struct Context {
    /// The node.
    pub client: Client,
    /// Data as JSON, one value a line.
    pub json: bool,
    /// Say more on standard error.
    pub verbose: bool,
}

/// Prints one line of data.
///
/// # Errors
/// When standard output is closed.
pub fn line(text: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints one line of JSON.
///
/// # Errors
/// When standard output is closed.
pub fn json(value: &Value) -> io::Result<()> {
    line(value)
}

/// Prints a message for the person who is watching. A closed standard error is no reason to stop.
pub fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard error is a terminal, so that progress may be drawn on it.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether standard output takes colours: a terminal, and `NO_COLOR` is not set.
pub fn has_colour() -> bool {
    stdout_is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `text` in bold, where colours are wanted.
pub fn bold(text: &str) -> String {
    if has_colour() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// Asks a yes-or-no question on the terminal. Anything but `y` or `yes` is no; so is no terminal.
pub fn confirm(question: &str) -> bool {
    if !io::stdin().is_terminal() || !stderr_is_terminal() {
        return false;
    }
    let _ = write!(io::stderr().lock(), "{question} [y/N] ");
    let mut answer = String::new();
    let _ = io::stdin().read_line(&mut answer);
    matches!(answer.trim(), "y" | "Y" | "yes")
}

/// A number with commas between thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

//! The operator's log. What a plugin writes here is for people: it cannot influence a result.

/// How much a line matters. The numbers are part of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Level {
    /// Someone must act.
    Error = 0,
    /// Something is odd; the plugin goes on.
    Warn = 1,
    /// Something changed.
    Info = 2,
    /// For the author of the plugin.
    Debug = 3,
}

/// Writes one line. In native tests it goes to the standard error output of the test.
pub fn write(level: Level, text: &str) {
    crate::abi::memory::log(level as u8, text);
}

/// Writes a line for the author of the plugin.
pub fn debug(text: &str) {
    write(Level::Debug, text);
}

/// Writes that something changed.
pub fn info(text: &str) {
    write(Level::Info, text);
}

/// Writes that something is odd.
pub fn warn(text: &str) {
    write(Level::Warn, text);
}

/// Writes that someone must act.
pub fn error(text: &str) {
    write(Level::Error, text);
}

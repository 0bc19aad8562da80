//! Progress bars, drawn only when standard error is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::stderr_is_terminal;

/// A bar over `total` bytes; invisible without a terminal.
pub fn bytes(total: u64, what: &str) -> ProgressBar {
    bar(total, what, "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}")
}

/// A bar over `total` things; invisible without a terminal.
pub fn count(total: u64, what: &str) -> ProgressBar {
    bar(total, what, "{msg} {wide_bar} {human_pos}/{human_len}")
}

fn bar(total: u64, what: &str, template: &str) -> ProgressBar {
    if !stderr_is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).expect("the templates above are valid");
    ProgressBar::new(total).with_style(style).with_message(what.to_owned())
}

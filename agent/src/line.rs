//! Writes InfluxDB line protocol.
//!
//! Numbers are written at the resolution of their sensor through integers, several times faster than a general
//! float formatter and without its long tails of digits.

/// The field that carries the quality of all other fields of its line, as an unsigned integer.
pub const QUALITY_FIELD: &str = "_quality";

const POWERS: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// One line under construction: `Line::begin`, then fields, then [`Line::end`].
///
/// Invariant: the buffer holds complete lines once `end` has run; a line without fields leaves no bytes.
pub(crate) struct Line<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    field_count: u32,
}

impl<'a> Line<'a> {
    /// Starts a line; `head` is the measurement with its labels, already escaped.
    pub(crate) fn begin(out: &'a mut Vec<u8>, head: &[u8]) -> Self {
        let start = out.len();
        out.extend_from_slice(head);
        Self { out, start, field_count: 0 }
    }

    fn name(&mut self, name: &str) {
        self.out.push(if self.field_count == 0 { b' ' } else { b',' });
        self.field_count += 1;
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'=');
    }

    /// A float with exactly `decimals` digits after the point.
    pub(crate) fn float(&mut self, name: &str, value: f64, decimals: usize) {
        self.name(name);
        push_fixed(self.out, value, decimals);
    }

    /// A signed integer.
    pub(crate) fn integer(&mut self, name: &str, value: i64) {
        self.name(name);
        if value < 0 {
            self.out.push(b'-');
        }
        push_unsigned(self.out, value.unsigned_abs());
        self.out.push(b'i');
    }

    /// A boolean.
    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out.push(if value { b't' } else { b'f' });
    }

    /// A text; quotes and backslashes are escaped.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.out.push(b'"');
        for byte in value.bytes() {
            if matches!(byte, b'"' | b'\\') {
                self.out.push(b'\\');
            }
            self.out.push(byte);
        }
        self.out.push(b'"');
    }

    /// The quality of the line's other fields. Does not count as a sample.
    pub(crate) fn quality(&mut self, code: u32) {
        self.name(QUALITY_FIELD);
        self.field_count -= 1;
        push_unsigned(self.out, u64::from(code));
        self.out.push(b'u');
    }

    /// Ends the line with its time and returns how many samples it carries. A line without fields is taken back.
    pub(crate) fn end(self, time_ns: i64) -> u32 {
        if self.field_count == 0 {
            self.out.truncate(self.start);
            return 0;
        }
        self.out.push(b' ');
        if time_ns < 0 {
            self.out.push(b'-');
        }
        push_unsigned(self.out, time_ns.unsigned_abs());
        self.out.push(b'\n');
        self.field_count
    }
}

/// Appends `value` with exactly `decimals` digits; values beyond the range of i64 are clamped.
fn push_fixed(out: &mut Vec<u8>, value: f64, decimals: usize) {
    let scale = POWERS[decimals];
    let scaled = (value * scale).round() as i64;
    if scaled < 0 {
        out.push(b'-');
    }
    let magnitude = scaled.unsigned_abs();
    let unit = scale as u64;
    push_unsigned(out, magnitude / unit);
    if decimals > 0 {
        out.push(b'.');
        let mut digits = [b'0'; 6];
        let mut rest = magnitude % unit;
        for digit in digits[..decimals].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&digits[..decimals]);
    }
}

fn push_unsigned(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a label value, escaped for line protocol; an empty value becomes `-`, which the protocol can carry.
pub(crate) fn push_label(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b',');
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    for byte in if value.is_empty() { "-" } else { value }.bytes() {
        match byte {
            b',' | b'=' | b' ' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' | b'\r' | b'\\' => out.push(b'_'),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(value: f64, decimals: usize) -> String {
        let mut out = Vec::new();
        push_fixed(&mut out, value, decimals);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_rounded_to_their_resolution() {
        assert_eq!(fixed(12.345, 1), "12.3");
        assert_eq!(fixed(-0.04, 1), "0.0");
        assert_eq!(fixed(-0.05, 1), "-0.1");
        assert_eq!(fixed(-12.0, 3), "-12.000");
        assert_eq!(fixed(0.007, 2), "0.01");
        assert_eq!(fixed(1013.0, 0), "1013");
        assert_eq!(fixed(f64::NAN, 2), "0.00");
    }

    #[test]
    fn a_line_carries_every_kind_of_field() {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, b"m,a=b");
        line.float("f", 1.5, 1);
        line.integer("i", -3);
        line.flag("b", true);
        line.text("s", "a \"b\" \\");
        line.quality(7);
        assert_eq!(line.end(-5), 4);
        assert_eq!(String::from_utf8(out).unwrap(), "m,a=b f=1.5,i=-3i,b=t,s=\"a \\\"b\\\" \\\\\",_quality=7u -5\n");
    }

    #[test]
    fn a_line_without_fields_leaves_no_bytes() {
        let mut out = b"x 1\n".to_vec();
        assert_eq!(Line::begin(&mut out, b"m").end(1), 0);
        assert_eq!(out, b"x 1\n");
    }

    #[test]
    fn labels_are_escaped() {
        let mut out = Vec::new();
        push_label(&mut out, "path", "/mnt/my disk,1");
        push_label(&mut out, "empty", "");
        assert_eq!(String::from_utf8(out).unwrap(), ",path=/mnt/my\\ disk\\,1,empty=-");
    }
}

//! Reads a stream of server-sent events (WHATWG HTML, section 9.2.6 "Interpreting an event stream").
//!
//! Bytes come in pieces that end anywhere, even inside a character: only whole lines are interpreted.

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Event {
    /// Its type; `message` when none is given.
    pub name: String,
    /// Its id, if it carries one.
    pub id: Option<String>,
    /// Its data, lines joined by `\n`.
    pub data: String,
}

/// Longest line, in bytes; a longer one is a broken stream.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Turns pieces of a stream into events.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_return: bool,
    name: String,
    id: Option<String>,
    data: Vec<String>,
}

/// A line that is too long to be an event's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the live stream has a line of more than {LINE_BYTES_MAX} bytes: is this a Tidemill node?")]
pub struct LineTooLong;

impl Parser {
    /// Takes the next piece; returns the events that it completes.
    ///
    /// # Errors
    /// When a line grows beyond all bounds.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Vec<Event>, LineTooLong> {
        let mut events = Vec::new();
        for byte in piece {
            let ends_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if ends_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ if self.line.len() >= LINE_BYTES_MAX => return Err(LineTooLong),
                byte => self.line.push(*byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "data" => self.data.push(value.to_owned()),
            // A comment, `retry` or a field of a later version.
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        let (name, id, data) = (std::mem::take(&mut self.name), self.id.take(), std::mem::take(&mut self.data));
        let name = if name.is_empty() { "message".to_owned() } else { name };
        (!data.is_empty()).then(|| Event { name, id, data: data.join("\n") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: Option<&str>, data: &str) -> Event {
        Event { name: name.into(), id: id.map(Into::into), data: data.into() }
    }

    #[test]
    fn events_are_the_same_wherever_the_stream_is_split() {
        let stream = ": hello\n\nevent: samples\nid: p1\ndata: {\"a\":\ndata: \"é\"}\n\ndata:x\r\n\r\nid: p2\n\nretry: 5\ndata\n\n";
        let expected = vec![
            event("samples", Some("p1"), "{\"a\":\n\"é\"}"),
            event("message", None, "x"),
            event("message", None, ""),
        ];
        for size in 1..=stream.len() {
            let mut parser = Parser::default();
            let pieces = stream.as_bytes().chunks(size);
            let events: Vec<Event> = pieces.flat_map(|piece| parser.feed(piece).unwrap()).collect();
            assert_eq!(events, expected, "pieces of {size} bytes");
        }
    }

    #[test]
    fn an_unfinished_event_is_not_told() {
        assert_eq!(Parser::default().feed(b"event: samples\ndata: 1\n").unwrap(), Vec::new());
    }
}

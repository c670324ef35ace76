//! Parses server-sent events: their names, from a stream in any pieces.

/// The length of a line, in bytes, after which the rest is ignored. Only names matter.
const MAX_LINE: usize = 256;

/// The name of an event without one.
const UNNAMED: &str = "message";

/// A parser by the rules of the HTML standard. It keeps no data.
#[derive(Debug, Default)]
pub(super) struct EventParser {
    /// The start of the current line.
    line: Vec<u8>,
    /// Whether a line has ended, so that no byte-order mark can follow.
    begun: bool,
    /// Whether the last byte was a carriage return, to which a line feed belongs.
    after_return: bool,
    name: String,
    has_data: bool,
}

impl EventParser {
    /// Reads the next piece, and passes the name of each event that it completes.
    pub(super) fn feed(&mut self, piece: &[u8], on_event: &mut dyn FnMut(&str)) {
        for byte in piece {
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line(on_event),
                byte if self.line.len() < MAX_LINE => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self, on_event: &mut dyn FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = match std::mem::replace(&mut self.begun, true) {
            true => &line,
            false => line.strip_prefix('\u{feff}').unwrap_or(&line),
        };
        if line.is_empty() {
            return self.end_event(on_event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        match field {
            "event" => value.strip_prefix(' ').unwrap_or(value).clone_into(&mut self.name),
            "data" => self.has_data = true,
            _ => {}
        }
    }

    /// An event without data is none.
    fn end_event(&mut self, on_event: &mut dyn FnMut(&str)) {
        let name = std::mem::take(&mut self.name);
        if std::mem::take(&mut self.has_data) {
            on_event(if name.is_empty() { UNNAMED } else { &name });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the self-hosted service sent.
    const RECORDED: &[u8] = include_bytes!("../../tests/data/service/stream.txt");

    fn names(pieces: &[&[u8]]) -> Vec<String> {
        let mut parser = EventParser::default();
        let mut names = Vec::new();
        for piece in pieces {
            parser.feed(piece, &mut |name| names.push(name.to_owned()));
        }
        names
    }

    #[test]
    fn the_recorded_stream_is_read_in_every_split() {
        let expected = [
            "connected",
            "flag.created",
            "flag.updated",
            "flag.toggled",
            "flag.archived",
            "flag.restored",
            "flag.archived",
            "flag.deleted",
        ];
        let text = std::str::from_utf8(RECORDED).unwrap();
        for ends in ["\n", "\r\n", "\r"] {
            let bytes = text.replace('\n', ends).into_bytes();
            for middle in 0..=bytes.len() {
                let (first, second) = bytes.split_at(middle);
                assert_eq!(names(&[first, second]), expected, "{ends:?} at {middle}");
            }
            for size in 1..100 {
                assert_eq!(names(&bytes.chunks(size).collect::<Vec<_>>()), expected, "{ends:?}");
            }
        }
    }

    /// `EventSource` of Node 20 and the package `eventsource-parser` 3.1.1 give the same names, except
    /// that the former keeps a name before a line `event`, and the latter a byte-order mark and a
    /// carriage return at the end.
    #[test]
    fn follows_the_standard() {
        for (text, expected) in [
            ("", &[] as &[&str]),
            ("\n\n\n", &[]),
            ("data: 1\n", &[]),
            ("data: 1\n\n", &["message"]),
            ("data:1\n\n", &["message"]),
            ("data\n\n", &["message"]),
            ("data:\n\n", &["message"]),
            ("event: a\n\n", &[]),
            ("event: a\n\ndata: 1\n\n", &["message"]),
            ("event: a\ndata: 1\n\n", &["a"]),
            ("event:a\ndata: 1\n\n", &["a"]),
            ("event:  a \ndata: 1\n\n", &[" a "]),
            ("event: a:b\ndata: 1\n\n", &["a:b"]),
            ("event\ndata: 1\n\n", &["message"]),
            ("event: a\nevent: b\ndata: 1\ndata: 2\n\n", &["b"]),
            ("event: a\nevent\ndata: 1\n\n", &["message"]),
            ("data: 1\nevent: a\n\n", &["a"]),
            ("Event: a\ndata: 1\n\n", &["message"]),
            (" event: a\ndata: 1\n\n", &["message"]),
            ("Data: 1\n\n", &[]),
            ("database: 1\n\n", &[]),
            (": data: 1\n\n", &[]),
            (":\nevent: a\n: x\ndata: 1\n\n", &["a"]),
            ("id: 1\nretry: 5\n\n", &[]),
            ("event: a\rdata: 1\r\r", &["a"]),
            ("event: a\r\ndata: 1\r\n\r\n", &["a"]),
            ("event: a\n\rdata: 1\n\n", &["message"]),
            ("event: a\ndata: 1\n\ndata: 2\n\n", &["a", "message"]),
            ("\u{feff}event: a\ndata: 1\n\n", &["a"]),
            ("\u{feff}\u{feff}event: a\ndata: 1\n\n", &["message"]),
            ("\n\u{feff}event: a\ndata: 1\n\n", &["message"]),
            ("event: ü😀\ndata: 1\n\n", &["ü😀"]),
        ] {
            assert_eq!(names(&[text.as_bytes()]), expected, "{text:?}");
        }
    }

    #[test]
    fn keeps_little_of_a_long_line() {
        let mut parser = EventParser::default();
        let mut count = 0;
        for start in ["data: ", "event: ", ": "] {
            parser.feed(start.as_bytes(), &mut |_| {});
            for _ in 0..1000 {
                parser.feed(&[b'x'; 1000], &mut |_| {});
                assert!(parser.line.capacity() <= 2 * MAX_LINE);
            }
            parser.feed(b"\n", &mut |_| {});
            assert!(parser.name.len() <= MAX_LINE);
        }
        parser.feed(b"\n", &mut |_| count += 1);
        assert_eq!(count, 1);
    }

    #[test]
    fn any_bytes_are_read() {
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        assert!(names(&[&bytes]).is_empty());
        assert_eq!(names(&[&bytes, b"\n\nevent: a\ndata\n\n"]), ["a"]);
    }
}

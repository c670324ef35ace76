//! A scanner of JSON text: finds syntax errors, and the spans of members and elements.

use std::borrow::Cow;
use std::ops::Range;

/// The maximum nesting of arrays and objects in a document.
pub(crate) const MAX_DEPTH: u8 = 128;

/// The range of a part of a text, in bytes.
pub(crate) type Span = Range<usize>;

/// Returns an error for the first fault of a text, with its byte position.
pub(super) fn check(text: &str) -> Result<(), (&'static str, usize)> {
    let mut scanner = Scanner { text, position: 0, depth: 0 };
    scanner.document().map_err(|fault| (fault, scanner.position))
}

/// Returns the span of the document, without surrounding white space.
pub(crate) fn document(text: &str) -> Span {
    let mut scanner = Scanner { text, position: 0, depth: 0 };
    scanner.spanned(Scanner::value).unwrap_or_default()
}

/// Returns the spans of the elements of an array; empty if the span is not an array.
pub(crate) fn elements(text: &str, array: Span) -> Vec<Span> {
    let mut scanner = Scanner { text, position: array.start, depth: 0 };
    let mut elements = Vec::new();
    if scanner.peek() == Some(b'[') {
        // The elements before a fault are returned, too.
        let _ = scanner.elements(&mut |element| elements.push(element));
    }
    elements
}

/// Returns the span of a member's value; `None` if the member does not exist or the span is not
/// an object. Of equal names, the last one counts.
pub(crate) fn member(text: &str, object: Span, name: &str) -> Option<Span> {
    let mut scanner = Scanner { text, position: object.start, depth: 0 };
    let mut member = None;
    if scanner.peek() == Some(b'{') {
        let _ = scanner.members(&mut |key, value| {
            if string(text, key).is_some_and(|key| key == name) {
                member = Some(value);
            }
        });
    }
    member
}

/// Returns the spans of the outermost object's members with one of these names, in the order of
/// the text; empty if the text is malformed.
pub(crate) fn members(text: &str, names: &[&str]) -> Vec<Span> {
    let mut scanner = Scanner { text, position: 0, depth: 0 };
    let mut members = Vec::new();
    if scanner.next_token() != Some(b'{') {
        return members;
    }
    let scanned = scanner.members(&mut |key, value| {
        if string(text, key).is_some_and(|key| names.contains(&&*key)) {
            members.push(value);
        }
    });
    match scanned {
        Ok(()) => members,
        Err(_) => Vec::new(),
    }
}

/// Returns the string at a span, or `None` if the span is not a string.
pub(crate) fn string(text: &str, span: Span) -> Option<Cow<'_, str>> {
    let quoted = text.get(span)?;
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    match inside.contains('\\') {
        true => miniserde::json::from_str(quoted).map(Cow::Owned).ok(),
        false => Some(Cow::Borrowed(inside)),
    }
}

/// A recursive-descent scanner that stops at the first fault.
struct Scanner<'a> {
    text: &'a str,
    position: usize,
    depth: u8,
}

type Scan = Result<(), &'static str>;

impl Scanner<'_> {
    fn document(&mut self) -> Scan {
        self.value()?;
        match self.next_token() {
            None => Ok(()),
            Some(_) => Err("text after the end of the document"),
        }
    }

    fn value(&mut self) -> Scan {
        match self.next_token() {
            None => Err("the end of the text where a value was expected"),
            Some(b'{') => self.members(&mut |_, _| {}),
            Some(b'[') => self.elements(&mut |_| {}),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(_) => Err("an unexpected character where a value was expected"),
        }
    }

    /// Scans an array and calls `found` with the span of each element.
    fn elements(&mut self, found: &mut dyn FnMut(Span)) -> Scan {
        self.enter()?;
        if self.next_token() == Some(b']') {
            return self.leave();
        }
        loop {
            let element = self.spanned(Scanner::value)?;
            found(element);
            match self.next_token() {
                Some(b',') => self.position += 1,
                Some(b']') => return self.leave(),
                _ => return Err("a missing `,` or `]`"),
            }
        }
    }

    /// Scans an object and calls `found` with the spans of each key, quotes included, and value.
    fn members(&mut self, found: &mut dyn FnMut(Span, Span)) -> Scan {
        self.enter()?;
        if self.next_token() == Some(b'}') {
            return self.leave();
        }
        loop {
            let key = match self.next_token() {
                Some(b'"') => self.spanned(Scanner::string)?,
                _ => return Err("a missing key"),
            };
            match self.next_token() {
                Some(b':') => self.position += 1,
                _ => return Err("a missing `:`"),
            }
            let value = self.spanned(Scanner::value)?;
            found(key, value);
            match self.next_token() {
                Some(b',') => self.position += 1,
                Some(b'}') => return self.leave(),
                _ => return Err("a missing `,` or `}`"),
            }
        }
    }

    fn enter(&mut self) -> Scan {
        if self.depth == MAX_DEPTH {
            return Err("nesting deeper than 128");
        }
        self.depth += 1;
        self.position += 1;
        Ok(())
    }

    fn leave(&mut self) -> Scan {
        self.depth -= 1;
        self.position += 1;
        Ok(())
    }

    /// Returns the span that `scan` reads, without leading white space.
    fn spanned(&mut self, scan: fn(&mut Self) -> Scan) -> Result<Span, &'static str> {
        self.next_token();
        let start = self.position;
        scan(self)?;
        Ok(start..self.position)
    }

    fn string(&mut self) -> Scan {
        self.position += 1;
        loop {
            match self.peek() {
                None => return Err("a string without an end"),
                Some(b'"') => {
                    self.position += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(..=0x1f) => return Err("a control character in a string"),
                Some(_) => self.position += 1,
            }
        }
    }

    fn escape(&mut self) -> Scan {
        let start = self.position;
        self.position += 1;
        let known = match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.position += 1;
                true
            }
            Some(b'u') => self.code_point(),
            _ => false,
        };
        if known {
            return Ok(());
        }
        self.position = start;
        Err("an invalid escape in a string")
    }

    /// Scans `uXXXX`, or `uXXXX\uXXXX` for a surrogate pair.
    fn code_point(&mut self) -> bool {
        match self.hexadecimal() {
            Some(0xd800..=0xdbff) => {
                self.text.get(self.position..).is_some_and(|rest| rest.starts_with("\\u")) && {
                    self.position += 1;
                    matches!(self.hexadecimal(), Some(0xdc00..=0xdfff))
                }
            }
            Some(0xdc00..=0xdfff) | None => false,
            Some(_) => true,
        }
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        self.position += 1;
        let digits = self.text.get(self.position..self.position + 4)?;
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.position += 4;
        if hexadecimal { u32::from_str_radix(digits, 16).ok() } else { None }
    }

    fn number(&mut self) -> Scan {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        if self.peek() == Some(b'0') {
            self.position += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return Err("a number with a leading zero");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.position += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.position += 1;
            }
            self.digits()?;
        }
        let in_range = self
            .text
            .get(start..self.position)
            .is_some_and(|number| miniserde::json::from_str::<f64>(number).is_ok());
        if in_range {
            return Ok(());
        }
        self.position = start;
        Err("a number out of range")
    }

    fn digits(&mut self) -> Scan {
        let start = self.position;
        while let Some(b'0'..=b'9') = self.peek() {
            self.position += 1;
        }
        if self.position > start { Ok(()) } else { Err("a missing digit") }
    }

    fn word(&mut self, word: &str) -> Scan {
        let rest = self.text.get(self.position..).unwrap_or_default();
        if rest.starts_with(word) {
            self.position += word.len();
            return Ok(());
        }
        Err("an unexpected character where a value was expected")
    }

    fn next_token(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.position += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, spans: Vec<Span>) -> Vec<&str> {
        spans.into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn finds_elements() {
        for (text, found) in [
            ("[]", vec![]),
            (
                " [ 1 ,\t[2, 3] , {\"a\": [4]}\n, \"]\" ] ",
                vec!["1", "[2, 3]", "{\"a\": [4]}", "\"]\""],
            ),
            ("{\"a\": 1}", vec![]),
            ("", vec![]),
            ("[1, 2", vec!["1", "2"]),
        ] {
            assert_eq!(
                parts(text, elements(text, document(text).start..text.len())),
                found,
                "{text}"
            );
        }
    }

    #[test]
    fn finds_members() {
        let text = r#" {"a": 1, "b" : {"a": 2}, "a\u0062": [3], "\"": null, "b": true}"#;
        for (name, found) in [
            ("a", Some("1")),
            ("b", Some("true")),
            ("ab", Some("[3]")),
            ("\"", Some("null")),
            ("a\\u0062", None),
            ("c", None),
        ] {
            let member = member(text, document(text), name);
            assert_eq!(member.map(|member| &text[member]), found, "{name}");
        }
        assert_eq!(member("[1]", 0..3, "a"), None);
    }
}

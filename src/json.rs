//! JSON text into typed places: bounded in nesting, and every error with its line and column.
//!
//! The parser is miniserde's. It bounds no nesting, so the places do; its errors say nothing, so
//! a refused text is read a second time, by the scanner here, to find where it is malformed.

use miniserde::de::{Deserialize, Map, Seq, Visitor};

use crate::error::JsonError;

/// The deepest nesting of arrays and objects that a document may have.
const MAX_DEPTH: u8 = 128;

/// The longest text that is read; the parser counts digits in 31 bits.
const MAX_LENGTH: usize = 1 << 30;

/// Reads a whole document.
pub(crate) fn read<T: Deserialize>(text: &str) -> Result<T, JsonError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_LENGTH {
        return Err(JsonError::new("a text longer than 1 GiB", text, MAX_LENGTH));
    }
    miniserde::json::from_str(text).map_err(|_| locate(text))
}

/// Reads bytes as UTF-8.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let (valid, _) = bytes.split_at(error.valid_up_to());
        JsonError::new("invalid UTF-8", &String::from_utf8_lossy(valid), valid.len())
    })
}

/// The depth inside of an array or object that stands at `depth`.
pub(crate) fn deeper(depth: u8) -> miniserde::Result<u8> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(miniserde::Error) }
}

/// A place for a value of any shape that nobody reads.
#[derive(Debug)]
pub(crate) struct Skip {
    depth: u8,
}

impl Skip {
    pub(crate) fn at(depth: u8) -> Skip {
        Skip { depth }
    }

    fn inside(&self) -> miniserde::Result<Box<Skip>> {
        Ok(Box::new(Skip::at(deeper(self.depth)?)))
    }
}

impl Visitor for Skip {
    fn null(&mut self) -> miniserde::Result<()> {
        Ok(())
    }

    fn boolean(&mut self, _: bool) -> miniserde::Result<()> {
        Ok(())
    }

    fn string(&mut self, _: &str) -> miniserde::Result<()> {
        Ok(())
    }

    fn negative(&mut self, _: i64) -> miniserde::Result<()> {
        Ok(())
    }

    fn nonnegative(&mut self, _: u64) -> miniserde::Result<()> {
        Ok(())
    }

    fn float(&mut self, _: f64) -> miniserde::Result<()> {
        Ok(())
    }

    fn seq(&mut self) -> miniserde::Result<Box<dyn Seq + '_>> {
        Ok(self.inside()?)
    }

    fn map(&mut self) -> miniserde::Result<Box<dyn Map + '_>> {
        Ok(self.inside()?)
    }
}

impl Seq for Skip {
    fn element(&mut self) -> miniserde::Result<&mut dyn Visitor> {
        Ok(self)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        Ok(())
    }
}

impl Map for Skip {
    fn key(&mut self, _: &str) -> miniserde::Result<&mut dyn Visitor> {
        Ok(self)
    }

    fn finish(&mut self) -> miniserde::Result<()> {
        Ok(())
    }
}

/// Finds the first place where a refused text is malformed.
fn locate(text: &str) -> JsonError {
    let mut scanner = Scanner { text, position: 0, depth: 0 };
    let fault = match scanner.document() {
        Err(fault) => fault,
        // The parser refused what this grammar takes: a test holds that there is no such text.
        Ok(()) => "a document that is not JSON",
    };
    JsonError::new(fault, text, scanner.position)
}

/// A walk over the JSON grammar that stops at the first fault.
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
            Some(b'{') => self.nested(Scanner::members),
            Some(b'[') => self.nested(Scanner::elements),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(_) => Err("an unexpected character where a value was expected"),
        }
    }

    fn nested(&mut self, inside: fn(&mut Self) -> Scan) -> Scan {
        self.depth = deeper(self.depth).map_err(|_| "nesting deeper than 128")?;
        self.position += 1;
        inside(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn elements(&mut self) -> Scan {
        if self.next_token() == Some(b']') {
            self.position += 1;
            return Ok(());
        }
        loop {
            self.value()?;
            match self.next_token() {
                Some(b',') => self.position += 1,
                Some(b']') => {
                    self.position += 1;
                    return Ok(());
                }
                _ => return Err("a missing `,` or `]`"),
            }
        }
    }

    fn members(&mut self) -> Scan {
        if self.next_token() == Some(b'}') {
            self.position += 1;
            return Ok(());
        }
        loop {
            match self.next_token() {
                Some(b'"') => self.string()?,
                _ => return Err("a missing key"),
            }
            match self.next_token() {
                Some(b':') => self.position += 1,
                _ => return Err("a missing `:`"),
            }
            self.value()?;
            match self.next_token() {
                Some(b',') => self.position += 1,
                Some(b'}') => {
                    self.position += 1;
                    return Ok(());
                }
                _ => return Err("a missing `,` or `}`"),
            }
        }
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

    /// One `uXXXX`, or two that are a pair of surrogates.
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

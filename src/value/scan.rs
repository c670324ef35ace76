//! A reader of JSON text: passes what it finds to visitors, and knows what is wrong and where.

use std::mem::take;
use std::ops::Range;

use miniserde::de::Visitor;
use miniserde::{Error, Result};

use super::number::Number;

/// The maximum nesting of arrays and objects in a document.
pub(crate) const MAX_DEPTH: u8 = 128;

/// The range of a part of a text, in bytes.
pub(crate) type Span = Range<usize>;

/// A recursive-descent reader that stops at the first fault.
pub(super) struct Scanner<'a> {
    text: &'a str,
    position: usize,
    depth: u8,
    /// Whether the last token opened an array or an object.
    opened: bool,
    /// The last string that had an escape.
    unescaped: String,
    fault: &'static str,
}

impl<'a> Scanner<'a> {
    /// Returns a scanner of a text at a byte position.
    pub(super) fn at(text: &'a str, position: usize) -> Scanner<'a> {
        // The visitors of this crate accept every value. One that does not would leave this fault.
        let fault = "an unexpected value";
        Scanner { text, position, depth: 0, opened: false, unescaped: String::new(), fault }
    }

    /// Returns what is wrong, and the byte position, after a call has failed.
    pub(super) fn fault(&self) -> (&'static str, usize) {
        (self.fault, self.position)
    }

    fn fail<T>(&mut self, fault: &'static str) -> Result<T> {
        self.fault = fault;
        Err(Error)
    }

    /// Reads the whole text.
    pub(super) fn document(&mut self, visitor: &mut dyn Visitor) -> Result<()> {
        self.value(visitor)?;
        match self.next_token() {
            None => Ok(()),
            Some(_) => self.fail("text after the end of the document"),
        }
    }

    /// Reads a value. The recursion takes little of the stack, and is bounded: `open` fails beyond
    /// 128 levels.
    fn value(&mut self, visitor: &mut dyn Visitor) -> Result<()> {
        match self.next_token() {
            Some(b'{') => self.object(visitor),
            Some(b'[') => self.array(visitor),
            first => self.scalar(first, visitor),
        }
    }

    fn object(&mut self, visitor: &mut dyn Visitor) -> Result<()> {
        self.open()?;
        let mut object = visitor.map()?;
        while self.next(b'}')? {
            let member = object.key(self.key()?)?;
            self.colon()?;
            self.value(member)?;
        }
        object.finish()
    }

    fn array(&mut self, visitor: &mut dyn Visitor) -> Result<()> {
        self.open()?;
        let mut array = visitor.seq()?;
        while self.next(b']')? {
            self.value(array.element()?)?;
        }
        array.finish()
    }

    fn scalar(&mut self, first: Option<u8>, visitor: &mut dyn Visitor) -> Result<()> {
        match first {
            None => self.fail("the end of the text where a value was expected"),
            Some(b'"') => visitor.string(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?.pass_to(visitor),
            Some(b't') if self.word("true") => visitor.boolean(true),
            Some(b'f') if self.word("false") => visitor.boolean(false),
            Some(b'n') if self.word("null") => visitor.null(),
            Some(_) => self.fail("an unexpected character where a value was expected"),
        }
    }

    /// Skips a value, and returns its span without leading white space.
    pub(super) fn span(&mut self) -> Result<Span> {
        self.next_token();
        let start = self.position;
        self.value(<dyn Visitor>::ignore())?;
        Ok(start..self.position)
    }

    /// Enters the array or object that begins here.
    pub(super) fn open(&mut self) -> Result<()> {
        if self.depth == MAX_DEPTH {
            return self.fail("nesting deeper than 128");
        }
        self.depth += 1;
        self.position += 1;
        self.opened = true;
        Ok(())
    }

    /// Moves to the next element or member, or past the closing bracket and returns `false`.
    pub(super) fn next(&mut self, bracket: u8) -> Result<bool> {
        let first = take(&mut self.opened);
        match self.next_token() {
            Some(byte) if byte == bracket => {
                self.depth -= 1;
                self.position += 1;
                return Ok(false);
            }
            _ if first => {}
            Some(b',') => self.position += 1,
            _ if bracket == b']' => return self.fail("a missing `,` or `]`"),
            _ => return self.fail("a missing `,` or `}`"),
        }
        Ok(true)
    }

    /// Reads the key of a member.
    pub(super) fn key(&mut self) -> Result<&str> {
        match self.next_token() {
            Some(b'"') => self.string(),
            _ => self.fail("a missing key"),
        }
    }

    /// Reads the colon behind a key.
    pub(super) fn colon(&mut self) -> Result<()> {
        match self.next_token() {
            Some(b':') => self.position += 1,
            _ => return self.fail("a missing `:`"),
        }
        Ok(())
    }

    /// Reads the string that begins here.
    pub(super) fn string(&mut self) -> Result<&str> {
        self.position += 1;
        let plain = self.plain();
        if self.peek() == Some(b'"') {
            self.position += 1;
            return Ok(plain);
        }
        self.unescaped.clear();
        self.unescaped.push_str(plain);
        self.rest_of_string()?;
        Ok(&self.unescaped)
    }

    /// Reads a string from its first escape on.
    fn rest_of_string(&mut self) -> Result<()> {
        loop {
            match self.peek() {
                None => return self.fail("a string without an end"),
                Some(b'"') => {
                    self.position += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    let escaped = self.escape()?;
                    self.unescaped.push(escaped);
                }
                Some(_) => return self.fail("a control character in a string"),
            }
            let plain = self.plain();
            self.unescaped.push_str(plain);
        }
    }

    /// Reads the part of a string before a quotation mark, an escape or a control character.
    fn plain(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f));
        let plain = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.position += plain.len();
        plain
    }

    fn escape(&mut self) -> Result<char> {
        let start = self.position;
        self.position += 2;
        let escaped = match self.text.as_bytes().get(start + 1) {
            Some(b'u') => self.code_point(),
            Some(byte @ (b'"' | b'\\' | b'/')) => Some(char::from(*byte)),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            _ => None,
        };
        if let Some(escaped) = escaped {
            return Ok(escaped);
        }
        self.position = start;
        self.fail("an invalid escape in a string")
    }

    /// Reads `XXXX`, or `XXXX\uXXXX` for a surrogate pair.
    fn code_point(&mut self) -> Option<char> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) {
            // The second half of a surrogate pair is not a character.
            return char::from_u32(first);
        }
        self.position += self.rest().starts_with("\\u").then_some(2)?;
        match self.hexadecimal()? {
            second @ 0xdc00..0xe000 => {
                char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            }
            _ => None,
        }
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let digits = self.text.get(self.position..self.position + 4)?;
        self.position += 4;
        // A sign is not a digit.
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        hexadecimal.then(|| u32::from_str_radix(digits, 16).ok())?
    }

    fn number(&mut self) -> Result<Number> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        if self.peek() == Some(b'0') {
            self.position += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return self.fail("a number with a leading zero");
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
        if let Some(number) = self.text.get(start..self.position).and_then(Number::read) {
            return Ok(number);
        }
        self.position = start;
        self.fail("a number out of range")
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.position;
        while let Some(b'0'..=b'9') = self.peek() {
            self.position += 1;
        }
        if self.position > start { Ok(()) } else { self.fail("a missing digit") }
    }

    /// Returns whether a word is next, and reads it.
    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.position += word.len();
        }
        found
    }

    /// Skips white space.
    pub(super) fn next_token(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.position += 1;
        }
        self.peek()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }
}

//! Divides a script of a shell into commands and their words.

use std::collections::HashSet;

/// A word of a command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Word<'a> {
    /// The offset of its text, after a quote.
    pub(super) offset: usize,
    /// The word without its quotes, or `None` if it has escapes or parts that the shell replaces.
    pub(super) text: Option<&'a str>,
    /// Whether it is a value: quoted, or after the `=` of an assignment or an option.
    pub(super) is_value: bool,
}

/// The characters that end a word.
const SEPARATORS: [char; 8] = [';', '|', '&', '(', ')', '<', '>', '`'];

/// Returns the commands, each with its words. `NAME=VALUE` and `--option=VALUE` are two words.
pub(super) fn commands(text: &str) -> Vec<Vec<Word<'_>>> {
    let mut lexer = Lexer {
        text,
        at: 0,
        commands: Vec::new(),
        words: Vec::new(),
        open: Vec::new(),
        documents: Vec::new(),
        missing: HashSet::new(),
    };
    while let Some(next) = lexer.peek() {
        lexer.step(next);
    }
    lexer.end_command();
    while let Some((words, _)) = lexer.open.pop() {
        lexer.words = words;
        lexer.end_command();
    }
    lexer.commands
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    commands: Vec<Vec<Word<'a>>>,
    words: Vec<Word<'a>>,
    /// The words before each open parenthesis, and its position.
    open: Vec<(Vec<Word<'a>>, Place)>,
    /// The last lines of the here-documents that begin after this line.
    documents: Vec<&'a str>,
    /// Last lines that the rest of the text does not have.
    missing: HashSet<&'a str>,
}

/// Where a parenthesis is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    BetweenWords,
    InWord,
    InQuotes,
}

/// A word that is being read.
#[derive(Default)]
struct Part<'a> {
    offset: usize,
    text: Option<&'a str>,
    pieces: usize,
    is_value: bool,
    /// Whether the word is among the words already.
    is_added: bool,
}

impl<'a> Part<'a> {
    /// Adds a piece; a word of several is not plain.
    fn add(&mut self, offset: usize, text: Option<&'a str>) {
        (self.offset, self.text) = match self.pieces {
            0 => (offset, text),
            _ => (self.offset, None),
        };
        self.pieces += 1;
    }
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn end_command(&mut self) {
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }

    fn step(&mut self, next: char) {
        match next {
            '\n' => {
                self.end_command();
                self.at += 1;
                self.skip_documents();
            }
            '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
            '\\' if self.rest().starts_with("\\\n") => self.at += 2,
            '(' => self.open(1, Place::BetweenWords),
            ')' => self.close(),
            '<' if self.rest().starts_with("<<<") => self.at += 3,
            '<' if self.rest().starts_with("<<") => self.begin_document(),
            '<' | '>' => self.at += 1,
            ';' | '|' | '&' | '`' => {
                self.end_command();
                self.at += 1;
            }
            c if c.is_whitespace() => self.at += c.len_utf8(),
            _ => self.word(Part::default()),
        }
    }

    fn open(&mut self, length: usize, place: Place) {
        self.at += length;
        self.open.push((std::mem::take(&mut self.words), place));
    }

    /// Closes a parenthesis, and reads the rest of the word around it.
    fn close(&mut self) {
        self.end_command();
        self.at += 1;
        let Some((words, place)) = self.open.pop() else { return };
        self.words = words;
        let mut part = Part { is_added: true, ..Part::default() };
        match place {
            Place::BetweenWords => self.end_command(),
            Place::InQuotes if !self.quoted(&mut part) => {}
            Place::InQuotes | Place::InWord => self.word(part),
        }
    }

    /// Reads a word to its end, or to a `$(` in it.
    fn word(&mut self, mut part: Part<'a>) {
        while let Some(next) = self.peek() {
            let rest = self.rest();
            match next {
                '"' => {
                    self.at += 1;
                    part.is_value = true;
                    if !self.quoted(&mut part) {
                        return;
                    }
                }
                '\'' => {
                    let content = rest.get(1..).unwrap_or_default();
                    let length = content.find('\'').unwrap_or(content.len());
                    part.is_value = true;
                    part.add(self.at + 1, content.get(..length));
                    self.at = (self.at + length + 2).min(self.text.len());
                }
                '$' if rest.starts_with("$(") => return self.substitution(part, Place::InWord),
                '\\' => {
                    let escaped = rest.chars().nth(1).map_or(0, char::len_utf8);
                    part.add(self.at, None);
                    self.at += 1 + escaped;
                }
                '=' if part.pieces == 1 && part.text.is_some() && !part.is_value => {
                    self.at += 1;
                    let text = self.text.get(part.offset..self.at);
                    self.words.push(Word { offset: part.offset, text, is_value: false });
                    part = Part { is_value: true, offset: self.at, ..Part::default() };
                }
                c if c.is_whitespace() || SEPARATORS.contains(&c) => break,
                _ => self.bare(&mut part),
            }
        }
        if part.pieces > 0 && !part.is_added {
            let Part { offset, text, is_value, .. } = part;
            self.words.push(Word { offset, text, is_value });
        }
    }

    /// Reads a piece of a word without quotes.
    fn bare(&mut self, part: &mut Part<'a>) {
        let rest = self.rest();
        let ends = |c: char| {
            c.is_whitespace()
                || SEPARATORS.contains(&c)
                || matches!(c, '"' | '\'' | '\\' | '=' | '$')
        };
        let first = self.peek().map_or(0, char::len_utf8);
        let after = rest.get(first..).unwrap_or_default();
        let length = first + after.find(ends).unwrap_or(after.len());
        let text = rest.get(..length).filter(|text| !text.contains(['$', '*', '?', '{', '[']));
        part.add(self.at, text);
        self.at += length;
    }

    /// Reads a quoted piece of a word. Returns `false` at a `$(`, which is open then.
    fn quoted(&mut self, part: &mut Part<'a>) -> bool {
        let (start, content) = (self.at, self.rest());
        let (mut plain, mut escaped) = (true, false);
        for (offset, c) in content.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => (plain, escaped) = (false, true),
                '"' => {
                    part.add(start, content.get(..offset).filter(|_| plain));
                    self.at = start + offset + 1;
                    return true;
                }
                '$' if content.get(offset..).is_some_and(|rest| rest.starts_with("$(")) => {
                    self.at = start + offset;
                    self.substitution(std::mem::take(part), Place::InQuotes);
                    return false;
                }
                '$' | '`' => plain = false,
                _ => {}
            }
        }
        self.at = self.text.len();
        true
    }

    /// Begins the command in a `$(`, whose output is a part of a word.
    fn substitution(&mut self, part: Part<'a>, place: Place) {
        if !part.is_added {
            self.words.push(Word { offset: self.at, text: None, is_value: part.is_value });
        }
        self.open(2, place);
    }

    fn begin_document(&mut self) {
        self.at += 2;
        let rest = self.rest().trim_start_matches('-').trim_start_matches(' ');
        let ends = |c: char| c.is_whitespace() || SEPARATORS.contains(&c);
        let word = rest.split(ends).next().unwrap_or_default();
        let word = word.trim_start_matches('\\').trim_matches(['"', '\'']);
        if !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_') {
            self.documents.push(word);
        }
    }

    /// Skips the here-documents that begin at this line. Without its last line, there is none: it
    /// was a shift of numbers.
    fn skip_documents(&mut self) {
        for last in std::mem::take(&mut self.documents) {
            if self.missing.contains(last) {
                continue;
            }
            let mut length = 0;
            let end = self.rest().split_inclusive('\n').find_map(|line| {
                length += line.len();
                let line = line.trim_end_matches(['\n', '\r']).trim_start_matches('\t');
                (line == last).then_some(length)
            });
            match end {
                Some(length) => self.at += length,
                None => {
                    self.missing.insert(last);
                }
            }
        }
    }
}

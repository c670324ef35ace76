//! Divides source code in Rust, Python, JavaScript and TypeScript into words, strings and symbols.
//!
//! This is less than a parser needs, and enough to tell strings from comments and code. What a file
//! has that the language does not allow costs at most the rest of its line.

use super::language::Language;

/// A part of the code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// The content of a string, or `None` if it has escapes or parts that are code.
    Text(Option<&'a str>),
    Number,
    Symbol(char),
}

/// Words of JavaScript before a value, so that a slash begins a pattern and a quote a string.
const BEFORE_VALUE: [&str; 20] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "do",
    "else",
    "void",
    "await",
    "yield",
    "throw",
    "new",
    "delete",
    "instanceof",
    "import",
    "from",
    "as",
    "export",
    "default",
    "extends",
];

/// Returns the tokens, each with its offset: of a string, that of its content.
pub(super) fn tokens(text: &str, language: Language) -> Vec<(usize, Token<'_>)> {
    let mut lexer =
        Lexer { text, language, at: 0, found: Vec::new(), open: Vec::new(), dead: [0; 3] };
    while let Some(next) = lexer.peek() {
        lexer.step(next);
    }
    lexer.found
}

struct Lexer<'a> {
    text: &'a str,
    language: Language,
    at: usize,
    found: Vec<(usize, Token<'a>)>,
    /// For each template string around this code, how many braces are open in it.
    open: Vec<usize>,
    /// Up to where a double quote, a single quote and a slash begin nothing, because nothing ends it.
    dead: [usize; 3],
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn step(&mut self, next: char) {
        let rest = self.rest();
        let is_python = self.language == Language::Python;
        match next {
            c if c.is_whitespace() => self.at += c.len_utf8(),
            '#' if is_python => self.at += line_length(rest),
            '/' if !is_python && rest.starts_with("//") => self.at += line_length(rest),
            '/' if !is_python && rest.starts_with("/*") => self.block_comment(),
            '/' if self.language == Language::JavaScript && self.begins_pattern() => self.pattern(),
            '\'' if self.language == Language::Rust => self.character_or_lifetime(),
            '"' | '\'' => self.string(next, ""),
            '`' if self.language == Language::JavaScript => self.template(1),
            '{' if !self.open.is_empty() => {
                if let Some(braces) = self.open.last_mut() {
                    *braces += 1;
                }
                self.symbol(next);
            }
            '}' if !self.open.is_empty() => self.closing_brace(),
            c if c.is_ascii_digit() => {
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                self.push(self.at, Token::Number, self.at + length);
            }
            c if is_word(c) => self.word(),
            c => self.symbol(c),
        }
    }

    fn push(&mut self, offset: usize, token: Token<'a>, next: usize) {
        self.found.push((offset, token));
        self.at = next;
    }

    fn symbol(&mut self, c: char) {
        self.push(self.at, Token::Symbol(c), self.at + c.len_utf8());
    }

    /// Reads a word, or the prefix of a string with that string.
    fn word(&mut self) {
        let rest = self.rest();
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let start = self.at;
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        match (self.language, quote) {
            (Language::Rust, _) if matches!(word, "r" | "br" | "cr") => {
                let hashes = after.len() - after.trim_start_matches('#').len();
                if after.get(hashes..).is_some_and(|after| after.starts_with('"')) {
                    return self.raw_string(start + length + hashes + 1, hashes);
                }
            }
            (Language::Rust, Some('"')) if matches!(word, "b" | "c") => {
                self.at += length;
                return self.string('"', "");
            }
            (Language::Python, Some(quote))
                if word.len() <= 2 && word.chars().all(|c| "rRbBuUfFtT".contains(c)) =>
            {
                self.at += length;
                return self.string(quote, word);
            }
            // An apostrophe in the text of JSX.
            (Language::JavaScript, Some('\'')) if !BEFORE_VALUE.contains(&word) => {
                self.push(start, Token::Word(word), start + length);
                return self.symbol('\'');
            }
            _ => {}
        }
        self.push(start, Token::Word(word), start + length);
    }

    /// Reads a raw string of Rust, whose content begins here.
    fn raw_string(&mut self, start: usize, hashes: usize) {
        let content = self.text.get(start..).unwrap_or_default();
        let end = format!("\"{}", "#".repeat(hashes));
        let length = content.find(&end).unwrap_or(content.len());
        let next = (start + length + end.len()).min(self.text.len());
        self.push(start, Token::Text(content.get(..length)), next);
    }

    /// Reads a string. A quote without an end is a symbol.
    fn string(&mut self, quote: char, prefix: &str) {
        let rest = self.rest();
        let triple = match (self.language, quote) {
            (Language::Python, '"') if rest.starts_with("\"\"\"") => "\"\"\"",
            (Language::Python, '\'') if rest.starts_with("'''") => "'''",
            _ => "",
        };
        let kind = usize::from(quote == '\'');
        if !triple.is_empty() {
            return self.triple_string(triple);
        }
        if self.is_dead(kind) {
            return self.symbol(quote);
        }
        let one_line = self.language != Language::Rust;
        let content = rest.get(1..).unwrap_or_default();
        let formatted = prefix.contains(['f', 'F', 't', 'T']);
        let (mut plain, mut escaped) = (true, false);
        for (offset, c) in content.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => (plain, escaped) = (false, true),
                '\n' if one_line => break,
                '{' if formatted => plain = false,
                c if c == quote => {
                    let start = self.at + 1;
                    let inside = content.get(..offset).filter(|_| plain);
                    return self.push(start, Token::Text(inside), start + offset + 1);
                }
                _ => {}
            }
        }
        self.kill(kind, if one_line { line_length(rest) } else { rest.len() });
        self.symbol(quote);
    }

    /// Returns whether a quote or a slash begins nothing here.
    fn is_dead(&self, kind: usize) -> bool {
        self.dead.get(kind).is_some_and(|dead| self.at < *dead)
    }

    fn kill(&mut self, kind: usize, length: usize) {
        if let Some(dead) = self.dead.get_mut(kind) {
            *dead = self.at + length;
        }
    }

    fn triple_string(&mut self, quotes: &str) {
        let start = self.at + quotes.len();
        let content = self.text.get(start..).unwrap_or_default();
        let length = content.find(quotes).unwrap_or(content.len());
        let inside = content.get(..length).filter(|inside| !inside.contains('\\'));
        self.push(start, Token::Text(inside), (start + length + quotes.len()).min(self.text.len()));
    }

    fn block_comment(&mut self) {
        let rest = self.rest();
        let mut depth = 0_usize;
        let mut at = 0;
        // In Rust, comments nest.
        while let Some(offset) = rest.get(at..).and_then(|rest| rest.find(['*', '/'])) {
            let here = rest.get(at + offset..).unwrap_or_default();
            let is_open = here.starts_with("/*") && (self.language == Language::Rust || depth == 0);
            let is_close = here.starts_with("*/");
            at += offset + if is_open || is_close { 2 } else { 1 };
            depth += usize::from(is_open);
            if is_close {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    self.at += at;
                    return;
                }
            }
        }
        self.at = self.text.len();
    }

    fn character_or_lifetime(&mut self) {
        let mut characters = self.rest().char_indices().skip(1);
        let (first, second) = (characters.next(), characters.next());
        match (first, second) {
            (Some((_, '\\')), Some((offset, escaped))) => {
                let after = offset + escaped.len_utf8();
                let rest = self.rest().get(after..).unwrap_or_default();
                let end = rest.find(['\'', '\n']).unwrap_or(rest.len());
                self.at = (self.at + after + end + 1).min(self.text.len());
            }
            (Some(_), Some((offset, '\''))) => self.at += offset + 1,
            _ => self.symbol('\''),
        }
    }

    /// Reads a template string, or the rest of one: `skipped` is the length of what begins it.
    fn template(&mut self, skipped: usize) {
        let start = self.at + skipped;
        let content = self.text.get(start..).unwrap_or_default();
        let mut characters = content.char_indices();
        let mut plain = skipped == 1 && self.peek() == Some('`');
        while let Some((offset, c)) = characters.next() {
            match c {
                '\\' => {
                    plain = false;
                    characters.next();
                }
                '`' => {
                    let inside = content.get(..offset).filter(|_| plain);
                    return self.push(start, Token::Text(inside), start + offset + 1);
                }
                '$' if content.get(offset..).is_some_and(|rest| rest.starts_with("${")) => {
                    self.open.push(0);
                    return self.push(start, Token::Text(None), start + offset + 2);
                }
                _ => {}
            }
        }
        self.at = self.text.len();
    }

    fn closing_brace(&mut self) {
        match self.open.last_mut() {
            Some(0) => {
                self.open.pop();
                self.template(1);
            }
            Some(braces) => {
                *braces -= 1;
                self.symbol('}');
            }
            None => self.symbol('}'),
        }
    }

    /// Returns whether a slash begins a pattern of JavaScript: it is no division, and no end of an
    /// element of JSX.
    fn begins_pattern(&self) -> bool {
        match self.found.last() {
            _ if self.is_dead(2) => false,
            Some((_, Token::Word(word))) => BEFORE_VALUE.contains(word),
            Some((_, Token::Text(_) | Token::Number)) => false,
            Some((_, Token::Symbol(c))) => !matches!(c, ')' | ']' | '}' | '<'),
            None => true,
        }
    }

    fn pattern(&mut self) {
        let (mut escaped, mut in_class) = (false, false);
        for (offset, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => {
                    return self.push(self.at, Token::Text(None), self.at + offset + 1);
                }
                _ => {}
            }
        }
        self.kill(2, line_length(self.rest()));
        self.symbol('/');
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// Returns the length of the first line, without its end.
fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

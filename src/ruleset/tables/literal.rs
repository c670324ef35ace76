//! Patterns that are plain text: found by comparison, without a regular expression.
//!
//! These are a text, or a group of texts between texts, with `^`, `$` and `.*` at the ends.

use std::str::Chars;

/// Up to this length, in bytes, looking at each position of a text is faster than preparing a search.
const SHORT: usize = 32;

/// What a text adds to the size of its pattern, in bytes, for its pointer and length. The same on
/// every platform, so that all of them evaluate a flag alike.
const TEXT_OVERHEAD: usize = 16;

/// A pattern that is plain text.
#[derive(Debug)]
pub(crate) struct Literals {
    pattern: Box<str>,
    start: Edge,
    /// The pattern is found if one of these is.
    texts: Box<[Box<str>]>,
    end: Edge,
    /// The size of the texts with their pointers, in bytes. A search takes time in proportion to it.
    size: usize,
    /// A bit for each first byte of the texts, by its lowest six bits. All bits if a text is empty.
    first_bytes: u64,
}

/// What a pattern has at one of its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edge {
    /// No anchor. There, `.*` changes nothing.
    Free,
    /// An anchor.
    Anchored,
    /// An anchor and `.*`, which matches no line feed.
    InLine,
}

impl Edge {
    fn new(anchor: bool, dots: bool) -> Edge {
        match (anchor, dots) {
            (false, _) => Edge::Free,
            (true, false) => Edge::Anchored,
            (true, true) => Edge::InLine,
        }
    }
}

impl Literals {
    /// Recognizes a pattern. Returns `None` if it is not plain text, is not valid, or has a size of
    /// more than `max_size`.
    pub(super) fn recognize(pattern: &str, max_size: usize) -> Option<Literals> {
        let mut rest = pattern;
        let starts = skip(&mut rest, "^");
        let dots_before = skip(&mut rest, ".*");
        let mut alternatives = texts(&mut rest)?;
        let bare = !starts && !dots_before && rest.is_empty();
        let (mut head, mut tail) = (String::new(), String::new());
        if !bare {
            // Anchors bind tighter than `|`: `^a|b$` is not `^(a|b)$`.
            head = only(alternatives)?;
            alternatives = group(&mut rest)?;
            tail = only(texts(&mut rest)?)?;
        }
        let dots_after = skip(&mut rest, ".*");
        let ends = skip(&mut rest, "$");
        if !rest.is_empty() {
            return None;
        }

        let (start, end) = (Edge::new(starts, dots_before), Edge::new(ends, dots_after));
        let around = head.len() + tail.len() + TEXT_OVERHEAD;
        let size = alternatives.iter().map(|text| around + text.len()).sum();
        if size > max_size {
            return None;
        }
        let texts: Box<[Box<str>]> = alternatives
            .iter()
            .map(|text| [&*head, text, &tail].concat().into_boxed_str())
            .collect();
        let of_one_line = [start, end].contains(&Edge::InLine);
        if of_one_line && texts.iter().any(|text| text.contains('\n')) {
            return None;
        }
        let first_bytes = texts.iter().fold(0, |bits, text| bits | first_byte(text));
        Some(Literals { pattern: pattern.into(), start, texts, end, size, first_bytes })
    }

    pub(super) fn pattern(&self) -> &str {
        &self.pattern
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Returns whether the texts are compared at the start or the end alone.
    pub(super) fn is_anchored(&self) -> bool {
        [self.start, self.end].contains(&Edge::Anchored)
    }

    /// Returns whether the pattern is found anywhere in the text.
    pub(super) fn is_found_in(&self, text: &str) -> bool {
        use Edge::{Anchored, Free, InLine};
        let text = match (self.start, self.end) {
            (InLine, Free) => text.split_once('\n').map_or(text, |(line, _)| line),
            (Free, InLine) => text.rsplit_once('\n').map_or(text, |(_, line)| line),
            (InLine, _) | (_, InLine) if text.contains('\n') => return false,
            _ => text,
        };
        let mut texts = self.texts.iter();
        match (self.start == Anchored, self.end == Anchored) {
            (true, true) => texts.any(|it| **it == *text),
            (true, false) => texts.any(|it| text.starts_with(&**it)),
            (false, true) => texts.any(|it| text.ends_with(&**it)),
            (false, false) if text.is_empty() || text.len() > SHORT => {
                texts.any(|it| text.contains(&**it))
            }
            (false, false) => self.is_found_at_any_position(text.as_bytes()),
        }
    }

    fn is_found_at_any_position(&self, text: &[u8]) -> bool {
        text.iter().enumerate().any(|(position, byte)| {
            self.first_bytes & bit(*byte) != 0
                && text
                    .get(position..)
                    .is_some_and(|rest| self.texts.iter().any(|it| rest.starts_with(it.as_bytes())))
        })
    }
}

fn first_byte(text: &str) -> u64 {
    text.bytes().next().map_or(u64::MAX, bit)
}

fn bit(byte: u8) -> u64 {
    1 << (byte % 64)
}

/// Skips a token; returns whether it is there.
fn skip(rest: &mut &str, token: &str) -> bool {
    let after = rest.strip_prefix(token);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

/// Reads the alternatives of a group. If there is no group, they are one empty text.
fn group(rest: &mut &str) -> Option<Vec<String>> {
    if !skip(rest, "(") {
        return Some(vec![String::new()]);
    }
    skip(rest, "?:");
    let texts = texts(rest)?;
    skip(rest, ")").then_some(texts)
}

/// Reads texts with `|` between them. Returns `None` if an escape is not that of a character.
fn texts(rest: &mut &str) -> Option<Vec<String>> {
    let mut texts = vec![text(rest)?];
    while skip(rest, "|") {
        texts.push(text(rest)?);
    }
    Some(texts)
}

fn only(texts: Vec<String>) -> Option<String> {
    <[String; 1]>::try_from(texts).ok().map(|[text]| text)
}

/// Reads a text up to an operator.
fn text(rest: &mut &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = rest.chars();
    loop {
        *rest = characters.as_str();
        match characters.next() {
            None | Some('.' | '^' | '$' | '|' | '(' | ')' | '[' | '{' | '?' | '*' | '+') => {
                return Some(text);
            }
            Some('\\') => text.push(escaped(&mut characters)?),
            Some(character) => text.push(character),
        }
    }
}

/// Reads what follows a backslash. Letters, digits, `<` and `>` are classes, anchors or numbers, or
/// not valid.
fn escaped(characters: &mut Chars<'_>) -> Option<char> {
    let is_plain = |it: &char| it.is_ascii() && !it.is_ascii_alphanumeric() && !"<>".contains(*it);
    characters.next().filter(is_plain)
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    use super::*;

    /// Larger than any of these patterns.
    const MAX_SIZE: usize = 4096;

    /// Asserts that the comparison finds the pattern in exactly the texts in which regex-lite does.
    fn agrees_with_regex_lite(pattern: &str, texts: &[String]) {
        let Some(literals) = Literals::recognize(pattern, MAX_SIZE) else { return };
        let regex = Regex::new(pattern);
        let regex = regex.unwrap_or_else(|error| panic!("{pattern:?} is recognized: {error}"));
        assert_eq!(literals.pattern(), pattern);
        for text in texts {
            let (found, expected) = (literals.is_found_in(text), regex.is_match(text));
            assert_eq!(found, expected, "{pattern:?} in {text:?}");
        }
    }

    /// Returns all sequences of at most so many of these tokens.
    fn sequences(tokens: &[&str], longest: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut longest_so_far = all.clone();
        for _ in 0..longest {
            let longer = longest_so_far
                .iter()
                .flat_map(|sequence| tokens.iter().map(move |token| format!("{sequence}{token}")));
            longest_so_far = longer.collect();
            all.extend_from_slice(&longest_so_far);
        }
        all
    }

    fn texts() -> Vec<String> {
        let mut texts = sequences(&["a", "b", "\n"], 4);
        // Long texts are searched in another way.
        for filler in ["a", "b", "\n"].map(|it| it.repeat(SHORT)) {
            for end in ["", "ab", "\nb"] {
                texts.extend([format!("{filler}{end}"), format!("{end}{filler}")]);
            }
        }
        texts
    }

    #[test]
    fn patterns_of_text_and_anchors_are_recognized() {
        for pattern in [
            "",
            "^",
            "$",
            "^$",
            ".*",
            "^.*$",
            "pro",
            "^pro",
            "pro$",
            "^pro$",
            "^ü]}#-&~ $",
            r"@acme\.com$",
            r"^\\\^\$\.\|\(\)\[\]\{\}\?\*\+\-\#\&\~\@\/$",
            "(pro)",
            "(?:pro)",
            "()",
            "(|pro)",
            "free|pro",
            "|",
            "^(free|pro)$",
            "^(?:free|pro)$",
            r"^v(1|2)\.0",
            r"(one|two)@acme\.com",
            "^foo.*",
            "^foo.*$",
            r".*@acme\.com$",
            r"^.*@acme\.com$",
            "^.*foo.*$",
            "^.*(foo|bar).*$",
        ] {
            assert!(Literals::recognize(pattern, MAX_SIZE).is_some(), "{pattern}");
        }
    }

    #[test]
    fn other_patterns_are_not_recognized() {
        for pattern in [
            // Anchors bind tighter than `|`.
            "^a|b",
            "a|b$",
            "^a|b$",
            ".*a|b",
            "a|b.*",
            "(a|b)|c",
            "a|(b|c)",
            // More than one group.
            "(a)(b)",
            "((a)|b)",
            "^.*@(a|b)\\.(com|org)$",
            // Not plain text.
            "a.*b",
            "a.b",
            ".",
            "a.*?",
            ".*.*.*",
            "a*",
            "a+",
            "a?",
            "a{2}",
            "(a|b)*",
            ".**",
            "^*",
            "$*",
            "[a]",
            "(^a|b)",
            "(a|b$)",
            "(a|.*)",
            "^^a",
            "a$$",
            "(?i)a",
            "(?i:a)",
            "(?P<name>a)",
            "(?<name>a)",
            r"\Aa\z",
            r"\d",
            r"\x41",
            r"\n",
            r"\b",
            r"a\<",
            r"a\>",
            // `.` matches no line feed, but these texts contain one.
            "^.*\n",
            "\n.*$",
            "^(a|\n).*$",
            // Not valid.
            "(a",
            "a)",
            "(?:a",
            "(?a)",
            "(?",
            r"\",
            r"(a|\",
            r"\ü",
            r"\e",
            r"\1",
            "*",
            "(*)",
        ] {
            assert!(Literals::recognize(pattern, MAX_SIZE).is_none(), "{pattern}");
        }
    }

    #[test]
    fn the_size_is_that_of_the_texts() {
        fn size(pattern: &str) -> Option<usize> {
            Literals::recognize(pattern, MAX_SIZE).map(|it| it.size())
        }
        assert_eq!(size("^abc$"), Some(TEXT_OVERHEAD + 3));
        assert_eq!(size("^.*ab(c|d|)"), Some(3 * TEXT_OVERHEAD + 3 + 3 + 2));
        let most = MAX_SIZE / (TEXT_OVERHEAD + 2);
        let group = |texts: usize| format!("x({})", vec!["y"; texts].join("|"));
        assert_eq!(size(&group(most)), Some(most * (TEXT_OVERHEAD + 2)));
        assert_eq!(size(&group(most + 1)), None);
    }

    #[test]
    fn every_short_pattern_agrees_with_regex_lite() {
        let texts = texts();
        for pattern in sequences(&["^", "$", ".*", "(", ")", "|", "a", "b"], 4) {
            agrees_with_regex_lite(&pattern, &texts);
        }
    }

    #[test]
    fn every_combination_of_parts_agrees_with_regex_lite() {
        let parts: [&[&str]; 7] = [
            &["", "^"],
            &["", ".*"],
            &["", "a"],
            &["", "(b)", "(a|b)", "(?:ab|)", "(\n|b)", "(a|ba|bb)", "b|aa", "|"],
            &["", "a", "b"],
            &["", ".*"],
            &["", "$"],
        ];
        let patterns = parts.iter().fold(vec![String::new()], |starts, part| {
            let longer =
                starts.iter().flat_map(|start| part.iter().map(move |it| format!("{start}{it}")));
            longer.collect()
        });
        let recognized = patterns.iter().filter(|it| Literals::recognize(it, MAX_SIZE).is_some());
        assert!(recognized.count() > 500);
        let texts = texts();
        for pattern in patterns {
            agrees_with_regex_lite(&pattern, &texts);
        }
    }

    #[test]
    fn every_ascii_character_agrees_with_regex_lite() {
        let characters = || (0..128).map(char::from);
        let texts: Vec<_> = characters().map(String::from).collect();
        for character in characters() {
            agrees_with_regex_lite(&character.to_string(), &texts);
            agrees_with_regex_lite(&format!("^\\{character}$"), &texts);
        }
    }
}

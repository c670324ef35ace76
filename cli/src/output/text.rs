//! Text on a terminal: its width in cells, cut, wrapped and escaped.

use std::iter;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Joins the characters around it into one, such as a family of emoji.
const JOINER: char = '\u{200d}';

/// Returns the width of a text in cells, as terminals count them: 2 for a character of Chinese,
/// Japanese or Korean and for an emoji, 0 for a combining mark.
pub(crate) fn width(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => symbols(text).map(|(_, width)| width).sum(),
    }
}

/// Returns a text cut to a width in cells; it ends with `…` if something is missing.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    if limit == 0 {
        return String::new();
    }
    let (mut cut, mut used) = (String::new(), 0);
    for (symbol, width) in symbols(text) {
        used += width;
        if used >= limit {
            break;
        }
        cut += symbol;
    }
    cut.push('…');
    cut
}

/// Returns a text in lines of at most a width in cells, broken at spaces. Lines after the first are
/// indented. A word that is wider than a line is broken, too.
pub(crate) fn wrap(text: &str, limit: usize, indent: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    // On a narrow terminal, the words matter more than the indent.
    let mut lines = Lines { text: String::new(), used: 0, indent: indent.min(limit / 2), limit };
    for part in text.split_inclusive(' ') {
        let word = part.trim_end_matches(' ');
        let width = width(word);
        if lines.used + width <= limit {
            lines.push(word, width);
        } else if lines.indent + width <= limit {
            lines.next();
            lines.push(word, width);
        } else {
            for (symbol, width) in symbols(word) {
                lines.push(symbol, width);
            }
        }
        if part.len() > word.len() {
            lines.push_space();
        }
    }
    lines.trim();
    lines.text
}

/// The lines of a text that is wrapped.
struct Lines {
    text: String,
    /// The width of the last line.
    used: usize,
    indent: usize,
    limit: usize,
}

impl Lines {
    /// Appends a text to the last line, or to the next one if it does not fit.
    fn push(&mut self, text: &str, width: usize) {
        if self.used + width > self.limit {
            self.next();
        }
        self.text += text;
        self.used += width;
    }

    /// Appends a space. At the end of a line, it is removed later.
    fn push_space(&mut self) {
        self.text.push(' ');
        self.used += 1;
    }

    /// Begins another line, unless the last one is empty.
    fn next(&mut self) {
        self.trim();
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.extend(iter::repeat_n(' ', self.indent));
        self.used = self.indent;
    }

    fn trim(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
    }
}

/// Returns the characters of a text as a reader sees them, each with its width in cells: with its
/// combining marks, a flag as a whole, and emoji that are joined.
fn symbols(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = text;
    iter::from_fn(move || {
        let mut characters = rest.char_indices();
        let (_, mut previous) = characters.next()?;
        let mut half_a_flag = is_half_a_flag(previous);
        let end = characters.find(|(_, next)| {
            let joined = next.width() == Some(0)
                || previous == JOINER
                || is_skin_tone(*next)
                || half_a_flag && is_half_a_flag(*next);
            (previous, half_a_flag) = (*next, false);
            !joined
        });
        let (symbol, after) = rest.split_at_checked(end.map_or(rest.len(), |(at, _)| at))?;
        rest = after;
        Some((symbol, symbol.width()))
    })
}

fn is_half_a_flag(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// Returns a text with all control characters escaped, so that it stays on its line.
pub(crate) fn escape_line(text: String) -> String {
    escape(text, is_control)
}

/// Returns a text with control characters escaped, except line ends and tabs.
pub(crate) fn escape_lines(text: String) -> String {
    escape(text, |c| is_control(c) && !matches!(c, '\n' | '\t'))
}

/// Returns a JSON text with control characters escaped as JSON escapes them.
pub(crate) fn escape_json(text: String) -> String {
    escape_as(text, is_control, |c| format!("\\u{:04x}", u32::from(c)))
}

fn escape(text: String, is_escaped: impl Fn(char) -> bool) -> String {
    escape_as(text, is_escaped, |c| c.escape_default().to_string())
}

fn escape_as(
    text: String,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(char) -> String,
) -> String {
    if !text.contains(&is_escaped) {
        return text;
    }
    let escape = |c: char| if is_escaped(c) { escape(c) } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Returns whether a character controls the terminal, ends a line or changes the direction of text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The widths are those of Python's `wcwidth`.
    #[test]
    fn the_width_is_in_cells() {
        for (text, expected) in [
            ("", 0),
            ("plain", 5),
            ("旗帜", 4),
            ("대한민국", 8),
            ("\u{1112}\u{1161}\u{11ab}", 2),
            ("ｶﾞ", 2),
            ("e\u{301}te\u{301}", 3),
            ("ประเทศไทย", 9),
            ("لا", 2),
            ("…█", 2),
            ("\u{200b}", 0),
            ("🚀", 2),
            ("👍🏽", 2),
            ("🇯🇵🇫🇷", 4),
            ("👩\u{200d}👩\u{200d}👧\u{200d}👦", 2),
            ("🏳\u{fe0f}\u{200d}🌈", 2),
            ("❤\u{fe0f}", 2),
            ("1\u{fe0f}\u{20e3}", 2),
        ] {
            assert_eq!(width(text), expected, "{text}");
        }
    }

    #[test]
    fn a_cut_text_fits_and_ends_with_an_ellipsis() {
        for (text, limit, expected) in [
            ("plain", 5, "plain"),
            ("plain", 4, "pla…"),
            ("plain", 1, "…"),
            ("plain", 0, ""),
            ("旗帜", 4, "旗帜"),
            ("旗帜", 3, "旗…"),
            ("旗帜", 2, "…"),
            ("e\u{301}te\u{301}", 3, "e\u{301}te\u{301}"),
            ("e\u{301}te\u{301}", 2, "e\u{301}…"),
            ("👩\u{200d}👩\u{200d}👧👦", 3, "👩\u{200d}👩\u{200d}👧…"),
            ("🇯🇵🇫🇷", 3, "🇯🇵…"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, limit), expected, "{text} {limit}");
        }
    }

    #[test]
    fn a_wrapped_text_breaks_at_spaces() {
        for (text, limit, indent, expected) in [
            ("one two three", 13, 2, "one two three"),
            ("one two three", 12, 2, "one two\n  three"),
            ("one two three", 7, 0, "one two\nthree"),
            ("one two three", 7, 2, "one two\n  three"),
            ("one two three", 6, 2, "one\n  two\n  thre\n  e"),
            ("  one two", 6, 4, "  one\n   two"),
            ("one abcdefgh two", 6, 1, "one ab\n cdefg\n h two"),
            ("一二三四五 六", 6, 0, "一二三\n四五\n六"),
            ("one  two ", 7, 0, "one\ntwo"),
            ("        one", 5, 8, "  one"),
            ("🚀🚀", 1, 0, "🚀\n🚀"),
        ] {
            assert_eq!(wrap(text, limit, indent), expected, "{text} {limit}");
        }
    }

    /// A quadratic algorithm would take minutes.
    #[test]
    fn long_texts_take_no_long_time() {
        for part in ["a", "a ", "é\u{301}", "👩\u{200d}"] {
            let text = part.repeat(500_000);
            assert!(width(&cut(&text, 80)) <= 80);
            assert!(!wrap(&text, 80, 4).is_empty());
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let controls = "\0\u{1b}\r\u{7f}\u{9b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}";
        let escaped = r"\u{0}\u{1b}\r\u{7f}\u{9b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}";
        assert_eq!(escape_line(format!("a\tb\n{controls}")), format!(r"a\tb\n{escaped}"));
        assert_eq!(escape_lines(format!("a\tb\n{controls}")), format!("a\tb\n{escaped}"));
        let json = format!(r#"{{"a\tb": "é{}"}}"#, &controls[3..]);
        let escaped =
            r#"{"a\tb": "é\u007f\u009b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"}"#;
        assert_eq!(escape_json(json.clone()), escaped);
        let value = |text: &str| text.parse::<phaseflag::Value>().unwrap();
        assert_eq!(value(escaped), value(&json));
        let visible = "é \u{a0}\u{2027}\u{202f}\u{2065}\u{206a}\u{200d}\u{2010}🏳";
        assert_eq!(escape_line(visible.to_owned()), visible);
        assert_eq!(escape_lines(visible.to_owned()), visible);
    }
}

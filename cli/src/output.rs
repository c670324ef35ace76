//! What is printed: text, JSON and tables, for a program that reads on or for a person.

use std::env;
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};

use crate::failure::{Failure, Status};

/// Prints a text as it is.
pub(crate) fn print(text: impl AsRef<str>) -> Result<Status, Failure> {
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_ref().as_bytes()).and_then(|()| output.flush());
    match written {
        Ok(()) => Ok(Status::Success),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
        Err(error) => Err(Failure::Other(format!("failed to write the output: {error}"))),
    }
}

/// Prints a line. A program gets the text as it is; for a person it stays a line, and does nothing
/// to the terminal.
pub(crate) fn line(text: impl Display) -> Result<Status, Failure> {
    let text = text.to_string();
    let text = if io::stdout().is_terminal() { plain(text) } else { text };
    print(text + "\n")
}

/// Prints a line of a log. The program goes on if nobody reads it.
pub(crate) fn say(text: String) {
    match line(plain(text)) {
        Ok(_) | Err(Failure::OutputClosed) => {}
        Err(failure) => warn(failure),
    }
}

/// Prints a text of several lines. A program gets it as it is; for a person it keeps its lines and
/// tabs, and does nothing else to the terminal.
pub(crate) fn document(text: String) -> Result<Status, Failure> {
    print(if io::stdout().is_terminal() { harmless(text) } else { text })
}

/// Says something that is not the answer, on standard error. What a service says may be in it.
pub(crate) fn warn(message: impl Display) {
    // Where nobody listens there is nobody to tell.
    let _ = writeln!(io::stderr(), "phaseflag: {}", plain(message.to_string()));
}

/// A colour that means something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Colour {
    None,
    Good,
    Faint,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Colour::None => "",
            Colour::Good => "\x1b[32m",
            Colour::Faint => "\x1b[2m",
        }
    }
}

/// How the output looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Whether a person reads it.
    terminal: bool,
    colours: bool,
    /// How many characters a line holds, where that is known.
    width: Option<usize>,
}

impl Look {
    /// Returns what fits the standard output.
    pub(crate) fn of_stdout() -> Look {
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let terminal = io::stdout().is_terminal();
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        Look {
            terminal,
            colours: terminal && !dumb && !set("NO_COLOR"),
            width: width.filter(|width| *width > 0),
        }
    }
}

/// Rows of cells. A person sees them aligned under a header; a program gets them with tabs
/// between.
#[derive(Debug)]
pub(crate) struct Table {
    header: &'static [&'static str],
    rows: Vec<Vec<(String, Colour)>>,
}

impl Table {
    pub(crate) fn new(header: &'static [&'static str]) -> Table {
        Table { header, rows: Vec::new() }
    }

    /// Adds a row. Control characters, which could break the row or the terminal, are escaped.
    pub(crate) fn add(&mut self, cells: impl IntoIterator<Item = (String, Colour)>) {
        let cells = cells.into_iter().map(|(text, colour)| (plain(text), colour));
        self.rows.push(cells.collect());
    }

    pub(crate) fn print(&self) -> Result<Status, Failure> {
        print(self.render(Look::of_stdout()))
    }

    fn render(&self, look: Look) -> String {
        let mut text = String::new();
        if !look.terminal {
            for row in &self.rows {
                let cells: Vec<&str> = row.iter().map(|(cell, _)| cell.as_str()).collect();
                text += &cells.join("\t");
                text += "\n";
            }
            return text;
        }
        let header: Vec<_> =
            self.header.iter().map(|name| (name.to_ascii_uppercase(), Colour::Faint)).collect();
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let cells = self.rows.iter().chain([&header]).filter_map(|row| row.get(column));
                cells.map(|(cell, _)| cell.chars().count()).max().unwrap_or_default()
            })
            .collect();
        for row in [&header].into_iter().chain(&self.rows) {
            aligned(&mut text, row, &widths, look);
        }
        text
    }
}

/// Writes a row, cut to the width of the terminal.
fn aligned(text: &mut String, row: &[(String, Colour)], widths: &[usize], look: Look) {
    let mut left = look.width.unwrap_or(usize::MAX);
    for (column, ((cell, colour), width)) in row.iter().zip(widths).enumerate() {
        let last = column + 1 == row.len();
        let cell = cut(cell, left);
        let length = cell.chars().count();
        let coloured = look.colours && *colour != Colour::None && length > 0;
        if coloured {
            text.push_str(colour.code());
        }
        text.push_str(&cell);
        if coloured {
            text.push_str("\x1b[0m");
        }
        left -= length;
        if last || left == 0 {
            break;
        }
        let gap = (width + 2).saturating_sub(length).min(left);
        let _ = write!(text, "{:gap$}", "");
        left -= gap;
    }
    while text.ends_with(' ') {
        text.pop();
    }
    text.push('\n');
}

/// Returns as much of a text as fits, with a mark where something is missing.
fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        false => text.to_owned(),
        true => {
            text.chars().take(width.saturating_sub(1)).chain((width > 0).then_some('…')).collect()
        }
    }
}

/// Returns a text that stays on its line and within its cell.
pub(crate) fn plain(text: String) -> String {
    escaped(text, steers)
}

/// Returns a text that does no more to a terminal than to fill lines.
fn harmless(text: String) -> String {
    escaped(text, |c| steers(c) && !matches!(c, '\n' | '\t'))
}

fn escaped(text: String, is_escaped: impl Fn(char) -> bool) -> String {
    if !text.contains(&is_escaped) {
        return text;
    }
    let escaped = |c: char| match is_escaped(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Whether a character does something other than to be seen: it controls the terminal, ends a
/// line, or turns the direction of the text around.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["key", "state"]);
        table.add([("a-flag".to_owned(), Colour::None), ("on".to_owned(), Colour::Good)]);
        table.add([("b\tc\x1b".to_owned(), Colour::None), ("off".to_owned(), Colour::None)]);
        table
    }

    fn render(terminal: bool, colours: bool, width: Option<usize>) -> String {
        table().render(Look { terminal, colours, width })
    }

    #[test]
    fn programs_get_tabs() {
        assert_eq!(render(false, false, Some(3)), "a-flag\ton\nb\\tc\\u{1b}\toff\n");
    }

    #[test]
    fn people_see_columns() {
        assert_eq!(
            render(true, false, None),
            "KEY         STATE\na-flag      on\nb\\tc\\u{1b}  off\n"
        );
    }

    #[test]
    fn people_see_colours() {
        let text = render(true, true, None);
        assert!(text.contains("a-flag      \x1b[32mon\x1b[0m\n"), "{text:?}");
        assert!(text.starts_with("\x1b[2mKEY\x1b[0m "), "{text:?}");
        assert!(text.ends_with("  off\n"), "{text:?}");
    }

    #[test]
    fn lines_are_cut_to_the_width() {
        assert_eq!(render(true, false, Some(8)), "KEY\na-flag\nb\\tc\\u{…\n");
        assert_eq!(
            render(true, false, Some(14)),
            "KEY         S…\na-flag      on\nb\\tc\\u{1b}  o…\n"
        );
        assert_eq!(render(true, true, Some(1)).matches('…').count(), 3);
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        let harmful = "\0\u{1b}\r\u{7f}\u{9b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}";
        let escaped = r"\u{0}\u{1b}\r\u{7f}\u{9b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}";
        assert_eq!(plain(format!("a\tb\n{harmful}")), format!(r"a\tb\n{escaped}"));
        assert_eq!(harmless(format!("a\tb\n{harmful}")), format!("a\tb\n{escaped}"));
        let seen = "é \u{a0}\u{2027}\u{202f}\u{2065}\u{206a}\u{200d}\u{2010}🏳";
        assert_eq!(plain(seen.to_owned()), seen);
        assert_eq!(harmless(seen.to_owned()), seen);
    }
}

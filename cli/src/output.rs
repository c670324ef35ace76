//! Prints text, JSON and tables, plain for programs and formatted for a terminal.

use std::env;
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};

use crate::failure::{Failure, Status};

/// Prints a text unchanged.
///
/// # Errors
///
/// [`Failure::OutputClosed`] if the reader has closed the pipe, any other failure to write otherwise.
pub(crate) fn print(text: impl AsRef<str>) -> Result<Status, Failure> {
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_ref().as_bytes()).and_then(|()| output.flush());
    match written {
        Ok(()) => Ok(Status::Success),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
        Err(error) => Err(Failure::Other(format!("failed to write the output: {error}"))),
    }
}

/// Prints a line. On a terminal, control characters are escaped; elsewhere the text is unchanged.
pub(crate) fn line(text: impl Display) -> Result<Status, Failure> {
    let text = text.to_string();
    let text = if io::stdout().is_terminal() { escape_line(text) } else { text };
    print(text + "\n")
}

/// Prints a log line. A closed output is not an error.
pub(crate) fn log(text: String) {
    match line(escape_line(text)) {
        Ok(_) | Err(Failure::OutputClosed) => {}
        Err(failure) => warn(failure),
    }
}

/// Prints a text of several lines. On a terminal, control characters other than line ends and tabs
/// are escaped; elsewhere the text is unchanged.
pub(crate) fn document(text: String) -> Result<Status, Failure> {
    print(if io::stdout().is_terminal() { escape_lines(text) } else { text })
}

/// Prints a message to standard error. Control characters are escaped, since it may quote a service.
pub(crate) fn warn(message: impl Display) {
    // A closed standard error cannot be reported.
    let _ = writeln!(io::stderr(), "phaseflag: {}", escape_line(message.to_string()));
}

/// The colour of a cell, by its meaning.
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

/// How a table is formatted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Whether the output is a terminal.
    terminal: bool,
    colours: bool,
    /// The width of a line in characters; `None` if it is unlimited.
    width: Option<usize>,
}

impl Look {
    /// Returns the format for standard output.
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

/// Rows of cells: aligned under a header on a terminal, separated by tabs without a header elsewhere.
#[derive(Debug)]
pub(crate) struct Table {
    header: &'static [&'static str],
    rows: Vec<Vec<(String, Colour)>>,
}

impl Table {
    pub(crate) fn new(header: &'static [&'static str]) -> Table {
        Table { header, rows: Vec::new() }
    }

    /// Adds a row. Control characters are escaped.
    pub(crate) fn add(&mut self, cells: impl IntoIterator<Item = (String, Colour)>) {
        let cells = cells.into_iter().map(|(text, colour)| (escape_line(text), colour));
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

/// Returns a text cut to a width; the last character is `…` if something is missing.
fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        false => text.to_owned(),
        true => {
            text.chars().take(width.saturating_sub(1)).chain((width > 0).then_some('…')).collect()
        }
    }
}

/// Returns a text with all control characters escaped, so that it stays on its line.
pub(crate) fn escape_line(text: String) -> String {
    escape(text, is_control)
}

/// Returns a text with control characters escaped, except line ends and tabs.
fn escape_lines(text: String) -> String {
    escape(text, |c| is_control(c) && !matches!(c, '\n' | '\t'))
}

fn escape(text: String, is_escaped: impl Fn(char) -> bool) -> String {
    if !text.contains(&is_escaped) {
        return text;
    }
    let escape = |c: char| match is_escaped(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
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
    fn a_pipe_gets_tabs() {
        assert_eq!(render(false, false, Some(3)), "a-flag\ton\nb\\tc\\u{1b}\toff\n");
    }

    #[test]
    fn a_terminal_gets_columns() {
        assert_eq!(
            render(true, false, None),
            "KEY         STATE\na-flag      on\nb\\tc\\u{1b}  off\n"
        );
    }

    #[test]
    fn a_terminal_gets_colours() {
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
    fn control_characters_are_escaped() {
        let controls = "\0\u{1b}\r\u{7f}\u{9b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}";
        let escaped = r"\u{0}\u{1b}\r\u{7f}\u{9b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}";
        assert_eq!(escape_line(format!("a\tb\n{controls}")), format!(r"a\tb\n{escaped}"));
        assert_eq!(escape_lines(format!("a\tb\n{controls}")), format!("a\tb\n{escaped}"));
        let visible = "é \u{a0}\u{2027}\u{202f}\u{2065}\u{206a}\u{200d}\u{2010}🏳";
        assert_eq!(escape_line(visible.to_owned()), visible);
        assert_eq!(escape_lines(visible.to_owned()), visible);
    }
}

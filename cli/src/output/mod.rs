//! Prints text, JSON and tables, plain for programs and formatted for a terminal.
//!
//! - `look` decides about colours, and knows the width of the terminal.
//! - `text` measures, cuts, wraps and escapes text.
//! - `table` aligns columns.

mod look;
mod table;
mod text;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

pub(crate) use self::look::{Colour, Look, When, use_colours};
pub(crate) use self::table::{Cell, Table, rounded};
pub(crate) use self::text::{cut, escape_json, escape_line, width, wrap};

use phaseflag::{Object, Value};

use self::text::escape_lines;
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

/// Returns a JSON object. One function for any number of members, since `Object::from` is compiled for
/// each.
pub(crate) fn object(members: Vec<(&'static str, Value)>) -> Object {
    members.into_iter().collect()
}

/// Prints JSON on a line. Control characters are escaped, which does not change its meaning.
pub(crate) fn json(value: impl Into<Value>) -> Result<Status, Failure> {
    print(escape_json(value.into().to_string()) + "\n")
}

/// Prints a text of several lines. On a terminal, control characters other than line ends and tabs
/// are escaped; elsewhere the text is unchanged.
pub(crate) fn document(text: String) -> Result<Status, Failure> {
    print(if io::stdout().is_terminal() { escape_lines(text) } else { text })
}

/// Prints a warning to standard error. Control characters are escaped, since it may quote a service.
pub(crate) fn warn(message: impl Display) {
    message_in(Colour::Warning, &message.to_string());
}

/// Prints an error to standard error, as [`warn`] prints a warning.
pub(crate) fn error(message: impl Display) {
    message_in(Colour::Bad, &message.to_string());
}

fn message_in(colour: Colour, message: &str) {
    const NAME: &str = "phaseflag:";
    let look = Look::of_stderr();
    let line = format!("{NAME} {}", escape_line(message.to_owned()));
    let line = wrap(&line, look.width().unwrap_or(usize::MAX), 2);
    // A closed standard error cannot be reported.
    let _ = writeln!(io::stderr(), "{}", line.replacen(NAME, &look.paint(colour, NAME), 1));
}

//! How output looks: plain for programs, with colours and within the width for a terminal.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU8, Ordering};

use terminal_size::{Width, terminal_size_of};

/// When output has colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    /// On a terminal that can show them, unless the environment says otherwise.
    Auto,
    Always,
    Never,
}

impl When {
    /// Returns the value of this name, or `None`.
    pub(crate) fn named(name: &str) -> Option<When> {
        match name {
            "auto" => Some(When::Auto),
            "always" => Some(When::Always),
            "never" => Some(When::Never),
            _ => None,
        }
    }
}

/// The choice of the user, as a number of [`When`].
static CHOICE: AtomicU8 = AtomicU8::new(When::Auto as u8);

/// Sets when output has colours. The default is [`When::Auto`].
pub(crate) fn use_colours(when: When) {
    CHOICE.store(when as u8, Ordering::Relaxed);
}

/// The colour of a text, by its meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Colour {
    None,
    /// On, true, or a condition that holds.
    Good,
    /// An error, a problem, or a condition that fails.
    Bad,
    /// A warning.
    Warning,
    /// What matters less.
    Faint,
    /// A heading.
    Strong,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Colour::None => "",
            Colour::Good => "\x1b[32m",
            Colour::Bad => "\x1b[31m",
            Colour::Warning => "\x1b[33m",
            Colour::Faint => "\x1b[2m",
            Colour::Strong => "\x1b[1m",
        }
    }
}

/// How one output looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    terminal: bool,
    colours: bool,
    width: Option<usize>,
}

impl Look {
    /// Returns the look of standard output.
    pub(crate) fn of_stdout() -> Look {
        let terminal = io::stdout().is_terminal();
        Look::of(terminal, || terminal_size_of(io::stdout()).map(|(Width(width), _)| width))
    }

    /// Returns the look of standard error.
    pub(crate) fn of_stderr() -> Look {
        let terminal = io::stderr().is_terminal();
        Look::of(terminal, || terminal_size_of(io::stderr()).map(|(Width(width), _)| width))
    }

    fn of(terminal: bool, measured: impl FnOnce() -> Option<u16>) -> Look {
        let columns = || env::var("COLUMNS").ok()?.parse::<u16>().ok().filter(|width| *width > 0);
        let width = terminal.then(|| columns().or_else(measured)).flatten();
        Look { terminal, colours: has_colours(terminal), width: width.map(usize::from) }
    }

    /// Returns whether the output is a terminal.
    pub(crate) fn is_terminal(self) -> bool {
        self.terminal
    }

    /// Returns whether the output is a terminal that can replace what it shows.
    pub(crate) fn redraws(self) -> bool {
        self.terminal && !is_dumb() && console_has_colours()
    }

    /// Returns the width of a line in cells: `COLUMNS` if it is set, otherwise that of the terminal.
    /// `None` if the output is no terminal, or its width is not known.
    pub(crate) fn width(self) -> Option<usize> {
        self.width
    }

    /// Returns a text in a colour, or unchanged if the output has no colours. The text must be
    /// escaped and cut before: colours have no width.
    pub(crate) fn paint(self, colour: Colour, text: &str) -> String {
        match self.colours && colour != Colour::None && !text.is_empty() {
            true => format!("{}{text}\x1b[0m", colour.code()),
            false => text.to_owned(),
        }
    }
}

/// Returns whether an output has colours. `--color` decides, then `NO_COLOR`, `CLICOLOR_FORCE` and
/// `CLICOLOR`, then the terminal.
fn has_colours(terminal: bool) -> bool {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let choice = CHOICE.load(Ordering::Relaxed);
    let wanted = if choice == When::Always as u8 {
        true
    } else if choice == When::Never as u8 || set("NO_COLOR").is_some() {
        false
    } else if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        true
    } else if set("CLICOLOR").is_some_and(|value| value == "0") {
        false
    } else {
        terminal && !is_dumb()
    };
    wanted && (!terminal || console_has_colours())
}

/// Returns whether the terminal shows plain text only.
fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Makes the console understand colours. Returns whether it does: old versions of Windows do not.
fn console_has_colours() -> bool {
    #[cfg(windows)]
    {
        anstyle_query::windows::enable_ansi_colors().unwrap_or(true)
    }
    #[cfg(not(windows))]
    {
        true
    }
}

#[cfg(test)]
impl Look {
    pub(crate) fn new(terminal: bool, colours: bool, width: Option<usize>) -> Look {
        Look { terminal, colours, width }
    }
}

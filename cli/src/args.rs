//! The command line, read against the tables of the commands.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::time::Duration;

use lexopt::Arg;
use phaseflag::Value;

use crate::failure::{Failure, Status};

/// A command: what the command line, the help and the completions know of it.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// The words that must follow, such as `KEY`.
    pub(crate) words: &'static [&'static str],
    /// What it does, in one line without a period.
    pub(crate) about: &'static str,
    /// What else there is to know.
    pub(crate) details: &'static str,
    pub(crate) options: &'static [&'static [Choice]],
    /// Command lines.
    pub(crate) examples: &'static [&'static str],
    pub(crate) run: fn(&Arguments) -> Result<Status, Failure>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.name).finish()
    }
}

impl Command {
    /// Returns every option of the command.
    pub(crate) fn choices(&self) -> impl Iterator<Item = &'static Choice> {
        self.options.iter().copied().flatten()
    }

    fn usage(&self, message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), command: self.name }
    }
}

/// An option of a command.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Such as `--output`.
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    /// The name of its value; empty where it takes none.
    pub(crate) value: &'static str,
    /// What it does, in one line without a period.
    pub(crate) about: &'static str,
}

impl Choice {
    /// Returns an option that takes no value.
    pub(crate) const fn switch(name: &'static str, about: &'static str) -> Choice {
        Choice { name, short: None, value: "", about }
    }

    /// Returns an option that takes a value.
    pub(crate) const fn with(
        name: &'static str,
        value: &'static str,
        about: &'static str,
    ) -> Choice {
        Choice { name, short: None, value, about }
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// The help of a command, or of the program.
    Help(Option<&'static Command>),
    Version,
    Run(&'static Command, Arguments),
}

/// What was given to a command: its options in their order, and its words.
#[derive(Debug)]
pub(crate) struct Arguments {
    command: &'static str,
    given: Vec<(&'static str, OsString)>,
    words: Vec<OsString>,
}

/// Reads the command line. Some options may also stand before the command.
pub(crate) fn read(
    mut parser: lexopt::Parser,
    commands: &[&'static Command],
    before: &'static [Choice],
) -> Result<Invocation, Failure> {
    let mut given = Vec::new();
    loop {
        let Some(token) = Token::next(&mut parser, "")? else {
            return Err(no_command("a command is missing"));
        };
        match token {
            Token::Option(name) => match name.as_str() {
                "--help" | "-h" => return Ok(Invocation::Help(None)),
                "--version" | "-V" => return Ok(Invocation::Version),
                _ => given.push(take(&mut parser, &name, before.iter(), "")?),
            },
            Token::Word(name) => {
                let found = commands.iter().find(|command| name == command.name);
                return match found {
                    Some(command) => read_command(parser, command, given),
                    None if name == "help" => read_help(&mut parser, commands),
                    None => Err(no_command(format!("unknown command `{}`", name.display()))),
                };
            }
        }
    }
}

fn no_command(message: impl Into<String>) -> Failure {
    Failure::Usage { message: message.into(), command: "" }
}

/// Reads what follows `help`.
fn read_help(
    parser: &mut lexopt::Parser,
    commands: &[&'static Command],
) -> Result<Invocation, Failure> {
    match Token::next(parser, "")? {
        None | Some(Token::Option(_)) => Ok(Invocation::Help(None)),
        Some(Token::Word(name)) => {
            let found = commands.iter().find(|command| name == command.name);
            let unknown = || no_command(format!("unknown command `{}`", name.display()));
            Ok(Invocation::Help(Some(found.ok_or_else(unknown)?)))
        }
    }
}

fn read_command(
    mut parser: lexopt::Parser,
    command: &'static Command,
    mut given: Vec<(&'static str, OsString)>,
) -> Result<Invocation, Failure> {
    let mut words = Vec::new();
    while let Some(token) = Token::next(&mut parser, command.name)? {
        match token {
            Token::Option(name) if name == "--help" || name == "-h" => {
                return Ok(Invocation::Help(Some(command)));
            }
            Token::Option(name) => {
                given.push(take(&mut parser, &name, command.choices(), command.name)?);
            }
            Token::Word(word) if words.len() < command.words.len() => words.push(word),
            Token::Word(word) => {
                return Err(command.usage(format!("unexpected argument `{}`", word.display())));
            }
        }
    }
    if let Some(missing) = command.words.get(words.len()) {
        return Err(command.usage(format!("`{}` needs {missing}", command.name)));
    }
    Ok(Invocation::Run(command, Arguments { command: command.name, given, words }))
}

/// Takes an option, and its value where it has one.
fn take(
    parser: &mut lexopt::Parser,
    name: &str,
    mut choices: impl Iterator<Item = &'static Choice>,
    command: &'static str,
) -> Result<(&'static str, OsString), Failure> {
    let usage = |message| Failure::Usage { message, command };
    let is_it = |choice: &&Choice| {
        choice.name == name
            || choice
                .short
                .is_some_and(|short| name.strip_prefix('-') == Some(short.encode_utf8(&mut [0; 4])))
    };
    let choice = choices.find(is_it).ok_or_else(|| usage(format!("unknown option `{name}`")))?;
    if choice.value.is_empty() {
        return Ok((choice.name, OsString::new()));
    }
    let value = parser.value();
    value
        .map(|value| (choice.name, value))
        .map_err(|_| usage(format!("`{}` needs {}", choice.name, choice.value)))
}

/// A piece of the command line that borrows nothing of the parser.
enum Token {
    /// With its dashes.
    Option(String),
    Word(OsString),
}

impl Token {
    fn next(parser: &mut lexopt::Parser, command: &'static str) -> Result<Option<Token>, Failure> {
        let usage = |error: lexopt::Error| Failure::Usage { message: error.to_string(), command };
        Ok(parser.next().map_err(usage)?.map(|argument| match argument {
            Arg::Long(name) => Token::Option(format!("--{name}")),
            Arg::Short(name) => Token::Option(format!("-{name}")),
            Arg::Value(word) => Token::Word(word),
        }))
    }
}

impl Arguments {
    /// Returns an error of usage that points to the help of the command.
    pub(crate) fn usage(&self, message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), command: self.command }
    }

    /// Returns whether an option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// Returns the value of an option as it came; of several, the last one.
    pub(crate) fn raw(&self, name: &str) -> Option<&OsStr> {
        let mut given = self.given.iter().rev();
        given.find(|(given, _)| *given == name).map(|(_, value)| value.as_os_str())
    }

    /// Returns the value of an option; of several, the last one.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        let not_text = || self.usage(format!("the value of `{name}` is no text"));
        self.raw(name).map(|value| value.to_str().ok_or_else(not_text)).transpose()
    }

    /// Returns every option with its value, in the order in which they were given.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        self.given.iter().map(|(name, value)| (*name, value.as_os_str()))
    }

    /// Returns the time that an option sets in seconds, such as `30` or `0.5`.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, Failure> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        // The standard library's own way to read floats would be 30 kB of the program.
        let seconds = text.parse::<Value>().ok().and_then(|seconds| seconds.as_f64());
        let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let not_seconds =
            || self.usage(format!("`{name}` needs a number of seconds, not `{text}`"));
        seconds.map(Some).ok_or_else(not_seconds)
    }

    /// Returns a word as it came.
    pub(crate) fn raw_word(&self, position: usize) -> &OsStr {
        self.words.get(position).map(OsString::as_os_str).unwrap_or_default()
    }

    /// Returns a word.
    pub(crate) fn word(&self, position: usize) -> Result<&str, Failure> {
        let word = self.raw_word(position);
        word.to_str().ok_or_else(|| self.usage(format!("`{}` is no text", word.display())))
    }
}

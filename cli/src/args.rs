//! Parses the command line by the options and positionals that each command declares.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::time::Duration;

use lexopt::Arg;
use phaseflag::Value;

use crate::failure::{Failure, Status};
use crate::output::{self, When};
use crate::similar;

/// The options of every command.
pub(crate) const COMMON: [OptionSpec; 1] = [OptionSpec::with_value(
    "--color",
    "WHEN",
    "use colours: auto, always or never [default: auto]",
)];

/// A command, as the parser, the help and the completions know it.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// The positional arguments, such as `KEY`; the last ones may be optional, such as `[DIR]`.
    pub(crate) positionals: &'static [&'static str],
    /// One line without a period.
    pub(crate) about: &'static str,
    /// A longer description, for `--help`.
    pub(crate) details: &'static str,
    /// The options, in groups that commands share.
    pub(crate) options: &'static [&'static [OptionSpec]],
    /// Example command lines, for `--help`.
    pub(crate) examples: &'static [&'static str],
    pub(crate) run: fn(&Arguments) -> Result<Status, Failure>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.name).finish()
    }
}

impl Command {
    /// Returns the options of the command.
    pub(crate) fn option_specs(&self) -> impl Iterator<Item = &'static OptionSpec> {
        self.options.iter().copied().flatten().chain(&COMMON)
    }

    fn usage(&self, message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), command: self.name }
    }
}

/// An option that a command accepts.
#[derive(Debug)]
pub(crate) struct OptionSpec {
    /// The long name, such as `--output`.
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    /// The placeholder of its value, such as `FILE`; empty if it takes none.
    pub(crate) value: &'static str,
    /// One line without a period.
    pub(crate) about: &'static str,
}

impl OptionSpec {
    /// Returns an option that takes no value.
    pub(crate) const fn switch(name: &'static str, about: &'static str) -> OptionSpec {
        OptionSpec { name, short: None, value: "", about }
    }

    /// Returns an option that takes a value.
    pub(crate) const fn with_value(
        name: &'static str,
        value: &'static str,
        about: &'static str,
    ) -> OptionSpec {
        OptionSpec { name, short: None, value, about }
    }

    /// Returns the option with a short name, too.
    pub(crate) const fn short(self, short: char) -> OptionSpec {
        OptionSpec { short: Some(short), ..self }
    }

    /// Returns whether this is the option of a name, long or short, with its dashes.
    fn has_name(&self, name: &str) -> bool {
        let short =
            |short: char| name.strip_prefix('-').is_some_and(|name| name.chars().eq([short]));
        self.name == name || self.short.is_some_and(short)
    }
}

/// A parsed command line.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Help for a command, or for the program if `None`.
    Help(Option<&'static Command>),
    Version,
    Run(&'static Command, Arguments),
}

/// The arguments of a command.
#[derive(Debug)]
pub(crate) struct Arguments {
    command: &'static str,
    /// The options and their values, in the order of the command line.
    options: Vec<(&'static str, OsString)>,
    positionals: Vec<OsString>,
}

/// Parses the command line. The `global` options are also accepted before the command.
///
/// # Errors
///
/// [`Failure::Usage`] for anything that the command does not declare.
pub(crate) fn parse(
    mut parser: lexopt::Parser,
    commands: &[&'static Command],
    global: &'static [OptionSpec],
) -> Result<Invocation, Failure> {
    let mut options = Vec::new();
    loop {
        let specs = || global.iter().chain(&COMMON);
        match Token::next(&mut parser, "")? {
            None if options.iter().all(|(name, _)| *name == "--color") => {
                return Ok(Invocation::Help(None));
            }
            None => return Err(no_command("a command is missing")),
            Some(Token::Option(name)) => match name.as_str() {
                "--help" | "-h" => return Ok(help(parser, None)),
                "--version" | "-V" => return Ok(Invocation::Version),
                _ if specs().all(|spec| !spec.has_name(&name)) => {
                    return Err(unknown_option_before_the_command(&name, commands, specs()));
                }
                _ => options.push(take(&mut parser, &name, specs(), "")?),
            },
            Some(Token::Word(name)) if name == "help" => return parse_help(&mut parser, commands),
            Some(Token::Word(name)) => {
                return parse_command(parser, find(commands, &name)?, options);
            }
        }
    }
}

/// Returns the help, for which nothing but `--color` matters in the rest of the command line.
fn help(mut parser: lexopt::Parser, command: Option<&'static Command>) -> Invocation {
    while let Ok(Some(token)) = Token::next(&mut parser, "") {
        if let Token::Option(name) = token {
            let _ = take(&mut parser, &name, COMMON.iter(), "");
        }
    }
    Invocation::Help(command)
}

fn no_command(message: impl Into<String>) -> Failure {
    Failure::Usage { message: message.into(), command: "" }
}

fn unknown_option_before_the_command(
    name: &str,
    commands: &[&'static Command],
    specs: impl Iterator<Item = &'static OptionSpec>,
) -> Failure {
    let of_a_command = commands.iter().flat_map(|command| command.option_specs());
    no_command(match of_a_command.into_iter().any(|spec| spec.has_name(name)) {
        true => format!("the option `{name}` must come after the command"),
        false => {
            let known = specs.map(|spec| spec.name).chain(["--help", "--version"]);
            format!("unknown option `{name}`{}", similar::hint(name, known))
        }
    })
}

/// Looks up a command.
fn find(commands: &[&'static Command], name: &OsStr) -> Result<&'static Command, Failure> {
    let found = commands.iter().find(|command| name == command.name).copied();
    found.ok_or_else(|| {
        let name = name.display().to_string();
        let known = commands.iter().map(|command| command.name).chain(["help"]);
        no_command(format!("unknown command `{name}`{}", similar::hint(&name, known)))
    })
}

/// Parses the arguments of `phaseflag help`.
fn parse_help(
    parser: &mut lexopt::Parser,
    commands: &[&'static Command],
) -> Result<Invocation, Failure> {
    match Token::next(parser, "")? {
        None | Some(Token::Option(_)) => Ok(Invocation::Help(None)),
        Some(Token::Word(name)) => Ok(Invocation::Help(Some(find(commands, &name)?))),
    }
}

fn parse_command(
    mut parser: lexopt::Parser,
    command: &'static Command,
    mut options: Vec<(&'static str, OsString)>,
) -> Result<Invocation, Failure> {
    let mut positionals = Vec::new();
    while let Some(token) = Token::next(&mut parser, command.name)? {
        match token {
            Token::Option(name) if name == "--help" || name == "-h" => {
                return Ok(help(parser, Some(command)));
            }
            Token::Option(name) => {
                options.push(take(&mut parser, &name, command.option_specs(), command.name)?);
            }
            Token::Word(word) if positionals.len() < command.positionals.len() => {
                positionals.push(word);
            }
            Token::Word(word) => {
                let meant = meant_pair(options.last(), &word);
                let word = word.display();
                return Err(command.usage(format!("unexpected argument `{word}`{meant}")));
            }
        }
    }
    let missing = command.positionals.get(positionals.len());
    if let Some(missing) = missing.filter(|name| !name.starts_with('[')) {
        return Err(command.usage(format!("`{}` needs {missing}", command.name)));
    }
    Ok(Invocation::Run(command, Arguments { command: command.name, options, positionals }))
}

/// Returns the end of an error about a word after an option that needs NAME=VALUE, if the two words
/// were meant as one.
fn meant_pair(option: Option<&(&'static str, OsString)>, word: &OsStr) -> String {
    match option {
        Some((option @ ("--attr" | "--attr-text"), name)) if !contains_equals(name) => {
            let (name, word) = (name.display(), word.display());
            format!(": did you mean `{option} {name}={word}`?")
        }
        _ => String::new(),
    }
}

fn contains_equals(text: &OsStr) -> bool {
    text.as_encoded_bytes().contains(&b'=')
}

/// Looks up an option, and takes its value if it has one.
fn take(
    parser: &mut lexopt::Parser,
    name: &str,
    specs: impl Iterator<Item = &'static OptionSpec>,
    command: &'static str,
) -> Result<(&'static str, OsString), Failure> {
    let usage = |message| Failure::Usage { message, command };
    let specs: Vec<&OptionSpec> = specs.collect();
    let Some(spec) = specs.iter().find(|spec| spec.has_name(name)) else {
        let known = specs.iter().map(|spec| spec.name).chain(["--help"]);
        return Err(usage(format!("unknown option `{name}`{}", similar::hint(name, known))));
    };
    if spec.value.is_empty() {
        return Ok((spec.name, OsString::new()));
    }
    let value = match parser.optional_value() {
        Some(value) => value,
        None => {
            let value = parser.value();
            let value =
                value.map_err(|_| usage(format!("`{}` needs {}", spec.name, spec.value)))?;
            let option = value.to_str().filter(|it| specs.iter().any(|spec| spec.has_name(it)));
            if let Some(other) = option {
                let (name, value) = (spec.name, spec.value);
                return Err(usage(format!(
                    "`{name}` needs {value}, not the option `{other}`: \
                     write `{name}={other}` if that is the value"
                )));
            }
            value
        }
    };
    if spec.name == "--color" {
        // Now, because it also applies to the help, and to errors of this command line.
        let when = value.to_str().and_then(When::named);
        output::use_colours(when.ok_or_else(|| {
            usage(format!("`--color` needs auto, always or never, not `{}`", value.display()))
        })?);
    }
    Ok((spec.name, value))
}

/// An argument that does not borrow from the parser, as `lexopt::Arg` does.
enum Token {
    /// With its dashes.
    Option(String),
    Word(OsString),
}

impl Token {
    fn next(parser: &mut lexopt::Parser, command: &'static str) -> Result<Option<Token>, Failure> {
        let usage = |error: lexopt::Error| Failure::Usage {
            message: match error {
                lexopt::Error::UnexpectedValue { option, value } => {
                    format!("`{option}` takes no value, but was given `{}`", value.display())
                }
                error => error.to_string(),
            },
            command,
        };
        Ok(parser.next().map_err(usage)?.map(|argument| match argument {
            Arg::Long(name) => Token::Option(format!("--{name}")),
            Arg::Short(name) => Token::Option(format!("-{name}")),
            Arg::Value(word) => Token::Word(word),
        }))
    }
}

impl Arguments {
    /// Returns a usage error that refers to the help of the command.
    pub(crate) fn usage(&self, message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), command: self.command }
    }

    /// Returns whether an option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// Returns the value of an option; the last one wins.
    pub(crate) fn raw(&self, name: &str) -> Option<&OsStr> {
        let mut options = self.options.iter().rev();
        options.find(|(given, _)| *given == name).map(|(_, value)| value.as_os_str())
    }

    /// Returns the value of an option as text; the last one wins.
    ///
    /// # Errors
    ///
    /// A usage error if the value is not UTF-8.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        let not_utf8 = || self.usage(format!("the value of `{name}` is not UTF-8"));
        self.raw(name).map(|value| value.to_str().ok_or_else(not_utf8)).transpose()
    }

    /// Returns all values of an option that may be given several times.
    ///
    /// # Errors
    ///
    /// A usage error if one is not UTF-8.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&str>, Failure> {
        let given = self.options().filter(|(given, _)| *given == name);
        let not_utf8 = || self.usage(format!("the value of `{name}` is not UTF-8"));
        given.map(|(_, value)| value.to_str().ok_or_else(not_utf8)).collect()
    }

    /// Returns the options with their values, in the order of the command line.
    pub(crate) fn options(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        self.options.iter().map(|(name, value)| (*name, value.as_os_str()))
    }

    /// Returns the value of an option in seconds, such as `30` or `0.5`.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, Failure> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        // The float parser of the standard library would add 30 kB to the binary.
        let seconds = text.parse::<Value>().ok().and_then(|seconds| seconds.as_f64());
        let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let not_seconds = || {
            let meant = in_seconds(text)
                .map_or_else(String::new, |seconds| format!(": write `{name} {seconds}`"));
            self.usage(format!("`{name}` needs a number of seconds, not `{text}`{meant}"))
        };
        seconds.map(Some).ok_or_else(not_seconds)
    }

    /// Returns a positional argument; empty if it is optional and missing.
    pub(crate) fn raw_positional(&self, position: usize) -> &OsStr {
        self.positionals.get(position).map(OsString::as_os_str).unwrap_or_default()
    }

    /// Returns a positional argument as text.
    ///
    /// # Errors
    ///
    /// A usage error if it is not UTF-8.
    pub(crate) fn positional(&self, position: usize) -> Result<&str, Failure> {
        let word = self.raw_positional(position);
        word.to_str().ok_or_else(|| self.usage(format!("`{}` is not UTF-8", word.display())))
    }
}

/// Returns the seconds of a number with a unit, such as `500ms`; `None` if no option accepts them.
fn in_seconds(text: &str) -> Option<String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let number = number.parse::<Value>().ok()?.as_f64().filter(|number| *number >= 0.0)?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" | "sec" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|it| !it.is_zero())?;
    let seconds = Value::from(seconds).to_string();
    Some(seconds.strip_suffix(".0").unwrap_or(&seconds).to_owned())
}

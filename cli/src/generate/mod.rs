//! `phaseflag generate`: writes code with a typed function for each flag.

mod flag;
mod layout;
mod names;
mod rust;
mod shape;
mod structs;
mod template;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use phaseflag::{Object, Value};

#[cfg(feature = "refs")]
pub(crate) use self::rust::{HEADER, names as function_names};

use self::rust::Function;
use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::{client, output, pull, rules};

pub(crate) const COMMAND: Command = Command {
    name: "generate",
    positionals: &["LANGUAGE", "FILE"],
    about: "Generate code with a typed function for each flag",
    details: "The language is `rust`. The code is a module of a crate that depends on `phaseflag`, with a\n\
              function for each flag of the file: a key that is gone no longer compiles. The type is\n\
              that of the variations: bool, f64, String, an enum of short strings, a struct if all\n\
              JSON objects fit one, otherwise Value. The default is the default variation of the flag.\n\
              `-` is standard input.\n",
    options: &[&[
        OptionSpec {
            name: "--output",
            short: Some('o'),
            value: "FILE",
            about: "the file to write; `-` is standard output, the default",
        },
        OptionSpec::switch("--check", "write nothing; exit with 1 if the file is out of date"),
        OptionSpec::switch("--json", "print a JSON object: the functions, and what was written"),
        client::ENVIRONMENT,
    ]],
    examples: &[
        "phaseflag generate rust flags.json -o src/flags.rs",
        "phaseflag generate rust flags.json -o src/flags.rs --check",
        "phaseflag pull | phaseflag generate rust - > src/flags.rs",
    ],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    match arguments.positional(0)? {
        "rust" => {}
        other => return Err(arguments.usage(format!("unknown language `{other}`: use rust"))),
    }
    let target = arguments.raw("--output").filter(|path| *path != "-").map(Path::new);
    if arguments.has("--check") && target.is_none() {
        return Err(arguments.usage("`--check` needs `--output FILE`"));
    }
    let source = Path::new(arguments.raw_positional(1));
    let environment = client::environment(arguments)?;
    let rules = rules::read(source, environment.as_deref())?;
    let functions = rust::functions(&flag::flags(&rules))?;
    let code = rust::module(&functions);
    let Some(target) = target else {
        return match arguments.has("--json") {
            true => output::json(object(&functions, None, Some(&code))),
            false => output::print(code),
        };
    };
    let up_to_date = is_up_to_date(target, &code)?;
    if !up_to_date && !arguments.has("--check") {
        pull::replace(target, code.as_bytes()).map_err(|error| {
            Failure::Other(format!("failed to write `{}`: {error}", target.display()))
        })?;
    }
    if arguments.has("--json") {
        output::json(object(&functions, Some((target.as_os_str(), up_to_date)), None))?;
    } else if arguments.has("--check") && !up_to_date {
        let (target, source) = (target.display(), source.display());
        let more = match arguments.raw("--environment") {
            Some(name) => format!(" --environment {}", name.display()),
            None => String::new(),
        };
        output::line(output::escape_line(format!(
            "{target} is out of date: run `phaseflag generate rust {source} -o {target}{more}`"
        )))?;
    }
    match arguments.has("--check") && !up_to_date {
        true => Ok(Status::Negative),
        false => Ok(Status::Success),
    }
}

/// Returns whether a file has this content. Line ends may be those of Windows.
fn is_up_to_date(path: &Path, code: &str) -> Result<bool, Failure> {
    // A pipe or a device is never read.
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(false);
    }
    let text = fs::read(path)
        .map_err(|error| Failure::Other(format!("failed to read `{}`: {error}", path.display())))?;
    Ok(String::from_utf8_lossy(&text).replace("\r\n", "\n") == code)
}

fn object(functions: &[Function], file: Option<(&OsStr, bool)>, code: Option<&str>) -> Value {
    let function = |it: &Function| {
        Object::from([
            ("key", Value::from(it.key.as_str())),
            ("function", Value::from(it.name.as_str())),
            ("type", Value::from(it.result.as_str())),
        ])
    };
    let path = file.map(|(path, _)| path.display().to_string());
    Value::from(Object::from([
        ("flags", functions.iter().map(function).collect()),
        ("file", Value::from(path)),
        ("up_to_date", file.map_or(Value::Null, |(_, up_to_date)| Value::from(up_to_date))),
        ("code", code.map_or(Value::Null, Value::from)),
    ]))
}

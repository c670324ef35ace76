//! `phaseflag refs`: finds flag keys in source code, and compares them with the rules.

mod calls;
mod constant;
mod language;
mod report;
mod shell;
mod sources;
mod tokens;

use std::path::Path;

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::{client, output};

pub(crate) const COMMAND: Command = Command {
    name: "refs",
    positionals: &["[DIR]"],
    about: "Find flag keys in source code, and flags that no code needs",
    details: "Reads Rust, Python, JavaScript, TypeScript and shell scripts in a directory, by default\n\
              this one, without what .gitignore lists and without hidden files. A string that equals\n\
              a key is a reference, wherever it is; comments are not read. A string is an unknown key\n\
              if it is the first argument of a client's function, such as get_boolean_value, or the\n\
              argument of `phaseflag get` in a script. Calls of functions that `phaseflag generate`\n\
              has written are references, too.\n\
              \n\
              Each line has the file, the line, the column, and `known` or `unknown` with the key;\n\
              then follow the flags that are `unused`, and those that are `constant`: they serve one\n\
              value to everyone, which is proved from the rules. The exit status is 1 if a key is\n\
              unknown.\n",
    options: &[
        &[
            OptionSpec::with_value(
                "--function",
                "NAME",
                "one of your functions whose first argument is a key; may be repeated",
            ),
            OptionSpec::switch("--strict", "exit with 1 for unused and constant flags, too"),
            OptionSpec::switch("--json", "print a JSON object"),
        ],
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag refs",
        "phaseflag refs src --bootstrap flags.json | grep -v ': known: '",
        "phaseflag refs web --function useFeature --strict",
    ],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let directory = match arguments.raw_positional(0) {
        directory if directory.is_empty() => Path::new("."),
        directory => Path::new(directory),
    };
    let functions = arguments.options().filter(|(name, _)| *name == "--function");
    let not_utf8 = || arguments.usage("the value of `--function` is not UTF-8");
    let functions: Vec<&str> = functions
        .map(|(_, value)| value.to_str().ok_or_else(not_utf8))
        .collect::<Result<_, _>>()?;
    let client = client::ready(arguments)?;
    let ruleset = client.ruleset().ok_or_else(|| Failure::other("there are no rules"))?;
    let flags: Vec<_> = ruleset.flags().collect();
    let keys: Vec<&str> = flags.iter().map(|flag| flag.key()).collect();
    let found = sources::search(directory, &keys, &functions)?;
    let report = report::Report::new(&ruleset, &flags, &found);
    let status = match report.has_findings(arguments.has("--strict")) {
        true => Status::Negative,
        false => Status::Success,
    };
    let printed = match arguments.has("--json") {
        true => output::json(report.object()),
        false => output::print(report.text(output::Look::of_stdout())),
    };
    if let Err(failure) = printed
        && failure != Failure::OutputClosed
    {
        return Err(failure);
    }
    match found.failures {
        0 => Ok(status),
        1 => Err(Failure::other("a file or directory was not read")),
        count => Err(Failure::Other(format!("{count} files or directories were not read"))),
    }
}

//! `phaseflag schema`: prints the JSON Schema of a file of rules, for editors.

use phaseflag::Value;

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::output;

pub(crate) const COMMAND: Command = Command {
    name: "schema",
    positionals: &[],
    about: "Print the JSON Schema of a file of rules",
    details: "An editor completes and checks a file with it: save it beside the file, and give its name\n\
              there as `$schema`. `phaseflag check` finds more, such as references to nothing.\n",
    options: &[&[OptionSpec::switch("--json", "print it on one line")]],
    examples: &["phaseflag schema > flags.schema.json"],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let schema = include_str!("flags.schema.json");
    match arguments.has("--json") {
        true => output::json(schema.parse::<Value>().unwrap_or_default()),
        false => output::print(schema),
    }
}

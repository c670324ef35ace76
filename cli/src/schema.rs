//! `phaseflag schema`: prints the JSON Schema of a file of rules, for editors.

use crate::args::{Arguments, Command};
use crate::failure::{Failure, Status};
use crate::output;

pub(crate) const COMMAND: Command = Command {
    name: "schema",
    positionals: &[],
    about: "Print the JSON Schema of a file of rules",
    details: "An editor completes and checks a file with it: save it beside the file, and give its name\n\
              there as `$schema`. `phaseflag check` finds more, such as references to nothing.\n",
    options: &[],
    examples: &["phaseflag schema > flags.schema.json"],
    run,
};

fn run(_: &Arguments) -> Result<Status, Failure> {
    output::print(include_str!("flags.schema.json"))
}

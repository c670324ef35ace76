//! `phaseflag list`: lists the definitions of all flags.

use phaseflag::{FlagInfo, Object, Value};

use crate::args::{Arguments, Command, OptionSpec};
use crate::client;
use crate::failure::{Failure, Status};
use crate::output::{self, Colour, Table};

pub(crate) const COMMAND: Command = Command {
    name: "list",
    positionals: &[],
    about: "List all flags",
    details: "The columns are key, kind, state (on or off), number of targeting rules and key of the\n\
              default variation, and the environment if the flags name several. If the output is not a\n\
              terminal, the columns are separated by tabs, without a header.\n",
    options: &[&[OptionSpec::switch("--json", "print a JSON array of objects")], &client::OPTIONS],
    examples: &[
        "phaseflag list",
        "phaseflag list | cut -f1",
        "phaseflag list --bootstrap flags.json --json",
    ],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let flags = client::ready(arguments)?.flags();
    if arguments.has("--json") {
        return output::line(flags.iter().map(object).collect::<Value>());
    }
    let mut environments = flags.iter().filter_map(FlagInfo::environment);
    let first = environments.next();
    let several = environments.any(|other| Some(other) != first);
    let columns: &[_] = match several {
        true => &["key", "kind", "state", "rules", "default", "environment"],
        false => &["key", "kind", "state", "rules", "default"],
    };
    let mut table = Table::new(columns);
    for flag in &flags {
        let (state, colour) =
            if flag.is_on() { ("on", Colour::Good) } else { ("off", Colour::Faint) };
        let cells = [
            (flag.key().to_owned(), Colour::None),
            (flag.kind().to_string(), Colour::None),
            (state.to_owned(), colour),
            (flag.rule_count().to_string(), Colour::None),
            (flag.default_variation().unwrap_or("-").to_owned(), Colour::None),
            (flag.environment().unwrap_or("-").to_owned(), Colour::None),
        ];
        table.add(cells.into_iter().take(columns.len()));
    }
    table.print()
}

fn object(flag: &FlagInfo) -> Value {
    Value::from(Object::from([
        ("key", Value::from(flag.key())),
        ("kind", Value::from(flag.kind().as_str())),
        ("environment", Value::from(flag.environment())),
        ("on", Value::from(flag.is_on())),
        ("rules", Value::from(flag.rule_count())),
        ("default_variation", Value::from(flag.default_variation())),
    ]))
}

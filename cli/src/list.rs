//! `phaseflag list`: every flag, as it is defined.

use phaseflag::{FlagInfo, Object, Value};

use crate::args::{Arguments, Choice, Command};
use crate::client;
use crate::failure::{Failure, Status};
use crate::output::{self, Colour, Table};

pub(crate) const COMMAND: Command = Command {
    name: "list",
    words: &[],
    about: "Lists every flag",
    details: "The columns are the key, the kind, on or off, how many targeting rules there are, and\n\
              the key of the default variation; and, if the flags carry several environments, the\n\
              environment. Output that is no terminal has tabs between them and no header.\n",
    options: &[&[Choice::switch("--json", "prints a JSON array of objects")], &client::OPTIONS],
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

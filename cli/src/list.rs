//! `phaseflag list`: lists the definitions of all flags.

use phaseflag::{FlagInfo, Object, Value};

use crate::args::{Arguments, Command, OptionSpec};
use crate::client;
use crate::document::{self, Document, text_of};
use crate::failure::{Failure, Status};
use crate::output::{self, Colour, Look, Table};

pub(crate) const COMMAND: Command = Command {
    name: "list",
    positionals: &[],
    about: "List all flags",
    details: "The columns are key, kind, state (on or off), number of targeting rules, key of the\n\
              default variation, environment, tags, name and description; `-` if there is none. If the\n\
              output is not a terminal, the columns are separated by tabs, without a header. A terminal\n\
              shows the last four columns if it is wide enough and the flags have them, and the\n\
              environment if there are several.\n",
    options: &[
        &[
            OptionSpec::with_value(
                "--tag",
                "TAG",
                "only flags with this tag; of several, flags with all of them",
            ),
            OptionSpec::switch("--json", "print a JSON object with a list of flags"),
        ],
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag list",
        "phaseflag list --tag checkout --tag payments",
        "phaseflag list | cut -f1",
        "phaseflag list --bootstrap flags.json --json",
    ],
    run,
};

/// A flag, with what only the document has.
struct Flag<'a> {
    info: &'a FlagInfo,
    name: &'a str,
    description: Option<&'a str>,
    tags: Vec<&'a str>,
}

impl<'a> Flag<'a> {
    fn new(info: &'a FlagInfo, definition: &'a Value) -> Flag<'a> {
        Flag {
            info,
            name: text_of(definition, "name").unwrap_or(info.key()),
            description: text_of(definition, "description"),
            tags: document::tags(definition),
        }
    }

    fn object(&self) -> Object {
        output::object(vec![
            ("key", Value::from(self.info.key())),
            ("name", Value::from(self.name)),
            ("description", Value::from(self.description)),
            ("tags", Value::from(self.tags.as_slice())),
            ("kind", Value::from(self.info.kind().as_str())),
            ("environment", Value::from(self.info.environment())),
            ("on", Value::from(self.info.is_on())),
            ("rules", Value::from(self.info.rule_count())),
            ("default_variation", Value::from(self.info.default_variation())),
        ])
    }
}

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let wanted = arguments.texts("--tag")?;
    let client = client::ready(arguments)?;
    let ruleset = client.ruleset().unwrap_or_default();
    let text = document::of(&ruleset);
    let document = Document::new(&ruleset, &text);
    let flags = document.flags.iter().map(|(info, definition)| Flag::new(info, definition.value));
    let has_all = |flag: &Flag<'_>| wanted.iter().all(|tag| flag.tags.contains(tag));
    let (flags, others): (Vec<_>, Vec<_>) = flags.partition(has_all);
    for tag in &wanted {
        if !flags.iter().chain(&others).any(|flag| flag.tags.contains(tag)) {
            output::warn(format_args!("no flag has the tag `{tag}`"));
        }
    }
    if arguments.has("--json") {
        let flags = flags.iter().map(Flag::object).collect::<Value>();
        return output::json(output::object(vec![("flags", flags)]));
    }
    table(&flags, Look::of_stdout()).print()
}

/// A column: its name, the narrowest terminal that shows it, and the value of a flag in it.
type Column = (&'static str, usize, fn(&Flag<'_>) -> Option<String>);

const COLUMNS: [Column; 9] = [
    ("key", 0, |flag| Some(flag.info.key().to_owned())),
    ("kind", 0, |flag| Some(flag.info.kind().to_string())),
    ("state", 0, |flag| Some(if flag.info.is_on() { "on" } else { "off" }.to_owned())),
    ("rules", 0, |flag| Some(flag.info.rule_count().to_string())),
    ("default", 0, |flag| flag.info.default_variation().map(str::to_owned)),
    ("environment", 0, |flag| flag.info.environment().map(str::to_owned)),
    ("tags", 70, |flag| (!flag.tags.is_empty()).then(|| flag.tags.join(","))),
    ("name", 100, |flag| Some(flag.name.to_owned()).filter(|name| name != flag.info.key())),
    ("description", 130, |flag| flag.description.map(str::to_owned)),
];

fn table(flags: &[Flag<'_>], look: Look) -> Table {
    let width = look.width().unwrap_or_default();
    let mut environments = flags.iter().filter_map(|flag| flag.info.environment());
    let first = environments.next();
    let several = environments.any(|other| Some(other) != first);
    let shows = |(name, narrowest, value): &&Column| match *name {
        _ if !look.is_terminal() => true,
        "environment" => several,
        _ => {
            *narrowest == 0 || width >= *narrowest && flags.iter().any(|flag| value(flag).is_some())
        }
    };
    let columns: Vec<_> = COLUMNS.iter().filter(shows).collect();
    let mut table = Table::new(&columns.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    for flag in flags {
        table.add(columns.iter().map(|(name, _, value)| {
            let colour = match (*name, flag.info.is_on()) {
                ("state", true) => Colour::Good,
                ("state", false) => Colour::Faint,
                _ => Colour::None,
            };
            (value(flag).unwrap_or_else(|| "-".to_owned()), colour)
        }));
    }
    table
}

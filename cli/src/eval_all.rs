//! `phaseflag eval-all`: prints the values of all flags for one context.

use phaseflag::{Object, Value};

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::output::{self, Colour, Table};
use crate::{attributes, client, context, get};

pub(crate) const COMMAND: Command = Command {
    name: "eval-all",
    positionals: &[],
    about: "Print the values of all flags for one context",
    details: "The columns are key, value, reason and key of the variation, sorted by flag. If\n\
              the output is not a terminal, the columns are separated by tabs, without a header.\n",
    options: &[
        &[OptionSpec::switch("--json", "print a JSON object with a list of results")],
        &context::IDENTIFIERS,
        &context::ATTRIBUTES,
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag eval-all --user ada --attr plan=pro",
        "phaseflag eval-all --session 4711 --json",
    ],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let context = context::read(arguments)?;
    let client = client::ready(arguments)?;
    let results = client.evaluate_all(&context);
    attributes::warn_of_unread(arguments, &client, results.keys().map(String::as_str));
    if arguments.has("--json") {
        let results = results.iter().map(|(key, result)| get::object(key, result));
        let evaluations = results.collect::<Value>();
        return output::json(Object::from([("evaluations", evaluations)]));
    }
    let mut table = Table::new(&["key", "value", "reason", "variation"]);
    for (key, result) in &results {
        let value = match result.value() {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        table.add([
            (key.clone(), Colour::None),
            (value, colour(result.value())),
            (result.reason().to_string(), Colour::None),
            (result.variation_key().unwrap_or("-").to_owned(), Colour::None),
        ]);
    }
    table.print()
}

fn colour(value: &Value) -> Colour {
    match value {
        Value::Bool(true) => Colour::Good,
        Value::Bool(false) | Value::Null => Colour::Faint,
        _ => Colour::None,
    }
}

//! `phaseflag explain`: explains how a flag gets its value, rule by rule.

use crate::args::{Arguments, Command};
use crate::failure::{Failure, Status};
use crate::{client, context, get, output};

pub(crate) const COMMAND: Command = Command {
    name: "explain",
    positionals: &["KEY"],
    about: "Explain how a flag gets its value",
    details: "Prints the rules in the order in which they are tried, with each condition, the value\n\
              of its attribute, and whether it holds.\n",
    options: &[&context::IDENTIFIERS, &context::ATTRIBUTES, &client::OPTIONS],
    examples: &[
        "phaseflag explain new-checkout-flow --user ada --attr plan=free",
        "phaseflag explain instant-search --user bob",
    ],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let key = arguments.positional(0)?;
    let context = context::read(arguments)?;
    let client = client::ready(arguments)?;
    let explanation = client.ruleset().and_then(|rules| rules.explain(key, &context));
    let explanation = explanation.ok_or_else(|| get::unknown_flag(key, &client))?.to_string();
    let lines = explanation.lines().map(|line| output::escape_line(line.to_owned()) + "\n");
    output::print(lines.collect::<String>())
}

//! `phaseflag explain`: why a flag serves what it serves.

use crate::args::{Arguments, Command};
use crate::failure::{Failure, Status};
use crate::{client, context, get, output};

pub(crate) const COMMAND: Command = Command {
    name: "explain",
    words: &["KEY"],
    about: "Says why a flag serves what it serves",
    details: "Every rule is shown in the order in which it is looked at, with each condition, what it\n\
              was compared with, and whether it holds.\n",
    options: &[&context::IDENTIFIERS, &context::ATTRIBUTES, &client::OPTIONS],
    examples: &[
        "phaseflag explain new-checkout-flow --user ada --attr plan=free",
        "phaseflag explain instant-search --user bob",
    ],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let key = arguments.word(0)?;
    let context = context::read(arguments)?;
    let client = client::ready(arguments)?;
    let explanation = client.ruleset().and_then(|rules| rules.explain(key, &context));
    let explanation = explanation.ok_or_else(|| get::unknown(key, &client))?.to_string();
    let lines = explanation.lines().map(|line| output::plain(line.to_owned()) + "\n");
    output::print(lines.collect::<String>())
}

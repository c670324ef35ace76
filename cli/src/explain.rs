//! `phaseflag explain`: explains how a flag gets its value, rule by rule.

use std::collections::HashMap;
use std::mem;

use phaseflag::{
    EvaluationResult, ExplainedRule, ExplainedServing, Explanation, Object, PhaseFlagClient, Reason,
};

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::output::{self, Colour, Look};
use crate::{attributes, client, context, explanation, get};

pub(crate) const COMMAND: Command = Command {
    name: "explain",
    positionals: &["KEY"],
    about: "Explain how a flag gets its value",
    details: "Prints the rules in the order in which they are tried, with each condition, the value\n\
              of its attribute, and whether it holds.\n",
    options: &[
        &[OptionSpec::switch("--json", "print a JSON object")],
        &context::IDENTIFIERS,
        &context::ATTRIBUTES,
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag explain new-checkout-flow --user ada --attr plan=free",
        "phaseflag explain instant-search --user bob",
    ],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let key = arguments.positional(0)?;
    let context = context::read(arguments)?;
    let (overridden, explanation) = match client::ready(arguments) {
        Ok(client) => {
            let overridden = client.get_variation(key, &context);
            let overridden = overridden.filter(|result| result.reason() == Reason::Override);
            let explanation = client.ruleset().and_then(|rules| rules.explain(key, &context));
            if overridden.is_none() && explanation.is_none() {
                return Err(get::unknown_flag(key, &client));
            }
            attributes::warn_of_unread(arguments, &client, [key]);
            (overridden, explanation)
        }
        Err(failure) => (Some(client::overridden_without_rules(key, failure)?), None),
    };
    if arguments.has("--json") {
        return output::json(object(key, overridden.as_ref(), explanation.as_ref()));
    }
    let look = Look::of_stdout();
    let above = overridden.as_ref().map(|result| override_text(key, result, look));
    let rules = match explanation {
        Some(explanation) => text(explanation, look),
        None => "no rules have this flag\n".to_owned(),
    };
    output::print(above.unwrap_or_default() + &rules)
}

/// Returns the explanation as JSON. If the flag is overridden, `variable` is the environment
/// variable, and `without_override` is what the rules serve; otherwise both are `null`.
fn object(
    key: &str,
    overridden: Option<&EvaluationResult>,
    explanation: Option<&Explanation>,
) -> Object {
    let mut object = match explanation {
        Some(explanation) => explanation::object(explanation, str::to_owned),
        None => explanation::without_rules(),
    };
    let served = explanation.map(|explanation| get::object(key, &explanation.result));
    let variable = overridden.map(|_| PhaseFlagClient::override_variable(key));
    object.insert("without_override", served.filter(|_| overridden.is_some()));
    object.insert("variable", variable);
    object.extend(overridden.map(|result| get::object(key, result)).unwrap_or_default());
    object
}

/// Returns the text about a flag that an environment variable overrides.
fn override_text(key: &str, result: &EvaluationResult, look: Look) -> String {
    let variable = PhaseFlagClient::override_variable(key);
    laid_out(look, Colour::Strong, &format!("flag `{key}`: value {}, override", result.value()))
        + &laid_out(look, Colour::None, &format!("  the variable {variable} decides; without it:"))
}

/// Returns a line with its end. On a terminal, a long line is wrapped.
fn laid_out(look: Look, colour: Colour, line: &str) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let line = output::escape_line(line.to_owned());
    let line = look.width().map(|width| output::wrap(&line, width, indent + 2)).unwrap_or(line);
    line.lines().map(|line| look.paint(colour, line) + "\n").collect()
}

/// Returns the text of an explanation.
fn text(mut explanation: Explanation, look: Look) -> String {
    let mut lines = String::new();
    let mut add = |colour, line: &str| lines += &laid_out(look, colour, line);
    let rules = mem::take(&mut explanation.rules);
    let prerequisites = &explanation.prerequisites;
    let colours = prerequisites.iter().map(|one| (one.to_string(), outcome(one.holds))).collect();
    for (number, line) in explanation.to_string().lines().enumerate() {
        let colour = if number == 0 { Colour::Strong } else { colour_of(line, &colours) };
        add(colour, line);
    }
    for rule in &rules {
        let colours = colours_in(rule);
        for (number, line) in format!("  {rule}").lines().enumerate() {
            let colour = match (rule.matches, rule.decides) {
                (None, _) => Colour::Faint,
                (Some(_), true) if number == 0 => Colour::Good,
                _ => colour_of(line, &colours),
            };
            add(colour, line);
        }
    }
    lines
}

/// The colours of the lines of an explanation, by their text without the indent.
type Colours = HashMap<String, Colour>;

fn colour_of(line: &str, colours: &Colours) -> Colour {
    colours.get(line.trim_start_matches(' ')).copied().unwrap_or(Colour::None)
}

/// Returns the colours of the conditions of a rule, and of what it serves.
fn colours_in(rule: &ExplainedRule) -> Colours {
    let segment = rule.segment.iter().flat_map(|segment| &segment.conditions);
    let conditions = rule.conditions.iter().chain(segment);
    let mut colours: Colours = conditions
        .filter_map(|condition| Some((condition.to_string(), outcome(condition.holds?))))
        .collect();
    if let ExplainedServing::Rollout(rollout) = &rule.serves {
        let chosen = rollout.entries.iter().filter(|entry| entry.chosen);
        colours.extend(chosen.map(|entry| (entry.to_string(), Colour::Good)));
    }
    colours
}

fn outcome(holds: bool) -> Colour {
    if holds { Colour::Good } else { Colour::Bad }
}

//! `phaseflag diff`: what differs between two rulesets, and for which users.

mod impact;

use std::path::Path;

use phaseflag::{Object, Reason, Value};

use self::impact::{Impact, Outcome};
use crate::args::{Arguments, Command, OptionSpec};
use crate::changes::{self, Difference, Subject, What};
use crate::failure::{Failure, Status};
use crate::output::{self, Colour, Look};
use crate::rules::{self, Rules};
use crate::{client, context, input};

pub(crate) const COMMAND: Command = Command {
    name: "diff",
    positionals: &["OLD", "NEW"],
    about: "Show what differs between two rulesets",
    details: "OLD and NEW are files, `-` for standard input, or `service` for the rules of the service;\n\
              a file of that name is `./service`. With `--users`, each flag also tells how many users\n\
              are served something else, which, and why; a flag that has not changed may be affected\n\
              by one that it requires. The exit status is 1 if something differs.\n",
    options: &[
        &[
            OptionSpec::with_value(
                "--users",
                "FILE",
                "a list of users, one identifier per line; `-` is standard input",
            ),
            OptionSpec::switch("--json", "print a JSON object"),
        ],
        &context::ATTRIBUTES,
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag diff service flags.json",
        "git show main:flags.json | phaseflag diff - flags.json --users users.txt",
        "phaseflag diff old.json new.json --users users.txt --attr plan=pro --json",
    ],
    run,
};

/// The size limit of the list of users, in bytes.
const MAX_USERS: u64 = 1024 * 1024 * 1024;

/// How many users of a group are named in the text.
const MAX_NAMED: usize = 3;

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let context = context::read(arguments)?;
    let users = arguments.raw("--users");
    let sources = [arguments.raw_positional(0), arguments.raw_positional(1)];
    if sources.iter().copied().chain(users).filter(|source| *source == "-").count() > 1 {
        return Err(arguments.usage("standard input can be read only once"));
    }
    if users.is_none() && arguments.options().any(|(name, _)| name.starts_with("--attr")) {
        return Err(arguments.usage("`--attr` needs `--users FILE`"));
    }
    let environment = client::environment(arguments)?;
    let read = |source: usize| match arguments.raw_positional(source) {
        name if name == "service" => {
            let text = client::fetch(arguments)?;
            rules::parse(&text, "the rules of the service", environment.as_deref())
        }
        path => rules::read(Path::new(path), environment.as_deref()),
    };
    let (old, new) = (read(0)?, read(1)?);
    let differences = changes::between(borrowed(&old), borrowed(&new));
    let impact = match users.map(Path::new) {
        None => None,
        Some(path) => {
            let users = String::from_utf8(input::read(path, MAX_USERS)?)
                .map_err(|_| Failure::Other(format!("`{}` is not UTF-8", path.display())))?;
            let users = users.strip_prefix('\u{feff}').unwrap_or(&users);
            let users = users.lines().map(str::trim).filter(|user| !user.is_empty());
            Some(Impact::of(&old.ruleset, &new.ruleset, &differences, &context, users))
        }
    };
    let printed = match arguments.has("--json") {
        true => output::json(object(&differences, impact.as_ref())),
        false => output::print(text(&differences, impact.as_ref(), Look::of_stdout())),
    };
    match printed {
        Ok(_) | Err(Failure::OutputClosed) if differences.is_empty() => Ok(Status::Success),
        Ok(_) | Err(Failure::OutputClosed) => Ok(Status::Negative),
        Err(failure) => Err(failure),
    }
}

fn borrowed(rules: &Rules) -> changes::Rules<'_> {
    changes::Rules { ruleset: &rules.ruleset, document: &rules.document }
}

/// Returns a paragraph for each difference, and for each other flag that serves something else.
fn text(differences: &[Difference], impact: Option<&Impact>, look: Look) -> String {
    let mut text = String::new();
    let mut add = |colour: Colour, line: String| {
        let line = output::escape_line(line);
        let indent = line.len() - line.trim_start_matches(' ').len();
        let line = look.width().map(|width| output::wrap(&line, width, indent + 2)).unwrap_or(line);
        for line in line.lines() {
            text += &look.paint(colour, line);
            text.push('\n');
        }
    };
    for difference in differences {
        let colour = match difference.what {
            What::Added => Colour::Good,
            What::Changed => Colour::Warning,
            What::Removed => Colour::Bad,
        };
        let (what, name) = (difference.what.as_str(), difference.name());
        match &difference.subject {
            Subject::Flag(_) => add(colour, format!("{what}: {name}")),
            Subject::Segment(_) => add(colour, format!("{what}: segment {name}")),
        }
        for change in &difference.changes {
            add(Colour::None, format!("  {}", change.text));
        }
        if let Subject::Flag(key) = &difference.subject {
            for line in impact.map(|impact| lines(impact, key)).into_iter().flatten() {
                add(Colour::None, line);
            }
        }
    }
    for key in impact.iter().flat_map(|impact| impact.affected()) {
        add(Colour::Warning, format!("affected: {key}"));
        for line in impact.map(|impact| lines(impact, key)).into_iter().flatten() {
            add(Colour::None, line);
        }
    }
    text
}

/// Returns the lines that tell for whom a flag serves something else.
fn lines(impact: &Impact, key: &str) -> Vec<String> {
    let Some(flag) = impact.flag(key) else { return Vec::new() };
    let total = impact.users;
    let mut lines = Vec::new();
    if flag.groups.is_empty() {
        lines.push(format!("  0 of {total} users are served something else"));
    }
    for group in &flag.groups {
        let named: Vec<&str> = group.users.iter().take(MAX_NAMED).map(String::as_str).collect();
        let more = if group.users.len() > MAX_NAMED { ", …" } else { "" };
        let (from, to) = (group.from.served(), group.to.served());
        let count = group.users.len();
        let are = if count == 1 { "is" } else { "are" };
        lines.push(format!(
            "  {count} of {total} users {are} served {to} instead of {from}: {}{more}",
            named.join(", ")
        ));
        lines.push(format!("    before: {}", group.from.why(group.buckets)));
        lines.push(format!("    now: {}", group.to.why(group.buckets)));
    }
    lines
}

fn object(differences: &[Difference], impact: Option<&Impact>) -> Value {
    let mut objects: Vec<Object> = differences.iter().map(Difference::object).collect();
    for key in impact.iter().flat_map(|impact| impact.affected()) {
        objects.push(Object::from([
            ("what", Value::from("affected")),
            ("key", Value::from(key)),
            ("changes", Value::Array(Vec::new())),
        ]));
    }
    for object in &mut objects {
        let key = object.get("key").and_then(Value::as_str);
        let flag = key.and_then(|key| impact?.flag(key));
        let groups = flag.map(|flag| flag.groups.iter().map(group_object).collect::<Value>());
        object.insert("users", groups.unwrap_or_default());
    }
    Value::from(Object::from([
        ("differences", Value::from(objects)),
        ("users", Value::from(impact.map(|impact| impact.users))),
    ]))
}

fn group_object(group: &impact::Group) -> Value {
    let outcome = |outcome: &Outcome| {
        Object::from([
            ("value", outcome.value.clone()),
            ("variation_key", Value::from(outcome.variation_key.clone())),
            (
                "reason",
                Value::from(outcome.reason.as_ref().map_or("flag_not_found", Reason::as_str)),
            ),
            ("rule", Value::from(outcome.rule)),
        ])
    };
    Value::from(Object::from([
        ("from", Value::from(outcome(&group.from))),
        ("to", Value::from(outcome(&group.to))),
        ("count", Value::from(group.users.len())),
        ("users", group.users.iter().collect()),
    ]))
}

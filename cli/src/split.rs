//! `phaseflag split`: counts the variations that a list of users gets.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use phaseflag::{Object, Share, Split, Value};

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::output::{self, Cell, Colour, Table, rounded};
use crate::progress::{self, Audience};
use crate::{attributes, client, context, get, input};

pub(crate) const COMMAND: Command = Command {
    name: "split",
    positionals: &["KEY"],
    about: "Count the variations that a list of users gets",
    details: "The list has one user identifier per line. The columns are key of the variation, count,\n\
              share and a bar. If the output is not a terminal, the columns are separated by tabs,\n\
              without a header.\n",
    options: &[
        &[
            OptionSpec::with_value("--users", "FILE", "the list; `-` is standard input"),
            OptionSpec::switch("--json", "print a JSON object"),
        ],
        &context::ATTRIBUTES,
        &client::OPTIONS,
    ],
    examples: &[
        "phaseflag split instant-search --users users.txt",
        "seq 1000 | phaseflag split instant-search --users - --attr plan=pro",
    ],
    run,
};

/// The size limit of the list, in bytes.
const MAX_USERS: u64 = 1024 * 1024 * 1024;

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let key = arguments.positional(0)?;
    let context = context::read(arguments)?;
    let Some(path) = arguments.raw("--users").map(Path::new) else {
        return Err(arguments.usage("`split` needs --users FILE"));
    };
    let users = String::from_utf8(input::read(path, MAX_USERS)?)
        .map_err(|_| Failure::Other(format!("`{}` is not UTF-8", path.display())))?;
    let users = users.strip_prefix('\u{feff}').unwrap_or(&users);
    let counted = AtomicUsize::new(0);
    let count = |line: &&str| {
        counted.fetch_add(line.len() + 1, Ordering::Relaxed);
    };
    let ids = users.lines().inspect(count).map(str::trim).filter(|user| !user.is_empty());
    let client = client::ready(arguments)?;
    let share = || counted.load(Ordering::Relaxed).saturating_mul(100) / users.len().max(1);
    let what = || format!("counting users: {}%", share().min(100));
    let split = progress::during(Audience::Terminal, &what, || client.split(key, &context, ids));
    let split = split.ok_or_else(|| get::unknown_flag(key, &client))?;
    attributes::warn_of_unread(arguments, &client, [key]);
    if arguments.has("--json") {
        return output::json(object(key, &split));
    }
    let mut table = Table::new(&["variation", "count", "share", "bar"]);
    for share in split.shares() {
        let text = |text: String| Cell::from((text, Colour::None));
        table.add([
            text(share.variation_key().unwrap_or("-").to_owned()),
            text(share.count().to_string()),
            text(percentage(share.count(), split.total())),
            Cell::Bar { part: share.count(), total: split.total() },
        ]);
    }
    table.print()
}

/// Returns a share in percent, to one decimal.
fn percentage(count: u64, total: u64) -> String {
    let tenths = rounded(count * 1000, total);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

fn object(key: &str, split: &Split) -> Value {
    let share = |share: &Share| {
        Object::from([
            ("variation_key", Value::from(share.variation_key())),
            ("value", share.value().clone()),
            ("count", Value::from(share.count())),
            ("fraction", Value::from(share.fraction())),
        ])
    };
    let reasons = split.reasons().map(|(reason, count)| (reason.as_str().to_owned(), count));
    Value::from(Object::from([
        ("key", Value::from(key)),
        ("total", Value::from(split.total())),
        ("shares", split.shares().iter().map(share).collect()),
        ("reasons", Value::from(reasons.collect::<Object>())),
    ]))
}

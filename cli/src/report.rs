//! Differences as lines of a log: text or JSON.

use phaseflag::Value;

use crate::changes::{Difference, Subject, What};
use crate::date;
use crate::output::{self, Colour, Look};

/// Returns the differences as text, with one line for each change: time, what happened, key, change.
/// The columns are separated by tabs; on a terminal, by spaces, and long lines are wrapped.
pub(crate) fn text(differences: &[Difference], look: Look) -> String {
    let time = date::timestamp();
    let mut text = String::new();
    for difference in differences {
        let (what, name) = (what(difference), output::escape_line(difference.name().to_owned()));
        for change in &difference.changes {
            let change = output::escape_line(change.text.clone());
            let line = match look.is_terminal() {
                false => format!("{time}\t{what}\t{name}\t{change}"),
                true => {
                    let line = format!("{time}  {what}  {name}  {change}");
                    output::wrap(&line, look.width().unwrap_or(usize::MAX), 4)
                }
            };
            text += &line.replacen(what, &look.paint(colour(difference.what), what), 1);
            text.push('\n');
        }
    }
    text
}

/// Returns the differences as JSON, with one line for each flag or segment.
pub(crate) fn json(differences: &[Difference]) -> String {
    let time = date::timestamp();
    let line = |difference: &Difference| {
        let mut object = difference.object();
        object.insert("time", &time);
        output::escape_json(Value::from(object).to_string()) + "\n"
    };
    differences.iter().map(line).collect()
}

fn what(difference: &Difference) -> &'static str {
    match (&difference.subject, difference.what) {
        (Subject::Flag(_), what) => what.as_str(),
        (Subject::Segment(_), What::Added) => "segment-added",
        (Subject::Segment(_), What::Changed) => "segment-changed",
        (Subject::Segment(_), What::Removed) => "segment-removed",
    }
}

fn colour(what: What) -> Colour {
    match what {
        What::Added => Colour::Good,
        What::Changed => Colour::Warning,
        What::Removed => Colour::Bad,
    }
}

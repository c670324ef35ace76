//! Findings for a terminal: each with its line of the file and a mark below it.

use phaseflag::Severity;

use super::reported::{Report, Reported};
use crate::output::{self, Colour, Look};

/// The width of a line if that of the terminal is not known.
const DEFAULT_WIDTH: usize = 140;

/// A tab is shown as this many spaces.
const TAB: &str = "    ";

/// The characters that are read on each side of a position, for each cell of a line. Combining marks
/// have no cell of their own.
const CHARACTERS_PER_CELL: usize = 4;

pub(super) fn colour(severity: Severity) -> Colour {
    match severity {
        Severity::Problem => Colour::Bad,
        Severity::Warning => Colour::Warning,
        _ => Colour::Strong,
    }
}

/// Returns the findings with their lines, and their number.
pub(super) fn snippets(report: &Report<'_>, look: Look) -> String {
    let page = Page { report, look, width: look.width().unwrap_or(DEFAULT_WIDTH) };
    let mut text: String = report.findings.iter().map(|finding| page.finding(finding)).collect();
    text += &page.summary();
    text
}

struct Page<'a> {
    report: &'a Report<'a>,
    look: Look,
    width: usize,
}

impl Page<'_> {
    fn finding(&self, finding: &Reported) -> String {
        let colour = colour(finding.severity);
        let severity = finding.severity.as_str();
        let mut text = String::new();

        let title = self.wrapped(&format!("{severity}: {}", finding.message), 2);
        text += &match title.strip_prefix(severity) {
            Some(rest) => self.look.paint(colour, severity) + rest,
            None => title,
        };
        text.push('\n');

        let number = finding.start.0.to_string();
        let margin = " ".repeat(number.len());
        let (line, column) = finding.start;
        let mut place = format!("{margin}--> {}:{line}:{column}", self.report.file.display());
        if !finding.path.is_empty() {
            place += " in ";
            place += &finding.path;
        }
        text += &self.faint_lines(&self.wrapped(&place, margin.len() + 4));

        let room = self.width.saturating_sub(margin.len() + 3);
        let bar = self.look.paint(Colour::Faint, &format!("{margin} |"));
        // On a narrow terminal, the message matters more.
        if room >= 10 {
            let excerpt = Excerpt::of(self.report.text, finding, room);
            let numbered = self.look.paint(Colour::Faint, &format!("{number} |"));
            let mark = self.look.paint(colour, &"^".repeat(excerpt.length));
            let indent = " ".repeat(excerpt.column);
            let line = format!("{numbered} {}", excerpt.line);
            text += &format!("{bar}\n{}\n{bar} {indent}{mark}\n", line.trim_end());
        }
        if let Some(help) = &finding.help {
            let help = self.wrapped(&format!("{margin} = help: {help}"), margin.len() + 9);
            text += &help;
            text.push('\n');
        }
        text.push('\n');
        text
    }

    /// Returns a text without control characters in lines of the width.
    fn wrapped(&self, text: &str, indent: usize) -> String {
        output::wrap(&output::escape_line(text.to_owned()), self.width, indent)
    }

    fn faint_lines(&self, text: &str) -> String {
        text.lines().map(|line| self.look.paint(Colour::Faint, line) + "\n").collect()
    }

    fn summary(&self) -> String {
        let file = self.report.file.display();
        let mut counts = Vec::new();
        for (severity, word) in [
            (Severity::Problem, "problem"),
            (Severity::Warning, "warning"),
            (Severity::Note, "note"),
        ] {
            let found = self.report.findings.iter().filter(|it| it.severity == severity);
            match found.count() {
                0 => {}
                1 => counts.push(format!("1 {word}")),
                count => counts.push(format!("{count} {word}s")),
            }
        }
        let counts = match counts.is_empty() {
            true => "no problems and no warnings".to_owned(),
            false => counts.join(", "),
        };
        let summary = self.wrapped(&format!("{file}: {counts}"), 2);
        match self.report.findings.is_empty() {
            true => self.look.paint(Colour::Good, &summary) + "\n",
            false => summary + "\n",
        }
    }
}

/// The part of a line around a finding, as a terminal shows it.
struct Excerpt {
    line: String,
    /// The cells before the mark.
    column: usize,
    /// The cells of the mark.
    length: usize,
}

impl Excerpt {
    /// Returns the part that fits into a width. The start of the finding is in it.
    fn of(text: &str, finding: &Reported, width: usize) -> Excerpt {
        let most = width * CHARACTERS_PER_CELL;
        let (before, after) = text.split_at_checked(finding.span.start).unwrap_or((text, ""));
        let before = last_characters(before, most);
        let (before, begins) = match before.rsplit_once('\n') {
            Some((_, line)) => (line, true),
            None => (before, before.len() == finding.span.start),
        };
        let after = first_characters(after, most);
        let after = after.split(['\n', '\r']).next().unwrap_or_default();
        let one_line = finding.start.0 == finding.end.0;
        let length = if one_line { finding.span.len() } else { 1 };
        let (marked, after) = after.split_at_checked(length).unwrap_or((after, ""));

        let before = shown(before.trim_start_matches('\u{feff}'));
        let (marked, after) = (shown(marked), shown(after));
        let right = output::width(&marked) + output::width(&after);
        // If the line is too long, a third of it shows what is before the mark, or more.
        let room = width.saturating_sub(right).max(width / 3);
        let before = cut_left(&before, room, begins);
        let column = output::width(&before);
        let room = width.saturating_sub(column);
        let length = output::width(&marked).min(room).max(1);
        let line = before + &output::cut(&(marked + &after), room);
        Excerpt { line, column, length }
    }
}

/// Returns a part of a line as a terminal can show it.
fn shown(text: &str) -> String {
    output::escape_line(text.replace('\t', TAB))
}

/// Returns the end of a text in a width; it begins with `…` if something is missing.
fn cut_left(text: &str, limit: usize, begins: bool) -> String {
    if begins && output::width(text) <= limit {
        return text.to_owned();
    }
    let limit = limit.saturating_sub(1);
    let mut start = text.len();
    for (at, _) in text.char_indices().rev() {
        if output::width(text.get(at..).unwrap_or_default()) > limit {
            break;
        }
        start = at;
    }
    format!("…{}", text.get(start..).unwrap_or_default())
}

fn first_characters(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default()
}

fn last_characters(text: &str, count: usize) -> &str {
    let start = match count {
        0 => text.len(),
        _ => text.char_indices().rev().nth(count - 1).map_or(0, |(start, _)| start),
    };
    text.get(start..).unwrap_or_default()
}

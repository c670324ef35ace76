//! The formats for programs: a line for each finding, JSON, and annotations of GitHub.

use std::fmt::Write as _;

use phaseflag::{Object, Severity, Value};

use super::reported::{Report, Reported};
use crate::output::{self, Look};

/// Returns the findings in the format of compilers, which editors understand.
pub(super) fn lines(report: &Report<'_>, look: Look) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let (line, column) = finding.start;
        let place = output::escape_line(format!("{}:{line}:{column}", report.file.display()));
        let severity =
            look.paint(super::snippet::colour(finding.severity), finding.severity.as_str());
        let sentence = output::escape_line(finding.sentence());
        let _ = writeln!(text, "{place}: {severity}: {sentence}");
    }
    text
}

/// Returns an object with the file and its findings.
pub(super) fn json(report: &Report<'_>) -> Value {
    let findings = report.findings.iter().map(|finding| {
        Object::from([
            ("severity", Value::from(finding.severity.as_str())),
            ("path", finding.path.as_str().into()),
            ("message", finding.message.as_str().into()),
            ("help", finding.help.as_deref().into()),
            ("line", finding.start.0.into()),
            ("column", finding.start.1.into()),
            ("end_line", finding.end.0.into()),
            ("end_column", finding.end.1.into()),
        ])
    });
    let file = report.file.display().to_string();
    Object::from([("file", Value::from(file)), ("findings", findings.collect())]).into()
}

/// Returns the commands of a workflow that annotate the file.
pub(super) fn github(report: &Report<'_>) -> String {
    report.findings.iter().map(|finding| annotation(report, finding)).collect()
}

fn annotation(report: &Report<'_>, finding: &Reported) -> String {
    let command = match finding.severity {
        Severity::Problem => "error",
        Severity::Warning => "warning",
        _ => "notice",
    };
    let mut text = format!("::{command} ");
    // Standard input has no file to annotate.
    if report.file.as_os_str() != "-" {
        let ((line, column), (end_line, end_column)) = (finding.start, finding.end);
        let file = property(&report.file.display().to_string());
        let _ = write!(text, "file={file},line={line},endLine={end_line},");
        // An annotation of several lines has no columns.
        if line == end_line {
            let _ = write!(text, "col={column},endColumn={end_column},");
        }
    }
    let title = format!("phaseflag {}", finding.severity);
    let _ = writeln!(text, "title={}::{}", property(&title), data(&finding.sentence()));
    text
}

/// Escapes a message by the rules of workflow commands.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property by the rules of workflow commands.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflow_commands_are_escaped() {
        assert_eq!(data("a:b,c%0A\r\n"), "a:b,c%250A%0D%0A");
        assert_eq!(property("a:b,c%0A\r\n"), "a%3Ab%2Cc%250A%0D%0A");
    }
}

//! Lays out Rust code as rustfmt does with its default settings.

use crate::output::width;

/// The width of a line.
const MAX_LINE: usize = 100;

/// The width of the arguments of a call on one line.
const MAX_ARGUMENTS: usize = 60;

/// Returns a text as a literal.
pub(super) fn literal(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !is_plain || !text.contains(['"', '\\']) {
        return format!("{text:?}");
    }
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("r{hashes}\"{text}\"{hashes}")
}

/// Returns a statement or an expression that is a call: `before(arguments)after`.
pub(super) fn call(indent: usize, before: &str, arguments: &[&str], after: &str) -> String {
    let joined = arguments.join(", ");
    let line = format!("{:indent$}{before}({joined}){after}\n", "");
    if width(&joined) <= MAX_ARGUMENTS && width(line.trim_end()) <= MAX_LINE {
        return line;
    }
    if let [first @ .., last] = arguments
        && let Some(body) = last.strip_prefix("|value| ")
    {
        let first = first.join(", ");
        return format!(
            "{:indent$}{before}({first}, |value| {{\n{:indent$}    {body}\n{:indent$}}}){after}\n",
            "", "", ""
        );
    }
    let mut text = format!("{:indent$}{before}(\n", "");
    for argument in arguments {
        text += &format!("{:indent$}    {argument},\n", "");
    }
    text + &format!("{:indent$}){after}\n", "")
}

/// Returns the start of a function: its signature with the brace.
pub(super) fn signature(before: &str, parameters: &[&str], result: &str) -> String {
    let line = format!("{before}({}) -> {result} {{\n", parameters.join(", "));
    if width(line.trim_end()) <= MAX_LINE {
        return line;
    }
    let mut text = format!("{before}(\n");
    for parameter in parameters {
        text += &format!("    {parameter},\n");
    }
    text + &format!(") -> {result} {{\n")
}

/// Returns a constant with a value.
pub(super) fn constant(indent: usize, before: &str, value: &str) -> String {
    let line = format!("{:indent$}{before} = {value};\n", "");
    // A value that fits on no line keeps its place.
    if width(line.trim_end()) <= MAX_LINE || indent + 4 + width(value) + 1 > MAX_LINE {
        return line;
    }
    format!("{:indent$}{before} =\n{:indent$}    {value};\n", "", "")
}

/// Returns the lines of a documentation comment. Each text is a paragraph.
pub(super) fn comment(indent: usize, paragraphs: &[String]) -> String {
    let mut text = String::new();
    for (position, paragraph) in paragraphs.iter().enumerate() {
        if position > 0 {
            text += &format!("{:indent$}///\n", "");
        }
        for line in paragraph.lines() {
            text += format!("{:indent$}/// {line}", "").trim_end();
            text.push('\n');
        }
    }
    text
}

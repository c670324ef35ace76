//! The positions of values in a JSON text: members of objects and elements of arrays.

use std::borrow::Cow;

use super::scan::{Scanner, Span};

/// Returns the span of the document, without surrounding white space.
pub(crate) fn document(text: &str) -> Span {
    Scanner::at(text, 0).span().unwrap_or_default()
}

/// Returns the spans of the elements of an array, up to a fault; empty if the span is not an array.
pub(crate) fn elements(text: &str, array: Span) -> Vec<Span> {
    let mut scanner = Scanner::at(text, array.start);
    let mut elements = Vec::new();
    if scanner.peek() == Some(b'[') && scanner.open().is_ok() {
        while let Ok(true) = scanner.next(b']')
            && let Ok(element) = scanner.span()
        {
            elements.push(element);
        }
    }
    elements
}

/// Returns the span of a member's value; `None` if the member does not exist or the span is not
/// an object. Of equal names, the last one counts.
pub(crate) fn member(text: &str, object: Span, name: &str) -> Option<Span> {
    let mut scanner = Scanner::at(text, object.start);
    let mut member = None;
    // A fault ends the search.
    let _ = scanner.wanted(|key| key == name, |value| member = Some(value));
    member
}

/// Returns the spans of the key and the value of each member of an object, in the order of the text,
/// up to a fault; empty if the span is not an object.
pub(crate) fn entries(text: &str, object: Span) -> Vec<(Span, Span)> {
    let mut scanner = Scanner::at(text, object.start);
    let mut entries = Vec::new();
    if scanner.peek() == Some(b'{') && scanner.open().is_ok() {
        while let Ok(true) = scanner.next(b'}')
            && let Ok(key) = scanner.span()
            && scanner.colon().is_ok()
            && let Ok(value) = scanner.span()
        {
            entries.push((key, value));
        }
    }
    entries
}

/// Returns the spans of the outermost object's members with one of these names, in the order of
/// the text; empty if the text is malformed.
#[cfg(feature = "http")]
pub(crate) fn members(text: &str, names: &[&str]) -> Vec<Span> {
    let mut scanner = Scanner::at(text, 0);
    let mut members = Vec::new();
    let scanned = scanner.wanted(|key| names.contains(&key), |value| members.push(value));
    if scanned.is_ok() { members } else { Vec::new() }
}

impl Scanner<'_> {
    /// Skips an object, and calls `found` with the span of each value whose key is wanted.
    fn wanted(
        &mut self,
        is_wanted: impl Fn(&str) -> bool,
        mut found: impl FnMut(Span),
    ) -> miniserde::Result<()> {
        if self.next_token() != Some(b'{') {
            return Ok(());
        }
        self.open()?;
        while self.next(b'}')? {
            let wanted = is_wanted(self.key()?);
            self.colon()?;
            let value = self.span()?;
            if wanted {
                found(value);
            }
        }
        Ok(())
    }
}

/// Returns the string at a span, or `None` if the span is not a string.
pub(crate) fn string(text: &str, span: Span) -> Option<Cow<'_, str>> {
    let mut scanner = Scanner::at(text, span.start);
    let inside = text.get(span)?.strip_prefix('"')?.strip_suffix('"')?;
    match inside.contains('\\') {
        true => scanner.string().ok().map(|string| Cow::Owned(string.to_owned())),
        false => Some(Cow::Borrowed(inside)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, spans: Vec<Span>) -> Vec<&str> {
        spans.into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn finds_elements() {
        for (text, found) in [
            ("[]", vec![]),
            (
                " [ 1 ,\t[2, 3] , {\"a\": [4]}\n, \"]\" ] ",
                vec!["1", "[2, 3]", "{\"a\": [4]}", "\"]\""],
            ),
            ("{\"a\": 1}", vec![]),
            ("", vec![]),
            ("[1, 2", vec!["1", "2"]),
        ] {
            assert_eq!(
                parts(text, elements(text, document(text).start..text.len())),
                found,
                "{text}"
            );
        }
    }

    #[test]
    fn finds_entries() {
        for (text, found) in [
            ("{}", vec![]),
            (
                r#"{ "a" : 1 ,"\u0062":[2, {"c": 3}],
                "a":null }"#,
                vec![(r#""a""#, "1"), (r#""\u0062""#, r#"[2, {"c": 3}]"#), (r#""a""#, "null")],
            ),
            ("[1]", vec![]),
            ("", vec![]),
            (r#"{"a": 1, "b""#, vec![(r#""a""#, "1")]),
        ] {
            let entries = entries(text, document(text).start..text.len());
            let entries: Vec<_> =
                entries.into_iter().map(|(key, value)| (&text[key], &text[value])).collect();
            assert_eq!(entries, found, "{text}");
        }
    }

    #[test]
    fn finds_members() {
        let text = r#" {"a": 1, "b" : {"a": 2}, "a\u0062": [3], "\"": null, "b": true}"#;
        for (name, found) in [
            ("a", Some("1")),
            ("b", Some("true")),
            ("ab", Some("[3]")),
            ("\"", Some("null")),
            ("a\\u0062", None),
            ("c", None),
        ] {
            let member = member(text, document(text), name);
            assert_eq!(member.map(|member| &text[member]), found, "{name}");
        }
        assert_eq!(member("[1]", 0..3, "a"), None);
    }
}

//! The position of each flag and segment in the text of a document.
//!
//! In a text that `Document::parse` accepts, it finds the same lists.

use crate::value::{Span, document, elements, member};

/// The spans of the elements of both lists, malformed ones included.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outline {
    pub(crate) flags: Vec<Span>,
    pub(crate) segments: Vec<Span>,
}

impl Outline {
    /// Returns the outline of a text without a byte-order mark.
    pub(crate) fn of(text: &str) -> Outline {
        let root = document(text);
        let given = |object: &Span, name| {
            let span = member(text, object.clone(), name)?;
            (text.get(span.clone()) != Some("null")).then_some(span)
        };
        let inner = match given(&root, "flags") {
            Some(_) => root.clone(),
            None => given(&root, "data").unwrap_or_else(|| root.clone()),
        };
        let segments = given(&inner, "segments").or_else(|| given(&root, "segments"));
        // The document may be the list itself.
        let flags = given(&inner, "flags").unwrap_or(inner);
        let list = |span| elements(text, span);
        Outline { flags: list(flags), segments: segments.map(list).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_lists_that_count() {
        for (text, flags, segments) in [
            ("[1, 2]", "1 2", ""),
            (r#"{"flags": [1, 2], "segments": [3]}"#, "1 2", "3"),
            (r#"{"data": {"flags": [1], "segments": [2]}, "segments": [3]}"#, "1", "2"),
            (r#"{"segments": [3], "data": {"flags": [1], "segments": null}}"#, "1", "3"),
            (r#"{"data": {"flags": [1]}, "flags": [2]}"#, "2", ""),
            (r#"{"data": {"flags": [1]}, "flags": null}"#, "1", ""),
            (r#"{"flags": [1], "flags": [2], "segments": [3], "segments": [4]}"#, "2", "4"),
            (r#"{"flags": [1], "flags": null, "data": {"flags": [2]}}"#, "2", ""),
            (r#"{"data": [1], "segments": [2]}"#, "1", "2"),
            (r#"{"flags": {}}"#, "", ""),
            ("7", "", ""),
        ] {
            let outline = Outline::of(text);
            let parts = |spans: &[Span]| {
                spans.iter().map(|span| &text[span.clone()]).collect::<Vec<_>>().join(" ")
            };
            assert_eq!(
                (parts(&outline.flags), parts(&outline.segments)),
                (flags.into(), segments.into()),
                "{text}"
            );
        }
    }
}

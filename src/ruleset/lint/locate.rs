//! Locates paths such as `flags[3].key` in the text of a ruleset, by line and column.

use crate::ruleset::document::Outline;
use crate::value::{Span, document, elements, member};

/// One step of a path: a member of an object, or an element of a list.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

/// A path to locate, with its number.
type Sought<'a> = (Vec<Step<'a>>, usize);

/// Returns the span of each path, or the first character of its deepest part that exists. Each part
/// of the text is scanned a few times, however many paths lead there.
pub(super) fn locate<'a>(
    text: &str,
    outline: &Outline,
    paths: impl Iterator<Item = &'a str>,
) -> Vec<Span> {
    let mut sought: Vec<Sought<'a>> = paths.map(steps).zip(0..).collect();
    let mut spans = vec![first_character(document(text)); sought.len()];
    sought.sort_by(|(left, _), (right, _)| left.cmp(right));
    for group in sought.chunk_by(|(left, _), (right, _)| left.first() == right.first()) {
        let (name, list) = match group.first().and_then(|(steps, _)| steps.first()) {
            Some(Step::Field("flags")) => ("flags", &outline.flags),
            Some(Step::Field("segments")) => ("segments", &outline.segments),
            _ => continue,
        };
        let whole = group.partition_point(|(steps, _)| steps.len() == 1);
        let (whole, group) = group.split_at(whole);
        if !whole.is_empty()
            && let Some(part) = whole_list(text, name)
        {
            find(text, part, whole, 1, &mut spans);
        }
        find_items(text, list, group, 1, &mut spans);
    }
    spans
}

/// Returns the span of the list of flags or segments that is in force, or of the value in its
/// place.
fn whole_list(text: &str, name: &str) -> Option<Span> {
    let root = document(text);
    let given = |object: &Span, name| {
        let part = member(text, object.clone(), name)?;
        (text.get(part.clone()) != Some("null")).then_some(part)
    };
    let data = given(&root, "data").filter(|_| given(&root, "flags").is_none());
    data.and_then(|data| given(&data, name)).or_else(|| given(&root, name))
}

/// Locates the paths within a part; `depth` is the number of steps that lead to the part.
fn find(text: &str, part: Span, sought: &[Sought<'_>], depth: usize, spans: &mut [Span]) {
    for (steps, number) in sought {
        if let Some(span) = spans.get_mut(*number) {
            let found = steps.len() == depth;
            *span = if found { part.clone() } else { first_character(part.clone()) };
        }
    }
    let by_item = |(steps, _): &Sought<'_>| matches!(steps.get(depth), Some(Step::Item(_)));
    // Paths that end here are sorted before fields, and fields before items.
    let (others, items) = sought.split_at(sought.partition_point(|one| !by_item(one)));
    for group in others.chunk_by(|(left, _), (right, _)| left.get(depth) == right.get(depth)) {
        if let Some((steps, _)) = group.first()
            && let Some(Step::Field(name)) = steps.get(depth)
            && let Some(part) = member(text, part.clone(), name)
        {
            find(text, part, group, depth + 1, spans);
        }
    }
    if !items.is_empty() {
        find_items(text, &elements(text, part), items, depth, spans);
    }
}

fn find_items(text: &str, list: &[Span], sought: &[Sought<'_>], depth: usize, spans: &mut [Span]) {
    for group in sought.chunk_by(|(left, _), (right, _)| left.get(depth) == right.get(depth)) {
        if let Some((steps, _)) = group.first()
            && let Some(Step::Item(index)) = steps.get(depth)
            && let Some(part) = list.get(*index)
        {
            find(text, part.clone(), group, depth + 1, spans);
        }
    }
}

/// Returns the span of the bracket of an object or a list.
fn first_character(part: Span) -> Span {
    part.start..(part.start + 1).min(part.end)
}

/// Splits a path, such as `flags[3].targeting_rules[0]`.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let mut names = part.split('[');
        steps.extend(names.next().map(Step::Field));
        let indices = names.filter_map(|index| index.strip_suffix(']')?.parse().ok());
        steps.extend(indices.map(Step::Item));
    }
    steps
}

/// Returns the line and column of each offset, from 1; columns count characters. The offsets must
/// be in ascending order.
pub(super) fn lines_and_columns(text: &str, offsets: &[usize]) -> Vec<(usize, usize)> {
    let (mut line, mut column) = (1, 1);
    let mut bytes = text.bytes().enumerate().peekable();
    let mut found = Vec::with_capacity(offsets.len());
    for offset in offsets {
        while let Some((_, byte)) = bytes.next_if(|(position, _)| position < offset) {
            match byte {
                b'\n' => (line, column) = (line + 1, 1),
                // A continuation byte of a character.
                0x80..=0xbf => {}
                _ => column += 1,
            }
        }
        found.push((line, column));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_deepest_part_that_exists() {
        let text = r#"{"segments": [1], "flags": [{"key": "a"},
            {"key": "b", "rules": [{"v": [10, [11]]}], "rules": [{}, {"v": [20, {"w": 21}]}]}]}"#;
        let found = [
            ("flags[0]", r#"{"key": "a"}"#),
            ("flags[0].key", r#""a""#),
            ("flags[0].rules[3].v", "{"),
            ("flags[1].rules", r#"[{}, {"v": [20, {"w": 21}]}]"#),
            ("flags[1].rules[0]", "{}"),
            ("flags[1].rules[0].v[1].w", "{"),
            ("flags[1].rules[1].v[0]", "20"),
            ("flags[1].rules[1].v[1].w", "21"),
            ("flags[1].rules[1].v[1].x", "{"),
            ("flags[1].rules[1].v[2]", "["),
            ("flags[1].key[0]", "\""),
            ("flags[2].key", "{"),
            ("segments", "[1]"),
            ("segments[0].id", "1"),
            ("", "{"),
        ];
        let outline = Outline::of(text);
        for turn in 0..found.len() {
            let mut found = found;
            found.rotate_left(turn);
            let spans = locate(text, &outline, found.iter().map(|(path, _)| *path));
            for ((path, part), span) in found.iter().zip(spans) {
                assert_eq!(&text[span], *part, "{path}");
            }
        }
    }

    #[test]
    fn finds_the_list_that_counts() {
        for (text, segments) in [
            (r#"{"flags": [], "segments": 5}"#, "5"),
            (r#"{"flags": [], "segments": null}"#, "{"),
            (r#"{"data": {"flags": [], "segments": 6}, "segments": 5}"#, "6"),
            (r#"{"data": {"flags": []}, "segments": 5}"#, "5"),
            (r#"{"data": {"segments": 6}, "segments": 5, "flags": []}"#, "5"),
            ("[]", "["),
        ] {
            let spans = locate(text, &Outline::of(text), ["segments"].into_iter());
            assert_eq!(&text[spans[0].clone()], segments, "{text}");
        }
    }

    #[test]
    fn counts_lines_and_columns_as_errors_do() {
        use crate::value::JsonError;

        let text = "aü\n\r\n😀b\nc";
        let offsets: Vec<_> = (0..=text.len()).filter(|it| text.is_char_boundary(*it)).collect();
        let expected = offsets.iter().map(|offset| {
            let error = JsonError::new("", text, *offset);
            (error.line(), error.column())
        });
        assert_eq!(lines_and_columns(text, &offsets), expected.collect::<Vec<_>>());
        assert_eq!(lines_and_columns(text, &[3, 3]), [(1, 3), (1, 3)]);
    }
}

//! Reviews the text of a ruleset: fields that are not known, and values that are probably mistakes.

use super::Severity;
use super::conditions::review_condition;
use super::drafts::Drafts;
use super::fields::{FLAG, FieldSpec, Kind, OTHER_NAMES, Part, ROOT, SEGMENT};
use super::flag_values::{is_in_environment, review_flag};
use super::near::{did_you_mean, nearest};
use super::references::References;
use crate::ruleset::compile::{FLAGS, SEGMENTS};
use crate::ruleset::document::Outline;
use crate::ruleset::problem::Path;
use crate::ruleset::tables::excerpt;
use crate::value::{Span, document, elements, entries, member, string};

/// Warns of what only the text of a ruleset shows. Flags of other environments are not reviewed;
/// `in_force` has the indices of the flags in force.
pub(super) fn review_source(
    text: &str,
    outline: &Outline,
    environment: Option<&str>,
    in_force: &[usize],
    drafts: &mut Drafts<'_>,
) {
    let references = References::new(text, outline);
    let mut review = Review { text, references, in_force: false, drafts };
    let root = document(text);
    review.object(Path::Root(""), root.clone(), &ROOT);
    let given = |name| member(text, root.clone(), name).filter(|span| !is_null(text, span));
    if given("flags").is_none()
        && let Some(data) = given("data")
    {
        review.object(Path::Root("data"), data, &ROOT);
    }
    let mut used = vec![false; outline.flags.len()];
    for index in in_force {
        if let Some(used) = used.get_mut(*index) {
            *used = true;
        }
    }
    for ((index, span), in_force) in outline.flags.iter().enumerate().zip(used) {
        if is_in_environment(text, span, environment) {
            review.in_force = in_force;
            review.references.enter_flag(span.clone());
            review.object(FLAGS.item(index), span.clone(), &FLAG);
        }
    }
    review.in_force = true;
    for (index, span) in outline.segments.iter().enumerate() {
        review.object(SEGMENTS.item(index), span.clone(), &SEGMENT);
    }
}

struct Review<'a, 'p> {
    text: &'a str,
    references: References<'a>,
    /// Whether the values of the current flag or segment affect anything.
    in_force: bool,
    drafts: &'a mut Drafts<'p>,
}

impl Review<'_, '_> {
    /// Reviews an object and all objects in it. Any other value is ignored: if it is a problem, the
    /// compiler reports it.
    fn object(&mut self, path: Path<'_>, span: Span, kind: &'static Kind) {
        let text = self.text;
        let mut members: Vec<(&'static FieldSpec, Span)> = Vec::new();
        let mut unknown = Vec::new();
        for (key, value) in entries(text, span) {
            let name = string(text, key.clone()).unwrap_or_default();
            let Some(field) = kind.fields.iter().find(|field| field.name == name) else {
                unknown.push((name, key));
                continue;
            };
            match members.iter_mut().find(|(other, _)| other.name == field.name) {
                None => members.push((field, value)),
                Some((_, earlier)) => {
                    *earlier = value;
                    let message =
                        format_args!("the field `{name}` is repeated: the last one counts");
                    self.drafts.add(Severity::Warning, path, Some(key), message, None);
                }
            }
        }
        for (name, key) in unknown {
            self.unknown_field(path, &name, key, kind, &members);
        }
        for (field, value) in &members {
            let path = path.field(field.name);
            if let Some(kind) = field.object {
                self.object(path, value.clone(), kind);
            }
            if let Some(kind) = field.elements {
                for (index, element) in elements(text, value.clone()).into_iter().enumerate() {
                    self.object(path.item(index), element, kind);
                }
            }
        }
        if self.in_force {
            let members = members.iter().map(|(field, value)| (field.name, value.clone()));
            self.content(path, kind.part, &members.collect::<Vec<_>>());
        }
    }

    fn unknown_field(
        &mut self,
        path: Path<'_>,
        name: &str,
        key: Span,
        kind: &Kind,
        members: &[(&FieldSpec, Span)],
    ) {
        let is_absent =
            |field: &&FieldSpec| members.iter().all(|(member, _)| member.name != field.name);
        let suggested = kind.fields.iter().filter(|field| field.suggested);
        let other = OTHER_NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        let other = suggested.clone().find(|field| other.is_some_and(|(_, it)| *it == field.name));
        let near = if is_comment(name) {
            None
        } else if let Some(other) = other {
            Some(other.name)
        } else {
            let absent = suggested.clone().filter(is_absent).map(|field| field.name);
            nearest(name, suggested.map(|field| field.name)).or_else(|| longer(name, absent))
        };
        let severity = if near.is_some() { Severity::Warning } else { Severity::Note };
        let message = format_args!("the field `{}` is not known and ignored", excerpt(name));
        self.drafts.add(severity, path, Some(key), message, near.map(did_you_mean));
    }

    fn content(&mut self, path: Path<'_>, part: Part, members: &[(&'static str, Span)]) {
        match part {
            Part::Flag => {
                review_flag(self.text, path, members, self.drafts);
                self.references.review(path, members, self.drafts);
            }
            Part::Reference => self.references.review(path, members, self.drafts),
            Part::Condition => review_condition(self.text, path, members, self.drafts),
            Part::Other => {}
        }
    }
}

/// Returns whether a name marks a comment or a field that is switched off.
fn is_comment(name: &str) -> bool {
    name.starts_with(['_', '$', '/', '#']) || name.starts_with("x-")
}

/// Returns the first known field of which a name is one word: `rules` of `targeting_rules`.
fn longer(name: &str, fields: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let mut fields = fields.filter(|field| field.contains('_'));
    fields.find(|field| field.split('_').any(|word| word.eq_ignore_ascii_case(name)))
}

fn is_null(text: &str, span: &Span) -> bool {
    text.get(span.clone()) == Some("null")
}

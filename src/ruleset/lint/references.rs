//! Finds what a reference to nothing probably means: a variation, a flag or a segment.

use super::drafts::Drafts;
use super::near::{did_you_mean, nearest};
use crate::ruleset::document::Outline;
use crate::ruleset::problem::Path;
use crate::ruleset::tables::TextMap;
use crate::value::{Span, elements, member, string};

/// The number of names that a reference is compared with. More would take long in a large document
/// with many mistakes.
const MOST_NAMES: usize = 100;

/// The names that references may mean. They are read when a reference is wrong.
pub(super) struct References<'a> {
    text: &'a str,
    outline: &'a Outline,
    /// The current flag.
    flag: Span,
    /// The first variations of the current flag.
    variations: Option<Vec<String>>,
    /// The first flags.
    flags: Option<Vec<String>>,
    segments: Option<TextMap<()>>,
    /// The names of the first segments.
    first_segments: Vec<String>,
}

impl<'a> References<'a> {
    pub(super) fn new(text: &'a str, outline: &'a Outline) -> References<'a> {
        let (flag, variations, flags, segments, first_segments) = Default::default();
        References { text, outline, flag, variations, flags, segments, first_segments }
    }

    /// Makes a flag the current one.
    pub(super) fn enter_flag(&mut self, flag: Span) {
        (self.flag, self.variations) = (flag, None);
    }

    /// Adds help to the problems of the references in an object.
    pub(super) fn review(
        &mut self,
        path: Path<'_>,
        members: &[(&'static str, Span)],
        drafts: &mut Drafts<'_>,
    ) {
        for (field, span) in members {
            let path = path.field(field);
            let is_reference = matches!(
                *field,
                "flag_key"
                    | "segment_id"
                    | "variation"
                    | "variation_id"
                    | "default_variation"
                    | "default_variation_id"
                    | "default_variation_key"
            );
            if !is_reference || !drafts.is_reported(path) {
                continue;
            }
            let Some(name) = string(self.text, span.clone()) else { continue };
            let help = match *field {
                "segment_id" => self.help_for_segment(&name),
                "flag_key" => nearest_of(&name, self.flags()),
                _ => nearest_of(&name, self.variations()),
            };
            drafts.hint(path, None, help);
        }
    }

    fn flags(&mut self) -> &[String] {
        self.flags.get_or_insert_with(|| {
            let flags = self.outline.flags.iter().take(MOST_NAMES);
            flags.filter_map(|flag| name(self.text, flag, "key")).collect()
        })
    }

    fn variations(&mut self) -> &[String] {
        self.variations.get_or_insert_with(|| {
            let list = member(self.text, self.flag.clone(), "variations");
            let variations = list.map_or_else(Vec::new, |list| elements(self.text, list));
            let names = variations
                .into_iter()
                .take(MOST_NAMES)
                .flat_map(|it| ["key", "id"].map(|field| name(self.text, &it, field)));
            names.flatten().collect()
        })
    }

    /// Returns what a self-hosted service does with a segment that does not exist, or `None` if the
    /// segment exists.
    fn help_for_segment(&mut self, segment: &str) -> Option<String> {
        let segments = self.segments.get_or_insert_with(|| {
            let mut names = TextMap::default();
            for segment in &self.outline.segments {
                for name in ["id", "key"].iter().filter_map(|it| name(self.text, segment, it)) {
                    if self.first_segments.len() < MOST_NAMES {
                        self.first_segments.push(name.clone());
                    }
                    names.insert(name.into(), ());
                }
            }
            names
        });
        if segments.get(segment).is_some() {
            return None;
        }
        let near = nearest_of(segment, &self.first_segments);
        let help = match self.outline.segments.is_empty() {
            true => {
                "a self-hosted service lists its segments only in `/sdk/bootstrap`, which clients \
                 and `phaseflag pull` fetch"
            }
            false => {
                "a self-hosted service that evaluates the rule ignores an unknown segment, and \
                 serves everyone who meets the rule's conditions"
            }
        };
        Some(match near {
            Some(near) => format!("{near} {help}"),
            None => help.to_owned(),
        })
    }
}

fn nearest_of(name: &str, names: &[String]) -> Option<String> {
    nearest(name, names.iter().map(String::as_str)).map(did_you_mean)
}

/// Returns a name of an object, or `None` if it is empty.
fn name(text: &str, object: &Span, field: &str) -> Option<String> {
    let name = string(text, member(text, object.clone(), field)?)?;
    (!name.is_empty()).then(|| name.into_owned())
}

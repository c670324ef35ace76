//! Warnings about flags, rules and segments as they are compiled.

use std::borrow::Cow;

use super::Severity;
use super::contradictions::contradiction;
use super::drafts::Drafts;
use super::near::did_you_mean;
use super::reach::Reach;
use super::variables::shared_variables;
use super::weights::weight_warnings;
use crate::ruleset::compile::{FLAGS, SEGMENTS};
use crate::ruleset::document::Outline;
use crate::ruleset::problem::Path;
use crate::ruleset::tables::{Condition, Flag, Rule, Serves, Tables, TextMap, excerpt};
use crate::value::{Span, Value, elements, member, string};

/// The index in the document of each flag and segment of the tables.
pub(super) struct SourceIndices {
    /// Whether the tables have the flags of all environments.
    pub(super) all_flags: bool,
    pub(super) flags: Vec<usize>,
    pub(super) segments: Vec<usize>,
}

/// Warns of what the tables of a ruleset show.
pub(super) fn review_tables(
    text: &str,
    outline: &Outline,
    indices: &SourceIndices,
    tables: &Tables,
    drafts: &mut Drafts<'_>,
) {
    let mut review = Review { text, drafts };
    let mut reach = Reach::new(tables);
    for (flag, index) in tables.flags.iter().zip(&indices.flags) {
        let span = outline.flags.get(*index).cloned().unwrap_or_default();
        review.flag(FLAGS.item(*index), flag, span, &mut reach);
    }
    shared_variables(tables, |position, message| {
        if let Some(index) = indices.flags.get(position) {
            review.drafts.warn(FLAGS.item(*index).field("key"), message);
        }
    });
    if indices.all_flags {
        review.segments(indices, tables);
    }
}

struct Review<'a, 'p> {
    text: &'a str,
    drafts: &'a mut Drafts<'p>,
}

impl Review<'_, '_> {
    fn flag(&mut self, path: Path<'_>, flag: &Flag, span: Span, reach: &mut Reach) {
        if flag.on {
            self.variations(path, flag);
        }
        let rules = path.field("targeting_rules");
        let list = member(self.text, span, "targeting_rules");
        let spans = list.map_or_else(Vec::new, |list| elements(self.text, list));
        self.empty_rules(rules, flag, spans.len());
        let shadowing_rules = reach.shadowing_rules(&flag.rules);
        for (position, (rule, shadowing)) in flag.rules.iter().zip(shadowing_rules).enumerate() {
            let is_last = position + 1 == flag.rules.len();
            let path = rules.item(rule.index as usize);
            self.contradiction(path, &rule.conditions, "the rule matches nobody");
            self.rule(path, flag, rule, shadowing, is_last);
            if let (Serves::Variation(served), Some(span)) =
                (&rule.serves, spans.get(rule.index as usize))
            {
                let key = flag.variation(*served).and_then(|it| it.key.as_deref());
                self.ignored_rollout(path, span, key);
            }
        }
    }

    fn variations(&mut self, path: Path<'_>, flag: &Flag) {
        let (variations, default) = (path.field("variations"), path.field("default_variation"));
        let names = ["default_variation_id", "default_variation_key"];
        let [id, key] = names.map(|name| path.field(name));
        let parts = [variations, default, id, key];
        if flag.default.is_some() || parts.iter().any(|part| self.drafts.is_reported(*part)) {
            return;
        }
        if flag.variations.is_empty() {
            let message = "the flag is on and has no variations: the value served is null";
            return self.drafts.warn(variations, message);
        }
        let message = "the flag is on and names no default variation: \
                       the value served is null if no rule decides";
        self.drafts.warn(default, message);
    }

    /// Warns of empty rules, which are not in the tables.
    fn empty_rules(&mut self, path: Path<'_>, flag: &Flag, listed: usize) {
        // Some of the rules may be malformed, and their problems not listed.
        if self.drafts.omits_problems() {
            return;
        }
        let mut compiled = vec![false; listed];
        for rule in &flag.rules {
            if let Some(compiled) = compiled.get_mut(rule.index as usize) {
                *compiled = true;
            }
        }
        for (index, compiled) in compiled.into_iter().enumerate() {
            if !compiled && !self.drafts.is_reported(path.item(index)) {
                self.drafts.warn(path.item(index), SERVES_NOTHING);
            }
        }
    }

    /// Warns of conditions that cannot hold together.
    fn contradiction(&mut self, path: Path<'_>, conditions: &[Condition], consequence: &str) {
        let Some((attribute, single_texts)) = contradiction(conditions) else { return };
        let message = format_args!(
            "no value of `{}` meets all conditions on it: {consequence}",
            excerpt(attribute)
        );
        let help = single_texts.then(|| did_you_mean("one_of"));
        self.drafts.add(Severity::Warning, path.field("conditions"), None, message, help);
    }

    /// Warns of a rollout in a rule that serves the variation of a key, unless the rollout would serve
    /// it to everyone, or serves nothing: exports write such rollouts.
    fn ignored_rollout(&mut self, path: Path<'_>, rule: &Span, key: Option<&str>) {
        let Some(rollout) = member(self.text, rule.clone(), "percentage_rollout") else { return };
        let entries = member(self.text, rollout.clone(), "variations").unwrap_or(rollout);
        let names = references(self.text, rule);
        let (mut same, mut others) = (0.0, 0.0);
        for entry in elements(self.text, entries) {
            let mut references = references(self.text, &entry).into_iter().flatten();
            let is_same = references
                .any(|name| Some(&*name) == key || names.iter().flatten().any(|it| *it == name));
            let sum = if is_same { &mut same } else { &mut others };
            *sum += weight(self.text, &entry);
        }
        // The last bucket is 99.
        if others > 0.0 || (same > 0.0 && same <= 99.0) {
            let message = "the rule names a variation, which everyone it matches gets: \
                           the rollout is ignored";
            self.drafts.warn(path.field("percentage_rollout"), message);
        }
    }

    fn rule(
        &mut self,
        path: Path<'_>,
        flag: &Flag,
        rule: &Rule,
        shadowing: Option<&Rule>,
        is_last: bool,
    ) {
        if let Serves::Nothing = rule.serves {
            return self.drafts.warn(path, SERVES_NOTHING);
        }
        if let Some(Rule { index, serves, .. }) = shadowing {
            let consequence = match serves {
                // Users without an identifier may reach the rule.
                Serves::Rollout(_) => "can serve: the rule never decides",
                Serves::Variation(_) | Serves::Nothing => "matches: the rule is never reached",
            };
            self.drafts.warn(
                path,
                format_args!(
                    "targeting_rules[{index}] comes first and serves everyone whom this rule \
                     {consequence}"
                ),
            );
        }
        if let Serves::Rollout(entries) = &rule.serves {
            for message in weight_warnings(flag, entries, is_last) {
                self.drafts.warn(path.field("percentage_rollout"), message);
            }
        }
    }

    fn segments(&mut self, indices: &SourceIndices, tables: &Tables) {
        let mut used = vec![false; tables.segments.len()];
        let rules = tables.flags.iter().flat_map(|flag| &flag.rules);
        for position in rules.filter_map(|rule| rule.segment) {
            if let Some(used) = used.get_mut(position as usize) {
                *used = true;
            }
        }
        // Of several segments with the same name, only the last one is in force.
        let mut last = TextMap::default();
        for (position, segment) in tables.segments.iter().enumerate() {
            last.insert((*segment.name).into(), position);
        }
        let listed = tables.segments.iter().zip(&indices.segments).zip(used);
        for (position, ((segment, index), used)) in listed.enumerate() {
            let path = SEGMENTS.item(*index);
            self.contradiction(path, &segment.conditions, "the segment holds nobody");
            if !used && last.get(&segment.name) == Some(&position) && !self.drafts.is_reported(path)
            {
                let name = excerpt(&segment.name);
                self.drafts.warn(path, format_args!("no active rule uses the segment `{name}`"));
            }
        }
    }
}

/// Returns the names that a rule or an entry of a rollout has for its variation.
fn references<'a>(text: &'a str, object: &Span) -> [Option<Cow<'a, str>>; 2] {
    ["variation_id", "variation"].map(|field| {
        let name = member(text, object.clone(), field).and_then(|span| string(text, span));
        name.filter(|name| !name.is_empty())
    })
}

/// Returns the weight of an entry of a rollout.
fn weight(text: &str, entry: &Span) -> f64 {
    let mut weights = ["weight", "percentage"].into_iter().filter_map(|field| {
        let span = member(text, entry.clone(), field)?;
        text.get(span)?.parse::<Value>().ok()?.as_f64()
    });
    weights.next().unwrap_or_default()
}

const SERVES_NOTHING: &str = "the rule serves nothing: the next rule is evaluated";

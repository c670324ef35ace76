//! A recorded evaluation: who was served what, its fingerprint, and its event.

use super::event::EvaluationEvent;
use crate::context::Identifier;
use crate::hash::{hash, mix};
use crate::ruleset::Reason;

/// The part of an evaluation that its event holds.
#[derive(Clone, Copy)]
pub(super) struct RecordedEvaluation<'a> {
    pub(crate) key: &'a str,
    pub(super) variation_key: Option<&'a str>,
    pub(super) who: Identifier<'a>,
}

impl RecordedEvaluation<'_> {
    /// Returns a hash of all fields.
    #[inline(always)]
    pub(super) fn fingerprint(&self, seed: u64) -> u64 {
        let (who, identifier) = match self.who {
            Identifier::User(id) => (1 << 62, id),
            Identifier::Session(id) => (1 << 61, id),
            Identifier::Missing => (0, ""),
        };
        let (has_variation, variation_key) =
            self.variation_key.map_or((0, ""), |key| (1 << 63, key));
        // The lengths go first: for the fast hash, some short texts of different lengths collide
        // under every seed.
        let length = |text: &str, place: u32| (text.len() as u64).rotate_left(place);
        let lengths = length(self.key, 0) ^ length(variation_key, 20) ^ length(identifier, 40);
        let start = mix(seed ^ lengths ^ who ^ has_variation);
        let key = hash(start, self.key.as_bytes());
        let variation = hash(key, variation_key.as_bytes());
        hash(variation, identifier.as_bytes())
    }

    /// Returns the event, with the current time.
    pub(crate) fn event(&self, reason: &Reason) -> EvaluationEvent {
        let mut event = EvaluationEvent::new(self.key)
            .metadata("source", "evaluation")
            .metadata("reason", reason.as_str());
        if let Some(key) = self.variation_key {
            event = event.variation_key(key);
        }
        let mut event = match self.who {
            Identifier::User(id) => event.user_id(id),
            Identifier::Session(id) => event.metadata("session_id", id),
            Identifier::Missing => event,
        };
        event.stamp();
        event
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn evaluations_that_differ_in_one_field_have_different_fingerprints() {
        let texts = ["", "\0", "\u{1}", "a", "aa", "0111", "01111", "abcdefgh", "abcdefghi"];
        let mut fingerprints = BTreeSet::new();
        let mut count = 0;
        for key in texts {
            for variation_key in texts.map(Some).into_iter().chain([None]) {
                let identified = texts
                    .into_iter()
                    .flat_map(|id| [Identifier::User(id), Identifier::Session(id)]);
                for who in identified.chain([Identifier::Missing]) {
                    let evaluation = RecordedEvaluation { key, variation_key, who };
                    fingerprints.insert(evaluation.fingerprint(7));
                    count += 1;
                }
            }
        }
        assert_eq!(fingerprints.len(), count);
    }
}

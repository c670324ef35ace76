//! The response whose body became the ruleset in use, to recognize an equal one.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::cache_file::Header;
use crate::http::RulesPath;
use crate::value::json;
use crate::value::members;

/// The members of `/sdk/bootstrap` that differ from one response to the next.
const VOLATILE_MEMBERS: [&str; 2] = ["generated_at", "signature"];

/// The response whose body became the ruleset in use.
#[derive(Clone)]
pub(super) struct Accepted {
    pub(super) path: RulesPath,
    /// `None` if its body is not known.
    pub(super) fingerprint: Option<u64>,
    pub(super) etag: Option<String>,
    /// The header of the file of another process that has this body, or `None`.
    pub(super) header: Option<Header>,
}

/// Hashes bodies with a secret of this client.
pub(super) struct Fingerprints(RandomState);

impl Fingerprints {
    pub(super) fn new() -> Fingerprints {
        Fingerprints(RandomState::new())
    }

    /// Hashes a body without its byte-order mark and its volatile members.
    pub(super) fn of(&self, path: RulesPath, body: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        let mut rest = json::bytes_without_mark(body);
        if path == RulesPath::Bootstrap
            && let Ok(text) = std::str::from_utf8(rest)
        {
            let mut start = 0;
            for member in members(text, &VOLATILE_MEMBERS) {
                hasher.write(text.get(start..member.start).unwrap_or_default().as_bytes());
                start = member.end;
            }
            rest = text.get(start..).unwrap_or_default().as_bytes();
        }
        hasher.write(rest);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volatile_members_do_not_change_the_fingerprint() {
        let fingerprints = Fingerprints::new();
        let hash = |text: &str| fingerprints.of(RulesPath::Bootstrap, text.as_bytes());
        let first = hash(r#"{"generated_at": 1, "flags": [], "signature": "a"}"#);
        for (same, text) in [
            (true, r#"{"generated_at": "later", "flags": [], "signature": null}"#),
            (true, "\u{feff}{\"generated_at\": 1, \"flags\": [], \"signature\": \"a\"}"),
            (false, r#"{"generated_at": 1, "flags": [7], "signature": "a"}"#),
            (false, r#"{"generated_at": 1, "flags": [], "version": "a"}"#),
            (false, r#"{"generated_at": 1, "flags": [], "signature": "a""#),
        ] {
            assert_eq!(hash(text) == first, same, "{text}");
        }
        let inner = |value| format!(r#"{{"flags": [{{"key": "f", "signature": {value}}}]}}"#);
        assert_ne!(hash(&inner(1)), hash(&inner(2)));
        assert_ne!(hash("not JSON, 1"), hash("not JSON, 2"));
    }
}

//! `Statistics`: what a client has done so far, and which rules it has.

use std::time::Duration;

use super::lifecycle::Inner;
use crate::error::{Error, RequestError};
use crate::events::EventCounts;
use crate::value::Value;

/// What a client has done so far, and which rules it has.
///
/// ```
/// use phaseflag::PhaseFlagClient;
///
/// let client = PhaseFlagClient::without_service().bootstrap_text(r#"[{"key": "a"}]"#).build()?;
/// client.start()?;
/// client.get_boolean_value("b", false, None);
///
/// let statistics = client.statistics();
/// assert_eq!((statistics.rulesets_loaded, statistics.flags), (1, 1));
/// assert_eq!((statistics.defaults_served, statistics.unknown_flags), (1, vec!["b".to_owned()]));
/// # Ok::<(), phaseflag::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// The number of flags of the current rules.
    pub flags: usize,
    /// The version of the current rules, or `None` if there are no rules or they have no version.
    pub version: Option<Value>,
    /// The number of problems of the current rules; see [`Ruleset::problems`](crate::Ruleset::problems).
    pub problems: usize,
    /// The time since the service last confirmed the current rules, or, before it responds, since the
    /// bootstrap was loaded or last checked. `None` without rules, or if the time is not known.
    pub rules_age: Option<Duration>,
    /// Rulesets that came into force, from any source. Reloads of a watched bootstrap file count.
    pub rulesets_loaded: u64,
    /// The last failure to load the bootstrap file or text; it stays when the file can be used again.
    pub last_bootstrap_failure: Option<Error>,
    /// Finished polls. A poll that fetches segments makes two requests.
    pub polls: u64,
    /// Those of them that made no request, since another process with the same
    /// [`cache_dir`](crate::ClientBuilder::cache_dir) had polled within `polling_interval`.
    pub shared_polls: u64,
    /// Rulesets from polls that came into force, including one without its segments.
    pub rulesets_accepted: u64,
    /// Responses that were not a ruleset.
    pub rulesets_refused: u64,
    /// The last failure of a poll; it stays when the service recovers.
    pub last_failure: Option<RequestError>,
    /// Calls of the getters of the client and its snapshots that returned the caller's default,
    /// `None` or an error: the flag is unknown or serves a value of another type, or there are no
    /// rules yet.
    pub defaults_served: u64,
    /// The keys that the program asked for while there were rules without them: up to 32, of up to
    /// 255 bytes each, without those that the current rules have. A key may be missing until it is
    /// asked for again if two threads ask for new ones at the same time.
    pub unknown_flags: Vec<String>,
    /// The events by their outcome.
    pub events: EventCounts,
    /// Failed requests for events since the last accepted one.
    pub failed_deliveries: u64,
    /// The last failure to deliver events; it stays when deliveries succeed.
    pub last_delivery_failure: Option<RequestError>,
}

impl Statistics {
    pub(super) fn of(inner: &Inner) -> Statistics {
        let Inner { flags, ledger, .. } = inner;
        let polls = flags.readiness.polls();
        let rules = flags.compiled();
        let last_bootstrap_failure = polls.last_bootstrap_failure();
        let version = rules.as_ref().map(|rules| rules.version().clone());
        let mut events = ledger.counts();
        events.in_spool = inner.service.as_ref().map_or(0, |service| service.in_spool());
        Statistics {
            flags: rules.as_ref().map_or(0, |rules| rules.len()),
            version: version.filter(|version| !version.is_null()),
            problems: rules.as_ref().map_or(0, |rules| rules.problems().len()),
            rules_age: rules.as_ref().and_then(|_| polls.age()),
            rulesets_loaded: flags.loaded(),
            polls: polls.made,
            shared_polls: polls.shared,
            rulesets_accepted: polls.accepted,
            rulesets_refused: polls.refused,
            last_failure: polls.last_failure,
            last_bootstrap_failure,
            defaults_served: flags.misses.count(),
            unknown_flags: flags.misses.unknown_keys(rules.as_ref()),
            events,
            failed_deliveries: ledger.failed_requests(),
            last_delivery_failure: ledger.last_failure(),
        }
    }
}

//! Where rules come from, and which source may replace which.

use std::fmt;

/// The source of a ruleset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RulesSource<'a> {
    /// A response of the service.
    Service,
    /// The cache: a response of the service to an earlier process. Holds its path.
    Cache(&'a str),
    /// The cache: a response of the service to another process at this time. Holds its path.
    Shared(&'a str),
    /// The bootstrap file or text. Holds its path or the name of the setting.
    Bootstrap(&'a str),
    /// The response of the bootstrap URL.
    BootstrapUrl,
}

impl RulesSource<'_> {
    /// Returns whether the rules are those of the service.
    pub(super) fn is_service(self) -> bool {
        use RulesSource::{Cache, Service, Shared};
        matches!(self, Service | Cache(_) | Shared(_))
    }
}

impl fmt::Display for RulesSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RulesSource::Service => f.write_str("the service"),
            RulesSource::Cache(location) | RulesSource::Shared(location) => {
                write!(f, "the cache `{location}`")
            }
            RulesSource::Bootstrap(location) => write!(f, "the bootstrap `{location}`"),
            RulesSource::BootstrapUrl => f.write_str("the bootstrap URL"),
        }
    }
}

/// Decides whether a source may still replace the rules.
#[derive(Debug, Default)]
pub(super) struct Precedence {
    /// Whether rules of the service, fetched or cached, are or were in use.
    pub(super) served: bool,
    /// The number of rulesets that came into force.
    pub(super) loaded: u64,
    /// Whether the client is stopped.
    pub(super) closed: bool,
}

impl Precedence {
    /// Returns whether rules of this source may be used; `has_rules` is whether there are any.
    pub(super) fn permits(&self, source: RulesSource<'_>, has_rules: bool) -> bool {
        !self.closed
            && match source {
                RulesSource::Service | RulesSource::Shared(_) => true,
                RulesSource::Cache(_) | RulesSource::Bootstrap(_) => !self.served,
                RulesSource::BootstrapUrl => !has_rules,
            }
    }
}

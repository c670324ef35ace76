//! Fetches rules from `/sdk/ruleset`, or from `/sdk/bootstrap` if a rule names a segment that the
//! former lacks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accepted::{Accepted, Fingerprints};
use super::cache_file::{CacheFile, Header};
use crate::config::Parser;
use crate::error::RequestError;
use crate::http::{Http, Response};
use crate::http::{Paths, RulesPath};
use crate::log::log;
use crate::ruleset::{Ruleset, RulesetError};
use crate::value::Value;

/// The time until a missing `/sdk/bootstrap` is requested again.
const MISSING_RETRY: Duration = Duration::from_secs(3600);

/// Fetches rulesets, and compares each with the last accepted one.
pub(super) struct Fetcher {
    http: Arc<Http>,
    paths: Arc<Paths>,
    conditional: Option<bool>,
    parser: Parser,
    fingerprints: Fingerprints,
    accepted: Option<Accepted>,
    missing_retry: Duration,
}

/// A fetched ruleset that differs from the one in use.
pub(super) struct NewRuleset {
    pub(super) ruleset: Ruleset,
    /// The ruleset with the flags of all environments. It decides the path, which clients of other
    /// environments share through the cache.
    whole: Ruleset,
    pub(super) body: Vec<u8>,
    accepted: Accepted,
}

impl NewRuleset {
    /// Returns the `ETag` to cache with the rules, or `None`. Only requests to `/sdk/ruleset` send a
    /// cached one.
    pub(super) fn cacheable_etag(&self) -> Option<&str> {
        let Accepted { path, etag, .. } = &self.accepted;
        etag.as_deref().filter(|_| *path == RulesPath::Ruleset)
    }
}

/// A fetch that failed.
pub(super) struct Failure {
    pub(super) cause: RequestError,
    /// The rules without their segments, if the client has no others.
    pub(super) incomplete: Option<Box<NewRuleset>>,
}

/// Returns a failure without rules.
impl From<RequestError> for Failure {
    fn from(cause: RequestError) -> Failure {
        Failure { cause, incomplete: None }
    }
}

/// The client's state, which a fetch reads when it needs it.
#[derive(Clone, Copy)]
pub(super) struct ClientView<'a> {
    /// Returns the last accepted ruleset.
    pub(super) ruleset: &'a dyn Fn() -> Option<Ruleset>,
    /// Returns whether the client has rules.
    pub(super) has_rules: &'a dyn Fn() -> bool,
    /// Returns whether the client no longer needs the rules.
    pub(super) is_stopped: &'a dyn Fn() -> bool,
    /// When the request timeout of all requests began; `None` if each has a timeout of its own.
    pub(super) since: Option<Instant>,
}

impl Fetcher {
    pub(super) fn new(
        http: Arc<Http>,
        paths: Arc<Paths>,
        conditional: Option<bool>,
        parser: Parser,
    ) -> Fetcher {
        Fetcher {
            http,
            paths,
            conditional,
            parser,
            fingerprints: Fingerprints::new(),
            accepted: None,
            missing_retry: MISSING_RETRY,
        }
    }

    /// Sets the accepted response to one of an earlier process, unless this one has accepted one.
    /// Without its text, only its `ETag` is known.
    pub(super) fn restore(&mut self, text: Option<&[u8]>, etag: Option<String>) {
        if self.accepted.is_some() {
            return;
        }
        let path = self.paths.known().rules;
        let etag = etag.filter(|_| self.conditional != Some(false) && path == RulesPath::Ruleset);
        let fingerprint = text.map(|text| self.fingerprints.of(path, text));
        self.accepted = Some(Accepted { path, fingerprint, etag, header: None });
    }

    /// Returns whether the accepted response is from a file with this header.
    pub(super) fn has_adopted(&self, header: &Header) -> bool {
        self.accepted.as_ref().is_some_and(|accepted| accepted.header.as_ref() == Some(header))
    }

    /// Accepts the response that another process has stored. Returns its ruleset, or `None` if it
    /// equals the last accepted one.
    pub(super) fn adopt(&mut self, file: &CacheFile) -> Result<Option<Ruleset>, RulesetError> {
        let (text, header) = (file.text.text().as_bytes(), Some(file.header));
        let fingerprint = |path| Some(self.fingerprints.of(path, text));
        if let Some(accepted) = &mut self.accepted
            && accepted.fingerprint == fingerprint(accepted.path)
        {
            accepted.header = header;
            self.paths.recall_rules_path();
            return Ok(None);
        }
        let ruleset = self.parser.parse(text)?;
        self.paths.recall_rules_path();
        let path = self.paths.known().rules;
        let is_sent = path == RulesPath::Ruleset && self.trusts_etag(&ruleset);
        let etag = file.etag.clone().filter(|_| is_sent);
        self.accepted = Some(Accepted { path, fingerprint: fingerprint(path), etag, header });
        Ok(Some(ruleset))
    }

    /// Sets the accepted response to that of a new ruleset.
    pub(super) fn accept(&mut self, new: &NewRuleset) {
        self.accepted = Some(new.accepted.clone());
    }

    /// Forgets the accepted response, so that the next ruleset counts as new.
    pub(super) fn forget(&mut self) {
        self.accepted = None;
    }

    /// Fetches the rules, or returns `None` if the last accepted ones are unchanged.
    pub(super) fn fetch(&mut self, client: ClientView<'_>) -> Result<Option<NewRuleset>, Failure> {
        match self.paths.known().rules {
            RulesPath::Ruleset => self.fetch_ruleset(client),
            RulesPath::Bootstrap => self.fetch_bootstrap(client),
        }
    }

    /// Requests `/sdk/ruleset`, then `/sdk/bootstrap` if segments are missing.
    fn fetch_ruleset(&mut self, client: ClientView<'_>) -> Result<Option<NewRuleset>, Failure> {
        let new = self.request(RulesPath::Ruleset, client)?;
        let may_request = self.paths.known().may_have_bootstrap(self.missing_retry);
        if new.is_none() && !may_request {
            return Ok(None);
        }
        if !lacks_segments(new.as_ref(), client) {
            self.paths.set_rules_path(RulesPath::Ruleset);
            return Ok(new);
        }
        if !may_request || (client.is_stopped)() {
            return Ok(new);
        }
        match self.request(RulesPath::Bootstrap, client) {
            Ok(bootstrap) => {
                self.find_bootstrap(bootstrap.as_ref());
                Ok(bootstrap)
            }
            Err(failure) if self.is_missing(&failure) => {
                self.miss_bootstrap(&failure);
                Ok(new)
            }
            Err(cause) => {
                let incomplete = new.filter(|_| !(client.has_rules)()).map(Box::new);
                Err(Failure { cause, incomplete })
            }
        }
    }

    /// Requests `/sdk/bootstrap`, then `/sdk/ruleset` if the service does not have the former.
    fn fetch_bootstrap(&mut self, client: ClientView<'_>) -> Result<Option<NewRuleset>, Failure> {
        let failure = match self.request(RulesPath::Bootstrap, client) {
            Ok(new) => {
                self.find_bootstrap(new.as_ref());
                return Ok(new);
            }
            Err(failure) => failure,
        };
        if (client.is_stopped)() {
            return Err(failure.into());
        }
        if !self.is_missing(&failure) {
            let new = match (client.has_rules)() {
                true => None,
                false => self.request(RulesPath::Ruleset, client).ok().flatten(),
            };
            return Err(Failure { cause: failure, incomplete: new.map(Box::new) });
        }
        // If this fails too, the key is refused or the service is unavailable.
        let new = self.request(RulesPath::Ruleset, client)?;
        if lacks_segments(new.as_ref(), client) {
            self.miss_bootstrap(&failure);
        } else {
            self.paths.set_rules_path(RulesPath::Ruleset);
        }
        Ok(new)
    }

    /// Chooses `/sdk/bootstrap` for later requests if a rule names a segment.
    fn find_bootstrap(&self, new: Option<&NewRuleset>) {
        let needed = new.is_none_or(|new| new.whole.names_segments());
        self.paths.set_rules_path(if needed { RulesPath::Bootstrap } else { RulesPath::Ruleset });
    }

    fn miss_bootstrap(&self, failure: &RequestError) {
        if self.paths.set_bootstrap_missing() {
            log!(warn, "rules that name a segment match no one for at least an hour: {failure:#}");
        }
    }

    /// Returns whether a failure of `/sdk/bootstrap` means that the service does not have it.
    fn is_missing(&self, failure: &RequestError) -> bool {
        match failure {
            RequestError::Status { status, .. } => {
                matches!(status, 300..=499) && !matches!(status, 408 | 429)
            }
            RequestError::Ruleset { .. }
            | RequestError::TooLarge { .. }
            | RequestError::Encoding { .. } => !self.paths.uses_bootstrap(),
            _ => false,
        }
    }

    /// Sends one request, or returns `None` if the last accepted rules are unchanged.
    fn request(
        &mut self,
        path: RulesPath,
        client: ClientView<'_>,
    ) -> Result<Option<NewRuleset>, RequestError> {
        let accepted = self.accepted.as_ref().filter(|accepted| accepted.path == path);
        let etag_sent = accepted.and_then(|accepted| accepted.etag.as_deref());
        let response = self.http.get(path.as_str(), etag_sent, client.since);
        let Response { not_modified, etag, body } =
            response.map_err(|failure| hint(path, failure))?;
        if not_modified {
            return Ok(None);
        }
        let fingerprint = Some(self.fingerprints.of(path, &body));
        if let Some(accepted) = &mut self.accepted
            && accepted.fingerprint == fingerprint
        {
            // Only the `ETag` may be new. If the last one was not kept, neither is this one.
            let kept = accepted.etag.take().filter(|_| accepted.path == path);
            (accepted.path, accepted.etag) = (path, kept.and(etag));
            return Ok(None);
        }
        let refused = |cause| RequestError::Ruleset { url: self.http.url(path.as_str()), cause };
        let ruleset = self.parser.parse(&body).map_err(refused)?;
        let whole = match self.parser.environment() {
            Some(_) => Ruleset::parse_bytes(&body).map_err(refused)?,
            None => ruleset.clone(),
        };
        let etag = etag.filter(|_| self.trusts_etag(&ruleset));
        Ok(Some(NewRuleset {
            ruleset,
            whole,
            body,
            accepted: Accepted { path, fingerprint, etag, header: None },
        }))
    }

    /// Returns whether the `ETag` of a ruleset changes with its rules.
    fn trusts_etag(&self, ruleset: &Ruleset) -> bool {
        // Services whose version is a string derive the `ETag` from the flags' ids alone.
        let reliable = matches!(ruleset.version(), Value::Number(_));
        self.conditional.unwrap_or(reliable)
    }
}

/// Fetches the ruleset once, and returns its text.
pub(crate) fn fetch_text(http: &Arc<Http>, paths: &Arc<Paths>) -> Result<String, RequestError> {
    let mut fetcher = Fetcher::new(http.clone(), paths.clone(), Some(false), Parser::default());
    let new = fetcher.fetch(ClientView {
        ruleset: &|| None,
        has_rules: &|| true,
        is_stopped: &|| false,
        since: None,
    });
    let body = new.map_err(|failure| failure.cause)?.map(|new| new.body).unwrap_or_default();
    // The parser has accepted it, so it is UTF-8.
    Ok(String::from_utf8(body).unwrap_or_default())
}

fn lacks_segments(new: Option<&NewRuleset>, client: ClientView<'_>) -> bool {
    match new {
        Some(new) => new.whole.lacks_segments(),
        None => (client.ruleset)().is_some_and(|ruleset| ruleset.lacks_segments()),
    }
}

/// Adds the likely reason to a 404 for the ruleset.
fn hint(path: RulesPath, failure: RequestError) -> RequestError {
    match failure {
        RequestError::Status { url, status: 404, code, message, retry_after }
            if path == RulesPath::Ruleset && !url.contains("/api/v1/") =>
        {
            let hint = "does the base URL lack its `/api/v1`?";
            let message = match message.as_str() {
                "" => hint.to_owned(),
                message => format!("{message} ({hint})"),
            };
            RequestError::Status { url, status: 404, code, message, retry_after }
        }
        failure => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::support::{Reply, Server};

    const RULES: &str = r#"{"version": "1", "flags": [
        {"key": "f", "targeting_rules": [{"segment_id": "s"}]}]}"#;
    const WHOLE: &str = r#"{"version": "1", "flags": [
        {"key": "f", "targeting_rules": [{"segment_id": "s"}]}], "segments": [{"id": "s"}]}"#;

    /// A service with this response of `/sdk/bootstrap`.
    fn service(bootstrap: Reply) -> Server {
        Server::start(move |request| match request.path.as_str() {
            "/api/v1/sdk/ruleset" => Reply::json(RULES),
            _ => bootstrap.clone(),
        })
    }

    fn fetcher(server: &Server) -> Fetcher {
        let config =
            Config { base_url: server.url(), api_key: "sdk-dev-1".to_owned(), ..Config::default() };
        let http = Arc::new(Http::new(&config).expect("valid settings"));
        Fetcher::new(http, Arc::new(Paths::new(None)), None, Parser::default())
    }

    fn fetch(fetcher: &mut Fetcher, has_rules: bool) -> Result<Option<NewRuleset>, Failure> {
        fetcher.fetch(ClientView {
            ruleset: &|| Some(Ruleset::parse(RULES).expect("a ruleset")),
            has_rules: &|| has_rules,
            is_stopped: &|| false,
            since: None,
        })
    }

    /// Fetches, accepts a new ruleset, and returns its path.
    fn poll(fetcher: &mut Fetcher) -> Option<RulesPath> {
        let new = fetch(fetcher, true).map_err(|failure| failure.cause).expect("a response")?;
        fetcher.accept(&new);
        Some(new.accepted.path)
    }

    #[test]
    fn a_missing_bootstrap_is_requested_again_after_its_delay() {
        let server = service(Reply::status(404));
        let mut fetcher = fetcher(&server);
        let requests = || server.requests_to("/sdk/bootstrap").len();
        assert_eq!(poll(&mut fetcher), Some(RulesPath::Ruleset));
        assert_eq!((poll(&mut fetcher), requests()), (None, 1));
        fetcher.missing_retry = Duration::ZERO;
        assert_eq!((poll(&mut fetcher), requests()), (None, 2));
        server.respond(|_| Reply::json(WHOLE));
        fetcher.missing_retry = MISSING_RETRY;
        fetcher.forget();
        assert_eq!((poll(&mut fetcher), requests()), (Some(RulesPath::Ruleset), 2));
    }

    #[test]
    fn cached_rules_do_not_replace_an_accepted_response() {
        let server = service(Reply::status(404));
        let mut fetcher = fetcher(&server);
        assert_eq!(poll(&mut fetcher), Some(RulesPath::Ruleset));
        // They are loaded while another thread refreshes the client.
        fetcher.restore(Some(WHOLE.as_bytes()), None);
        assert_eq!(poll(&mut fetcher), None);
    }

    #[test]
    fn a_missing_bootstrap_may_appear() {
        let server = service(Reply::status(404));
        let mut fetcher = fetcher(&server);
        assert_eq!(poll(&mut fetcher), Some(RulesPath::Ruleset));
        fetcher.missing_retry = Duration::ZERO;
        server.respond(|request| match request.path.as_str() {
            "/api/v1/sdk/ruleset" => Reply::json(RULES),
            _ => Reply::json(WHOLE),
        });
        // `/sdk/ruleset` has not changed.
        assert_eq!(poll(&mut fetcher), Some(RulesPath::Bootstrap));
        assert_eq!(poll(&mut fetcher), None);
        let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
        assert!(paths[4].ends_with("/sdk/bootstrap"), "{paths:?}");
        assert_eq!(paths.len(), 5, "{paths:?}");
    }

    #[test]
    fn rules_without_their_segments_are_offered_to_a_client_that_has_none() {
        let server = service(Reply::json(WHOLE));
        let mut fetcher = fetcher(&server);
        assert_eq!(poll(&mut fetcher), Some(RulesPath::Bootstrap));
        // As after a start with cached paths and without cached rules.
        fetcher.forget();
        server.respond(|request| match request.path.as_str() {
            "/api/v1/sdk/ruleset" => Reply::json(RULES),
            _ => Reply::status(503),
        });
        for (has_rules, requests) in [(true, 3), (false, 5)] {
            let failure = fetch(&mut fetcher, has_rules).err().expect("a failure");
            assert_eq!(failure.cause.status(), Some(503));
            let offered = failure.incomplete.map(|new| new.accepted.path);
            assert_eq!(offered, (!has_rules).then_some(RulesPath::Ruleset));
            assert_eq!(server.requests().len(), requests);
        }
    }
}

//! The rules as the service has them: `/sdk/ruleset`, or `/sdk/bootstrap` if a rule names a segment
//! that the former does not hold.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::error::RequestError;
use crate::http::{Http, Response};
use crate::http::{Paths, RulesPath};
use crate::log::log;
use crate::ruleset::Ruleset;
use crate::value::Value;
use crate::value::json;
use crate::value::members;

/// How long a `/sdk/bootstrap` that does not exist is not requested again.
const MISSING_RETRY: Duration = Duration::from_secs(3600);

/// The members of `/sdk/bootstrap` that differ from one response to the next.
const STAMPS: [&str; 2] = ["generated_at", "signature"];

/// Fetches rulesets, and knows which one was accepted last.
pub(super) struct Fetcher {
    http: Arc<Http>,
    paths: Arc<Paths>,
    conditional: Option<bool>,
    /// Whose flags are wanted; `None` for all.
    environment: Option<String>,
    hasher: RandomState,
    accepted: Option<Accepted>,
    missing_retry: Duration,
}

/// What is known of the body that became the ruleset in use.
#[derive(Clone)]
struct Accepted {
    path: RulesPath,
    fingerprint: u64,
    etag: Option<String>,
}

/// A ruleset that is not the one in use.
pub(super) struct News {
    pub(super) ruleset: Ruleset,
    /// The ruleset with the flags of all environments: others share what is remembered.
    whole: Ruleset,
    pub(crate) body: Vec<u8>,
    accepted: Accepted,
}

impl News {
    /// Returns the `ETag` to keep with the rules; only `/sdk/ruleset` is requested with one that
    /// was kept.
    pub(super) fn kept_etag(&self) -> Option<&str> {
        let Accepted { path, etag, .. } = &self.accepted;
        etag.as_deref().filter(|_| *path == RulesPath::Ruleset)
    }
}

/// A fetch that failed.
pub(super) struct Failure {
    pub(super) cause: RequestError,
    /// The rules without their segments, if there are no others.
    pub(super) incomplete: Option<Box<News>>,
}

/// A failure that brings no rules.
impl From<RequestError> for Failure {
    fn from(cause: RequestError) -> Failure {
        Failure { cause, incomplete: None }
    }
}

/// What a fetch asks of whoever began it.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    /// Returns the ruleset that was accepted last.
    pub(super) in_use: &'a dyn Fn() -> Option<Ruleset>,
    /// Returns whether there are rules to go on with.
    pub(super) has_rules: &'a dyn Fn() -> bool,
    /// Returns whether nobody waits for the rules any more.
    pub(super) is_stopped: &'a dyn Fn() -> bool,
}

impl Fetcher {
    pub(crate) fn new(
        http: Arc<Http>,
        paths: Arc<Paths>,
        conditional: Option<bool>,
        environment: Option<String>,
    ) -> Fetcher {
        Fetcher {
            http,
            paths,
            conditional,
            environment,
            hasher: RandomState::new(),
            accepted: None,
            missing_retry: MISSING_RETRY,
        }
    }

    /// Takes rules that an earlier process accepted as those in use.
    pub(crate) fn recall(&mut self, text: &[u8], etag: Option<String>) {
        let path = self.paths.known().rules;
        let etag = etag.filter(|_| self.conditional != Some(false) && path == RulesPath::Ruleset);
        self.accepted = Some(Accepted { path, fingerprint: self.fingerprint(path, text), etag });
    }

    /// Takes a ruleset as the one in use from now on.
    pub(super) fn accept(&mut self, news: &News) {
        self.accepted = Some(news.accepted.clone());
    }

    /// Takes the next ruleset as a new one, whether or not it is.
    pub(super) fn forget(&mut self) {
        self.accepted = None;
    }

    /// Asks the service; `None` if the rules in use are still those.
    pub(super) fn fetch(&mut self, caller: Caller<'_>) -> Result<Option<News>, Failure> {
        match self.paths.known().rules {
            RulesPath::Ruleset => self.fetch_ruleset(caller),
            RulesPath::Bootstrap => self.fetch_bootstrap(caller),
        }
    }

    /// Requests `/sdk/ruleset`, and `/sdk/bootstrap` if that lacks segments.
    fn fetch_ruleset(&mut self, caller: Caller<'_>) -> Result<Option<News>, Failure> {
        let news = self.request(RulesPath::Ruleset)?;
        let askable = self.paths.known().may_have_bootstrap(self.missing_retry);
        if news.is_none() && !askable {
            return Ok(None);
        }
        if !lacks_segments(news.as_ref(), caller) {
            self.paths.set_rules_path(RulesPath::Ruleset);
            return Ok(news);
        }
        if !askable || (caller.is_stopped)() {
            return Ok(news);
        }
        match self.request(RulesPath::Bootstrap) {
            Ok(whole) => {
                self.find_bootstrap(whole.as_ref());
                Ok(whole)
            }
            Err(failure) if self.is_missing(&failure) => {
                self.miss_bootstrap(&failure);
                Ok(news)
            }
            Err(cause) => {
                let incomplete = news.filter(|_| !(caller.has_rules)()).map(Box::new);
                Err(Failure { cause, incomplete })
            }
        }
    }

    /// Requests `/sdk/bootstrap`, and `/sdk/ruleset` if that does not exist.
    fn fetch_bootstrap(&mut self, caller: Caller<'_>) -> Result<Option<News>, Failure> {
        let failure = match self.request(RulesPath::Bootstrap) {
            Ok(news) => {
                self.find_bootstrap(news.as_ref());
                return Ok(news);
            }
            Err(failure) => failure,
        };
        if (caller.is_stopped)() {
            return Err(failure.into());
        }
        if !self.is_missing(&failure) {
            let news = match (caller.has_rules)() {
                true => None,
                false => self.request(RulesPath::Ruleset).ok().flatten(),
            };
            return Err(Failure { cause: failure, incomplete: news.map(Box::new) });
        }
        // If this fails too, the key is refused, or nothing of the service is there for now.
        let news = self.request(RulesPath::Ruleset)?;
        if lacks_segments(news.as_ref(), caller) {
            self.miss_bootstrap(&failure);
        } else {
            self.paths.set_rules_path(RulesPath::Ruleset);
        }
        Ok(news)
    }

    /// Goes on with `/sdk/bootstrap` for as long as a rule of it names a segment.
    fn find_bootstrap(&self, news: Option<&News>) {
        let needed = news.is_none_or(|news| news.whole.names_segments());
        self.paths.set_rules_path(if needed { RulesPath::Bootstrap } else { RulesPath::Ruleset });
    }

    fn miss_bootstrap(&self, failure: &RequestError) {
        if self.paths.set_bootstrap_missing() {
            log!(warn, "rules that name a segment match nobody, for an hour or more: {failure:#}");
        }
    }

    /// Returns whether a failure of `/sdk/bootstrap` means that there is no such document.
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

    /// Makes one request; `None` if the rules in use are still those.
    fn request(&mut self, path: RulesPath) -> Result<Option<News>, RequestError> {
        let accepted = self.accepted.as_ref().filter(|accepted| accepted.path == path);
        let known_etag = accepted.and_then(|accepted| accepted.etag.as_deref());
        let answer = self.http.get(path.as_str(), known_etag);
        let Response { not_modified, etag, body } =
            answer.map_err(|failure| hint(path, failure))?;
        if not_modified {
            return Ok(None);
        }
        let fingerprint = self.fingerprint(path, &body);
        if let Some(accepted) = &mut self.accepted
            && accepted.fingerprint == fingerprint
        {
            // The news is the `ETag` alone; if none was kept, none is wanted.
            let kept = accepted.etag.take().filter(|_| accepted.path == path);
            (accepted.path, accepted.etag) = (path, kept.and(etag));
            return Ok(None);
        }
        let refused = |cause| RequestError::Ruleset { url: self.http.url(path.as_str()), cause };
        let whole = Ruleset::parse_bytes(&body).map_err(refused)?;
        let ruleset = match &self.environment {
            Some(environment) => Ruleset::parse_for(&body, environment).map_err(refused)?,
            None => whole.clone(),
        };
        // Services that send a string derive their ETag from the keys of the flags alone.
        let reliable = matches!(ruleset.version(), Value::Number(_));
        let etag = etag.filter(|_| self.conditional.unwrap_or(reliable));
        Ok(Some(News { ruleset, whole, body, accepted: Accepted { path, fingerprint, etag } }))
    }

    /// Hashes a body without what differs though its rules do not.
    fn fingerprint(&self, path: RulesPath, body: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let mut rest = body;
        if path == RulesPath::Bootstrap
            && let Ok(text) = std::str::from_utf8(body)
        {
            let text = json::without_mark(text);
            let mut start = 0;
            for stamp in members(text, &STAMPS) {
                hasher.write(text.get(start..stamp.start).unwrap_or_default().as_bytes());
                start = stamp.end;
            }
            rest = text.get(start..).unwrap_or_default().as_bytes();
        }
        hasher.write(rest);
        hasher.finish()
    }
}

/// Asks the service once for its ruleset, and returns the text.
pub(crate) fn fetch_text(http: &Arc<Http>, paths: &Arc<Paths>) -> Result<String, RequestError> {
    let mut fetcher = Fetcher::new(http.clone(), paths.clone(), Some(false), None);
    let news =
        fetcher.fetch(Caller { in_use: &|| None, has_rules: &|| true, is_stopped: &|| false });
    let body = news.map_err(|failure| failure.cause)?.map(|news| news.body).unwrap_or_default();
    // A ruleset is UTF-8.
    Ok(String::from_utf8(body).unwrap_or_default())
}

fn lacks_segments(news: Option<&News>, caller: Caller<'_>) -> bool {
    match news {
        Some(news) => news.whole.lacks_segments(),
        None => (caller.in_use)().is_some_and(|ruleset| ruleset.lacks_segments()),
    }
}

/// Adds the likely reason to a ruleset that is not there.
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

    /// A service whose `/sdk/bootstrap` answers so.
    fn service(bootstrap: Reply) -> Server {
        Server::start(move |request| match request.path.as_str() {
            "/api/v1/sdk/ruleset" => Reply::json(RULES),
            _ => bootstrap.clone(),
        })
    }

    fn fetcher(server: &Server) -> Fetcher {
        let config =
            Config { base_url: server.url(), api_key: "sdk-dev-1".to_owned(), ..Config::default() };
        let http = Arc::new(Http::new(&config).expect("settings that are right"));
        Fetcher::new(http, Arc::new(Paths::new(None)), None, None)
    }

    fn fetch(fetcher: &mut Fetcher, has_rules: bool) -> Result<Option<News>, Failure> {
        fetcher.fetch(Caller {
            in_use: &|| Some(Ruleset::parse(RULES).expect("a ruleset")),
            has_rules: &|| has_rules,
            is_stopped: &|| false,
        })
    }

    /// Fetches, accepts what is new, and returns its path.
    fn poll(fetcher: &mut Fetcher) -> Option<RulesPath> {
        let news = fetch(fetcher, true).map_err(|failure| failure.cause).expect("an answer")?;
        fetcher.accept(&news);
        Some(news.accepted.path)
    }

    #[test]
    fn a_bootstrap_that_was_missing_is_requested_again_when_its_time_has_come() {
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
    fn a_bootstrap_that_was_missing_may_come() {
        let server = service(Reply::status(404));
        let mut fetcher = fetcher(&server);
        assert_eq!(poll(&mut fetcher), Some(RulesPath::Ruleset));
        fetcher.missing_retry = Duration::ZERO;
        server.respond(|request| match request.path.as_str() {
            "/api/v1/sdk/ruleset" => Reply::json(RULES),
            _ => Reply::json(WHOLE),
        });
        // The ruleset has not changed meanwhile.
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
        // As after a start that remembers the path, and no rules.
        fetcher.forget();
        server.respond(|request| match request.path.as_str() {
            "/api/v1/sdk/ruleset" => Reply::json(RULES),
            _ => Reply::status(503),
        });
        for (has_rules, requests) in [(true, 3), (false, 5)] {
            let failure = fetch(&mut fetcher, has_rules).err().expect("a failure");
            assert_eq!(failure.cause.status(), Some(503));
            let offered = failure.incomplete.map(|news| news.accepted.path);
            assert_eq!(offered, (!has_rules).then_some(RulesPath::Ruleset));
            assert_eq!(server.requests().len(), requests);
        }
    }

    #[test]
    fn stamps_alone_make_no_other_fingerprint() {
        let server = Server::start(|_| Reply::Hang);
        let fetcher = fetcher(&server);
        let hash = |text: &str| fetcher.fingerprint(RulesPath::Bootstrap, text.as_bytes());
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
        let inner = |stamp| format!(r#"{{"flags": [{{"key": "f", "signature": {stamp}}}]}}"#);
        assert_ne!(hash(&inner(1)), hash(&inner(2)));
        assert_ne!(hash("not JSON, 1"), hash("not JSON, 2"));
    }
}

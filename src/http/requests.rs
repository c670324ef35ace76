//! GET and POST requests, with timeouts, size limits, and the API key only for the service.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ureq::http::header::{
    ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    RETRY_AFTER,
};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use ureq::{Agent, Body, Proxy, SendBody, Timeout};

use super::address::Origin;
use super::error_body::ErrorBody;
use super::outgoing_body::{BrokenConnection, MAX_WRITE, OutgoingBody};
use super::proxy;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use super::tls;
use crate::config::Config;
use crate::date;
use crate::error::{Error, RequestError, rounded};
use crate::worker::guarded;

/// The header of the API key.
pub(super) const API_KEY: &str = "x-api-key";

/// The time limit for a connection, with its proxy and TLS. ureq gives two thirds of it to the
/// first of two addresses, so that a dead one leaves time for the other.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// The size limit, in bytes, up to which a discarded body is read so that its connection can be
/// reused.
const MAX_DISCARDED_BODY: u64 = 64 * 1024;

/// The timeout for reading a body that is discarded.
const DISCARDED_BODY_TIMEOUT: Duration = Duration::from_millis(500);

/// The length limit of the service's message in an error, in characters.
const MAX_MESSAGE: usize = 300;

/// The HTTP client of one service and API key.
pub(crate) struct Http {
    pub(super) agent: Agent,
    base_url: String,
    origin: Origin,
    /// The proxy for other origins. The agent has that of the service.
    bootstrap_proxy: Option<Proxy>,
    api_key: String,
    pub(super) key_header: HeaderValue,
    pub(super) timeout: Duration,
    connect_timeout: Duration,
    max_body_size: usize,
    /// Whether a delivery failed, and no POST was made since. A server that responds before it has
    /// read the whole body closes the connection, so the next POST must not use it.
    delivery_failed: AtomicBool,
}

/// A response with a 2xx status, or 304 to a conditional request.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) not_modified: bool,
    pub(crate) etag: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// A response of ureq, whose body is not read yet.
pub(super) type RawResponse = ureq::http::Response<Body>;

/// The options of one request.
#[derive(Clone, Copy)]
pub(super) struct Options<'a> {
    pub(super) url: &'a str,
    pub(super) timeout: Duration,
    /// Whether 304 is a success.
    pub(super) conditional: bool,
    /// Whether the body of a successful response is discarded.
    pub(super) discard_body: bool,
}

impl Http {
    /// Builds the client.
    ///
    /// # Errors
    ///
    /// If a URL, the API key, the proxy or a root certificate is invalid.
    pub(crate) fn new(config: &Config) -> Result<Http, Error> {
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        let origin = Origin::parse("base_url", &base_url)?;
        let mut key_header = HeaderValue::from_str(&config.api_key).map_err(|_| {
            Error::setting("api_key", "contains characters that are not allowed in a header")
        })?;
        if config.api_key.trim() != config.api_key {
            return Err(Error::setting("api_key", "must not begin or end with a space"));
        }
        key_header.set_sensitive(true);
        let bootstrap_origin = match &config.bootstrap_url {
            Some(url) => Some(Origin::parse("bootstrap_url", &origin.absolute(url))?),
            None => None,
        };
        let proxy = proxy::select(config.proxy.as_deref(), &origin)?;
        let bootstrap_proxy = match &bootstrap_origin {
            Some(origin) => proxy::select(config.proxy.as_deref(), origin)?,
            None => None,
        };
        // A longer request timeout is for a slow network, where connections take longer, too.
        let connect_timeout = CONNECT_TIMEOUT.max(config.request_timeout / 3);
        let agent = Agent::config_builder()
            .timeout_global(Some(config.request_timeout))
            .timeout_connect(Some(connect_timeout))
            .http_status_as_error(false)
            .output_buffer_size(MAX_WRITE)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy.clone())
            .user_agent(concat!("phaseflag-rust/", env!("CARGO_PKG_VERSION")));
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        let agent = {
            let origins = [Some(&origin), bootstrap_origin.as_ref()];
            let is_used = origins.iter().flatten().any(|origin| origin.https)
                || [&proxy, &bootstrap_proxy].into_iter().flatten().any(proxy::is_https);
            agent.tls_config(tls::config(config.root_certificates_pem.as_deref(), is_used)?)
        };
        Ok(Http {
            // It opens no connection and loads no built-in certificate before the first request.
            agent: agent.build().new_agent(),
            base_url,
            origin,
            bootstrap_proxy,
            api_key: config.api_key.clone(),
            key_header,
            timeout: config.request_timeout,
            connect_timeout,
            max_body_size: config.max_body_size,
            delivery_failed: AtomicBool::new(false),
        })
    }

    /// Gets `path`, which begins with `/`, from the service. With an `etag`, the request is
    /// conditional. The request timeout begins `since` then, or else now.
    pub(crate) fn get(
        &self,
        path: &str,
        etag: Option<&str>,
        since: Option<Instant>,
    ) -> Result<Response, RequestError> {
        self.get_url(&self.url(path), true, etag, since)
    }

    /// Gets the bootstrap URL, or a path on the service's origin. The API key is sent only to that
    /// origin.
    pub(crate) fn get_anywhere(
        &self,
        url: &str,
        since: Option<Instant>,
    ) -> Result<Response, RequestError> {
        let url = self.origin.absolute(url);
        self.get_url(&url, self.is_own(&url), None, since)
    }

    fn get_url(
        &self,
        url: &str,
        is_own: bool,
        etag: Option<&str>,
        since: Option<Instant>,
    ) -> Result<Response, RequestError> {
        let timeout =
            self.time_left(url, since.map(|since| since.elapsed()).unwrap_or_default())?;
        let options = Options { url, timeout, conditional: etag.is_some(), discard_body: false };
        self.catch_panic(options, |http, options| {
            let request = http.agent.get(url).header(ACCEPT, "application/json");
            // The next GET is a polling interval away, so an idle connection is of no use.
            let mut request = request.header(CONNECTION, "close");
            if is_own {
                request = request.header(API_KEY, &http.key_header);
            }
            if let Some(etag) = etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            let mut config = request.config().timeout_global(Some(options.timeout));
            if !is_own {
                config = config.proxy(http.bootstrap_proxy.clone());
            }
            http.read_body(options, http.check_status(options, config.build().call())?)
        })
    }

    /// Posts JSON to `path`, which begins with `/`. `spent` is deducted from the request timeout.
    pub(super) fn post(
        &self,
        path: &str,
        body: &str,
        spent: Duration,
    ) -> Result<Response, RequestError> {
        let url = self.url(path);
        let timeout = self.time_left(&url, spent)?;
        let options = Options { url: &url, timeout, conditional: false, discard_body: false };
        self.catch_panic(options, |http, options| {
            http.read_body(options, http.send(options, body)?)
        })
    }

    /// Posts JSON to `path`, which begins with `/`, and discards the body of the response. The
    /// timeout is the request timeout, but at most `time_left`.
    pub(crate) fn post_discarding_body(
        &self,
        path: &str,
        body: &str,
        time_left: Duration,
    ) -> Result<(), RequestError> {
        let url = self.url(path);
        let timeout = self.timeout.min(time_left);
        self.catch_panic(
            Options { url: &url, timeout, conditional: false, discard_body: true },
            |http, options| {
                let mut response = http.send(options, body)?;
                // ureq reuses the connection only after the body was read.
                let body = response.body_mut().with_config().limit(MAX_DISCARDED_BODY);
                let _ = body.read_to_vec();
                Ok(())
            },
        )
    }

    /// Returns the rest of the request timeout.
    ///
    /// # Errors
    ///
    /// If nothing is left.
    pub(crate) fn time_left(&self, url: &str, spent: Duration) -> Result<Duration, RequestError> {
        let left = self.timeout.saturating_sub(spent);
        if left.is_zero() {
            return Err(RequestError::Timeout { url: url.to_owned(), limit: self.timeout });
        }
        Ok(left)
    }

    fn send(&self, options: Options<'_>, text: &str) -> Result<RawResponse, RequestError> {
        let request = self.agent.post(options.url).header(API_KEY, &self.key_header);
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.header(ACCEPT, "application/json");
        let mut config = request.config().timeout_global(Some(options.timeout));
        if options.discard_body {
            config = config.timeout_recv_body(Some(DISCARDED_BODY_TIMEOUT));
        }
        if self.delivery_failed.swap(false, Ordering::AcqRel) {
            config = config.max_idle_age(Duration::ZERO);
        }
        let mut body = OutgoingBody::new(text);
        // Without it, ureq sends a body of unknown length in chunks.
        let request = config.build().header(CONTENT_LENGTH, text.len());
        let result = request.send(SendBody::from_reader(&mut body));
        let how = match &result {
            Err(ureq::Error::Io(cause)) => body.broken_by(cause),
            _ => None,
        };
        let result = match (result, how) {
            (Err(ureq::Error::Io(cause)), Some(how)) => {
                Err(BrokenConnection::error(options.url, how, cause))
            }
            // Otherwise the failure would seem to be about the events.
            (Err(ureq::Error::Timeout(_)), _) if options.discard_body && !body.is_begun() => {
                Err(self.no_connection(options.url, options.timeout.min(self.connect_timeout)))
            }
            (result, _) => self.check_status(options, result),
        };
        if options.discard_body && result.is_err() {
            self.delivery_failed.store(true, Ordering::Release);
        }
        result
    }

    /// Returns the URL of `path`, which begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// Returns whether a URL is on the origin of the service.
    fn is_own(&self, url: &str) -> bool {
        Origin::parse("bootstrap_url", url).is_ok_and(|origin| origin == self.origin)
    }

    /// Returns the proxy of the requests to a URL.
    fn proxy(&self, url: &str) -> Option<&Proxy> {
        let own = self.agent.config().proxy();
        if self.is_own(url) { own } else { self.bootstrap_proxy.as_ref() }
    }

    /// Returns the failure of a request that got no connection in time.
    fn no_connection(&self, url: &str, limit: Duration) -> RequestError {
        let cause = format_args!("no connection within {:?}", rounded(limit));
        let cause = proxy::with_proxy(self.proxy(url), cause);
        let cause = std::io::Error::new(std::io::ErrorKind::TimedOut, cause);
        RequestError::Transport { url: url.to_owned(), cause: Arc::new(cause) }
    }

    /// Makes a request, and returns a panic of ureq as a failure: it panics if the system cannot
    /// start the thread of a name lookup.
    pub(super) fn catch_panic<T>(
        &self,
        options: Options<'_>,
        request: impl FnOnce(&Http, Options<'_>) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        guarded(|| request(self, options)).unwrap_or_else(|| {
            let cause = Arc::new(std::io::Error::other("the HTTP library panicked"));
            Err(RequestError::Transport { url: options.url.to_owned(), cause })
        })
    }

    /// Returns the response if its status is a success.
    pub(super) fn check_status(
        &self,
        options: Options<'_>,
        result: Result<RawResponse, ureq::Error>,
    ) -> Result<RawResponse, RequestError> {
        let response = result.map_err(|error| self.request_error(options, error))?;
        let status = response.status();
        if status.is_success() || status == 304 && options.conditional {
            Ok(response)
        } else {
            Err(self.status_error(options, response))
        }
    }

    fn read_body(
        &self,
        options: Options<'_>,
        mut response: RawResponse,
    ) -> Result<Response, RequestError> {
        let header = |name| header_text(response.headers(), name).map(str::to_owned);
        let etag = header(ETAG);
        if response.status() == 304 {
            return Ok(Response { not_modified: true, etag, body: Vec::new() });
        }
        if let Some(encoding) = header(CONTENT_ENCODING).filter(|encoding| !is_supported(encoding))
        {
            let encoding = self.redact(&encoding);
            return Err(RequestError::Encoding { url: options.url.to_owned(), encoding });
        }
        let limit = self.max_body_size as u64;
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        let body = body.map_err(|error| self.request_error(options, error))?;
        Ok(Response { not_modified: false, etag, body })
    }

    fn request_error(&self, options: Options<'_>, error: ureq::Error) -> RequestError {
        let url = options.url.to_owned();
        match error {
            ureq::Error::Timeout(Timeout::Connect) if options.timeout > self.connect_timeout => {
                self.no_connection(&url, self.connect_timeout)
            }
            ureq::Error::Timeout(_) => RequestError::Timeout { url, limit: options.timeout },
            ureq::Error::BodyExceedsLimit(_) => {
                RequestError::TooLarge { url, limit: self.max_body_size }
            }
            error => {
                #[cfg(feature = "rustls")]
                if let Some(explained) = tls::explain(&error) {
                    return RequestError::Transport { url, cause: Arc::new(explained) };
                }
                let cause: Arc<dyn std::error::Error + Send + Sync> = match self.proxy(&url) {
                    None => Arc::new(error),
                    proxy => Arc::new(std::io::Error::other(proxy::with_proxy(proxy, error))),
                };
                RequestError::Transport { url, cause }
            }
        }
    }

    fn status_error(&self, options: Options<'_>, mut response: RawResponse) -> RequestError {
        let retry_after = header_text(response.headers(), RETRY_AFTER).and_then(parse_retry_after);
        let error = ErrorBody::read(response.body_mut(), options.timeout);
        RequestError::Status {
            url: options.url.to_owned(),
            status: response.status().as_u16(),
            code: self.redact(&error.code),
            message: self.redact(&error.message),
            retry_after,
        }
    }

    /// Replaces the API key in a text of the service, which goes into errors and logs, and
    /// truncates the text.
    fn redact(&self, message: &str) -> String {
        message.replace(&self.api_key, "[key]").chars().take(MAX_MESSAGE).collect()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Returns whether ureq decodes an encoding. It recognizes `gzip` only in lower case.
fn is_supported(encoding: &str) -> bool {
    let encoding = encoding.trim();
    encoding.is_empty()
        || encoding.eq_ignore_ascii_case("identity")
        || cfg!(feature = "gzip") && encoding == "gzip"
}

/// Parses seconds or an HTTP date, or returns `None`.
fn parse_retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let time = date::http_date(text)?;
    Some(time.duration_since(SystemTime::now()).unwrap_or_default())
}

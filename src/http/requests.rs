//! GET and POST with timeouts and limits, and the key kept to its own host.
//!
//! Knows addresses and headers, and nothing of what the bodies say but the message of an error.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ureq::http::header::{
    ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER,
};
use ureq::http::{HeaderMap, HeaderValue, Response};
use ureq::{Agent, Body};

use super::address::Origin;
use super::proxy;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use super::tls;
use crate::config::Config;
use crate::date;
use crate::error::{Error, RequestError};
use crate::value::Value;
use crate::worker::guarded;

/// The header that carries the key.
const API_KEY: &str = "x-api-key";

/// As much of an error's body as is read for its message.
const MAX_ERROR_BODY: u64 = 64 * 1024;

/// As much of a body as is read when nobody wants to know it.
const MAX_IGNORED_BODY: u64 = 64 * 1024;

/// How long such a body is waited for.
const IGNORED_BODY_TIMEOUT: Duration = Duration::from_millis(500);

/// As much of the service's message as an error repeats, in characters.
const MAX_MESSAGE: usize = 300;

/// The way to the service.
pub(crate) struct Http {
    agent: Agent,
    base_url: String,
    origin: Origin,
    api_key: String,
    key_header: HeaderValue,
    timeout: Duration,
    max_body_size: usize,
}

/// An answer with a status of success, or 304.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) not_modified: bool,
    pub(crate) etag: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// What one request is about.
#[derive(Clone, Copy)]
struct Exchange<'a> {
    url: &'a str,
    timeout: Duration,
    /// Whether 304 is an answer.
    conditional: bool,
    body: Expected,
}

/// What a body of success is good for.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Read,
    Ignored,
}

impl Http {
    /// Checks the addresses, the key, the proxy and the certificates.
    pub(crate) fn new(config: &Config) -> Result<Http, Error> {
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        let origin = Origin::of("base_url", &base_url)?;
        let mut key_header = HeaderValue::from_str(&config.api_key)
            .map_err(|_| Error::setting("api_key", "holds characters that no header can carry"))?;
        if config.api_key.trim() != config.api_key {
            return Err(Error::setting("api_key", "must not begin or end with a space"));
        }
        key_header.set_sensitive(true);
        let http = Http {
            agent: agent(config)?,
            base_url,
            origin,
            api_key: config.api_key.clone(),
            key_header,
            timeout: config.request_timeout,
            max_body_size: config.max_body_size,
        };
        if let Some(url) = &config.bootstrap_url {
            Origin::of("bootstrap_url", &http.absolute(url))?;
        }
        Ok(http)
    }

    /// Asks the service for `path`, which begins with `/`.
    pub(crate) fn get(&self, path: &str, etag: Option<&str>) -> Result<Answer, RequestError> {
        self.get_url(&self.url(path), true, etag)
    }

    /// Asks for an address that may lie elsewhere: the key goes along only to the service's own
    /// origin. One that begins with `/` is on that origin.
    pub(crate) fn get_anywhere(&self, url: &str) -> Result<Answer, RequestError> {
        let url = self.absolute(url);
        let own = Origin::of("bootstrap_url", &url).is_ok_and(|origin| origin == self.origin);
        self.get_url(&url, own, None)
    }

    /// The connection is not kept: the next request of this kind is far away.
    fn get_url(
        &self,
        url: &str,
        with_key: bool,
        etag: Option<&str>,
    ) -> Result<Answer, RequestError> {
        let exchange = Exchange {
            url,
            timeout: self.timeout,
            conditional: etag.is_some(),
            body: Expected::Read,
        };
        self.run(exchange, |http, exchange| {
            let request = http.agent.get(url).header(ACCEPT, "application/json");
            let mut request = request.header(CONNECTION, "close");
            if with_key {
                request = request.header(API_KEY, &http.key_header);
            }
            if let Some(etag) = etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            let sent = request.config().timeout_global(Some(exchange.timeout)).build().call();
            http.read(exchange, http.accept(exchange, sent)?)
        })
    }

    /// Sends JSON to `path`, which begins with `/`, and reads the answer, in what is left of the
    /// time of a request when so much of it is spent.
    pub(super) fn post(
        &self,
        path: &str,
        body: &str,
        spent: Duration,
    ) -> Result<Answer, RequestError> {
        let url = self.url(path);
        let timeout = self.timeout.saturating_sub(spent);
        if timeout.is_zero() {
            return Err(RequestError::Timeout { url, limit: self.timeout });
        }
        let exchange = Exchange { url: &url, timeout, conditional: false, body: Expected::Read };
        self.run(exchange, |http, exchange| http.read(exchange, http.send(exchange, body)?))
    }

    /// Sends JSON to `path`, which begins with `/`, in no more time than is left. Any status of
    /// success will do, whatever follows it.
    pub(crate) fn deliver(
        &self,
        path: &str,
        body: &str,
        time_left: Duration,
    ) -> Result<(), RequestError> {
        let url = self.url(path);
        let timeout = self.timeout.min(time_left);
        self.run(
            Exchange { url: &url, timeout, conditional: false, body: Expected::Ignored },
            |http, exchange| {
                let mut response = http.send(exchange, body)?;
                // A body that is read to its end lets the connection be used again. One that does not
                // come at once is not waited for.
                if response.body().content_length().is_some_and(|length| length <= MAX_IGNORED_BODY)
                {
                    let _ = response.body_mut().read_to_vec();
                }
                Ok(())
            },
        )
    }

    fn send(&self, exchange: Exchange<'_>, body: &str) -> Result<Response<Body>, RequestError> {
        let request = self.agent.post(exchange.url).header(API_KEY, &self.key_header);
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.header(ACCEPT, "application/json");
        let mut config = request.config().timeout_global(Some(exchange.timeout));
        if exchange.body == Expected::Ignored {
            config = config.timeout_recv_body(Some(IGNORED_BODY_TIMEOUT));
        }
        self.accept(exchange, config.build().send(body))
    }

    /// Returns the address of `path`, which begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn absolute(&self, url: &str) -> String {
        match url.starts_with('/') {
            true => format!("{}{url}", self.origin),
            false => url.to_owned(),
        }
    }

    /// Makes a request. ureq starts a thread for each name lookup, and panics where the system has
    /// none left: that is a failure like any other.
    fn run<T>(
        &self,
        exchange: Exchange<'_>,
        request: impl FnOnce(&Http, Exchange<'_>) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        guarded(|| request(self, exchange)).unwrap_or_else(|| {
            let cause = Arc::new(std::io::Error::other("the HTTP library panicked"));
            Err(RequestError::Transport { url: exchange.url.to_owned(), cause })
        })
    }

    /// Takes an answer whose status is a success, or 304 to a condition.
    fn accept(
        &self,
        exchange: Exchange<'_>,
        sent: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, RequestError> {
        let response = sent.map_err(|error| self.failure(exchange, error))?;
        let status = response.status();
        if status.is_success() || status == 304 && exchange.conditional {
            Ok(response)
        } else {
            Err(self.refusal(exchange.url, response))
        }
    }

    fn read(
        &self,
        exchange: Exchange<'_>,
        mut response: Response<Body>,
    ) -> Result<Answer, RequestError> {
        let header = |name| text(response.headers(), name).map(str::to_owned);
        let etag = header(ETAG);
        if response.status() == 304 {
            return Ok(Answer { not_modified: true, etag, body: Vec::new() });
        }
        if let Some(encoding) = header(CONTENT_ENCODING).filter(|encoding| !is_readable(encoding)) {
            let encoding = self.without_key(&encoding);
            return Err(RequestError::Encoding { url: exchange.url.to_owned(), encoding });
        }
        let limit = self.max_body_size as u64;
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        let body = body.map_err(|error| self.failure(exchange, error))?;
        Ok(Answer { not_modified: false, etag, body })
    }

    fn failure(&self, exchange: Exchange<'_>, error: ureq::Error) -> RequestError {
        let url = exchange.url.to_owned();
        match error {
            ureq::Error::Timeout(_) => RequestError::Timeout { url, limit: exchange.timeout },
            ureq::Error::BodyExceedsLimit(_) => {
                RequestError::TooLarge { url, limit: self.max_body_size }
            }
            error => RequestError::Transport { url, cause: Arc::new(error) },
        }
    }

    fn refusal(&self, url: &str, mut response: Response<Body>) -> RequestError {
        let retry_after = text(response.headers(), RETRY_AFTER).and_then(retry_after);
        let body = response.body_mut().with_config().limit(MAX_ERROR_BODY).read_to_vec();
        let complaint = body.map(|body| Complaint::read(&body)).unwrap_or_default();
        RequestError::Status {
            url: url.to_owned(),
            status: response.status().as_u16(),
            code: self.without_key(&complaint.code),
            message: self.without_key(&complaint.message),
            retry_after,
        }
    }

    /// A service that repeats the key in its message must not bring it into logs.
    fn without_key(&self, message: &str) -> String {
        message.replace(&self.api_key, "[key]").chars().take(MAX_MESSAGE).collect()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// What the service says of an error.
#[derive(Default)]
struct Complaint {
    code: String,
    message: String,
}

impl Complaint {
    /// Reads any of the service's shapes; what is not there stays empty.
    #[expect(
        clippy::indexing_slicing,
        reason = "a `Value` answers `null` for what it does not hold"
    )]
    fn read(body: &[u8]) -> Complaint {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let body: Value = text.parse().unwrap_or_default();
        let (error, detail) = (&body["error"], &body["detail"]);
        let messages = [&error["message"], error, detail, &detail[0]["msg"], &detail[0]];
        let first = |values: &[&Value]| {
            let text = values.iter().find_map(|value| value.as_str());
            text.unwrap_or_default().to_owned()
        };
        Complaint { code: first(&[&error["code"]]), message: first(&messages) }
    }
}

fn text(headers: &HeaderMap, name: ureq::http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// ureq knows the name of the encoding in lower case alone.
fn is_readable(encoding: &str) -> bool {
    let encoding = encoding.trim();
    encoding.is_empty()
        || encoding.eq_ignore_ascii_case("identity")
        || cfg!(feature = "gzip") && encoding == "gzip"
}

/// Reads seconds or an HTTP date; `None` for anything else.
fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let time = date::http_date(text)?;
    Some(time.duration_since(SystemTime::now()).unwrap_or_default())
}

/// What makes the requests. It opens nothing and reads no certificate before the first of them.
fn agent(config: &Config) -> Result<Agent, Error> {
    let agent = Agent::config_builder()
        .timeout_global(Some(config.request_timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy::choose(config.proxy.as_deref())?)
        .user_agent(concat!("phaseflag-rust/", env!("CARGO_PKG_VERSION")));
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let agent = agent.tls_config(tls::config(config.root_certificates_pem.as_deref())?);
    Ok(agent.build().new_agent())
}

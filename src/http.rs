//! GET and POST with timeouts and limits, and the key kept to its own host.
//!
//! Knows addresses and headers, and nothing of what the bodies say but the message of an error.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ureq::http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER,
};
use ureq::http::{HeaderMap, HeaderValue, Response, Uri};
use ureq::{Agent, Body, Proxy};

use crate::config::Config;
use crate::date;
use crate::error::{Error, RequestError};
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use crate::tls;
use crate::value::Value;

/// The header that carries the key.
const API_KEY: &str = "x-api-key";

/// As much of an error's body as is read for its message.
const MAX_ERROR_BODY: u64 = 64 * 1024;

/// As much of the service's message as an error repeats, in characters.
const MAX_MESSAGE: usize = 300;

/// The variables that may name a proxy, in the order in which they count.
const PROXY_VARIABLES: [&str; 6] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];

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

/// Scheme, host and port: where the key may go.
#[derive(Clone, Debug, PartialEq)]
struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Http {
    /// Checks the addresses, the key, the proxy and the certificates.
    pub(crate) fn new(config: &Config) -> Result<Http, Error> {
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        let origin = check_url("base_url", &base_url)?;
        let mut key_header = HeaderValue::from_str(&config.api_key)
            .map_err(|_| Error::setting("api_key", "holds characters that no header can carry"))?;
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
            check_url("bootstrap_url", &http.absolute(url))?;
        }
        Ok(http)
    }

    /// Asks the service for `path`, which begins with `/`.
    pub(crate) fn get(&self, path: &str, etag: Option<&str>) -> Result<Answer, RequestError> {
        let url = self.url(path);
        self.run(&url, self.timeout, etag.is_some(), |timeout| {
            let mut request = self.agent.get(&url).header(API_KEY, &self.key_header);
            if let Some(etag) = etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            let request = request.header(ACCEPT, "application/json");
            request
                .config()
                .timeout_global(Some(timeout))
                .build()
                .call()
        })
    }

    /// Asks for an address that may lie elsewhere: the key goes along only to the service's own
    /// origin. One that begins with `/` is on that origin.
    pub(crate) fn get_anywhere(&self, url: &str) -> Result<Answer, RequestError> {
        let url = self.absolute(url);
        let own = check_url("bootstrap_url", &url).is_ok_and(|origin| origin == self.origin);
        self.run(&url, self.timeout, false, |timeout| {
            let mut request = self.agent.get(&url).header(ACCEPT, "application/json");
            if own {
                request = request.header(API_KEY, &self.key_header);
            }
            request
                .config()
                .timeout_global(Some(timeout))
                .build()
                .call()
        })
    }

    /// Sends JSON to `path`, which begins with `/`, in no more time than is left.
    pub(crate) fn post(
        &self,
        path: &str,
        body: &str,
        time_left: Duration,
    ) -> Result<Answer, RequestError> {
        let url = self.url(path);
        self.run(&url, self.timeout.min(time_left), false, |timeout| {
            let request = self.agent.post(&url).header(API_KEY, &self.key_header);
            let request = request.header(CONTENT_TYPE, "application/json");
            let request = request.header(ACCEPT, "application/json");
            request
                .config()
                .timeout_global(Some(timeout))
                .build()
                .send(body)
        })
    }

    /// Returns the address of `path`, which begins with `/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn absolute(&self, url: &str) -> String {
        if !url.starts_with('/') {
            return url.to_owned();
        }
        let scheme = if self.origin.https { "https" } else { "http" };
        format!("{scheme}://{}:{}{url}", self.origin.host, self.origin.port)
    }

    fn run(
        &self,
        url: &str,
        timeout: Duration,
        conditional: bool,
        send: impl FnOnce(Duration) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Answer, RequestError> {
        // ureq starts a thread for each name lookup, and panics where the system has none left.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let response = send(timeout).map_err(|error| self.failure(url, timeout, error))?;
            self.read(url, timeout, conditional, response)
        }));
        outcome.unwrap_or_else(|_| {
            let cause = Arc::new(std::io::Error::other("the HTTP library panicked"));
            Err(RequestError::Transport {
                url: url.to_owned(),
                cause,
            })
        })
    }

    fn read(
        &self,
        url: &str,
        timeout: Duration,
        conditional: bool,
        mut response: Response<Body>,
    ) -> Result<Answer, RequestError> {
        let status = response.status();
        let not_modified = status == 304 && conditional;
        if !status.is_success() && !not_modified {
            return Err(self.refusal(url, response));
        }
        let header = |name| text(response.headers(), name).map(str::to_owned);
        let etag = header(ETAG);
        if let Some(encoding) = header(CONTENT_ENCODING).filter(|encoding| !is_readable(encoding)) {
            return Err(RequestError::Encoding {
                url: url.to_owned(),
                encoding,
            });
        }
        let limit = self.max_body_size as u64;
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        let body = body.map_err(|error| self.failure(url, timeout, error))?;
        Ok(Answer {
            not_modified,
            etag,
            body,
        })
    }

    fn failure(&self, url: &str, timeout: Duration, error: ureq::Error) -> RequestError {
        let url = url.to_owned();
        match error {
            ureq::Error::Timeout(_) => RequestError::Timeout {
                url,
                limit: timeout,
            },
            ureq::Error::BodyExceedsLimit(_) => RequestError::TooLarge {
                url,
                limit: self.max_body_size,
            },
            error => RequestError::Transport {
                url,
                cause: Arc::new(error),
            },
        }
    }

    fn refusal(&self, url: &str, mut response: Response<Body>) -> RequestError {
        let retry_after = text(response.headers(), RETRY_AFTER).and_then(retry_after);
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_ERROR_BODY)
            .read_to_vec();
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
        message
            .replace(&self.api_key, "[key]")
            .chars()
            .take(MAX_MESSAGE)
            .collect()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
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
        let messages = [
            &error["message"],
            error,
            detail,
            &detail[0]["msg"],
            &detail[0],
        ];
        let first = |values: &[&Value]| {
            let text = values.iter().find_map(|value| value.as_str());
            text.unwrap_or_default().to_owned()
        };
        Complaint {
            code: first(&[&error["code"]]),
            message: first(&messages),
        }
    }
}

fn text(headers: &HeaderMap, name: ureq::http::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn is_readable(encoding: &str) -> bool {
    let encoding = encoding.trim();
    encoding.is_empty()
        || encoding.eq_ignore_ascii_case("identity")
        || cfg!(feature = "gzip") && encoding.eq_ignore_ascii_case("gzip")
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

fn check_url(setting: &'static str, url: &str) -> Result<Origin, Error> {
    let refuse = |reason: &str| Err(Error::setting(setting, format!("{reason}: `{url}`")));
    let Ok(uri) = url.parse::<Uri>() else {
        return Err(Error::setting(setting, "is not a URL"));
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(Error::setting(
            setting,
            "is not a URL with a scheme and a host",
        ));
    };
    // What follows may repeat the address: before this, it could hold a secret.
    if authority.as_str().contains('@') {
        return Err(Error::setting(setting, "must not hold credentials"));
    }
    if uri.query().is_some() || url.contains('#') {
        return Err(Error::setting(
            setting,
            "must not hold a query or a fragment",
        ));
    }
    if authority.host().is_empty() {
        return refuse("has no host");
    }
    let https = match scheme {
        "https" => true,
        "http" => false,
        _ => return refuse("must begin with http:// or https://"),
    };
    if https && !cfg!(any(feature = "rustls", feature = "native-tls")) {
        return refuse("needs the feature `rustls` or `native-tls`");
    }
    let port = match authority.as_str().rsplit_once(':') {
        Some((_, digits)) if !digits.ends_with(']') => match authority.port_u16() {
            Some(port) => port,
            None => return refuse("has no valid port"),
        },
        _ => {
            if https {
                443
            } else {
                80
            }
        }
    };
    let host = authority.host().to_ascii_lowercase();
    Ok(Origin { https, host, port })
}

/// What makes the requests. It opens nothing and reads no certificate before the first of them.
fn agent(config: &Config) -> Result<Agent, Error> {
    let agent = Agent::config_builder()
        .timeout_global(Some(config.request_timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy(config)?)
        .user_agent(concat!("phaseflag-rust/", env!("CARGO_PKG_VERSION")));
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let agent = agent.tls_config(tls::config(config.root_certificates_pem.as_deref())?);
    Ok(agent.build().new_agent())
}

/// The proxy that was set, else the one that the environment names.
fn proxy(config: &Config) -> Result<Option<Proxy>, Error> {
    if let Some(url) = &config.proxy {
        let proxy = Proxy::new(url).map_err(|_| Error::setting("proxy", "is not a proxy's URL"))?;
        return usable(proxy, "proxy").map(Some);
    }
    for variable in PROXY_VARIABLES {
        let Some(url) = std::env::var_os(variable).filter(|url| !url.is_empty()) else {
            continue;
        };
        let valid = url.to_str().is_some_and(|url| Proxy::new(url).is_ok());
        let Some(proxy) = Proxy::try_from_env().filter(|_| valid) else {
            return Err(Error::setting(
                "proxy",
                format!("from the variable {variable} is not a proxy's URL"),
            ));
        };
        return usable(proxy, variable).map(Some);
    }
    Ok(None)
}

fn usable(proxy: Proxy, name: &str) -> Result<Proxy, Error> {
    let https = proxy.uri().scheme_str() == Some("https");
    let reason = match proxy.uri().scheme_str() {
        Some("http") | None => return Ok(proxy),
        Some("https") if cfg!(any(feature = "rustls", feature = "native-tls")) => return Ok(proxy),
        _ if https => "needs the feature `rustls` or `native-tls`",
        _ => "must be an HTTP proxy: SOCKS is not built in",
    };
    Err(Error::setting("proxy", format!("from `{name}` {reason}")))
}

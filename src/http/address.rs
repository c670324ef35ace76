//! URLs: which ones a setting may hold, and the origin of each.

use std::fmt;

use ureq::http::Uri;
use ureq::http::uri::Authority;

use crate::error::Error;

/// The scheme, host and port of a URL. The API key is sent only to the origin of `base_url`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    pub(super) https: bool,
    /// In lower case; an IPv6 address in brackets.
    pub(super) host: String,
    port: u16,
}

impl Origin {
    /// Checks the URL in a setting and returns its origin.
    pub(crate) fn parse(setting: &'static str, url: &str) -> Result<Origin, Error> {
        let refuse = |reason: &str| Err(Error::setting(setting, format!("{reason}: `{url}`")));
        let Ok(uri) = url.parse::<Uri>() else {
            return Err(Error::setting(setting, "is not a URL"));
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Error::setting(setting, "is not a URL with a scheme and a host"));
        };
        // First: the errors below repeat the URL, which must not reveal a password.
        if authority.as_str().contains('@') {
            return Err(Error::setting(setting, "must not contain credentials"));
        }
        if uri.query().is_some() || url.contains('#') {
            return Err(Error::setting(setting, "must not contain a query or a fragment"));
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
        let Some(port) = port(authority, if https { 443 } else { 80 }) else {
            return refuse("has no valid port");
        };
        let host = authority.host().to_ascii_lowercase();
        Ok(Origin { https, host, port })
    }

    /// Returns the URL of a path on this origin, or the URL itself if it is not a path.
    pub(super) fn absolute(&self, url: &str) -> String {
        if url.starts_with('/') { format!("{self}{url}") } else { url.to_owned() }
    }
}

/// Writes the origin as the start of a URL.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Returns the port, or `default` if the URL has none. Returns `None` if the port is invalid.
pub(super) fn port(authority: &Authority, default: u16) -> Option<u16> {
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((_, digits)) if !digits.ends_with(']') => authority.port_u16(),
        _ => Some(default),
    }
}

//! Addresses: which are accepted, and which are of one origin.

use std::fmt;

use ureq::http::Uri;
use ureq::http::uri::Authority;

use crate::error::Error;

/// Scheme, host and port: where the key may go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// Checks the address that a setting holds.
    pub(crate) fn of(setting: &'static str, url: &str) -> Result<Origin, Error> {
        let refuse = |reason: &str| Err(Error::setting(setting, format!("{reason}: `{url}`")));
        let Ok(uri) = url.parse::<Uri>() else {
            return Err(Error::setting(setting, "is not a URL"));
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Error::setting(setting, "is not a URL with a scheme and a host"));
        };
        // What follows may repeat the address: before this, it could hold a secret.
        if authority.as_str().contains('@') {
            return Err(Error::setting(setting, "must not hold credentials"));
        }
        if uri.query().is_some() || url.contains('#') {
            return Err(Error::setting(setting, "must not hold a query or a fragment"));
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
}

/// As an address begins.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Returns the port, or `None` where what stands in its place is none.
pub(super) fn port(authority: &Authority, usual: u16) -> Option<u16> {
    match authority.as_str().rsplit_once(':') {
        Some((_, digits)) if !digits.ends_with(']') => authority.port_u16(),
        _ => Some(usual),
    }
}

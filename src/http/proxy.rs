//! Selects the proxy that requests go through.

use ureq::Proxy;

use super::address::port;
use crate::error::Error;

/// The environment variables that may name a proxy; the first non-empty one counts.
const VARIABLES: [&str; 6] =
    ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Returns the proxy of the setting or, without one, of the environment.
pub(crate) fn select(setting: Option<&str>) -> Result<Option<Proxy>, Error> {
    if let Some(url) = setting {
        let proxy = Proxy::new(url).map_err(|_| Error::setting("proxy", "is not a proxy URL"))?;
        return match unusable(&proxy) {
            None => Ok(Some(proxy)),
            Some(reason) => Err(Error::setting("proxy", reason)),
        };
    }
    for variable in VARIABLES {
        let Some(url) = std::env::var_os(variable).filter(|url| !url.is_empty()) else {
            continue;
        };
        let refuse =
            |reason| Err(Error::setting("proxy", format!("from the variable {variable} {reason}")));
        let valid = url.to_str().is_some_and(|url| Proxy::new(url).is_ok());
        // Unlike `Proxy::new`, this heeds `NO_PROXY`.
        let Some(proxy) = Proxy::try_from_env().filter(|_| valid) else {
            return refuse("is not a proxy URL");
        };
        return match unusable(&proxy) {
            None => Ok(Some(proxy)),
            Some(reason) => refuse(reason),
        };
    }
    Ok(None)
}

/// Returns why a proxy cannot be used.
fn unusable(proxy: &Proxy) -> Option<&'static str> {
    let authority = proxy.uri().authority();
    if authority
        .is_none_or(|authority| authority.host().is_empty() || port(authority, 80).is_none())
    {
        return Some("has no host, or no valid port");
    }
    match proxy.uri().scheme_str() {
        Some("http") | None => None,
        Some("https") if cfg!(any(feature = "rustls", feature = "native-tls")) => None,
        Some("https") => Some("needs the feature `rustls` or `native-tls`"),
        Some(_) => Some("must be an HTTP proxy: SOCKS is not supported"),
    }
}

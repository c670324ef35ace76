//! Selects the proxy that requests go through.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

use ureq::Proxy;

use super::address::{Origin, port};
use crate::error::Error;

/// The environment variables that may name a proxy, in the order of their precedence.
const VARIABLES: [&str; 6] =
    ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Returns the proxy for requests to `origin`: that of the setting or, without one, of the
/// environment.
pub(super) fn select(setting: Option<&str>, origin: &Origin) -> Result<Option<Proxy>, Error> {
    if let Some(url) = setting {
        let refuse = |reason| Error::setting("proxy", reason);
        let proxy = parse(url).map_err(refuse)?;
        return unsupported(&proxy).map_or(Ok(Some(proxy)), |reason| Err(refuse(reason)));
    }
    // As in curl, the lower case wins.
    let direct = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
    if lists(&direct.to_string_lossy(), &origin.host) {
        return Ok(None);
    }
    from_environment()
}

/// Returns the proxy of the first variable that names a supported one.
///
/// # Errors
///
/// If a variable before it is malformed, or if all proxies are unsupported.
fn from_environment() -> Result<Option<Proxy>, Error> {
    let mut first_unsupported = None;
    for name in VARIABLES {
        let Some(url) = variable(name) else {
            continue;
        };
        let refuse = |reason| Error::setting("proxy", format!("from the variable {name} {reason}"));
        let proxy = parse(url.to_str().unwrap_or_default()).map_err(refuse)?;
        let Some(reason) = unsupported(&proxy) else {
            return Ok(Some(proxy));
        };
        first_unsupported.get_or_insert_with(|| refuse(reason));
    }
    first_unsupported.map_or(Ok(None), Err)
}

/// Returns the value of an environment variable. An empty one counts as not set.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn parse(url: &str) -> Result<Proxy, &'static str> {
    let proxy = Proxy::new(url).map_err(|_| "is not a proxy URL")?;
    match proxy.uri().authority() {
        Some(authority) if !authority.host().is_empty() && port(authority, 80).is_some() => {
            Ok(proxy)
        }
        _ => Err("has no host, or no valid port"),
    }
}

/// Returns the text of a failure, with the proxy, which may be the cause. Its credentials are left out.
pub(super) fn with_proxy(proxy: Option<&Proxy>, failure: impl fmt::Display) -> String {
    match proxy {
        Some(proxy) => {
            format!("{failure}, through the proxy `{}:{}`", proxy.host(), proxy.port())
        }
        None => failure.to_string(),
    }
}

/// Returns whether the connection to a proxy uses TLS.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub(super) fn is_https(proxy: &Proxy) -> bool {
    proxy.protocol() == ureq::ProxyProtocol::Https
}

/// Returns why requests cannot go through a proxy.
fn unsupported(proxy: &Proxy) -> Option<&'static str> {
    match proxy.uri().scheme_str() {
        Some("http") | None => None,
        Some("https") if cfg!(any(feature = "rustls", feature = "native-tls")) => None,
        Some("https") => Some("needs the feature `rustls` or `native-tls`"),
        Some(_) => Some("must be an HTTP proxy: SOCKS is not supported"),
    }
}

/// Returns whether a `NO_PROXY` list contains a host in lower case, by the rules of curl 8.
fn lists(list: &str, host: &str) -> bool {
    if list == "*" {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address = bare.unwrap_or(host).parse().ok();
    for entry in list.to_ascii_lowercase().split(',') {
        let entry = entry.trim_ascii();
        let (entry, rest) = entry.split_once([' ', '\t']).unwrap_or((entry, ""));
        let is_listed = match address {
            Some(address) => is_in_network(address, entry),
            None => is_in_domain(host, entry),
        };
        if is_listed {
            return true;
        }
        // Entries are separated by commas, so the list ends here.
        if !rest.is_empty() {
            return false;
        }
    }
    false
}

/// Returns whether a host is a domain, such as `example.com` or `.example.com`, or below it.
fn is_in_domain(host: &str, domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    let below = host.strip_suffix(domain);
    below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

/// Returns whether an address is in a network, such as `10.0.0.0/8`, or equal to an address.
fn is_in_network(address: IpAddr, network: &str) -> bool {
    let (network, prefix) = network.split_once('/').unwrap_or((network, "0"));
    // Unlike curl, the standard library accepts a sign.
    if prefix.starts_with('+') {
        return false;
    }
    let (Ok(network), Ok(prefix)) = (network.parse(), prefix.parse::<u16>()) else {
        return false;
    };
    let (address, network, bits) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    match prefix {
        // As in curl, a prefix of 0 bits is the whole address.
        0 => address == network,
        prefix if prefix <= bits => (address ^ network) >> (bits - prefix) == 0,
        _ => false,
    }
}

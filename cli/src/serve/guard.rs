//! Refuses requests that a web page elsewhere makes a browser send.
//!
//! A page whose own name resolves to this machine (DNS rebinding) is in a browser's eyes the same
//! site as the service, so that it could read every response. Only the `Host` header differs.

use std::net::IpAddr;

use phaseflag::Object;

use super::http::{Request, Response};

/// The last parts of names that public DNS does not have, such as those of containers. `.local` is not
/// among them: each machine of a local network may claim such a name.
const PRIVATE: [&str; 3] = [".internal", ".localhost", ".test"];

/// Checks a request of a program: its host must be an address or a private name. Programs in HTTP/1.0
/// send none; browsers always do.
pub(crate) fn check_program(request: &Request) -> Result<(), Response> {
    match request.header("Host") {
        Some(host) if !is_private(name(host)) => Err(wrong_host(host)),
        _ => Ok(()),
    }
}

/// Checks a request of the page: its host must be this machine, and no other site may have sent it.
///
/// The port may be another one, as behind `ssh -L`: it decides nothing about the name.
pub(crate) fn check_page(request: &Request) -> Result<(), Response> {
    let host = request.header("Host").unwrap_or_default();
    if !is_this_machine(name(host)) {
        return Err(wrong_host(host));
    }
    let own = |origin: &str| {
        origin.strip_prefix("http://").is_some_and(|it| it.eq_ignore_ascii_case(host))
    };
    if request.header("Origin").is_some_and(|origin| !own(origin)) {
        return Err(other_site());
    }
    // A link on another site may open the page, but no other site may request its parts.
    let site = request.header("Sec-Fetch-Site").unwrap_or("none");
    if request.path() != "/" && !matches!(site, "same-origin" | "none") {
        return Err(other_site());
    }
    Ok(())
}

/// Returns the host without its port, and an IPv6 address without its brackets.
fn name(host: &str) -> &str {
    if let Some((name, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return name;
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn is_this_machine(name: &str) -> bool {
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

fn is_private(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.contains('.')
        || name.parse::<IpAddr>().is_ok()
        || PRIVATE.iter().any(|ending| name.ends_with(ending))
}

fn wrong_host(host: &str) -> Response {
    error(421, "WRONG_HOST", format!("the host `{host}` is not a name of this machine"))
}

fn other_site() -> Response {
    error(403, "OTHER_SITE", "the request comes from another site".to_owned())
}

/// Returns an error in the format of the documented service.
pub(crate) fn error(status: u16, code: &str, message: String) -> Response {
    let error = Object::from([("code", code.to_owned()), ("message", message)]);
    Response::json(status, Object::from([("error", error)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart() {
        for (host, is_machine, is_known) in [
            ("127.0.0.1:8000", true, true),
            ("127.0.0.1", true, true),
            ("127.8.9.1:1", true, true),
            ("localhost:8000", true, true),
            ("LocalHost", true, true),
            ("flags.localhost:80", true, true),
            ("[::1]:8000", true, true),
            ("[::1]", true, true),
            ("192.168.1.7:8000", false, true),
            ("0.0.0.0:8000", false, true),
            ("[fe80::1]:8000", false, true),
            ("host.docker.internal:8000", false, true),
            ("printer.local", false, false),
            ("phaseflag:8000", false, true),
            ("", false, true),
            ("example.com:8000", false, false),
            ("127.0.0.1.example.com", false, false),
            ("localhost.example.com:8000", false, false),
            ("notlocalhost.com", false, false),
            ("evil.com:127.0.0.1", false, false),
            ("localhost.", false, false),
            ("[::1", false, true),
            ("127.1", false, false),
            ("user@127.0.0.1:8000", false, false),
        ] {
            let name = name(host);
            let found = (is_this_machine(name), is_private(name));
            assert_eq!(found, (is_machine, is_known), "{host:?}");
        }
    }
}

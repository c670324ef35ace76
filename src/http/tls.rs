//! The TLS library and the root certificates that HTTPS uses.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::pem;
use crate::error::Error;
use crate::files;

/// The TLS library: rustls if both are built in.
const PROVIDER: TlsProvider =
    if cfg!(feature = "rustls") { TlsProvider::Rustls } else { TlsProvider::NativeTls };

/// The variable that names a PEM file of root certificates, as for OpenSSL.
const VARIABLE: &str = "SSL_CERT_FILE";

/// The size limit of that file, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The usage `serverAuth` of a certificate, as the contents of a DER object identifier.
const SERVER_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x01";

/// The usage `anyExtendedKeyUsage`.
const ANY_USAGE: &[u8] = b"\x55\x1d\x25\x00";

/// Returns the configuration that trusts the given PEM root certificates or else, if TLS `is_used`,
/// those of the environment. By default, it trusts the built-in ones, which the first request
/// loads.
pub(super) fn config(setting: Option<&[u8]>, is_used: bool) -> Result<TlsConfig, Error> {
    let config = TlsConfig::builder().provider(PROVIDER);
    let roots = match setting {
        Some(pem) => {
            certificates(pem).map_err(|reason| Error::setting("root_certificates_pem", reason))?
        }
        None if is_used => match from_environment()? {
            Some(roots) => roots,
            None => return Ok(config.build()),
        },
        None => return Ok(config.build()),
    };
    Ok(config.root_certs(RootCerts::from(roots)).build())
}

/// Returns the root certificates of the environment, or `None`.
fn from_environment() -> Result<Option<Vec<Certificate<'static>>>, Error> {
    let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let certificates = match read(Path::new(&path)) {
        Ok(pem) => certificates(&pem),
        Err(error) => Err(format!("cannot be read: {error}")),
    };
    certificates.map(Some).map_err(|reason| {
        let file = path.display();
        let reason = format!("from the file `{file}` of the variable {VARIABLE} {reason}");
        Error::setting("root_certificates_pem", reason)
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe may block.
    files::metadata(path)?;
    let mut pem = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut pem)?;
    Ok(pem)
}

/// Returns the certificates of a PEM file that are trusted for servers.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut trusted = Vec::new();
    let mut missing = "contains no certificate in PEM";
    for (line, der) in pem::certificates(pem)? {
        // The TLS libraries silently skip a malformed certificate, so it is checked here.
        let parts = split(&der).and_then(|(der, settings)| Some((der, permits_servers(settings)?)));
        match parts {
            Some((der, true)) => trusted.push(Certificate::from_der(der).to_owned()),
            Some((_, false)) => missing = "contains no certificate that is trusted for servers",
            None => return Err(pem::malformed(line, "is not a certificate")),
        }
    }
    if trusted.is_empty() { Err(missing.to_owned()) } else { Ok(trusted) }
}

/// Returns a DER sequence, as every certificate is, and what follows it.
fn split(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (0x30, _, rest) = element(der)? else {
        return None;
    };
    der.split_at_checked(der.len() - rest.len())
}

/// Returns the tag and the contents of the first DER element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = match rest.split_first()? {
        (&length @ 0..=0x7f, rest) => (usize::from(length), rest),
        (&form @ 0x81..=0x84, rest) => {
            let (length, rest) = rest.split_at_checked(usize::from(form & 0x7f))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

/// Returns whether the trust settings that OpenSSL appends to a certificate are empty or permit
/// servers: a list of trusted usages, and a list of rejected ones. Returns `None` if they are
/// malformed.
fn permits_servers(settings: &[u8]) -> Option<bool> {
    if settings.is_empty() {
        return Some(true);
    }
    let (0x30, mut fields, []) = element(settings)? else {
        return None;
    };
    while !fields.is_empty() {
        let (tag, contents, rest) = element(fields)?;
        let forbids = match tag {
            0x30 => !names_servers(contents)?,
            0xa0 => names_servers(contents)?,
            _ => false,
        };
        if forbids {
            return Some(false);
        }
        fields = rest;
    }
    Some(true)
}

/// Returns whether a list of usages contains that of servers.
fn names_servers(mut usages: &[u8]) -> Option<bool> {
    while !usages.is_empty() {
        let (_, usage, rest) = element(usages)?;
        if usage == SERVER_AUTH || usage == ANY_USAGE {
            return Some(true);
        }
        usages = rest;
    }
    Some(false)
}

/// The errors of rustls that need an explanation, each by a word of its text: certificates that
/// other TLS libraries accept, with how to replace them, and a server without TLS.
#[cfg(feature = "rustls")]
const EXPLAINED: [(&str, &str); 4] = [
    (
        "CaUsedAsEndEntity",
        "the certificate of the server is that of a CA; create one with \
         `-addext basicConstraints=critical,CA:FALSE`",
    ),
    (
        "UnsupportedCertVersion",
        "the certificate of the server has version 1; create one of version 3, with a \
         `subjectAltName`",
    ),
    (
        "UnsupportedSignatureAlgorithm",
        "the certificate of the server is signed in a way that is not supported, such as with \
         SHA-1; create one with `-sha256`",
    ),
    (
        "InvalidContentType",
        "the server does not respond with TLS; if it has none, its URL begins with http://",
    ),
];

/// Returns a clearer error for one that needs an explanation, or `None`.
#[cfg(feature = "rustls")]
pub(super) fn explain(error: &ureq::Error) -> Option<io::Error> {
    let text = error.to_string();
    let (_, hint) = EXPLAINED.iter().find(|(word, _)| text.contains(word))?;
    Some(io::Error::other(*hint))
}

//! The TLS library and the root certificates that HTTPS uses.

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};

use crate::error::Error;

/// The TLS library: rustls if both are built in.
const PROVIDER: TlsProvider =
    if cfg!(feature = "rustls") { TlsProvider::Rustls } else { TlsProvider::NativeTls };

/// Returns the configuration that trusts the given PEM root certificates or, by default, the
/// built-in ones. The built-in ones are loaded by the first request.
pub(crate) fn config(roots: Option<&[u8]>) -> Result<TlsConfig, Error> {
    let mut config = TlsConfig::builder().provider(PROVIDER);
    if let Some(pem) = roots {
        config = config.root_certs(RootCerts::from(certificates(pem)?));
    }
    Ok(config.build())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, Error> {
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) if is_sequence(certificate.der()) => {
                certificates.push(certificate);
            }
            Ok(PemItem::Certificate(_)) => {
                let reason = "is malformed: a PEM block is not a certificate";
                return Err(Error::setting("root_certificates_pem", reason));
            }
            Ok(_) => {}
            Err(error) => {
                return Err(Error::setting(
                    "root_certificates_pem",
                    format!("is malformed: {error}"),
                ));
            }
        }
    }
    if certificates.is_empty() {
        return Err(Error::setting("root_certificates_pem", "contains no certificate"));
    }
    Ok(certificates)
}

/// Returns whether the bytes are one DER sequence, as every certificate is. The TLS libraries
/// silently skip a malformed certificate, so it is checked here.
fn is_sequence(der: &[u8]) -> bool {
    let Some((0x30, rest)) = der.split_first().map(|(tag, rest)| (*tag, rest)) else {
        return false;
    };
    match rest.split_first() {
        Some((&length @ 0..=0x7f, contents)) => contents.len() == usize::from(length),
        Some((&form @ 0x81..=0x84, rest)) => {
            let size = usize::from(form & 0x7f);
            let Some((length, contents)) = rest.split_at_checked(size) else {
                return false;
            };
            let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            contents.len() == length
        }
        _ => false,
    }
}

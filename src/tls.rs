//! Whom HTTPS trusts, and by which library.

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};

use crate::error::Error;

/// Where both libraries are built in, rustls is used.
const PROVIDER: TlsProvider = if cfg!(feature = "rustls") {
    TlsProvider::Rustls
} else {
    TlsProvider::NativeTls
};

/// Trusts the given authorities, in PEM, or else those that are built in. Those are not loaded
/// before the first request.
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
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
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
        return Err(Error::setting(
            "root_certificates_pem",
            "holds no certificate",
        ));
    }
    Ok(certificates)
}

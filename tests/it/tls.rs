//! Whom a client trusts over TLS, against a server on loopback.
//!
//! The certificates of `data/tls` are made to last a hundred years:
//!
//! ```sh
//! new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500"
//! ca="-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign"
//! openssl req -x509 $new $ca -subj "/CN=phaseflag test authority" \
//!     -keyout authority.key -out authority.pem
//! openssl req -x509 $new $ca -subj "/CN=another test authority" \
//!     -keyout stranger.key -out stranger.pem
//! leaf() { # name, subjectAltName
//!     openssl req $new -subj "/CN=$1" -keyout $1.key -out $1.csr
//!     printf "subjectAltName=$2\nextendedKeyUsage=serverAuth\n" > $1.ext
//!     openssl x509 -req -in $1.csr -CA authority.pem -CAkey authority.key -CAcreateserial \
//!         -days 36500 -extfile $1.ext -out $1.pem
//! }
//! leaf localhost DNS:localhost,IP:127.0.0.1
//! leaf elsewhere DNS:elsewhere.example
//! ```

use std::error::Error as _;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{SOON, ruleset, started, wait_until};
use crate::wire::{Wire, hang, read_request, write_response};

const AUTHORITY: &str = include_str!("../data/tls/authority.pem");
const STRANGER: &str = include_str!("../data/tls/stranger.pem");
const LOCALHOST: [&str; 2] =
    [include_str!("../data/tls/localhost.pem"), include_str!("../data/tls/localhost.key")];
const ELSEWHERE: [&str; 2] =
    [include_str!("../data/tls/elsewhere.pem"), include_str!("../data/tls/elsewhere.key")];

/// A service over TLS that records its requests.
struct Service {
    wire: Wire,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn start([certificate, key]: [&str; 2]) -> Service {
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key);
        let config = Arc::new(config.unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let asked = requests.clone();
        let wire = Wire::start(move |stream, _| {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            while let Some(request) = read_request(&mut stream) {
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                asked.lock().unwrap().push(request);
                let (status, body) = match path.as_str() {
                    "/api/v1/sdk/ruleset" => (200, ruleset(1, &["a"])),
                    "/bootstrap.json" => (200, ruleset(0, &["b"])),
                    "/api/v1/evaluate" => (
                        200,
                        r#"{"data": {"evaluations": {"a": {"value": 5, "reason": "DEFAULT"}}}}"#
                            .to_owned(),
                    ),
                    "/api/v1/sdk/events" => (202, r#"{"accepted": 1}"#.to_owned()),
                    _ => (500, String::new()),
                };
                if !write_response(&mut stream, status, &body) {
                    return;
                }
            }
        });
        Service { wire, requests }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/api/v1", self.wire.address().port())
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn builder(url: String) -> ClientBuilder {
    PhaseFlagClient::builder(url, "sdk-dev-1").polling_interval(Duration::from_secs(600))
}

#[test]
fn a_configured_authority_is_trusted_by_every_request() {
    let both = format!("{STRANGER}\nSome words between.\n{AUTHORITY}");
    for (host, roots) in [
        ("localhost", AUTHORITY.to_owned()),
        ("127.0.0.1", AUTHORITY.to_owned()),
        ("localhost", both),
        ("localhost", AUTHORITY.replace('\n', "\r\n")),
    ] {
        let service = Service::start(LOCALHOST);
        let client = started(builder(service.url(host)).root_certificates_pem(roots));
        client.wait_until_ready(SOON).unwrap();
        assert!(client.get_boolean_value("a", false, None));
        let result = client.evaluate("a", None).unwrap();
        assert_eq!(result.value().as_i64(), Some(5));
        client.track_event(EvaluationEvent::new("a"));
        client.flush_events().unwrap();
        assert_eq!(service.requests().len(), 3);
        for request in service.requests() {
            let request = request.to_ascii_lowercase();
            assert!(request.contains("x-api-key: sdk-dev-1"), "{request}");
        }
    }
}

#[test]
fn a_configured_authority_is_trusted_by_the_bootstrap_url() {
    let service = Service::start(LOCALHOST);
    let base = format!("https://localhost:{}/missing", service.wire.address().port());
    let client =
        started(builder(base).bootstrap_url("/bootstrap.json").root_certificates_pem(AUTHORITY));
    wait_until("the bootstrap", || client.get_boolean_value("b", false, None));
}

#[test]
fn untrusted_servers_are_refused_before_the_key_is_sent() {
    for (name, certificate, roots, expected) in [
        (
            "an authority that is not built in",
            LOCALHOST,
            None,
            "invalid peer certificate: UnknownIssuer",
        ),
        (
            "another authority than the user names",
            LOCALHOST,
            Some(STRANGER),
            "invalid peer certificate: UnknownIssuer",
        ),
        (
            "another name",
            ELSEWHERE,
            Some(AUTHORITY),
            "invalid peer certificate: certificate not valid for name \"localhost\"; \
             certificate is only valid for DnsName(\"elsewhere.example\")",
        ),
    ] {
        let service = Service::start(certificate);
        let mut settings = builder(service.url("localhost"))
            // Configured authorities replace the built-in ones, and the last setting wins.
            .bootstrap_url("/bootstrap.json");
        if let Some(roots) = roots {
            settings = settings.root_certificates_pem(roots);
        }
        let client = started(settings);
        wait_until(name, || client.statistics().polls > 0);
        let failure = client.statistics().last_failure.unwrap();
        let url = service.url("localhost");
        assert_eq!(failure.to_string(), format!("failed to reach `{url}/sdk/ruleset`"), "{name}");
        let cause = failure.source().unwrap().to_string();
        // The TLS library of the system has its own error texts.
        assert!(cause.contains(expected) || !cfg!(feature = "rustls"), "{name}: {cause}");
        client.track_event(EvaluationEvent::new("a"));
        assert!(client.flush_events().is_err(), "{name}");
        assert!(client.evaluate("a", None).is_err(), "{name}");
        assert!(!client.get_boolean_value("b", false, None), "{name}");
        assert_eq!(service.requests().len(), 0, "{name}");
    }
}

#[test]
fn a_server_without_tls_is_a_failed_request() {
    let plain = Wire::start(|mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        hang(stream);
    });
    let client = started(builder(format!("https://{}/api/v1", plain.address())));
    wait_until("a failure", || client.statistics().last_failure.is_some());
    let failure = client.statistics().last_failure.unwrap();
    let cause = failure.source().unwrap().to_string();
    assert!(cause.contains("corrupt message") || !cfg!(feature = "rustls"), "{cause}");
}

#[test]
fn invalid_certificates_are_refused_by_build() {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    for (name, pem) in [
        ("nothing", String::new()),
        ("words", "trust me".to_owned()),
        ("a key alone", LOCALHOST[1].to_owned()),
        ("no base64", format!("{begin}\n!!!!\n{end}\n")),
        ("no end", AUTHORITY.replace(end, "")),
        ("another end", AUTHORITY.replace(end, "-----END NOTHING-----")),
        ("no certificate inside", format!("{begin}\nAAAA\n{end}\n")),
        ("one good, one bad", format!("{AUTHORITY}{begin}\n!!!!\n{end}\n")),
    ] {
        let built =
            builder("https://localhost/api/v1".to_owned()).root_certificates_pem(pem).build();
        let Err(error) = built else {
            panic!("{name} was accepted");
        };
        let sentence = error.to_string();
        assert!(
            sentence.starts_with("failed to build client: `root_certificates_pem` "),
            "{name}: {sentence}"
        );
    }
}

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
//! own() { # name, options
//!     openssl req -x509 $new -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!         $2 -keyout $1.key -out $1.pem
//! }
//! own own_ca ""
//! own own "-addext basicConstraints=critical,CA:FALSE"
//! own sha1 "-addext basicConstraints=critical,CA:FALSE -sha1"
//! openssl req $new -subj /CN=localhost -keyout old.key -out old.csr
//! openssl x509 -req -in old.csr -signkey old.key -days 36500 -out old.pem
//! trust() { # name, options
//!     openssl x509 -in authority.pem -trustout $2 -out trusted_$1.pem
//! }
//! trust plain ""
//! trust alias "-setalias name"
//! trust server "-addtrust serverAuth"
//! trust any "-addtrust anyExtendedKeyUsage"
//! trust mail "-addtrust emailProtection"
//! trust no_mail "-addreject emailProtection"
//! trust no_server "-addreject serverAuth"
//! trust nothing "-addreject anyExtendedKeyUsage"
//! trust both "-addtrust serverAuth -addreject serverAuth"
//! ```

use std::error::Error as _;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use phaseflag::{ClientBuilder, EvaluationEvent, PhaseFlagClient};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::curl::{Curl, not_checked};
use crate::support::{NEVER, SOON, Server, ruleset, started, wait_until};
use crate::wire::{Wire, hang, read_request, write_response};

const AUTHORITY: &str = include_str!("../data/tls/authority.pem");
const STRANGER: &str = include_str!("../data/tls/stranger.pem");
const LOCALHOST: [&str; 2] =
    [include_str!("../data/tls/localhost.pem"), include_str!("../data/tls/localhost.key")];
const ELSEWHERE: [&str; 2] =
    [include_str!("../data/tls/elsewhere.pem"), include_str!("../data/tls/elsewhere.key")];

/// Certificates that no authority has issued: a server's, a CA's, one of version 1, and one that is
/// signed with SHA-1.
const OWN: [&str; 2] = [include_str!("../data/tls/own.pem"), include_str!("../data/tls/own.key")];
const OWN_CA: [&str; 2] =
    [include_str!("../data/tls/own_ca.pem"), include_str!("../data/tls/own_ca.key")];
const SHA1: [&str; 2] =
    [include_str!("../data/tls/sha1.pem"), include_str!("../data/tls/sha1.key")];
const OLD: [&str; 2] = [include_str!("../data/tls/old.pem"), include_str!("../data/tls/old.key")];

/// An event stream that is silent after its first change.
const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
    event: connected\ndata: {}\n\nevent: flag.updated\ndata: {}\n\n";

/// The variables of the child processes.
const SERVICE: &str = "PHASEFLAG_TEST_SERVICE";
const BOOTSTRAP: &str = "PHASEFLAG_TEST_BOOTSTRAP";
const PROXY: &str = "PHASEFLAG_TEST_PROXY";
const ROOTS: &str = "PHASEFLAG_TEST_ROOTS";

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
        let key = provider.key_provider.load_private_key(key).unwrap();
        // Unlike `with_single_cert`, this accepts a certificate of version 1.
        let certified = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certified));
        let config = Arc::new(config);
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let asked = requests.clone();
        let wire = Wire::start(move |stream, _| {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            while let Some(request) = read_request(&mut stream) {
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                asked.lock().unwrap().push(request);
                if path.ends_with("/sdk/stream") {
                    let _ = stream.write_all(STREAM.as_bytes()).and_then(|()| stream.flush());
                    while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
                    asked.lock().unwrap().push("the end of the stream".to_owned());
                    return;
                }
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
    PhaseFlagClient::builder(url, "sdk-dev-1").polling_interval(NEVER)
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
fn an_event_stream_over_tls_is_read_and_ends_with_the_client() {
    let service = Service::start(LOCALHOST);
    let builder = builder(service.url("localhost")).root_certificates_pem(AUTHORITY);
    let client = started(builder.streaming(true));
    let paths =
        |path: &str| service.requests().iter().filter(|request| request.contains(path)).count();
    wait_until("the event", || paths("/sdk/ruleset") >= 2);
    assert_eq!((paths("/sdk/stream"), paths("the end of the stream")), (1, 0));
    client.stop();
    wait_until("the end of the stream", || paths("the end of the stream") == 1);
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
    assert!(cause.contains("does not respond with TLS") || !cfg!(feature = "rustls"), "{cause}");
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

/// Returns whether a client trusts the service with these roots.
fn trusts(service: &Service, roots: &[u8]) -> bool {
    let Ok(client) = builder(service.url("localhost")).root_certificates_pem(roots).build() else {
        return false;
    };
    client.fetch_ruleset().is_ok()
}

/// Returns whether curl trusts the service with these roots.
fn curl_trusts(curl: &Curl, service: &Service, roots: &[u8], name: &str) -> bool {
    let name = format!("phaseflag-roots-{}-{name}.pem", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, roots).unwrap();
    let url = service.url("localhost") + "/sdk/ruleset";
    let mut command = curl.command();
    command.args(["--noproxy", "*", "--cacert"]).arg(&path).arg(url);
    let status = command.env_remove("SSL_CERT_DIR").status().unwrap();
    fs::remove_file(&path).unwrap();
    status.success()
}

/// Returns the installed curl if its TLS library is OpenSSL.
fn curl_with_openssl(test: &str) -> Option<Curl> {
    let curl = Curl::installed(test)?;
    if curl.version.contains("OpenSSL") {
        return Some(curl);
    }
    not_checked(&format!("{test}, as curl does it: its TLS library is not OpenSSL"));
    None
}

#[test]
fn pem_files_are_read_as_by_curl() {
    let authority = AUTHORITY.as_bytes();
    let lines = |end: &str| AUTHORITY.replace('\n', end).into_bytes();
    let labelled = |label: &str| AUTHORITY.replace(" CERTIFICATE", label).into_bytes();
    let base64: String = AUTHORITY.lines().filter(|line| !line.starts_with('-')).collect();
    let one_line = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    let mark = b"\xef\xbb\xbf".as_slice();
    let utf_16: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(AUTHORITY.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let text =
        format!("Authorities\n===========\n\n# Stranger\n{STRANGER}\n# Ours\n=\n{AUTHORITY}end");
    let data = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name);
        fs::read(path).unwrap()
    };
    let cases = [
        ("unchanged", authority.to_vec(), true),
        ("mark", [mark, authority].concat(), true),
        ("mark-and-crlf", [mark, &lines("\r\n")].concat(), true),
        ("marks-of-two-files", [mark, STRANGER.as_bytes(), mark, authority].concat(), true),
        ("crlf", lines("\r\n"), true),
        ("blanks-at-line-ends", lines("  \n"), true),
        ("no-last-line-end", AUTHORITY.trim_end().into(), true),
        ("one-line", one_line.into_bytes(), true),
        ("text-between", text.into_bytes(), true),
        ("text-in-another-encoding", [b"# M\xfcller\n", authority].concat(), true),
        ("a-key-first", [LOCALHOST[1].as_bytes(), authority].concat(), true),
        ("an-old-label", labelled(" X509 CERTIFICATE"), true),
        ("another-label", labelled(" PKCS7"), false),
        (
            "indented",
            AUTHORITY.lines().map(|line| format!("  {line}\n")).collect::<String>().into(),
            false,
        ),
        ("escaped-line-ends", lines("\\n"), false),
        ("utf-16", utf_16, false),
        ("a-key-alone", LOCALHOST[1].into(), false),
        ("empty", Vec::new(), false),
        ("no-end", authority[..authority.len() - 40].to_vec(), false),
        ("another-one-without-end", [authority, &STRANGER.as_bytes()[..300]].concat(), false),
        (
            "bad-base64",
            labelled(" CERTIFICATE").iter().map(|b| if *b == b'M' { b'!' } else { *b }).collect(),
            false,
        ),
        ("trusted", data("trusted_plain.pem"), true),
        (
            "trusted-with-crlf",
            String::from_utf8(data("trusted_plain.pem")).unwrap().replace('\n', "\r\n").into(),
            true,
        ),
        ("trusted-with-alias", data("trusted_alias.pem"), true),
        ("trusted-for-servers", data("trusted_server.pem"), true),
        ("trusted-for-anything", data("trusted_any.pem"), true),
        ("trusted-for-mail", data("trusted_mail.pem"), false),
        ("rejected-for-mail", data("trusted_no_mail.pem"), true),
        ("rejected-for-servers", data("trusted_no_server.pem"), false),
        ("rejected-for-anything", data("trusted_nothing.pem"), false),
        ("trusted-and-rejected", data("trusted_both.pem"), false),
        (
            "one-for-mail-beside-a-stranger",
            [&data("trusted_mail.pem"), STRANGER.as_bytes()].concat(),
            false,
        ),
        (
            "one-for-servers-beside-a-stranger",
            [STRANGER.as_bytes(), &data("trusted_server.pem")].concat(),
            true,
        ),
    ];
    let service = Service::start(LOCALHOST);
    let curl = curl_with_openssl("PEM files");
    for (name, pem, trusted) in cases {
        assert_eq!(trusts(&service, &pem), trusted, "{name}");
        if let Some(curl) = &curl {
            assert_eq!(curl_trusts(curl, &service, &pem, name), trusted, "curl: {name}");
        }
    }
}

#[test]
fn the_certificates_of_the_system_can_be_read() {
    let bundles = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ];
    let Some(pem) = bundles.iter().find_map(|path| fs::read(path).ok()) else {
        not_checked("the certificates of the system: there are none");
        return;
    };
    builder("https://localhost/api/v1".to_owned()).root_certificates_pem(pem).build().unwrap();
}

#[test]
fn a_certificate_can_be_its_own_root_or_the_error_says_why_not() {
    let refused = |hint: &str| cfg!(feature = "rustls").then(|| hint.to_owned());
    let curl = curl_with_openssl("certificates that are their own root");
    for (name, certificate, hint) in [
        ("own", OWN, None),
        (
            "own-ca",
            OWN_CA,
            refused(
                ": the certificate of the server is that of a CA; create one with \
                 `-addext basicConstraints=critical,CA:FALSE`",
            ),
        ),
        (
            "old",
            OLD,
            refused(
                ": the certificate of the server has version 1; create one of version 3, with a \
                 `subjectAltName`",
            ),
        ),
        (
            "sha1",
            SHA1,
            refused(
                ": the certificate of the server is signed in a way that is not supported, such as \
                 with SHA-1; create one with `-sha256`",
            ),
        ),
    ] {
        let service = Service::start(certificate);
        let roots = certificate[0].as_bytes();
        if let Some(curl) = &curl {
            assert!(curl_trusts(curl, &service, roots, name), "curl: {name}");
        }
        // Each system's library has its own rules.
        if cfg!(not(feature = "rustls")) && cfg!(not(target_os = "linux")) {
            continue;
        }
        let client = builder(service.url("localhost")).root_certificates_pem(roots);
        let fetched = client.build().unwrap().fetch_ruleset();
        match hint {
            None => assert!(fetched.is_ok(), "{name}: {fetched:?}"),
            Some(hint) => {
                let sentence = format!("{:#}", fetched.unwrap_err());
                assert!(sentence.ends_with(&hint), "{name}: {sentence}");
                assert_eq!(service.requests().len(), usize::from(curl.is_some()), "{name}");
            }
        }
    }
}

/// Runs a client in a process with these variables, and returns its error or an empty text.
fn in_environment(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for variable in ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"] {
        command.env_remove(variable);
    }
    command
        .args(["--exact", "tls::child_with_its_own_environment", "--ignored", "--nocapture"])
        .env_remove("SSL_CERT_FILE")
        .envs(variables.iter().copied());
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let (_, rest) = text.split_once("<<").expect("the output of the child");
    rest.split_once(">>").unwrap().0.to_owned()
}

#[test]
#[ignore = "another test runs it in separate processes"]
fn child_with_its_own_environment() {
    let variable = |name| std::env::var(name).ok();
    let Some(url) = variable(SERVICE) else {
        return;
    };
    let mut builder = builder(url);
    if let Some(url) = variable(BOOTSTRAP) {
        builder = builder.bootstrap_url(url);
    }
    if let Some(url) = variable(PROXY) {
        builder = builder.proxy(url);
    }
    if let Some(pem) = variable(ROOTS) {
        builder = builder.root_certificates_pem(pem);
    }
    let fetched = builder.build().and_then(|client| client.fetch_ruleset());
    println!("<<{}>>", fetched.err().map(|error| format!("{error:#}")).unwrap_or_default());
}

#[test]
fn the_environment_names_a_file_of_root_certificates() {
    let folder = std::env::temp_dir().join(format!("phaseflag-ssl-cert-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name).into_os_string().into_string().unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    let (authority, stranger) = (file("authority.pem", AUTHORITY), file("stranger.pem", STRANGER));
    let words = file("words.pem", "trust me");
    let missing = folder.join("missing.pem").into_os_string().into_string().unwrap();
    let secure = Service::start(LOCALHOST);
    let (secure, plain) = (secure.url("localhost"), Server::with_ruleset(ruleset(1, &["a"])));
    let refused = |path: &str, reason: &str| {
        format!(
            "failed to build client: `root_certificates_pem` from the file `{path}` of the \
             variable SSL_CERT_FILE {reason}"
        )
    };
    let unreadable =
        |path: &str| refused(path, &format!("cannot be read: {}", fs::read(path).unwrap_err()));
    let irregular = |path: &str, kind: &str| {
        refused(path, &format!("cannot be read: it is a {kind}, not a regular file"))
    };
    #[cfg(unix)]
    let pipe = {
        let path = folder.join("pipe").into_os_string().into_string().unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    };
    let unknown = if cfg!(feature = "rustls") { "UnknownIssuer" } else { "certificate" };
    let one = "http://127.0.0.1:1/api/v1";
    for (variables, expected) in [
        (&[("SSL_CERT_FILE", &*authority), (SERVICE, &secure)][..], String::new()),
        (&[("SSL_CERT_FILE", &stranger), (SERVICE, &secure)], unknown.to_owned()),
        (&[("SSL_CERT_FILE", ""), (SERVICE, &secure)], unknown.to_owned()),
        (&[(SERVICE, &secure)], unknown.to_owned()),
        (
            &[("SSL_CERT_FILE", &words), (SERVICE, &secure)],
            refused(&words, "contains no certificate in PEM"),
        ),
        (&[("SSL_CERT_FILE", &missing), (SERVICE, &secure)], unreadable(&missing)),
        (
            &[("SSL_CERT_FILE", folder.to_str().unwrap()), (SERVICE, &secure)],
            irregular(folder.to_str().unwrap(), "folder"),
        ),
        #[cfg(unix)]
        (&[("SSL_CERT_FILE", &pipe), (SERVICE, &secure)], irregular(&pipe, "pipe")),
        // The setting wins.
        (&[("SSL_CERT_FILE", &missing), (ROOTS, AUTHORITY), (SERVICE, &secure)], String::new()),
        (
            &[("SSL_CERT_FILE", &authority), (ROOTS, STRANGER), (SERVICE, &secure)],
            unknown.to_owned(),
        ),
        // The file matters only to TLS.
        (&[("SSL_CERT_FILE", &missing), (SERVICE, &plain.url())], String::new()),
        (
            &[("SSL_CERT_FILE", &missing), (SERVICE, one), (BOOTSTRAP, "https://localhost/b")],
            unreadable(&missing),
        ),
        (
            &[("SSL_CERT_FILE", &missing), (SERVICE, one), (PROXY, "https://localhost:1")],
            unreadable(&missing),
        ),
    ] {
        let sentence = in_environment(variables);
        let fits = match expected.as_str() {
            "" => sentence.is_empty(),
            expected => sentence.contains(expected),
        };
        assert!(fits, "{variables:?}: `{sentence}`, not `{expected}`");
    }
    fs::remove_dir_all(&folder).unwrap();
}

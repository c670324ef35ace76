//! HTTP requests to the service: URLs, proxy, TLS, paths, remote evaluation, and retry delays.

#[cfg(feature = "http")]
mod address;
#[cfg(feature = "http")]
mod backoff;
#[cfg(feature = "http")]
mod error_body;
#[cfg(feature = "http")]
mod outgoing_body;
mod paths;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod pem;
#[cfg(feature = "http")]
mod proxy;
#[cfg(feature = "http")]
mod remote;
#[cfg(feature = "http")]
mod requests;
#[cfg(feature = "http")]
mod sse;
#[cfg(feature = "http")]
mod stream;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;

#[cfg(feature = "http")]
pub(crate) use backoff::{Backoff, Retry};
#[cfg(feature = "http")]
pub(crate) use outgoing_body::{Break, MAX_WRITE, broken};
pub(crate) use paths::{KeepPaths, KnownPaths};
#[cfg(feature = "http")]
pub(crate) use paths::{Paths, RulesPath};
#[cfg(feature = "http")]
pub(crate) use remote::Remote;
#[cfg(feature = "http")]
pub(crate) use requests::{Http, Response};
#[cfg(feature = "http")]
pub(crate) use stream::{EventStream, MAX_SILENCE};

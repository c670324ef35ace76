//! The body of a POST, and the error of a connection that breaks while it is sent.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use crate::error::RequestError;

/// The most bytes of a body that ureq writes in one call.
///
/// ureq reads a response only after it has written the whole body. If the server responds to the
/// headers and closes the connection, a second write fails, and the response is lost.
pub(crate) const MAX_WRITE: usize = 256 * 1024;

/// A body that ureq reads while it sends it.
pub(super) struct OutgoingBody<'a> {
    unread: &'a [u8],
    is_begun: bool,
}

impl<'a> OutgoingBody<'a> {
    pub(super) fn new(body: &'a str) -> OutgoingBody<'a> {
        OutgoingBody { unread: body.as_bytes(), is_begun: false }
    }

    /// Returns whether this error of ureq means that the server closed the connection without
    /// reading the whole request: the system then resets the connection. A server that closes it
    /// after that causes no error of the system, and a failure to connect reads no body.
    pub(super) fn is_broken_by(&self, cause: &io::Error) -> bool {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        self.is_begun && matches!(cause.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
    }
}

impl Read for OutgoingBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_begun = true;
        self.unread.read(buffer)
    }
}

/// The server closed the connection without reading the whole request, and no response arrived.
#[derive(Debug)]
pub(super) struct BrokenConnection {
    cause: io::Error,
}

impl BrokenConnection {
    /// Returns the failure of a request.
    pub(super) fn error(url: &str, cause: io::Error) -> RequestError {
        RequestError::Transport { url: url.to_owned(), cause: Arc::new(BrokenConnection { cause }) }
    }
}

impl fmt::Display for BrokenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection broke while the request was sent")
    }
}

impl Error for BrokenConnection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

/// Returns whether the connection broke while the request was sent.
pub(crate) fn is_broken(failure: &RequestError) -> bool {
    matches!(failure, RequestError::Transport { cause, .. } if cause.is::<BrokenConnection>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reset_after_the_begin_of_the_body_breaks_a_request() {
        use ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut,
            UnexpectedEof,
        };
        let unread = OutgoingBody::new("{}");
        let mut begun = OutgoingBody::new("{}");
        assert_eq!(begun.read(&mut [0]).unwrap(), 1);
        for (kind, is_broken) in [
            (BrokenPipe, true),
            (ConnectionReset, true),
            (ConnectionAborted, true),
            (ConnectionRefused, false),
            (UnexpectedEof, false),
            (TimedOut, false),
        ] {
            assert_eq!(begun.is_broken_by(&kind.into()), is_broken, "{kind:?}");
            assert!(!unread.is_broken_by(&kind.into()), "{kind:?}");
        }
    }
}

//! The body of a POST, and the error of a connection that breaks while it is sent.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use crate::error::RequestError;

/// The most bytes of a body that ureq writes in one call.
///
/// ureq reads a response only after it has written the whole body. If the server responds to the
/// headers and closes the connection, a second write fails, and the response is lost. The first
/// write fails, too, if the system's send buffer is smaller than the body. Each part that a slow
/// network takes of it renews the time limit of the write, so there must be few parts.
pub(crate) const MAX_WRITE: usize = 64 * 1024;

/// A body that ureq reads while it sends it.
pub(super) struct OutgoingBody<'a> {
    unread: &'a [u8],
    is_begun: bool,
}

impl<'a> OutgoingBody<'a> {
    pub(super) fn new(body: &'a str) -> OutgoingBody<'a> {
        OutgoingBody { unread: body.as_bytes(), is_begun: false }
    }

    /// Returns whether ureq has begun to send the body, which it does once it has a connection.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Returns how the connection broke, if this error of ureq means that it did. A failure to
    /// connect reads no body.
    pub(super) fn broken_by(&self, cause: &io::Error) -> Option<Break> {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match cause.kind() {
            _ if !self.is_begun => None,
            BrokenPipe | ConnectionAborted | ConnectionReset => Some(Break::Reset),
            UnexpectedEof => Some(Break::Closed),
            _ => None,
        }
    }
}

impl Read for OutgoingBody<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_begun = true;
        self.unread.read(buffer)
    }
}

/// How a connection broke after the body was begun.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Break {
    /// The system reset it, because the server closed it without reading the whole request.
    Reset,
    /// The server closed it. It may have read the request or not: this cannot be told apart.
    Closed,
}

/// The connection broke after the body was begun, and no response arrived.
#[derive(Debug)]
pub(super) struct BrokenConnection {
    how: Break,
    cause: io::Error,
}

impl BrokenConnection {
    /// Returns the failure of a request.
    pub(super) fn error(url: &str, how: Break, cause: io::Error) -> RequestError {
        let cause = Arc::new(BrokenConnection { how, cause });
        RequestError::Transport { url: url.to_owned(), cause }
    }
}

impl fmt::Display for BrokenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.how {
            Break::Reset => "the connection broke while the request was sent",
            Break::Closed => "the server closed the connection without a response",
        })
    }
}

impl Error for BrokenConnection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

/// Returns how the connection broke after the body was begun, or `None` if it did not.
pub(crate) fn broken(failure: &RequestError) -> Option<Break> {
    let RequestError::Transport { cause, .. } = failure else { return None };
    cause.downcast_ref().map(|broken: &BrokenConnection| broken.how)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_breaks_only_after_the_begin_of_the_body() {
        use ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut,
            UnexpectedEof,
        };
        let unread = OutgoingBody::new("{}");
        let mut begun = OutgoingBody::new("{}");
        assert_eq!(begun.read(&mut [0]).unwrap(), 1);
        for (kind, how) in [
            (BrokenPipe, Some(Break::Reset)),
            (ConnectionReset, Some(Break::Reset)),
            (ConnectionAborted, Some(Break::Reset)),
            (ConnectionRefused, None),
            (UnexpectedEof, Some(Break::Closed)),
            (TimedOut, None),
        ] {
            assert_eq!(begun.broken_by(&kind.into()), how, "{kind:?}");
            assert_eq!(unread.broken_by(&kind.into()), None, "{kind:?}");
        }
    }
}

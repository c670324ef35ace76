//! Classifies the outcome of an event request: what it means for its events and the next request.

use crate::error::RequestError;
use crate::http::{Break, Retry, broken};

/// The outcome of an event request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RequestOutcome {
    Accepted,
    /// The body was too large.
    TooLarge,
    /// The service rejected these events.
    Rejected,
    /// The service failed, possibly because of one of these events.
    ServerError(Retry),
    /// The connection broke while the request was sent, possibly because of these events.
    Broken,
    /// The response took too long, or the server closed the connection instead.
    NoResponse,
    /// The failure is not about these events: the service is unreachable or takes none now.
    Unavailable(Retry),
}

impl RequestOutcome {
    pub(super) fn of(result: &Result<(), RequestError>) -> RequestOutcome {
        let failure = match result {
            Ok(()) => return RequestOutcome::Accepted,
            Err(failure) => failure,
        };
        let retry = retry(failure);
        match broken(failure) {
            Some(Break::Reset) => return RequestOutcome::Broken,
            Some(Break::Closed) => return RequestOutcome::NoResponse,
            None => {}
        }
        match (failure, failure.status()) {
            (RequestError::Timeout { .. }, _) => RequestOutcome::NoResponse,
            (_, Some(413)) => RequestOutcome::TooLarge,
            (_, Some(401 | 403 | 404 | 408 | 429)) => RequestOutcome::Unavailable(retry),
            (_, Some(400..=499)) => RequestOutcome::Rejected,
            (_, Some(500..=599)) => RequestOutcome::ServerError(retry),
            (_, Some(_) | None) => RequestOutcome::Unavailable(retry),
        }
    }
}

/// Classifies a failure of an event request. A missing path or a redirect is permanent.
pub(super) fn retry(failure: &RequestError) -> Retry {
    match failure.status() {
        Some(404 | 300..=399) => Retry::Permanent,
        _ => Retry::of(failure),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(status: u16, retry_after: Option<Duration>) -> Result<(), RequestError> {
        let (url, code, message) = (String::new(), String::new(), String::new());
        Err(RequestError::Status { url, status, code, message, retry_after })
    }

    #[test]
    fn statuses_are_classified() {
        use RequestOutcome::{Rejected, ServerError, TooLarge, Unavailable};
        use Retry::{Permanent, Transient};
        for (statuses, outcome) in [
            (&[413][..], TooLarge),
            (&[400, 402, 405, 406, 409, 410, 411, 414, 415, 418, 422, 451, 499], Rejected),
            (&[401, 403, 404, 300, 301, 302, 304, 307, 308, 399], Unavailable(Permanent)),
            (&[408, 429, 600, 999], Unavailable(Transient)),
            (&[500, 501, 502, 503, 504, 599], ServerError(Transient)),
        ] {
            for code in statuses {
                assert_eq!(RequestOutcome::of(&status(*code, None)), outcome, "{code}");
            }
        }
        assert_eq!(RequestOutcome::of(&Ok(())), RequestOutcome::Accepted);
    }

    #[test]
    fn retry_after_is_obeyed() {
        let wait = Some(Duration::from_secs(7));
        let retry = Retry::After(Duration::from_secs(7));
        assert_eq!(RequestOutcome::of(&status(429, wait)), RequestOutcome::Unavailable(retry));
        assert_eq!(RequestOutcome::of(&status(503, wait)), RequestOutcome::ServerError(retry));
        // A refused key outweighs it.
        assert_eq!(
            RequestOutcome::of(&status(401, wait)),
            RequestOutcome::Unavailable(Retry::Permanent)
        );
    }

    #[test]
    fn requests_without_a_response_are_classified() {
        let url = String::new;
        let slow = RequestError::Timeout { url: url(), limit: Duration::from_secs(1) };
        assert_eq!(RequestOutcome::of(&Err(slow)), RequestOutcome::NoResponse);
        let cause = std::sync::Arc::new(std::io::Error::other("reset"));
        let lost = RequestError::Transport { url: url(), cause };
        assert_eq!(RequestOutcome::of(&Err(lost)), RequestOutcome::Unavailable(Retry::Transient));
    }
}

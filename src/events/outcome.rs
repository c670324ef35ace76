//! What the outcome of a request means for the events in it, and for the next try.

use crate::error::RequestError;
use crate::http::Retry;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    Accepted,
    /// The body was too large.
    TooLarge,
    /// The service does not want these events.
    Refused,
    /// The service failed, maybe on one of these events.
    Faulty(Retry),
    /// The answer took too long.
    Slow,
    /// The service cannot be reached, or takes nothing now.
    Failed(Retry),
}

impl Outcome {
    pub(crate) fn of(result: &Result<(), RequestError>) -> Outcome {
        let failure = match result {
            Ok(()) => return Outcome::Accepted,
            Err(failure) => failure,
        };
        let retry = retry(failure);
        match (failure, failure.status()) {
            (RequestError::Timeout { .. }, _) => Outcome::Slow,
            (_, Some(413)) => Outcome::TooLarge,
            (_, Some(401 | 403 | 404 | 408 | 429)) => Outcome::Failed(retry),
            (_, Some(400..=499)) => Outcome::Refused,
            (_, Some(500..=599)) => Outcome::Faulty(retry),
            (_, Some(_) | None) => Outcome::Failed(retry),
        }
    }
}

/// Returns what a failure means for the next try.
pub(crate) fn retry(failure: &RequestError) -> Retry {
    match failure {
        RequestError::Status { status: 401 | 403 | 404 | 300..=399, .. } => Retry::Permanent,
        RequestError::Status { retry_after: Some(least), .. } => Retry::After(*least),
        _ => Retry::Transient,
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
    fn each_status_has_its_meaning() {
        use Outcome::{Failed, Faulty, Refused, TooLarge};
        use Retry::{Permanent, Transient};
        for (statuses, outcome) in [
            (&[413][..], TooLarge),
            (&[400, 402, 405, 406, 409, 410, 411, 414, 415, 418, 422, 451, 499], Refused),
            (&[401, 403, 404, 300, 301, 302, 304, 307, 308, 399], Failed(Permanent)),
            (&[408, 429, 600, 999], Failed(Transient)),
            (&[500, 501, 502, 503, 504, 599], Faulty(Transient)),
        ] {
            for code in statuses {
                assert_eq!(Outcome::of(&status(*code, None)), outcome, "{code}");
            }
        }
        assert_eq!(Outcome::of(&Ok(())), Outcome::Accepted);
    }

    #[test]
    fn a_service_may_say_how_long_to_wait() {
        let wait = Some(Duration::from_secs(7));
        let asked = Retry::After(Duration::from_secs(7));
        assert_eq!(Outcome::of(&status(429, wait)), Outcome::Failed(asked));
        assert_eq!(Outcome::of(&status(503, wait)), Outcome::Faulty(asked));
        // A refused key comes first.
        assert_eq!(Outcome::of(&status(401, wait)), Outcome::Failed(Retry::Permanent));
    }

    #[test]
    fn without_an_answer_the_events_stay() {
        let url = String::new;
        let slow = RequestError::Timeout { url: url(), limit: Duration::from_secs(1) };
        assert_eq!(Outcome::of(&Err(slow)), Outcome::Slow);
        let cause = std::sync::Arc::new(std::io::Error::other("reset"));
        let lost = RequestError::Transport { url: url(), cause };
        assert_eq!(Outcome::of(&Err(lost)), Outcome::Failed(Retry::Transient));
    }
}

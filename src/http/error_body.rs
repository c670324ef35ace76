//! The body of a response with the status of an error, in any of the service's formats.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::Body;

use crate::value::Value;

/// The size limit of a body, in bytes.
const MAX_SIZE: u64 = 64 * 1024;

/// The code and the message in the body of an error; empty if the body has none.
pub(super) struct ErrorBody {
    pub(super) code: String,
    pub(super) message: String,
}

impl ErrorBody {
    /// Reads the body, and begins no read after the limit.
    pub(super) fn read(body: &mut Body, limit: Duration) -> ErrorBody {
        ErrorBody::parse(&read_for(body.with_config().limit(MAX_SIZE).reader(), limit))
    }

    /// Parses any of the service's error formats.
    #[expect(
        clippy::indexing_slicing,
        reason = "indexing a `Value` returns `null` for a missing key"
    )]
    fn parse(body: &[u8]) -> ErrorBody {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let body: Value = text.parse().unwrap_or_default();
        let (error, detail) = (&body["error"], &body["detail"]);
        let messages = [&error["message"], error, detail, &detail[0]["msg"], &detail[0]];
        let first = |values: &[&Value]| {
            let text = values.iter().find_map(|value| value.as_str());
            text.unwrap_or_default().to_owned()
        };
        ErrorBody { code: first(&[&error["code"]]), message: first(&messages) }
    }
}

/// Reads to the end or a failure, and begins no read after the limit: the event stream has no limit
/// for the whole response.
fn read_for(mut body: impl Read, limit: Duration) -> Vec<u8> {
    let begin = Instant::now();
    let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
    while begin.elapsed() < limit
        && let Ok(length @ 1..) = body.read(&mut piece)
    {
        bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
    bytes
}

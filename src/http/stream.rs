//! The event stream of the service: one long response, on an agent of its own.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use ureq::{Agent, BodyReader};

use super::requests::{API_KEY, Http, Options};
use super::sse::EventParser;
use crate::error::RequestError;

/// How long the stream may be silent. The service sends a comment every 30 s.
pub(crate) const MAX_SILENCE: Duration = Duration::from_secs(75);

/// The path of the stream.
const PATH: &str = "/sdk/stream";

/// The type of the response.
const EVENT_STREAM: &str = "text/event-stream";

/// Opens the event stream. Another thread can close it.
pub(crate) struct EventStream {
    http: Arc<Http>,
    agent: Agent,
    max_silence: Duration,
    closed: Arc<AtomicBool>,
}

/// An open stream.
pub(crate) struct OpenStream {
    url: String,
    body: BodyReader<'static>,
    max_silence: Duration,
    closed: Arc<AtomicBool>,
}

impl EventStream {
    pub(crate) fn new(http: Arc<Http>) -> EventStream {
        let agent = Agent::new_with_config(http.agent.config().clone());
        EventStream { http, agent, max_silence: MAX_SILENCE, closed: Arc::default() }
    }

    /// Opens the stream. The connection, and the wait for the head of the response, have the usual
    /// limits.
    pub(crate) fn open(&self) -> Result<OpenStream, RequestError> {
        let url = self.http.url(PATH);
        let timeout = self.http.timeout;
        let options = Options { url: &url, timeout, conditional: false, discard_body: false };
        let response = self.http.catch_panic(options, |http, options| {
            let request = self.agent.get(options.url).header(API_KEY, &http.key_header);
            let request = request.header(ACCEPT, EVENT_STREAM).header(CACHE_CONTROL, "no-cache");
            let request = request
                .header(CONNECTION, "close")
                .config()
                .timeout_global(None)
                .timeout_resolve(Some(timeout))
                .timeout_send_request(Some(timeout))
                .timeout_recv_response(Some(timeout))
                .timeout_per_read(Some(self.max_silence))
                // A proxy that compresses a stream holds events back.
                .accept_encoding("identity");
            http.check_status(options, request.build().call())
        })?;
        let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes());
        if !kind.is_some_and(is_event_stream) {
            let reason = format!("it is not of the type `{EVENT_STREAM}`");
            return Err(RequestError::InvalidResponse { url, reason });
        }
        let body = response.into_body().into_reader();
        let closed = self.closed.clone();
        Ok(OpenStream { url, body, max_silence: self.max_silence, closed })
    }

    /// Ends every read, and fails every later request.
    pub(crate) fn close(&self) {
        // A connection that is shut down can still be read while data comes faster than it is read.
        self.closed.store(true, Ordering::Release);
        self.agent.clone().shutdown();
    }
}

impl OpenStream {
    /// Passes the name of each event, until the stream ends or is closed.
    ///
    /// # Errors
    ///
    /// If the stream does not end by itself.
    pub(crate) fn read(mut self, on_event: &mut dyn FnMut(&str)) -> Result<(), RequestError> {
        let mut parser = EventParser::default();
        let mut piece = [0; 1024];
        while !self.closed.load(Ordering::Acquire) {
            match self.body.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => parser.feed(piece.get(..length).unwrap_or_default(), on_event),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(self.failure(cause)),
            }
        }
        Ok(())
    }

    fn failure(self, cause: io::Error) -> RequestError {
        let inner = cause.get_ref().and_then(|inner| inner.downcast_ref());
        if matches!(inner, Some(ureq::Error::Timeout(_))) {
            return RequestError::Timeout { url: self.url, limit: self.max_silence };
        }
        RequestError::Transport { url: self.url, cause: Arc::new(cause) }
    }
}

/// Returns whether a media type, which may have parameters, is that of an event stream.
fn is_event_stream(kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(EVENT_STREAM.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::config::Config;
    use crate::support::{Reply, Server};

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream ; x=y\r\n\r\n";

    fn stream(server: &Server, max_silence: Duration) -> EventStream {
        let config =
            Config { base_url: server.url(), api_key: "sdk-dev-1".to_owned(), ..Config::default() };
        let stream = EventStream::new(Arc::new(Http::new(&config).unwrap()));
        EventStream { max_silence, ..stream }
    }

    #[test]
    fn only_silence_ends_a_stream() {
        let (pause, limit) = (Duration::from_millis(20), Duration::from_secs(4));
        let comments = ":\n".repeat(100);
        let server = Server::start(move |_| {
            Reply::Drip(format!("{HEAD}{comments}data\n\n").into_bytes(), pause)
        });
        let begin = Instant::now();
        let mut events = 0;
        stream(&server, limit).open().unwrap().read(&mut |_| events += 1).unwrap();
        assert_eq!(events, 1);
        assert!(begin.elapsed() > limit);

        let server = Server::start(|_| Reply::Drip(Vec::from(HEAD), Duration::from_millis(1)));
        let (send, pieces) = std::sync::mpsc::channel();
        let pieces = Arc::new(std::sync::Mutex::new(pieces));
        server.respond(move |_| Reply::Stream(pieces.clone()));
        send.send(Vec::from("data\n\n")).unwrap();
        let limit = Duration::from_millis(500);
        let error = stream(&server, limit).open().unwrap().read(&mut |_| {}).unwrap_err();
        let expected =
            matches!(&error, RequestError::Timeout { limit: found, .. } if *found == limit);
        assert!(expected, "{error:?}");
    }

    #[test]
    fn a_closed_stream_is_read_no_further() {
        let events = "data\n\n".repeat(10_000);
        let server = Server::start(move |_| Reply::Raw(format!("{HEAD}{events}").into_bytes()));
        let stream = stream(&server, MAX_SILENCE);
        let mut events = 0;
        let ended = stream.open().unwrap().read(&mut |_| {
            stream.close();
            events += 1;
        });
        assert!(ended.is_ok(), "{ended:?}");
        // Those of one piece.
        assert!((1..1000).contains(&events), "{events}");
    }

    #[test]
    fn a_closed_stream_cannot_be_opened() {
        let server = Server::start(|_| Reply::Hang);
        let stream = stream(&server, MAX_SILENCE);
        stream.close();
        assert!(matches!(stream.open(), Err(RequestError::Transport { .. })));
    }
}

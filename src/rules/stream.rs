//! The thread that listens to the event stream: each event hastens the next poll.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::listeners::{Differs, differs};
use super::polling::Polling;
use crate::error::RequestError;
use crate::http::{Backoff, EventStream, Http, MAX_SILENCE, Retry};
use crate::log::log;
use crate::worker::{StopSignal, Worker, guarded, pause};

/// The first event of each stream. It announces no change.
const CONNECTED: &str = "connected";

/// The shortest delay after a service has refused a stream, since it has too many.
const REFUSED_RETRY: Duration = Duration::from_secs(300);

/// The delays grow up to this time, however long the polling interval is: the stream is what makes a
/// long interval bearable.
const MAX_SPREAD: Duration = Duration::from_secs(60);

/// The code of streaming. Only the setting refers to it, so that a program without it does not
/// contain the code.
#[derive(Clone, Copy)]
pub(crate) struct Streaming {
    pub(crate) start: Start,
    /// Compares rulesets, to know whether a poll brought an announced change.
    pub(crate) differs: Differs,
}

/// Starts the thread of a client with this polling interval.
type Start = fn(&Arc<Http>, &Arc<Polling>, Duration) -> io::Result<Box<dyn Stream>>;

pub(crate) const STREAMING: Streaming = Streaming { start, differs };

/// A thread that listens to the event stream. Dropping it ends the thread, even if it waits for the
/// next event, and waits for nothing.
pub(crate) trait Stream: Send + Sync {}

struct StreamThread {
    worker: Worker,
    events: Arc<EventStream>,
}

impl Stream for StreamThread {}

impl Drop for StreamThread {
    fn drop(&mut self) {
        self.worker.stop();
        self.events.close();
    }
}

fn start(
    http: &Arc<Http>,
    polling: &Arc<Polling>,
    interval: Duration,
) -> io::Result<Box<dyn Stream>> {
    let events = Arc::new(EventStream::new(http.clone()));
    let listener = Listener {
        events: events.clone(),
        polling: polling.clone(),
        backoff: delays(interval),
        failing: false,
    };
    let worker = Worker::spawn("phaseflag-stream", move |stop| listener.run(&stop))?;
    Ok(Box::new(StreamThread { worker, events }))
}

/// Returns the delays of a client with this polling interval.
fn delays(interval: Duration) -> Backoff {
    Backoff::new(interval.min(MAX_SPREAD))
}

/// The state of the thread.
struct Listener {
    events: Arc<EventStream>,
    polling: Arc<Polling>,
    backoff: Backoff,
    /// Whether the stream could not be opened the last time.
    failing: bool,
}

impl Listener {
    fn run(mut self, stop: &StopSignal) {
        loop {
            let retry = guarded(|| self.listen(stop)).unwrap_or(Retry::Transient);
            let delay = self.backoff.after_failure(retry);
            if pause(stop, delay) {
                return;
            }
        }
    }

    /// Opens the stream and reads it to its end. Returns when to open it again.
    fn listen(&mut self, stop: &StopSignal) -> Retry {
        let opened = match self.events.open() {
            Ok(opened) => opened,
            Err(failure) => {
                if !pause(stop, Duration::ZERO) && !self.failing {
                    log!(warn, "failed to open the event stream: {failure:#}; polls go on");
                }
                self.failing = true;
                return retry(&failure);
            }
        };
        if std::mem::take(&mut self.failing) {
            log!(info, "the event stream is open again");
        }
        let begun = Instant::now();
        let ended = opened.read(&mut |event| {
            if event != CONNECTED {
                self.polling.hasten();
            }
        });
        // A stream that ends soon after its start is a failure.
        if begun.elapsed() >= MAX_SILENCE {
            self.backoff.after_success();
        }
        match ended {
            _ if pause(stop, Duration::ZERO) => {}
            Ok(()) => log!(debug, "the event stream has ended"),
            Err(failure) => log!(debug, "the event stream has ended: {failure:#}"),
        }
        Retry::Transient
    }
}

/// Returns when to try again after a stream could not be opened.
fn retry(failure: &RequestError) -> Retry {
    match failure {
        RequestError::Status { status: 503, retry_after, .. } => {
            Retry::After(retry_after.unwrap_or_default().max(REFUSED_RETRY))
        }
        RequestError::Status { status: 500..=599 | 408 | 429, .. } => Retry::of(failure),
        // The service has no stream, or the key is refused.
        RequestError::Status { .. }
        | RequestError::InvalidResponse { .. }
        | RequestError::Encoding { .. } => Retry::Permanent,
        _ => Retry::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::http::Paths;
    use crate::rules::flags::Flags;
    use crate::support::{Reply, Server};

    #[test]
    fn a_stream_that_ends_soon_ends_no_backoff() {
        let server = Server::start(|_| {
            const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            Reply::Raw(format!("{HEAD}event: connected\ndata: 1\n\n").into_bytes())
        });
        let config =
            Config { base_url: server.url(), api_key: "sdk-dev-1".to_owned(), ..Config::default() };
        let http = Arc::new(Http::new(&config).unwrap());
        let (paths, flags) = (Arc::new(Paths::new(None)), Arc::new(Flags::default()));
        let polling = Polling::new(http.clone(), paths, flags, &config, None, None, None);
        let mut listener = Listener {
            events: Arc::new(EventStream::new(http)),
            polling: Arc::new(polling),
            backoff: Backoff::new(config.polling_interval),
            failing: false,
        };
        let (send, failing) = std::sync::mpsc::channel();
        let _worker = Worker::spawn("streams", move |stop| {
            for _ in 0..4 {
                assert_eq!(listener.listen(&stop), Retry::Transient);
                send.send(listener.backoff.is_failing()).unwrap();
                listener.backoff.after_failure(Retry::Transient);
            }
        });
        assert_eq!(failing.iter().collect::<Vec<_>>(), [false, true, true, true]);
        assert_eq!(server.requests().len(), 4);
    }

    #[test]
    fn a_long_polling_interval_delays_no_stream() {
        let minute = Duration::from_secs(60);
        for (retry, shortest, longest) in [
            (Retry::Transient, Duration::ZERO, minute),
            (Retry::After(REFUSED_RETRY), REFUSED_RETRY, REFUSED_RETRY + minute),
            (Retry::Permanent, REFUSED_RETRY, REFUSED_RETRY + minute),
        ] {
            for interval in [minute / 2, minute * 60, Duration::MAX] {
                let mut backoff = delays(interval);
                for _ in 0..100 {
                    let delay = backoff.after_failure(retry);
                    assert!((shortest..=longest).contains(&delay), "{retry:?}: {delay:?}");
                }
            }
        }
    }

    #[test]
    fn a_refused_stream_is_tried_every_five_minutes_at_most() {
        let url = String::new;
        let status = |status, seconds: Option<u64>| RequestError::Status {
            url: url(),
            status,
            code: String::new(),
            message: String::new(),
            retry_after: seconds.map(Duration::from_secs),
        };
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        let reason = String::new();
        for (failure, expected) in [
            (status(503, None), after(300)),
            (status(503, Some(1)), after(300)),
            (status(503, Some(600)), after(600)),
            (status(429, Some(7)), after(7)),
            (status(429, None), Retry::Transient),
            (status(500, None), Retry::Transient),
            (status(502, Some(2)), after(2)),
            (status(401, None), Retry::Permanent),
            (status(403, Some(1)), Retry::Permanent),
            (status(404, None), Retry::Permanent),
            (status(301, None), Retry::Permanent),
            (RequestError::InvalidResponse { url: url(), reason }, Retry::Permanent),
            (RequestError::Timeout { url: url(), limit: MAX_SILENCE }, Retry::Transient),
        ] {
            assert_eq!(retry(&failure), expected, "{failure}");
        }
    }
}

//! The log of `serve`: text, JSON, or nothing but the addresses.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use phaseflag::Value;

use crate::changes::Difference;
use crate::failure::Failure;
use crate::output::{self, Look};
use crate::{date, report};

/// How the log is printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Format {
    Text,
    /// A JSON object a line.
    Json,
    /// Only the addresses.
    Quiet,
}

/// The format, as a number of [`Format`].
static FORMAT: AtomicU8 = AtomicU8::new(Format::Text as u8);

/// The longest path that is printed, in characters.
const MAX_PATH: usize = 200;

/// Sets the format. The default is [`Format::Text`].
pub(crate) fn use_format(format: Format) {
    FORMAT.store(format as u8, Ordering::Relaxed);
}

fn is(format: Format) -> bool {
    FORMAT.load(Ordering::Relaxed) == format as u8
}

/// Logs the addresses of the service and of its page, in every format.
pub(crate) fn serving(address: SocketAddr) {
    let (url, page) = (format!("http://{address}/api/v1"), format!("http://{address}/"));
    match is(Format::Json) {
        true => json("serving", vec![("url", Value::from(url)), ("page", Value::from(page))]),
        false => {
            line(format!("serving {url}"));
            line(format!("page {page}"));
        }
    }
}

/// Logs an event that a client has sent.
pub(crate) fn event(event: &Value) {
    match () {
        () if is(Format::Quiet) => {}
        () if is(Format::Json) => json("event", vec![("event", event.clone())]),
        () => line(format!("event {event}")),
    }
}

/// Logs a request, after its response. `bytes` is the length of the body of the response.
pub(crate) fn request(method: &str, path: &str, status: u16, duration: Duration, bytes: usize) {
    let path = match path.char_indices().nth(MAX_PATH) {
        Some((end, _)) => format!("{}…", path.get(..end).unwrap_or_default()),
        None => path.to_owned(),
    };
    let microseconds = duration.as_micros();
    match () {
        () if is(Format::Quiet) => {}
        () if is(Format::Json) => json(
            "request",
            vec![
                ("method", Value::from(method)),
                ("path", Value::from(path)),
                ("status", Value::from(status)),
                ("duration_ms", Value::from(microseconds as f64 / 1000.0)),
                ("bytes", Value::from(bytes)),
            ],
        ),
        () => {
            // Formatting a float would add 20 kB to the binary.
            let (whole, fraction) = (microseconds / 1000, microseconds % 1000);
            let duration = format!("{whole}.{fraction:03} ms");
            line(format!("request {method} {path} {status} {duration} {bytes} bytes"));
        }
    }
}

/// Logs that the file was loaded again, and what has changed in it.
pub(crate) fn reloaded(path: &str, version: u64, differences: &[Difference]) {
    match () {
        () if is(Format::Quiet) => {}
        () if is(Format::Json) => {
            json("reloaded", vec![("file", Value::from(path)), ("version", Value::from(version))]);
            print(&report::json(differences));
        }
        () => {
            line(format!("reloaded `{path}`: version {version}"));
            print(&report::text(differences, Look::of_stdout()));
        }
    }
}

fn json(what: &str, members: Vec<(&'static str, Value)>) {
    let mut line = output::object(members);
    line.insert("what", what);
    line.insert("time", date::timestamp());
    print(&(output::escape_json(Value::from(line).to_string()) + "\n"));
}

fn line(text: String) {
    print(&(output::escape_line(text) + "\n"));
}

/// Prints lines that hold no control characters but line ends. A closed output is not an error.
fn print(lines: &str) {
    match output::print(lines) {
        Ok(_) | Err(Failure::OutputClosed) => {}
        Err(failure) => output::warn(failure),
    }
}

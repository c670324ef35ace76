//! The page of the service: its files, and the JSON that its script requests.
//!
//! - `flags` describes the flags of the file.
//! - `answer` evaluates them for one context.
//! - `explanation` converts an explanation to JSON.

mod answer;
mod explanation;
mod flags;

use std::sync::Arc;

use super::flags_file::{FlagsFile, Rules};
use super::guard;
use super::http::{Request, Response};
use super::streams;

/// The stream that tells of edits.
pub(crate) const CHANGES: &str = "/_page/changes";

/// What the browser may do with the page: run its script, apply its style, and request from this
/// service. The script cannot make HTML from text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// The length of a value that is shown, in characters.
const MAX_TEXT: usize = 20_000;

/// What the page shows: the file at one moment.
pub(crate) struct Page {
    file: String,
    rules: Arc<Rules>,
    edits: u64,
    trouble: Option<String>,
}

impl Page {
    /// Returns whether a path belongs to the page. No client of the service requests such a path.
    pub(crate) fn has(path: &str) -> bool {
        path == "/" || path.starts_with("/_page/")
    }

    pub(crate) fn of(file: &FlagsFile) -> Page {
        Page {
            file: file.path().display().to_string(),
            rules: file.rules().clone(),
            edits: file.edits(),
            trouble: file.trouble().map(str::to_owned),
        }
    }

    /// Returns the response to a request. It may take a second or two.
    pub(crate) fn respond(&self, request: &Request) -> Response {
        let (Ok(response) | Err(response)) = self.route(request);
        secured(response)
    }

    fn route(&self, request: &Request) -> Result<Response, Response> {
        let text = |content_type, text: &str| Ok(Response::text(200, content_type, text));
        match (request.method(), request.path()) {
            ("GET" | "HEAD", "/") => text("text/html; charset=utf-8", include_str!("index.html")),
            ("GET" | "HEAD", "/_page/style.css") => {
                text("text/css; charset=utf-8", include_str!("style.css"))
            }
            ("GET" | "HEAD", "/_page/page.js") => {
                text("text/javascript; charset=utf-8", include_str!("page.js"))
            }
            ("GET" | "HEAD", "/_page/icon.svg") => text("image/svg+xml", include_str!("icon.svg")),
            ("GET", "/_page/flags") => Ok(Response::json(200, flags::describe(self))),
            ("POST", "/_page/answer") => {
                Ok(Response::json(200, answer::answer(&self.rules, &json(request)?)))
            }
            (_, "/_page/answer") => Err(wrong_method("POST")),
            (
                _,
                "/" | CHANGES | "/_page/flags" | "/_page/style.css" | "/_page/page.js"
                | "/_page/icon.svg",
            ) => Err(wrong_method("GET")),
            _ => Err(guard::error(404, "NOT_FOUND", "Not Found".to_owned())),
        }
    }
}

/// Returns the response that begins a stream of edits.
pub(crate) fn changes(edits: u64) -> Response {
    let retry = "retry: 1000\n";
    secured(Response::text(200, "text/event-stream", retry.to_owned() + &edited(edits)))
}

/// Returns the event for the edit with this number. A client requests the flags again after each
/// event, also after the first one of a stream.
pub(crate) fn edited(edits: u64) -> String {
    streams::event("edited", &edits.to_string())
}

/// Returns the response if too many streams are open.
pub(crate) fn too_many_streams() -> Response {
    let message = format!("{} streams are open", streams::MAX_STREAMS);
    secured(guard::error(503, "TOO_MANY_STREAMS", message))
}

fn secured(response: Response) -> Response {
    response
        // One for each letter that is typed.
        .unlogged()
        .with("Content-Security-Policy", POLICY)
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
        .with("Cross-Origin-Resource-Policy", "same-origin")
        .with("Cross-Origin-Opener-Policy", "same-origin")
        .with("Cache-Control", "no-store")
}

fn wrong_method(allowed: &'static str) -> Response {
    let message = format!("only {allowed} is supported");
    guard::error(405, "METHOD_NOT_ALLOWED", message).with("Allow", allowed)
}

/// Reads a JSON body. Its content type is required, since a form of another site cannot send it.
fn json(request: &Request) -> Result<phaseflag::Value, Response> {
    let content_type = request.header("Content-Type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let message = "the content type must be application/json".to_owned();
        return Err(guard::error(415, "UNSUPPORTED_MEDIA_TYPE", message));
    }
    let invalid = |reason: String| guard::error(422, "VALIDATION_ERROR", reason);
    let text = std::str::from_utf8(request.body())
        .map_err(|_| invalid("the body is not UTF-8".to_owned()))?;
    text.parse().map_err(|error| invalid(format!("the body is not JSON: {error}")))
}

/// Cuts a text to a number of characters.
fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

//! `phaseflag serve`: a local service for development, documented or self-hosted.
//!
//! - `http` reads requests and writes responses.
//! - `flags_file` reads the file, again when it changes.
//! - `documented` decides the responses without `--self-hosted`.
//! - `self_hosted` decides the responses with `--self-hosted`.
//! - `log` prints what happens.
//! - `evaluation` and `document` build what the two have in common.
//! - `page` decides the responses for the page at `/`.
//! - `client_stream` tells clients which flags change. `streams` sends its events and the page's.
//! - `guard` refuses what web pages elsewhere send.

mod client_stream;
mod document;
mod documented;
mod evaluation;
mod flags_file;
mod guard;
mod http;
mod log;
mod page;
mod self_hosted;
mod streams;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use self::client_stream::FlagEvents;
use self::flags_file::FlagsFile;
use self::http::{Next, Request, Response, Server};
use self::log::Format;
use self::page::Page;
use self::self_hosted::RateLimit;
use self::streams::Streams;
use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::output;

pub(crate) const COMMAND: Command = Command {
    name: "serve",
    positionals: &["FILE"],
    about: "Serve the flags of a file for development, until interrupted",
    details: "\
The file holds rules in any form that the client accepts. It is read again when it changes; the
last rules stay in use if it is invalid then. A pipe is read only once. The first line of output is
the address, the second one that of the page. The others are each request (method, path without its
query, status, time until the response was sent, bytes of its body), except those of the page; each
received event; and what has changed in the file, in the words of `phaseflag watch`. The service
listens on 127.0.0.1 only, and accepts any non-empty key.

  GET  /                      a page for browsers: flags, an answer for a user, and why
  GET  /api/v1/sdk/ruleset    the file, with an increasing version; ETag and 304
  GET  /api/v1/sdk/bootstrap  its flags and segments; the signature is a dummy
  GET  /api/v1/sdk/stream     an event for each flag that changes in the file
  POST /api/v1/evaluate       the flags listed in `flags`, or all for [\"*\"]
  POST /api/v1/sdk/evaluate   the flag `flag_key`, in the format of older services
  POST /api/v1/sdk/events     prints each event

The page needs no key. It follows edits of the file.

With --self-hosted it behaves like the self-hosted service over PostgreSQL:

  - The ruleset has no segments; no document has prerequisites or inactive flags.
  - The ETag does not change when a rule changes.
  - The path /api/v1/evaluate does not exist.
  - An event that its database cannot store fails the whole request: one with a time zone in the
    timestamp, or a key of more than 255 characters.
  - An address may send 120 requests per minute, counted from its first one.

Flags are evaluated by this client.
",
    options: &[&[
        OptionSpec::with_value(
            "--port",
            "PORT",
            "the port to listen on; 0 is any free one [default: 8000]",
        ),
        OptionSpec::with_value("--key", "KEY", "accept only this key"),
        OptionSpec::switch("--json", "print a JSON object a line"),
        OptionSpec::switch("--quiet", "print only the addresses, and errors"),
        OptionSpec::switch("--self-hosted", "behave like the self-hosted service, errors included"),
    ]],
    examples: &[
        "phaseflag serve flags.json",
        "phaseflag serve flags.json --port 0 --key sdk-dev-local",
        "phaseflag serve flags.json --self-hosted",
    ],
    run,
};

const DEFAULT_PORT: u16 = 8000;

/// How often the file is checked while streams are open.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let path = PathBuf::from(arguments.raw_positional(0));
    let port: u16 = match arguments.text("--port")? {
        Some(port) => port.parse().map_err(|_| {
            arguments.usage(format!("`--port` needs a number up to 65535, not `{port}`"))
        })?,
        None => DEFAULT_PORT,
    };
    let key = arguments.text("--key")?;
    log::use_format(match (arguments.has("--json"), arguments.has("--quiet")) {
        (true, true) => {
            return Err(arguments.usage("`--json` and `--quiet` cannot be combined"));
        }
        (true, false) => Format::Json,
        (false, true) => Format::Quiet,
        (false, false) => Format::Text,
    });
    let mut limit = arguments.has("--self-hosted").then(RateLimit::default);
    let mut file = FlagsFile::open(path)?;
    let server = Server::start(port)
        .map_err(|error| Failure::Other(format!("failed to serve on port {port}: {error}")))?;
    log::serving(server.address());
    let (mut page_streams, mut client_streams) = (Streams::new(), Streams::new());
    let mut flag_events = FlagEvents::new(file.rules(), limit.is_none());
    let mut edits = file.edits();
    loop {
        let has_streams = !page_streams.is_empty() || !client_streams.is_empty();
        let request = match server.next(has_streams.then_some(WATCH_INTERVAL)) {
            Next::Request(request) => Some(request),
            Next::Nothing => None,
            Next::End => return Err(Failure::other("the server stopped")),
        };
        match &request {
            Some(_) => file.reload(),
            None => file.reload_if_touched(),
        }
        if edits != file.edits() {
            edits = file.edits();
            page_streams.send(&page::edited(edits));
            client_streams.send(&flag_events.next(file.rules()));
        }
        page_streams.tend();
        client_streams.tend();
        let Some(request) = request else { continue };
        if Page::has(request.path()) {
            show_page(request, &file, &mut page_streams);
            continue;
        }
        let response = match (guard::check_program(&request), &mut limit) {
            (Err(refusal), _) => refusal,
            (Ok(()), Some(limit)) => self_hosted::respond(&request, file.rules(), key, limit),
            (Ok(()), None) => documented::respond(&request, file.rules(), key),
        };
        if request.path() != client_stream::PATH || response.status != 200 {
            send(request, |_| response);
        } else if client_streams.is_full() {
            send(request, |_| client_stream::too_many_streams());
        } else {
            client_streams.open(request, &client_stream::connected(file.rules()));
        }
    }
}

/// Responds to a request of the page.
fn show_page(request: Request, file: &FlagsFile, streams: &mut Streams) {
    if let Err(refusal) = guard::check_page(&request) {
        return send(request, |_| refusal);
    }
    if (request.method(), request.path()) != ("GET", page::CHANGES) {
        let page = Page::of(file);
        return send(request, move |request| page.respond(request));
    }
    if streams.is_full() {
        return send(request, |_| page::too_many_streams());
    }
    streams.open(request, &page::changes(file.edits()));
}

/// Makes and sends a response on its own thread, so that neither a slow reader nor a long evaluation
/// blocks other requests.
fn send(request: Request, make: impl FnOnce(&Request) -> Response + Send + 'static) {
    let failed = |error| output::warn(format_args!("failed to send response: {error}"));
    let spawned = thread::Builder::new().spawn(move || {
        let response = make(&request);
        // A browser often gives up a request, such as at the next letter of an attribute.
        let is_page = Page::has(request.path());
        match request.respond(response) {
            Err(error) if !is_page => failed(error),
            _ => {}
        }
    });
    if let Err(error) = spawned {
        failed(error);
    }
}

//! `phaseflag serve`: a local service for development, documented or self-hosted.
//!
//! - `http` reads requests and writes responses.
//! - `flags_file` reads the file, again when it changes.
//! - `documented` decides the responses without `--self-hosted`.
//! - `self_hosted` decides the responses with `--self-hosted`.
//! - `evaluation` and `document` build what the two have in common.

mod date;
mod document;
mod documented;
mod evaluation;
mod flags_file;
mod http;
mod self_hosted;

use std::path::PathBuf;
use std::thread;

use self::flags_file::FlagsFile;
use self::http::{Request, Response, Server};
use self::self_hosted::RateLimit;
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
the address; each received event is printed. The service listens on 127.0.0.1 only, and accepts any
non-empty key.

  GET  /api/v1/sdk/ruleset    the file, with an increasing version; ETag and 304
  GET  /api/v1/sdk/bootstrap  its flags and segments; the signature is a dummy
  POST /api/v1/evaluate       the flags listed in `flags`, or all for [\"*\"]
  POST /api/v1/sdk/evaluate   the flag `flag_key`, in the format of older services
  POST /api/v1/sdk/events     prints each event

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

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let path = PathBuf::from(arguments.raw_positional(0));
    let port: u16 = match arguments.text("--port")? {
        Some(port) => port.parse().map_err(|_| {
            arguments.usage(format!("`--port` needs a number up to 65535, not `{port}`"))
        })?,
        None => DEFAULT_PORT,
    };
    let key = arguments.text("--key")?;
    let mut limit = arguments.has("--self-hosted").then(RateLimit::default);
    let mut file = FlagsFile::open(path)?;
    let server = Server::start(port)
        .map_err(|error| Failure::Other(format!("failed to serve on port {port}: {error}")))?;
    output::log(format!("serving http://{}/api/v1", server.address()));
    for request in server.requests() {
        let rules = file.current();
        let response = match &mut limit {
            Some(limit) => self_hosted::respond(&request, rules, key, limit),
            None => documented::respond(&request, rules, key),
        };
        send(request, response);
    }
    Err(Failure::other("the server stopped"))
}

/// Sends a response on its own thread, so that a slow reader does not block other requests.
fn send(request: Request, response: Response) {
    let failed = |error| output::warn(format_args!("failed to send response: {error}"));
    let spawned = thread::Builder::new().spawn(move || {
        if let Err(error) = request.respond(response) {
            failed(error);
        }
    });
    if let Err(error) = spawned {
        failed(error);
    }
}

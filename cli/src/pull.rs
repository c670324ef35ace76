//! `phaseflag pull`: the ruleset as a bootstrap file, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use crate::args::{Arguments, Choice, Command};
use crate::failure::{Failure, Status};
use crate::{client, output};

pub(crate) const COMMAND: Command = Command {
    name: "pull",
    words: &[],
    about: "Fetches the rules and writes them as a bootstrap file",
    details: "What the service answers is checked before anything is written. A file is replaced in\n\
              one step: whoever reads it sees the old rules or the new ones, never half of them.\n",
    options: &[
        &[Choice {
            name: "--output",
            short: Some('o'),
            value: "FILE",
            about: "where to write them; standard output where it is missing or `-`",
        }],
        &client::OPTIONS,
    ],
    examples: &["phaseflag pull -o flags.json", "phaseflag pull | jq '.flags[].key'"],
    run,
};

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let mut text = client::of_service(arguments)?.fetch_ruleset()?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let Some(path) = arguments.raw("--output").filter(|path| *path != "-").map(Path::new) else {
        return output::print(text);
    };
    replace(path, text.as_bytes()).map_err(|error| {
        Failure::Other(format!("failed to write `{}`: {error}", path.display()))
    })?;
    Ok(Status::Success)
}

/// Writes a file aside and renames it. A file that is replaced keeps its permissions, a link its
/// place; what is no file, such as a pipe, is written to.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (target, permissions) = match fs::metadata(path) {
        Ok(known) if !known.is_file() => return fs::write(path, bytes),
        Ok(known) => (fs::canonicalize(path)?, Some(known.permissions())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (path.to_owned(), None),
        Err(error) => return Err(error),
    };
    let aside = aside(&target)?;
    let file = OpenOptions::new().write(true).create_new(true).open(&aside)?;
    // Before there is anything to be read.
    let written = permissions
        .map_or(Ok(()), |permissions| file.set_permissions(permissions))
        .and_then(|()| write(file, bytes))
        .and_then(|()| fs::rename(&aside, &target));
    if written.is_err() {
        // The first error is the one that matters.
        let _ = fs::remove_file(&aside);
    }
    written
}

fn write(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Returns a name beside the target, for this process alone.
fn aside(target: &Path) -> io::Result<PathBuf> {
    let Some(name) = target.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it names no file"));
    };
    let mut aside = std::ffi::OsString::from(".");
    aside.push(name);
    aside.push(format!(".{}.new", process::id()));
    Ok(target.with_file_name(aside))
}

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
              one step: whoever reads it sees the old rules or the new ones, never half of them.\n\
              They are written as they come, those of all environments.\n",
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

/// How many links are followed to where nothing is, as systems do.
const MAX_LINKS: usize = 40;

/// How many names are tried beyond the first.
const ATTEMPTS: u32 = 100;

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let mut text = client::of_service(arguments)?.fetch_ruleset()?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let Some(path) = arguments.raw("--output").filter(|path| *path != "-").map(Path::new) else {
        return output::document(text);
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
        Err(error) if error.kind() == io::ErrorKind::NotFound => (pointed_at(path), None),
        Err(error) => return Err(error),
    };
    let (aside, file) = create_aside(&target, permissions.is_some())?;
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

/// Returns where a link leads, though nothing is there; the path itself where it is no link.
fn pointed_at(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(next) = fs::read_link(&target) else { break };
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    target
}

fn write(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates a file beside the target. A private one is for its user alone, until it has the
/// permissions of the file that it replaces.
fn create_aside(target: &Path, private: bool) -> io::Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    let mut attempt = 0;
    loop {
        let aside = aside(target, attempt)?;
        match options.open(&aside) {
            // Left by a run that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS => {
                attempt += 1;
            }
            opened => return Ok((aside, opened?)),
        }
    }
}

/// Returns a name beside the target, for an attempt of this process.
fn aside(target: &Path, attempt: u32) -> io::Result<PathBuf> {
    let Some(name) = target.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it names no file"));
    };
    let mut aside = std::ffi::OsString::from(".");
    aside.push(name);
    aside.push(match attempt {
        0 => format!(".{}.new", process::id()),
        _ => format!(".{}-{attempt}.new", process::id()),
    });
    Ok(target.with_file_name(aside))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_replaces_a_file_is_private_from_the_first() {
        let target = std::env::temp_dir().join("phaseflag-private");
        let (aside, file) = create_aside(&target, true).unwrap();
        fs::remove_file(aside).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    }
}

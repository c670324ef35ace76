//! `phaseflag pull`: fetches the ruleset and replaces a bootstrap file atomically.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

use phaseflag::{Ruleset, Value};

use crate::args::{Arguments, Command, OptionSpec};
use crate::failure::{Failure, Status};
use crate::{client, output};

pub(crate) const COMMAND: Command = Command {
    name: "pull",
    positionals: &[],
    about: "Fetch the rules and write them as a bootstrap file",
    details: "The response is validated before anything is written. A file is replaced atomically: a\n\
              reader sees the old rules or the new ones. Only a file that cannot be replaced, such as\n\
              a mounted one or one in a read-only folder, is overwritten in place. The rules are\n\
              written unchanged, with the flags of all environments. They are JSON, so that `--json` makes\n\
              no difference without `--output`.\n",
    options: &[
        &[
            OptionSpec::with_value(
                "--output",
                "FILE",
                "the file to write; `-` is standard output, the default",
            )
            .short('o'),
            OptionSpec::switch("--json", "with `--output`, print a JSON object about the file"),
        ],
        &client::OPTIONS,
    ],
    examples: &["phaseflag pull -o flags.json", "phaseflag pull | jq '.flags[].key'"],
    run,
};

/// How many symbolic links are followed to a missing file; Linux has the same limit.
const MAX_LINKS: usize = 40;

/// How many more names for the temporary file are tried if the first exists.
const MAX_RETRIES: u32 = 100;

/// How often a file is tried to be replaced on Windows while another program has it open.
const ATTEMPTS: u32 = 200;

/// The time between two attempts.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(5);

/// The error codes of Windows for a file that another program has open: access denied, and a
/// sharing violation.
const OPEN_ELSEWHERE: [i32; 2] = [5, 32];

fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let mut text = client::fetch(arguments)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let Some(path) = arguments.raw("--output").filter(|path| *path != "-").map(Path::new) else {
        return output::document(text);
    };
    let changed = !holds(path, text.as_bytes());
    replace(path, text.as_bytes()).map_err(|error| {
        Failure::Other(format!("failed to write `{}`: {error}", path.display()))
    })?;
    if !arguments.has("--json") {
        return Ok(Status::Success);
    }
    let ruleset = Ruleset::parse(&text).map_err(|error| Failure::Other(error.to_string()))?;
    output::json(output::object(vec![
        ("file", Value::from(path.to_string_lossy())),
        ("bytes", Value::from(text.len())),
        ("flags", Value::from(ruleset.len())),
        ("version", ruleset.version().clone()),
        ("changed", Value::from(changed)),
    ]))
}

/// Returns whether a path is a regular file with this content.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let known = fs::metadata(path);
    known.is_ok_and(|known| known.is_file() && known.len() == bytes.len() as u64)
        && fs::read(path).is_ok_and(|content| content == bytes)
}

/// Replaces the file at a path, and follows symbolic links. Writes directly to anything that is not
/// a regular file, such as a pipe, and to a file that may only be written, such as a mounted one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(known) if !known.is_file() => fs::write(path, bytes),
        Ok(known) => {
            let replaced = rename_over(&fs::canonicalize(path)?, Some(known.permissions()), bytes);
            replaced.or_else(|error| match OpenOptions::new().write(true).open(path) {
                Ok(file) if may_only_be_written(&error) => overwrite(file, bytes),
                _ => Err(error),
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            rename_over(&link_target(path), None, bytes)
        }
        Err(error) => Err(error),
    }
}

/// Returns whether a file that failed to be replaced with this error may be writable.
fn may_only_be_written(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    // On Windows, another program may read the file at this moment.
    !cfg!(windows) && matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy)
}

/// Replaces the content of a file. Writes what makes it longer first: if the disk is full, the old
/// content stays.
fn overwrite(mut file: File, bytes: &[u8]) -> io::Result<()> {
    let length = file.metadata()?.len();
    let place = usize::try_from(length).unwrap_or(bytes.len()).min(bytes.len());
    let (start, end) = bytes.split_at(place);
    file.seek(SeekFrom::Start(length))?;
    if let Err(error) = file.write_all(end) {
        // The error of the write matters, not that of the cleanup.
        let _ = file.set_len(length);
        return Err(error);
    }
    file.rewind()?;
    file.write_all(start)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

/// Writes a temporary file and renames it to the target. Gives it the permissions of the file that
/// it replaces, if any.
fn rename_over(target: &Path, permissions: Option<Permissions>, bytes: &[u8]) -> io::Result<()> {
    let (temporary, file) = create_temporary(target, permissions.is_some())?;
    // The permissions first, so that the content is never readable by others.
    let written = permissions
        .map_or(Ok(()), |permissions| file.set_permissions(permissions))
        .and_then(|()| write(file, bytes))
        .and_then(|()| rename(&temporary, target));
    if written.is_err() {
        // The error of the write matters, not that of the cleanup.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Renames a file and replaces the one of that name. On Windows this fails while some programs have
/// that file open, so it is tried again for up to a second.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let is_open =
        |error: &io::Error| error.raw_os_error().is_some_and(|code| OPEN_ELSEWHERE.contains(&code));
    for _ in 1..ATTEMPTS {
        match fs::rename(from, to) {
            Err(error) if cfg!(windows) && is_open(&error) => thread::sleep(ATTEMPT_INTERVAL),
            renamed => return renamed,
        }
    }
    fs::rename(from, to)
}

/// Returns the target of a symbolic link to a missing file, or the path itself if it is not a link.
fn link_target(path: &Path) -> PathBuf {
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

/// Creates a temporary file in the directory of the target. If `private`, only the user may read it.
fn create_temporary(target: &Path, private: bool) -> io::Result<(PathBuf, File)> {
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
        let path = temporary_path(target, attempt)?;
        match options.open(&path) {
            // A killed process may have left the file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < MAX_RETRIES => {
                attempt += 1;
            }
            opened => return Ok((path, opened?)),
        }
    }
}

/// Returns the path of the temporary file for an attempt.
fn temporary_path(target: &Path, attempt: u32) -> io::Result<PathBuf> {
    let Some(name) = target.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"));
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(match attempt {
        0 => format!(".{}.new", process::id()),
        _ => format!(".{}-{attempt}.new", process::id()),
    });
    Ok(target.with_file_name(temporary))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_temporary_file_is_private_from_the_start() {
        let target = std::env::temp_dir().join("phaseflag-private");
        let (temporary, file) = create_temporary(&target, true).unwrap();
        fs::remove_file(temporary).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    }
}

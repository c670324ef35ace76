//! Files for their owner alone, which are replaced as a whole.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Makes a folder, and those above it, where they are not there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file, for its owner alone where it is made.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Writes a file aside, where nobody else writes, and moves it to its place.
pub(crate) fn replace(path: &Path, aside: &Path, bytes: &[u8]) -> io::Result<()> {
    // Somebody who was killed may have left one behind.
    let _ = fs::remove_file(aside);
    let written = open(aside, OpenOptions::new().write(true).create_new(true))
        .and_then(|mut file| file.write_all(bytes));
    let moved = written.and_then(|()| fs::rename(aside, path));
    if moved.is_err() {
        let _ = fs::remove_file(aside);
    }
    moved
}

/// Returns the length of a regular file; another is an error, since a pipe would be waited for.
pub(crate) fn length(path: &Path) -> io::Result<u64> {
    let metadata = fs::metadata(path)?;
    match metadata.is_file() {
        true => Ok(metadata.len()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

/// Returns the path beside a file whose name has a suffix.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

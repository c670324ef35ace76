//! Reads input files, pipes and standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::failure::Failure;
use crate::progress::{self, Audience};

/// The size limit of rules, in bytes. It ends the input of a device that has no end.
pub(crate) const MAX_RULES: u64 = 256 * 1024 * 1024;

/// Reads an input of up to `max_size` bytes; `-` is standard input.
pub(crate) fn read(path: &Path, max_size: u64) -> Result<Vec<u8>, Failure> {
    let failed =
        |reason: String| Failure::Other(format!("failed to read `{}`: {reason}", path.display()));
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => io::stdin().take(max_size + 1).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(max_size + 1).read_to_end(&mut bytes)),
    };
    match read {
        Err(error) => Err(failed(error.to_string())),
        Ok(size) if size as u64 > max_size => {
            Err(failed(format!("it is larger than {max_size} bytes")))
        }
        Ok(_) => Ok(bytes),
    }
}

/// Reads an input as [`read`] does, but a stream for at most `timeout`. `failed` makes the failure of
/// a reason.
pub(crate) fn read_within(
    timeout: Duration,
    path: &Path,
    max_size: u64,
    failed: impl Fn(String) -> Failure,
) -> Result<Vec<u8>, Failure> {
    if !is_stream(path) {
        return read(path, max_size);
    }
    let (sender, end) = mpsc::channel();
    let stream = path.to_owned();
    // The thread may wait for a writer until the program ends.
    let reading = thread::Builder::new().spawn(move || {
        let content = read(&stream, max_size);
        let _ = sender.send(());
        content
    });
    let reading = reading.map_err(|error| failed(error.to_string()))?;
    let what = || format!("waiting for the content of `{}`", path.display());
    if progress::during(Audience::All, &what, || end.recv_timeout(timeout)).is_err() {
        return Err(failed(format!("its content did not end within {timeout:?}")));
    }
    reading.join().unwrap_or_else(|_| Err(failed("the thread that reads it panicked".to_owned())))
}

/// Returns whether a path is standard input, a pipe, or a device for characters, such as a terminal.
/// It can be read only once, and reading it may block.
pub(crate) fn is_stream(path: &Path) -> bool {
    if path.as_os_str() == "-" {
        return true;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        std::fs::metadata(path).is_ok_and(|metadata| {
            metadata.file_type().is_fifo() || metadata.file_type().is_char_device()
        })
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

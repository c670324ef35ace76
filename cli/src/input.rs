//! Reads input files, pipes and standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;

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

/// Returns whether a path is a pipe or a device for characters, such as a terminal. It can be read
/// only once, and reading it may block.
pub(crate) fn is_stream(path: &Path) -> bool {
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

//! The files of the cache on the disk: how they are read, and how rules are confirmed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use super::cache_file::{CacheFile, Header};
use crate::files;
use crate::http::KnownPaths;

/// The maximum size of a file of paths, in bytes.
const MAX_PATHS: u64 = 1024;

/// Reads a file of rules, and returns it with its modification time.
pub(super) fn read(path: &Path, max_size: usize) -> io::Result<(CacheFile, SystemTime)> {
    let fault = |message| io::Error::new(io::ErrorKind::InvalidData, message);
    let length = files::length(path)?;
    // The index takes less than twice the size of the text, even if flags consist of their keys.
    let limit = (max_size as u64).saturating_mul(3).saturating_add(1024);
    if length > limit {
        return Err(fault("it is too large"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    let file = File::open(path)?;
    let modified = file.metadata()?.modified()?;
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((CacheFile::decode(bytes).map_err(fault)?, modified))
}

/// Reads a file of paths.
pub(super) fn read_paths(path: &Path) -> io::Result<KnownPaths> {
    files::length(path)?;
    let mut text = String::new();
    File::open(path)?.take(MAX_PATHS).read_to_string(&mut text)?;
    let fault = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
    KnownPaths::decode(&text).ok_or_else(fault)
}

/// Returns whether the time of a file is after this one. A time in the future is not.
pub(super) fn is_later(time: SystemTime, asked: SystemTime) -> bool {
    time > asked && time.elapsed().is_ok()
}

/// Sets the modification time of a file to that of a request, unless it is later, if the file still
/// has this header. Returns whether it has.
pub(super) fn confirm(path: &Path, header: &Header, asked: SystemTime) -> io::Result<bool> {
    files::length(path)?;
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut found = [0; size_of::<Header>()];
    if file.read_exact(&mut found).is_err() || found != *header {
        return Ok(false);
    }
    if !is_later(file.metadata()?.modified()?, asked) {
        file.set_modified(asked)?;
    }
    Ok(true)
}

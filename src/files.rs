//! Files that only their owner can read, and that are replaced as a whole.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, FileType, Metadata, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// How often a file is tried to be replaced on Windows while another program has it open.
const ATTEMPTS: u32 = 40;

/// The time between two attempts.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(5);

/// The error codes of Windows for a file that another program has open: access denied, and a
/// sharing violation.
const OPEN_ELSEWHERE: [i32; 2] = [5, 32];

/// Creates a folder and its parents if they do not exist. Only the owner has access.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file. If that creates it, only the owner has access.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Opens a lock file, and creates it if it does not exist. Fails if it is a pipe, which would block.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let opened = open(path, &mut options);
    opened.and_then(|file| length(path).map(|_| file)).map_err(|error| {
        let message = format!("failed to open the lock file `{}`: {error}", path.display());
        io::Error::new(error.kind(), message)
    })
}

/// A file that this process has locked. Dropping it releases the lock for forked processes, too, and
/// a drop in one of them would release it for this process.
#[derive(Debug)]
pub(crate) struct LockedFile(pub(crate) File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing it is not enough: a process that was forked meanwhile has it open, too.
        let _ = self.0.unlock();
    }
}

/// Replaces a file: writes a temporary file, which must have no other writer, and renames it. If
/// the file may only be written, such as a mounted one or one in a read-only folder, overwrites it.
/// Its modification time is `time`, if the file system permits, or else now.
pub(crate) fn replace(
    path: &Path,
    temporary: &Path,
    bytes: &[u8],
    time: Option<SystemTime>,
) -> io::Result<()> {
    // A killed process may have left it behind.
    let _ = fs::remove_file(temporary);
    let written = open(temporary, OpenOptions::new().write(true).create_new(true))
        .and_then(|mut file| file.write_all(bytes).map(|()| set_time(&file, time)));
    let moved = written.and_then(|()| rename(temporary, path));
    moved.or_else(|error| {
        let _ = fs::remove_file(temporary);
        if !may_only_be_written(&error) {
            return Err(error);
        }
        overwrite(path, bytes, time).map_err(|_| error)
    })
}

fn set_time(file: &File, time: Option<SystemTime>) {
    let _ = time.map(|time| file.set_modified(time));
}

/// Removes a file, or empties it if it may only be written.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if may_only_be_written(&error) => overwrite(path, b"", None).map_err(|_| error),
        removed => removed,
    }
}

/// Renames a file and replaces the one of that name. On Windows this fails while some programs have
/// that file open, so it is tried again for a moment.
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

/// Returns whether a file that failed to be replaced or removed with this error may be writable. A
/// full disk is no such error: only a replacement is atomic. On Windows, another program may read the
/// file at this moment.
fn may_only_be_written(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    !cfg!(windows) && matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy)
}

/// Writes over a regular file that exists. Writes what makes it longer first: if the disk is full,
/// the old content stays.
fn overwrite(path: &Path, bytes: &[u8], time: Option<SystemTime>) -> io::Result<()> {
    let length = length(path)?;
    let mut file = OpenOptions::new().write(true).open(path)?;
    let place = usize::try_from(length).unwrap_or(bytes.len()).min(bytes.len());
    let (start, end) = bytes.split_at_checked(place).unwrap_or((bytes, &[]));
    file.seek(SeekFrom::Start(length))?;
    if let Err(error) = file.write_all(end) {
        let _ = file.set_len(length);
        return Err(error);
    }
    file.rewind()?;
    file.write_all(start)?;
    file.set_len(bytes.len() as u64)?;
    set_time(&file, time);
    Ok(())
}

/// Returns the metadata of a regular file. Any other file is an error, which names what it is:
/// opening a pipe may block, and reading a device may never end.
pub(crate) fn metadata(path: &Path) -> io::Result<Metadata> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    let message = format!("it is a {}, not a regular file", kind(metadata.file_type()));
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn kind(file_type: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file_type.is_fifo() {
            return "pipe";
        }
        if file_type.is_socket() {
            return "socket";
        }
    }
    if file_type.is_dir() { "folder" } else { "device" }
}

/// Returns the length of a regular file in bytes. Any other file is an error.
pub(crate) fn length(path: &Path) -> io::Result<u64> {
    metadata(path).map(|metadata| metadata.len())
}

/// Returns the path of a temporary file that no other writer uses. Processes of two containers may
/// have the same id, and a forked process has the random state of the other one.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let number = RandomState::new().hash_one(0);
    beside(path, &format!(".{}-{number:016x}", std::process::id()))
}

/// Returns the path of a file with a suffix appended to its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(all(test, windows))]
mod tests {
    use std::os::windows::fs::OpenOptionsExt;

    use super::*;

    /// Allows others to read the file, but not to replace it.
    const FILE_SHARE_READ: u32 = 1;

    #[test]
    fn a_file_is_replaced_as_soon_as_nobody_has_it_open() {
        let folder = std::env::temp_dir().join(format!("phaseflag-files-{}", std::process::id()));
        make_folder(&folder).unwrap();
        let (path, temporary) = (folder.join("file"), folder.join("new"));
        fs::write(&path, "old").unwrap();
        let mut options = OpenOptions::new();
        let open = options.read(true).share_mode(FILE_SHARE_READ).open(&path).unwrap();
        assert!(replace(&path, &temporary, b"new", None).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert!(!temporary.exists());
        let closing = thread::spawn(move || {
            thread::sleep(ATTEMPT_INTERVAL);
            drop(open);
        });
        replace(&path, &temporary, b"new", None).unwrap();
        closing.join().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        fs::remove_dir_all(&folder).unwrap();
    }
}

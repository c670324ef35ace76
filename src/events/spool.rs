//! The spool: a file of undelivered events, which a later process delivers.
//!
//! Each line is an event: its owner, which is a digest of the service and key, and its JSON. New
//! lines are appended; delivered ones are removed by replacing the file, so that a process that is
//! killed leaves a complete file. Two lock files lie beside it: `.lock` is held while the file
//! changes, and `.<owner>.sending` while a client delivers the events of the owner.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::event::EvaluationEvent;
use super::outbox::{OutgoingEvent, SpooledEvent};
use crate::config::Config;
use crate::files::{self, LockedFile};
use crate::identity::identity;
use crate::log::log;
use crate::value::Value;
use crate::value::{document, member};

/// How long to wait for another process that changes the file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// The time between two attempts to lock.
const LOCK_RETRY: Duration = Duration::from_millis(2);

/// Opens the spool. A function pointer, so that programs without a spool need not link the code.
pub(crate) type NewSpool = fn(&Config) -> Arc<dyn Spool>;

/// Storage for undelivered events.
pub(crate) trait Spool: Send + Sync + fmt::Debug {
    /// Appends events. Logs nothing.
    fn append(&self, events: &[EvaluationEvent]) -> Result<Appended, SpoolError>;

    /// Returns whether the spool holds anything.
    fn is_used(&self) -> bool;

    /// Returns how many events of the owner the spool holds.
    fn count(&self) -> usize;

    /// Claims the backlog, so that no other client delivers it.
    fn claim(&self) -> Claim;
}

/// The result of a claim.
pub(crate) enum Claim {
    Claimed(Box<dyn ClaimedSpool>),
    /// Another client delivers the backlog.
    Busy,
    /// There is no backlog.
    Empty,
}

/// A failure to write the spool.
#[derive(Debug)]
pub(crate) struct SpoolError {
    path: PathBuf,
    cause: io::Error,
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to write the event spool `{}`: {}", self.path.display(), self.cause)
    }
}

/// How many events were appended and dropped.
#[derive(Debug)]
pub(crate) struct Appended {
    /// How many of the new events the spool holds.
    pub(crate) kept: usize,
    /// How many events, old and new, were dropped to keep the size limit.
    pub(crate) dropped: usize,
}

/// The spool while this client delivers its events. Dropping it releases the claim.
pub(crate) trait ClaimedSpool: Send {
    /// Returns the events of the owner, the oldest first, without those of these texts.
    fn read(&mut self, known: &[&str]) -> Vec<SpooledEvent>;

    /// Removes events. Returns whether that succeeded; if not, the caller must send no more events.
    fn remove(&mut self, events: &[OutgoingEvent]) -> bool;
}

/// Opens the spool that `config` names. Touches no file.
pub(crate) fn open(config: &Config) -> Arc<dyn Spool> {
    Arc::new(FileSpool(Arc::new(SpoolFile {
        path: config.event_spool.clone().unwrap_or_default(),
        owner: identity(&config.base_url, &config.api_key),
        max_size: config.event_spool_size,
        warned: AtomicBool::new(false),
    })))
}

#[derive(Debug)]
struct FileSpool(Arc<SpoolFile>);

#[derive(Debug)]
struct SpoolFile {
    path: PathBuf,
    /// The digest of the service and key whose events are delivered.
    owner: String,
    /// The size limit of the file, in bytes.
    max_size: usize,
    /// Whether a failure was logged.
    warned: AtomicBool,
}

impl Spool for FileSpool {
    fn append(&self, events: &[EvaluationEvent]) -> Result<Appended, SpoolError> {
        let path = || self.0.path.clone();
        self.0.append(events).map_err(|cause| SpoolError { path: path(), cause })
    }

    fn is_used(&self) -> bool {
        fs::metadata(&self.0.path).is_ok_and(|metadata| metadata.len() > 0)
    }

    fn count(&self) -> usize {
        let text = self.0.read().unwrap_or_default();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        lines.filter(|line| self.0.own(line).is_some()).count()
    }

    fn claim(&self) -> Claim {
        if !self.is_used() {
            return Claim::Empty;
        }
        match self.0.claim() {
            Ok(Some(lock)) => {
                Claim::Claimed(Box::new(ClaimedFile { file: self.0.clone(), _lock: lock }))
            }
            Ok(None) => Claim::Busy,
            // Another client has delivered everything.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Claim::Empty,
            Err(error) => {
                self.0.warn("open", &error);
                Claim::Empty
            }
        }
    }
}

/// A spool file that this client has claimed.
struct ClaimedFile {
    file: Arc<SpoolFile>,
    _lock: LockedFile,
}

impl ClaimedSpool for ClaimedFile {
    fn read(&mut self, known: &[&str]) -> Vec<SpooledEvent> {
        let mut events = self.file.read_events().unwrap_or_else(|error| {
            self.file.warn("read", &error);
            Vec::new()
        });
        let known: HashSet<&str> = known.iter().copied().collect();
        events.retain(|event| !known.contains(event.json.as_str()));
        events
    }

    fn remove(&mut self, events: &[OutgoingEvent]) -> bool {
        let texts = events.iter().filter_map(|event| match event {
            OutgoingEvent::Spooled(event) => Some(event.json.as_str()),
            OutgoingEvent::Tracked(_) => None,
        });
        match self.file.remove(texts.collect()) {
            Ok(()) => true,
            Err(error) => {
                self.file.warn("write", &error);
                false
            }
        }
    }
}

impl SpoolFile {
    fn append(&self, events: &[EvaluationEvent]) -> io::Result<Appended> {
        let mut lines = String::new();
        for event in events {
            lines.push_str(&format!("{} {}\n", self.owner, event.to_json(true)));
        }
        if let Some(folder) = self.path.parent() {
            files::make_folder(folder)?;
        }
        let _lock = self.lock()?;
        let length = self.length()?;
        if length.saturating_add(lines.len() as u64) <= self.max_size as u64 {
            self.append_lines(length, &lines)?;
            return Ok(Appended { kept: events.len(), dropped: 0 });
        }
        let text = [self.read()?, lines.into_bytes()].join(&b'\n');
        let (newest, appended) = newest(&text, events.len(), self.max_size);
        self.replace(&newest.concat())?;
        Ok(appended)
    }

    /// Locks the file against changes by others.
    fn lock(&self) -> io::Result<LockedFile> {
        let file = files::open_lock(&files::beside(&self.path, ".lock"))?;
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(LockedFile(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(LOCK_RETRY)
                }
                Err(TryLockError::WouldBlock) => {
                    let message = "another process holds its lock";
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, message));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Returns the length of the file in bytes, or 0 if it does not exist.
    fn length(&self) -> io::Result<u64> {
        match files::length(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            length => length,
        }
    }

    /// Locks the file against other clients that deliver for the owner, or returns `None` if one
    /// does.
    fn claim(&self) -> io::Result<Option<LockedFile>> {
        // An event that cannot be removed must not be sent.
        files::length(&self.path)?;
        OpenOptions::new().write(true).open(&self.path)?;
        let path = files::beside(&self.path, &format!(".{}.sending", self.owner));
        let lock = files::open_lock(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(LockedFile(lock))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let length = self.length()?;
        if length == 0 {
            return Ok(Vec::new());
        }
        let mut text = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
        File::open(&self.path)?.read_to_end(&mut text)?;
        Ok(text)
    }

    /// Appends lines to a file of this length: all of them or none.
    fn append_lines(&self, length: u64, lines: &str) -> io::Result<()> {
        // Without `append(true)`: on Windows such a file cannot be truncated after a failure.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = files::open(&self.path, &mut options)?;
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        // A process that was killed may have left a line without an end.
        let separator = if last == *b"\n" { "" } else { "\n" };
        let written = file.write_all(format!("{separator}{lines}").as_bytes());
        if written.is_err() {
            let _ = file.set_len(length);
        }
        written
    }

    /// Replaces the file, or deletes it if `text` is empty.
    fn replace(&self, text: &[u8]) -> io::Result<()> {
        if text.is_empty() {
            return files::remove(&self.path);
        }
        files::replace(&self.path, &files::beside(&self.path, ".new"), text, None)
    }

    /// Returns the events of the owner. If there are none, removes malformed lines.
    fn read_events(&self) -> io::Result<Vec<SpooledEvent>> {
        let _lock = self.lock()?;
        let text = self.read()?;
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let events: Vec<_> = lines.filter_map(|line| self.event(line)).collect();
        if events.is_empty() {
            self.remove_lines(&text, |line| !is_well_formed(line) || self.own(line).is_some())?;
        }
        Ok(events)
    }

    /// Removes one line for each of these events of the owner.
    fn remove(&self, events: Vec<&str>) -> io::Result<()> {
        let _lock = self.lock()?;
        let text = self.read()?;
        let mut counts: HashMap<&[u8], usize> = HashMap::new();
        for event in events {
            *counts.entry(event.as_bytes()).or_default() += 1;
        }
        self.remove_lines(&text, |line| {
            let count = self.own(line).and_then(|event| counts.get_mut(event));
            let Some(count) = count.filter(|count| **count > 0) else { return false };
            *count -= 1;
            true
        })
    }

    /// Removes lines from the file, whose content is `text`. If the file cannot be replaced because
    /// the disk is full, blanks them in place.
    fn remove_lines(
        &self,
        text: &[u8],
        mut is_removed: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<()> {
        let (mut kept, mut blanked) =
            (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if is_removed(line) {
                blanked.resize(blanked.len() + line.len(), b'\n');
            } else {
                kept.extend(line);
                blanked.extend(line);
            }
        }
        if kept.len() == text.len() {
            return Ok(());
        }
        self.replace(&kept)
            .or_else(|_| OpenOptions::new().write(true).open(&self.path)?.write_all(&blanked))
    }

    /// Returns the JSON in a line, if the line is complete and belongs to the owner.
    fn own<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        line.strip_prefix(self.owner.as_bytes())?.strip_prefix(b" ")?.strip_suffix(b"\n")
    }

    /// Parses a line, if it belongs to the owner and its event can be delivered.
    fn event(&self, line: &[u8]) -> Option<SpooledEvent> {
        let json = std::str::from_utf8(self.own(line)?).ok()?;
        let Ok(Value::Object(object)) = json.parse() else { return None };
        let text = |name| object.get(name).and_then(Value::as_str);
        let mut event = EvaluationEvent::new(text("flag_key")?);
        if let Some(variation_key) = text("variation_key") {
            event = event.variation_key(variation_key);
        }
        if let Some(user_id) = text("user_id") {
            event = event.user_id(user_id);
        }
        let timestamp = member(json, document(json), "timestamp");
        Some(SpooledEvent {
            json: json.to_owned(),
            zone: timestamp
                .map(|range| range.end.saturating_sub(2))
                .filter(|zone| json.get(*zone..).is_some_and(|rest| rest.starts_with("Z\""))),
            exceeds_limits: event.exceeds_limits(),
        })
    }

    fn warn(&self, action: &str, error: &io::Error) {
        if !self.warned.swap(true, Ordering::AcqRel) {
            log!(warn, "failed to {action} the event spool `{}`: {error}", self.path.display());
        }
    }
}

/// Returns the newest lines that fit into `max_size` bytes. The last `added` lines are the new
/// ones. A line that is larger than `max_size` is dropped, and no other line for it.
fn newest(text: &[u8], added: usize, max_size: usize) -> (Vec<&[u8]>, Appended) {
    let lines =
        text.split_inclusive(|byte| *byte == b'\n').rev().filter(|line| is_well_formed(line));
    let (mut newest, mut size, mut full) = (Vec::new(), 0, false);
    let mut appended = Appended { kept: 0, dropped: 0 };
    for (age, line) in lines.enumerate() {
        full |= line.len() <= max_size && size + line.len() > max_size;
        if full || line.len() > max_size {
            appended.dropped += 1;
        } else {
            size += line.len();
            newest.push(line);
            appended.kept += usize::from(age < added);
        }
    }
    newest.reverse();
    (newest, appended)
}

/// Returns whether a line begins with an owner and has an end.
fn is_well_formed(line: &[u8]) -> bool {
    let mut parts = line.splitn(2, |byte| *byte == b' ');
    let owner = parts.next().unwrap_or_default();
    owner.len() == 32 && owner.iter().all(u8::is_ascii_hexdigit) && line.ends_with(b"\n")
}

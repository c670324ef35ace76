//! The file of events that outlive their program: left at the end, delivered by a later client.
//!
//! One line for each event: whose it is, and the event as the service takes it. Lines are added at
//! the end and taken out by writing the file anew, so that whoever is killed leaves a whole one.
//! Files beside it are locked: `.lock` while the file is changed, which takes milliseconds, and
//! one for each owner while its events are delivered, which takes as long as the network does.

use std::collections::HashMap;
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
use crate::files;
use crate::identity::identity;
use crate::log::log;
use crate::value::Value;
use crate::value::{document, member};

/// The longest that another process is waited for that changes the file.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often that is looked at again.
const LOOK: Duration = Duration::from_millis(2);

/// Makes the spool. It comes with the setting: a program without one does not carry the code.
pub(crate) type NewSpool = fn(&Config) -> Arc<dyn Spool>;

/// Where events go that could not be delivered.
pub(crate) trait Spool: Send + Sync + fmt::Debug {
    /// Adds events, and returns what became of them. Logs nothing.
    fn append(&self, events: &[EvaluationEvent]) -> Result<Appended, SpoolError>;

    /// Returns whether somebody has left anything.
    fn is_used(&self) -> bool;

    /// Returns how many events of the owner are left.
    fn count(&self) -> usize;

    /// Takes over what was left.
    fn claim(&self) -> Claim;
}

/// Who delivers what was left.
pub(crate) enum Claim {
    Taken(Box<dyn Backlog>),
    /// Another client.
    Busy,
    Nothing,
}

/// Why a spool cannot be written.
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

/// What became of the events that were added.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(crate) kept: usize,
    /// The oldest, to make room; those that were there before included.
    pub(crate) dropped: usize,
}

/// What earlier clients have left, while it is delivered.
pub(crate) trait Backlog: Send {
    /// Returns the events of the owner that the file holds, in their order.
    fn read(&mut self) -> Vec<SpooledEvent>;

    /// Takes events out of the file; false if it cannot be changed: what is left would be sent again
    /// and again.
    fn remove(&mut self, events: &[OutgoingEvent]) -> bool;
}

pub(crate) fn open(config: &Config) -> Arc<dyn Spool> {
    let path = config.event_spool.clone().unwrap_or_default();
    Arc::new(SpoolFile(Arc::new(Place {
        // The program may change its folder.
        path: std::path::absolute(&path).unwrap_or(path),
        owner: identity(&config.base_url, &config.api_key),
        max_size: config.event_spool_size,
        warned: AtomicBool::new(false),
    })))
}

#[derive(Debug)]
struct SpoolFile(Arc<Place>);

#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Whose events are delivered.
    owner: String,
    max_size: usize,
    warned: AtomicBool,
}

impl Spool for SpoolFile {
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
            return Claim::Nothing;
        }
        match self.0.claim() {
            Ok(Some(sending)) => {
                Claim::Taken(Box::new(Left { place: self.0.clone(), _sending: sending }))
            }
            Ok(None) => Claim::Busy,
            // Somebody else has delivered it all.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Claim::Nothing,
            Err(error) => {
                self.0.warn("open", &error);
                Claim::Nothing
            }
        }
    }
}

/// Events that are being delivered. Nobody else does that while this is held.
struct Left {
    place: Arc<Place>,
    _sending: File,
}

impl Backlog for Left {
    fn read(&mut self) -> Vec<SpooledEvent> {
        self.place.tidy().unwrap_or_else(|error| {
            self.place.warn("read", &error);
            Vec::new()
        })
    }

    fn remove(&mut self, events: &[OutgoingEvent]) -> bool {
        let texts = events.iter().filter_map(|event| match event {
            OutgoingEvent::Spooled(event) => Some(event.json.as_str()),
            OutgoingEvent::Tracked(_) => None,
        });
        match self.place.remove(texts.collect()) {
            Ok(()) => true,
            Err(error) => {
                self.place.warn("write", &error);
                false
            }
        }
    }
}

impl Place {
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
            self.add(length, &lines)?;
            return Ok(Appended { kept: events.len(), dropped: 0 });
        }
        let text = [self.read()?, lines.into_bytes()].join(&b'\n');
        let (newest, appended) = newest(&text, events.len(), self.max_size);
        self.replace(&newest.concat())?;
        Ok(appended)
    }

    /// Keeps others from changing the file.
    fn lock(&self) -> io::Result<File> {
        let file = lock_file(files::beside(&self.path, ".lock"))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOOK),
                Err(TryLockError::WouldBlock) => {
                    let message = "another process holds its lock";
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, message));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Returns the length of the file; 0 where it is not there.
    fn length(&self) -> io::Result<u64> {
        match files::length(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            length => length,
        }
    }

    /// Keeps other clients of the owner from delivering; `None` where one of them does.
    fn claim(&self) -> io::Result<Option<File>> {
        // What cannot be taken out afterwards must not be sent.
        files::length(&self.path)?;
        OpenOptions::new().write(true).open(&self.path)?;
        let sending = lock_file(files::beside(&self.path, &format!(".{}.sending", self.owner)))?;
        match sending.try_lock() {
            Ok(()) => Ok(Some(sending)),
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

    /// Adds lines to a file of this length, all of them or none.
    fn add(&self, length: u64, lines: &str) -> io::Result<()> {
        // Not opened to append: on Windows such a file cannot be cut to what it was.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = files::open(&self.path, &mut options)?;
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        // Whoever was killed amid a line has left it without an end.
        let separator = if last == *b"\n" { "" } else { "\n" };
        let written = file.write_all(format!("{separator}{lines}").as_bytes());
        if written.is_err() {
            let _ = file.set_len(length);
        }
        written
    }

    /// Writes the file anew; one without a line goes away.
    fn replace(&self, text: &[u8]) -> io::Result<()> {
        if !text.is_empty() {
            return files::replace(&self.path, &files::beside(&self.path, ".new"), text);
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Returns the events of the owner. Where there are none, takes out what is nobody's.
    fn tidy(&self) -> io::Result<Vec<SpooledEvent>> {
        let _lock = self.lock()?;
        let text = self.read()?;
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let events: Vec<_> = lines.filter_map(|line| self.event(line)).collect();
        if events.is_empty() {
            self.take_out(&text, |line| !is_whole(line) || self.own(line).is_some())?;
        }
        Ok(events)
    }

    /// Takes events of the owner out of the file, one line for each.
    fn remove(&self, events: Vec<&str>) -> io::Result<()> {
        let _lock = self.lock()?;
        let text = self.read()?;
        let mut left: HashMap<&[u8], usize> = HashMap::new();
        for event in events {
            *left.entry(event.as_bytes()).or_default() += 1;
        }
        self.take_out(&text, |line| {
            let times = self.own(line).and_then(|event| left.get_mut(event));
            let Some(times) = times.filter(|times| **times > 0) else { return false };
            *times -= 1;
            true
        })
    }

    /// Takes lines out of the file, of which this is the text. Where it cannot be written anew, for
    /// want of room, they become empty ones.
    fn take_out(&self, text: &[u8], mut goes: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
        let (mut kept, mut blanked) =
            (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if goes(line) {
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

    /// Returns the text of a line's event if the line has an end and is the owner's.
    fn own<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        line.strip_prefix(self.owner.as_bytes())?.strip_prefix(b" ")?.strip_suffix(b"\n")
    }

    /// Returns the event of a line if it is one of the owner and can be delivered.
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
                .map(|place| place.end.saturating_sub(2))
                .filter(|zone| json.get(*zone..).is_some_and(|rest| rest.starts_with("Z\""))),
            exceeds_limits: event.exceeds_limits(),
        })
    }

    fn warn(&self, what: &str, error: &io::Error) {
        if !self.warned.swap(true, Ordering::AcqRel) {
            log!(warn, "failed to {what} the event spool `{}`: {error}", self.path.display());
        }
    }
}

/// Opens a file to be locked. Whoever has put a pipe there is not waited for.
fn lock_file(path: PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = files::open(&path, &mut options)?;
    files::length(&path)?;
    Ok(file)
}

/// Returns the last lines that fit, and what has become of those that were added at the end. One
/// that is too large by itself is not kept in the place of others.
fn newest(text: &[u8], added: usize, max_size: usize) -> (Vec<&[u8]>, Appended) {
    let lines = text.split_inclusive(|byte| *byte == b'\n').rev().filter(|line| is_whole(line));
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

/// Returns whether a line may be somebody's event: it begins with an owner and has an end.
fn is_whole(line: &[u8]) -> bool {
    let mut parts = line.splitn(2, |byte| *byte == b' ');
    let owner = parts.next().unwrap_or_default();
    owner.len() == 32 && owner.iter().all(u8::is_ascii_hexdigit) && line.ends_with(b"\n")
}

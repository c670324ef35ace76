//! Loads the file of rules that `serve` serves, and reloads it when it changes.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use phaseflag::{Object, Ruleset, Value};

use super::document::hash;
use super::log;
use crate::changes::{self, Difference};
use crate::failure::Failure;
use crate::{input, output};

/// How long a file must be unchanged before its time and length prove that it is: two changes
/// within this time may leave the same ones.
const SETTLED: Duration = Duration::from_secs(2);

/// The file and the last valid rules in it.
pub(crate) struct FlagsFile {
    path: PathBuf,
    /// Whether it is a pipe or standard input, which can be read only once.
    is_stream: bool,
    /// The last content, valid or not.
    content: Result<String, io::ErrorKind>,
    rules: Arc<Rules>,
    /// The time and the length of the file at the last reading; `None` if a later reading must not
    /// rely on them.
    stamp: Option<(SystemTime, u64)>,
    /// How often the content has changed.
    edits: u64,
    /// Why the content is not in use.
    trouble: Option<String>,
}

impl FlagsFile {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not a valid ruleset.
    pub(crate) fn open(path: PathBuf) -> Result<FlagsFile, Failure> {
        let is_stream = input::is_stream(&path);
        let text = String::from_utf8(input::read(&path, input::MAX_RULES)?).map_err(|_| {
            Failure::Other(format!("failed to read `{}`: it is not UTF-8", path.display()))
        })?;
        let rules = Rules::parse(&text, 1).map_err(|error| {
            Failure::Other(format!("failed to load `{}`: {error}", path.display()))
        })?;
        Ok(FlagsFile {
            path,
            is_stream,
            content: Ok(text),
            rules: Arc::new(rules),
            stamp: None,
            edits: 0,
            trouble: None,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the last valid rules of the file.
    pub(crate) fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Returns how often the content has changed since the start, to valid or invalid rules.
    pub(crate) fn edits(&self) -> u64 {
        self.edits
    }

    /// Returns why the content is not in use, or `None` if it is.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Reloads the file like [`reload`](FlagsFile::reload), but does not read it if its time and
    /// length are those of the last reading. For repeated calls without a request.
    pub(crate) fn reload_if_touched(&mut self) {
        let stamp = stamp(&self.path);
        if stamp.is_none() || stamp != self.stamp {
            self.reload();
            self.stamp = stamp;
        }
    }

    /// Reads the file, and uses its rules if they are valid.
    pub(crate) fn reload(&mut self) {
        if self.is_stream {
            return;
        }
        let content = match input::is_stream(&self.path) {
            // A pipe in its place may block.
            true => Err(io::ErrorKind::InvalidInput),
            false => fs::read_to_string(&self.path).map_err(|error| error.kind()),
        };
        if content == self.content {
            return;
        }
        let path = self.path.display();
        self.trouble = match &content {
            Err(error) => Some(format!("failed to read `{path}`: {error}")),
            Ok(text) => match Rules::parse(text, self.rules.version + 1) {
                Err(error) => Some(format!("failed to load `{path}`: {error}")),
                Ok(rules) => {
                    let differences = rules.since(&self.rules);
                    log::reloaded(&path.to_string(), rules.version, &differences);
                    self.rules = Arc::new(rules);
                    None
                }
            },
        };
        if let Some(trouble) = &self.trouble {
            output::warn(format_args!("{trouble}; the last rules stay in use"));
        }
        self.content = content;
        self.edits += 1;
    }
}

/// Returns the time and the length of a file; `None` if they do not prove that it is unchanged.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    let time = metadata.modified().ok()?;
    let is_settled = time.elapsed().is_ok_and(|age| age > SETTLED);
    is_settled.then_some((time, metadata.len()))
}

/// Rules, compiled for evaluation and as the document that is served.
pub(crate) struct Rules {
    pub(crate) version: u64,
    pub(crate) ruleset: Ruleset,
    /// The object with the list of flags and the version.
    pub(crate) document: Object,
    /// The document as JSON.
    pub(crate) text: String,
    pub(crate) etag: String,
}

impl Rules {
    /// Returns what differs from the rules before.
    pub(crate) fn since(&self, before: &Rules) -> Vec<Difference> {
        let old = Value::from(before.document.clone());
        let new = Value::from(self.document.clone());
        changes::between(
            changes::Rules { ruleset: &before.ruleset, document: &old },
            changes::Rules { ruleset: &self.ruleset, document: &new },
        )
    }

    fn parse(text: &str, version: u64) -> Result<Rules, Box<dyn Error>> {
        let ruleset = Ruleset::parse(text)?;
        for problem in ruleset.problems() {
            output::warn(problem);
        }
        let mut document = unwrapped(text.parse()?);
        document.insert("version", version);
        let text = Value::from(document.clone()).to_string();
        let etag = format!("\"{:016x}\"", hash(&text));
        Ok(Rules { version, ruleset, document, text, etag })
    }
}

/// Returns the object with the list of flags. Segments may be inside or beside `data`.
fn unwrapped(document: Value) -> Object {
    let outer = match document {
        Value::Object(object) => object,
        flags => return Object::from([("flags", flags)]),
    };
    let (None, Some(Value::Object(data))) = (outer.get("flags"), outer.get("data")) else {
        return outer;
    };
    let mut inner = data.clone();
    if let (None, Some(segments)) = (inner.get("segments"), outer.get("segments")) {
        inner.insert("segments", segments.clone());
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Instant;

    #[test]
    fn only_a_settled_file_has_a_stamp() {
        let name = format!("phaseflag-stamp-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let created = Instant::now();
        let file = File::create(&path).unwrap();
        let new = stamp(&path);
        assert!(new.is_none() || created.elapsed() > Duration::from_secs(2), "{new:?}");
        let hour = Duration::from_secs(3600);
        for (time, is_settled) in
            [(SystemTime::now() - hour, true), (SystemTime::now() + hour, false)]
        {
            file.set_modified(time).unwrap();
            assert_eq!(stamp(&path).map(|(_, length)| length), is_settled.then_some(0));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(stamp(&path), None);
    }
}

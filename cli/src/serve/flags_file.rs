//! Loads the file of rules that `serve` serves, and reloads it when it changes.

use std::error::Error;
use std::fs;
use std::io;
use std::path::PathBuf;

use phaseflag::{Object, Ruleset, Value};

use super::document::hash;
use crate::failure::Failure;
use crate::{input, output};

/// The file and the last valid rules in it.
pub(crate) struct FlagsFile {
    path: PathBuf,
    /// Whether it is a pipe, which can be read only once.
    is_stream: bool,
    /// The last content, valid or not.
    content: Result<String, io::ErrorKind>,
    rules: Rules,
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
        Ok(FlagsFile { path, is_stream, content: Ok(text), rules })
    }

    /// Returns the rules of the file, or the last valid ones if it is invalid now.
    pub(crate) fn current(&mut self) -> &Rules {
        self.reload();
        &self.rules
    }

    fn reload(&mut self) {
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
        match &content {
            Err(error) => {
                output::warn(format_args!(
                    "failed to read `{path}`: {error}; the last rules stay in use"
                ));
            }
            Ok(text) => match Rules::parse(text, self.rules.version + 1) {
                Err(error) => {
                    output::warn(format_args!(
                        "failed to load `{path}`: {error}; the last rules stay in use"
                    ));
                }
                Ok(rules) => {
                    output::log(format!("reloaded `{path}`: version {}", rules.version));
                    self.rules = rules;
                }
            },
        }
        self.content = content;
    }
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

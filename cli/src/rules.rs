//! The rules that `serve` serves: a file, which is read again when it changes.

use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::PathBuf;

use phaseflag::{Object, Ruleset, Value};

use crate::date;
use crate::failure::Failure;
use crate::output;

/// The file, and the last rules that it held.
pub(crate) struct FlagsFile {
    path: PathBuf,
    /// What was found there last, whether it could be used or not.
    found: Result<String, io::ErrorKind>,
    rules: Rules,
}

impl FlagsFile {
    pub(crate) fn open(path: PathBuf) -> Result<FlagsFile, Failure> {
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::Other(format!("failed to read `{}`: {error}", path.display()))
        })?;
        let rules = Rules::parse(&text, 1).map_err(|error| {
            Failure::Other(format!("failed to use `{}`: {error}", path.display()))
        })?;
        Ok(FlagsFile { path, found: Ok(text), rules })
    }

    /// Returns the rules that the file holds now, or those of before if it holds none.
    pub(crate) fn current(&mut self) -> &Rules {
        self.read_again();
        &self.rules
    }

    fn read_again(&mut self) {
        let found = fs::read_to_string(&self.path).map_err(|error| error.kind());
        if found == self.found {
            return;
        }
        let path = self.path.display();
        match &found {
            Err(error) => {
                output::warn(format_args!("failed to read `{path}`: {error}; the rules stay"));
            }
            Ok(text) => match Rules::parse(text, self.rules.version + 1) {
                Err(error) => {
                    output::warn(format_args!("failed to use `{path}`: {error}; the rules stay"));
                }
                Ok(rules) => {
                    output::say(format!("read `{path}` again: version {}", rules.version));
                    self.rules = rules;
                }
            },
        }
        self.found = found;
    }
}

/// The rules in force, as they are evaluated and as they are served.
pub(crate) struct Rules {
    pub(crate) version: u64,
    pub(crate) ruleset: Ruleset,
    /// The object that holds the list of flags, with the version.
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

/// Returns the object that holds the list of flags. Segments may stand beside `data`.
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

/// Returns the bootstrap document, as of now. The signature has the form of the service's; nobody
/// can verify it.
pub(crate) fn bootstrap(flags: Value, segments: Value, version: Value) -> Object {
    let mut document =
        Object::from([("flags", flags), ("segments", segments), ("version", version)]);
    let text = Value::from(document.clone()).to_string();
    document.insert("signature", format!("{:064x}", hash(&text)));
    document.insert("generated_at", date::now());
    document
}

/// Returns a member of an object; `null` if it is absent.
pub(crate) fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// Returns a hash of a text, which is the same in every process.
pub(crate) fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

//! Searches the files of a directory for references to flags.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use ignore::{DirEntry, WalkBuilder};

use super::calls::{Kind, Mention, mentions};
use super::language::Language;
use crate::failure::Failure;
use crate::{generate, input, output};

/// The size limit of a file, in bytes. Larger ones are not written by hand.
const MAX_SIZE: u64 = 32 * 1024 * 1024;

/// How much of a file without an extension is read to see whether it is a script, in bytes.
const MAX_FIRST_LINE: u64 = 256;

/// What the files of a directory contain.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the order of the paths, and of the text of each.
    pub(super) references: Vec<Reference>,
    /// The number of files that were searched.
    pub(super) files: usize,
    /// The number of files and directories that could not be read, each of which was reported.
    pub(super) failures: usize,
}

/// A place in a file that names a flag.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reference {
    pub(super) path: PathBuf,
    /// The line and the column in characters, from 1.
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) key: String,
    /// Whether a flag has this key.
    pub(super) is_known: bool,
    /// Whether it is the call of a function that `phaseflag generate` may have written.
    is_call: bool,
}

/// Searches a directory for references to the flags with these keys. `functions` are more functions
/// whose first argument is a key.
///
/// # Errors
///
/// If the directory does not exist, or no file in it is source code.
pub(super) fn search(
    directory: &Path,
    keys: &[&str],
    functions: &[&str],
) -> Result<Found, Failure> {
    let shown = directory.display();
    fs::metadata(directory)
        .map_err(|error| Failure::Other(format!("failed to read `{shown}`: {error}")))?;
    let mut search = Search::new(keys, functions);
    let mut walk = WalkBuilder::new(directory);
    // An archive of a repository has the file, and no repository.
    walk.require_git(false).sort_by_file_path(Path::cmp);
    for entry in walk.build() {
        match entry {
            Ok(entry) => search.entry(&entry),
            Err(error) => search.failed(&error.to_string()),
        }
    }
    let mut found = search.found;
    if !search.has_module {
        found.references.retain(|reference| !reference.is_call);
    }
    match (found.files, found.failures) {
        (0, 0) => Err(Failure::Other(format!("there is no source code in `{shown}`"))),
        _ => Ok(found),
    }
}

struct Search<'a> {
    keys: HashSet<&'a str>,
    /// The key of the flag for each function that `phaseflag generate` writes.
    generated: HashMap<String, &'a str>,
    functions: &'a [&'a str],
    /// Whether one of the files is a module that `phaseflag generate` has written.
    has_module: bool,
    found: Found,
}

impl<'a> Search<'a> {
    fn new(keys: &[&'a str], functions: &'a [&'a str]) -> Search<'a> {
        // Without names, there is no module either.
        let names = generate::function_names(keys).unwrap_or_default();
        Search {
            keys: keys.iter().copied().collect(),
            generated: names.into_iter().zip(keys.iter().copied()).collect(),
            functions,
            has_module: false,
            found: Found::default(),
        }
    }

    fn failed(&mut self, message: &str) {
        output::warn(message);
        self.found.failures += 1;
    }

    fn entry(&mut self, entry: &DirEntry) {
        // A pipe may have no end, and a link leads to a file that is found elsewhere.
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            return;
        }
        let path = entry.path();
        let language = match Language::of_name(path) {
            None if Language::may_be_script(path) => match first_line(path) {
                Ok(start) => Language::of_script(&start),
                Err(error) => {
                    return self.failed(&format!("failed to read `{}`: {error}", path.display()));
                }
            },
            language => language,
        };
        let Some(language) = language else { return };
        match input::read(path, MAX_SIZE) {
            Ok(bytes) => self.file(path, language, &String::from_utf8_lossy(&bytes)),
            Err(failure) => self.failed(&failure.to_string()),
        }
    }

    fn file(&mut self, path: &Path, language: Language, text: &str) {
        self.found.files += 1;
        if language == Language::Rust && text.starts_with(generate::HEADER) {
            self.has_module = true;
            return;
        }
        let path = path.strip_prefix("./").unwrap_or(path);
        let mut place = Place { line: 1, column: 1, offset: 0 };
        for mention in mentions(text, language, self.functions) {
            let Some((key, is_known)) = self.key(language, &mention) else { continue };
            place.advance(text, mention.offset);
            self.found.references.push(Reference {
                path: path.to_owned(),
                line: place.line,
                column: place.column,
                key: key.to_owned(),
                is_known,
                is_call: mention.kind == Kind::Call,
            });
        }
    }

    /// Returns the key that a text names, and whether a flag has it.
    fn key<'t>(&self, language: Language, mention: &Mention<'t>) -> Option<(&'t str, bool)>
    where
        'a: 't,
    {
        let is_known = self.keys.contains(mention.text);
        match mention.kind {
            Kind::Call if language == Language::Rust => {
                self.generated.get(mention.text).map(|key| (*key, true))
            }
            Kind::Call => None,
            Kind::Text => is_known.then_some((mention.text, true)),
            Kind::Key => Some((mention.text, is_known)),
        }
    }
}

fn first_line(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(MAX_FIRST_LINE).read_to_end(&mut start)?;
    Ok(start)
}

/// A place in a text, which moves forward.
struct Place {
    line: usize,
    column: usize,
    offset: usize,
}

impl Place {
    fn advance(&mut self, text: &str, offset: usize) {
        for c in text.get(self.offset..offset).unwrap_or_default().chars() {
            if c == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        self.offset = offset;
    }
}

//! The files of a crate, and the rules for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::names::{Name, Names, read};

/// The top-level modules of the library. Each uses only modules above it.
pub const MODULES: [&str; 18] = [
    "value", "files", "date", "hash", "identity", "worker", "log", "context", "ruleset", "error",
    "config", "http", "rules", "events", "client", "testing", "guide", "lib",
];

/// The folders in `ruleset/`. Each uses only folders above it.
pub const PARTS: [&str; 5] = ["document", "tables", "compile", "explain", "lint"];

/// Modules that never name each other.
pub const SEPARATE: (&str, &str) = ("rules", "events");

/// Files that are used without their `mod.rs`, because their own name is part of each call:
/// `json::parse`, `bucket::choose`.
pub const EXCEPTIONS: [&str; 2] = ["value::json", "ruleset::tables::bucket"];

/// The modules that may name each dependency.
pub const DEPENDENCIES: [(&str, &[&str]); 9] = [
    ("arbitrary", &["testing"]),
    ("miniserde", &["value", "ruleset::document", "ruleset::compile", "client"]),
    ("serde", &["value", "client"]),
    ("serde_json", &["value"]),
    ("fnv", &["ruleset::tables"]),
    ("regex_lite", &["ruleset::tables"]),
    ("ureq", &["http"]),
    ("crossbeam_channel", &["worker", "events"]),
    ("log", &["log"]),
];

/// The modules of the pure core.
const CORE: [&str; 3] = ["value", "context", "ruleset"];

/// What the core must not name.
const IMPURE: [&str; 13] = [
    "std::thread",
    "std::time",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::os",
    "std::process",
    "std::thread_local!",
    "crate::files",
    "crate::identity",
    "crate::log",
    "crate::worker",
];

/// Macros that the core must not call.
const IMPURE_MACROS: [&str; 7] =
    ["log!", "print!", "println!", "eprint!", "eprintln!", "dbg!", "thread_local!"];

/// The part of `std::sync` that the core may name: shared ownership, and values that are set once.
const SHARED: [&str; 3] = ["Arc", "Weak", "OnceLock"];

pub const MAX_ENTRIES: usize = 18;
pub const MAX_LINES: usize = 450;

/// A broken rule, and the place in the code.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    pub file: String,
    pub line: usize,
    pub rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

struct File {
    path: String,
    source: String,
    /// Its module, such as `["rules", "fetch"]`.
    module: Vec<String>,
    names: Names,
}

impl File {
    fn fault(&self, line: usize, rule: String) -> Fault {
        Fault { file: self.path.clone(), line, rule }
    }

    fn top(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    fn is_mod_file(&self) -> bool {
        self.path.ends_with("/mod.rs")
    }

    fn is_in(&self, module: &str) -> bool {
        let module: Vec<_> = module.split("::").collect();
        self.module.len() >= module.len() && self.module.iter().zip(module).all(|(a, b)| a == b)
    }
}

/// The files of a crate.
pub struct Package {
    files: BTreeMap<Vec<String>, File>,
}

/// Whether a path is `prefix`, begins with it, or imports it with `*`.
fn names(path: &[String], prefix: &str) -> bool {
    let prefix: Vec<_> = prefix.split("::").collect();
    let same = path.iter().zip(&prefix).take_while(|(a, b)| a == b).count();
    same == prefix.len() || (same + 1 == path.len() && path[same] == "*")
}

impl Package {
    /// Reads the files of a crate: paths below its root, and texts.
    pub fn new(sources: impl IntoIterator<Item = (String, String)>, root: &str) -> Package {
        let mut files = BTreeMap::new();
        for (path, source) in sources {
            let below = path.strip_prefix(root).unwrap_or_else(|| panic!("{path} in {root}"));
            let mut module: Vec<_> = below
                .trim_start_matches('/')
                .trim_end_matches(".rs")
                .split('/')
                .map(str::to_owned)
                .collect();
            if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
                module.pop();
            }
            files.insert(module.clone(), File { path, source, module, names: Names::default() });
        }
        let mut package = Package { files };
        // Parents come before their children, and declare which of them are only for tests.
        for module in package.files.keys().cloned().collect::<Vec<_>>() {
            let test = (1..=module.len()).any(|length| {
                let parent = package.files.get(&module[..length - 1]);
                parent.is_some_and(|p| p.names.modules.get(&module[length - 1]) == Some(&true))
            });
            let file = package.files.get_mut(&module).unwrap();
            file.names = read(&file.source, &module, test)
                .unwrap_or_else(|e| panic!("{}:{}: {e}", file.path, e.span().start().line));
        }
        package
    }

    /// How many names of the crate itself its files use.
    pub fn uses(&self) -> usize {
        self.files
            .values()
            .flat_map(|file| &file.names.names)
            .filter(|n| n.path[0] == "crate")
            .count()
    }

    /// The longest module of the crate that a path is in or below.
    fn module<'p>(&self, path: &'p [String]) -> Option<&'p [String]> {
        let path = path.strip_prefix(&["crate".to_owned()])?;
        (0..=path.len()).rev().map(|length| &path[..length]).find(|m| self.files.contains_key(*m))
    }

    /// The file that a path leads to, through the exports of each `mod.rs`.
    fn target(&self, path: &[String]) -> Option<&File> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let module = self.module(&path)?;
            let file = &self.files[module];
            let name = path.get(module.len() + 1).map(|name| name.trim_end_matches('!'));
            match name.and_then(|name| file.names.exports.get(name)) {
                Some(export) if export[0] == "crate" && *export != path => {
                    let mut whole = export.clone();
                    whole.extend_from_slice(&path[module.len() + 2..]);
                    path = whole;
                }
                _ => return Some(file),
            }
        }
        None
    }

    /// The faults that a rule finds in each name of each file.
    fn faults(&self, rule: impl Fn(&File, &Name) -> Option<String>) -> Vec<Fault> {
        let mut faults = BTreeSet::new();
        for file in self.files.values() {
            for name in &file.names.names {
                faults.extend(rule(file, name).map(|text| file.fault(name.line, text)));
            }
        }
        faults.into_iter().collect()
    }

    /// Names of modules further down. Unit tests obey the same rule, but may use `crate::support`, too.
    pub fn upward(&self) -> Vec<Fault> {
        let place = |top: &str| MODULES.iter().position(|listed| *listed == top);
        self.faults(|file, name| {
            if name.path[0] != "crate" || file.top() == "lib" {
                return None;
            }
            let part = |path: &[String]| match path {
                [ruleset, part, ..] if ruleset == "ruleset" => {
                    PARTS.iter().position(|listed| listed == part)
                }
                _ => None,
            };
            let used = match name.path.get(1).map(String::as_str) {
                Some("support") if name.test => return None,
                Some(top) if place(top).is_some() => top,
                _ => "lib",
            };
            let top = file.top();
            let path = name.path.join("::");
            let Some(own) = place(top) else {
                return Some(format!("`{top}` is not listed in `MODULES`"));
            };
            if (top, used) == SEPARATE || (used, top) == SEPARATE {
                return Some(format!("`{top}` names `{path}`, but neither may name the other"));
            }
            if place(used) > Some(own) {
                return Some(format!("`{top}` names `{path}`, but `{used}` is below it"));
            }
            match (part(&file.module), part(&name.path[1..])) {
                (Some(own), Some(used)) if used > own => Some(format!(
                    "`{}` names `{path}`, but `{}` is below it",
                    PARTS[own], PARTS[used]
                )),
                _ => None,
            }
        })
    }

    /// Names that lead into a folder without its `mod.rs`.
    pub fn bypasses(&self) -> Vec<Fault> {
        self.faults(|file, name| {
            let path = name.path.strip_prefix(&["crate".to_owned()])?;
            for (length, part) in path.iter().enumerate().skip(1) {
                let folder = &path[..length];
                let mod_file = self.files.get(folder).filter(|mod_file| mod_file.is_mod_file())?;
                let within = file.module.starts_with(folder);
                let opened = EXCEPTIONS.contains(&path[..=length].join("::").as_str());
                let is_folder = self.files.get(&path[..=length]).is_some_and(File::is_mod_file);
                // A function may have the name of its file.
                let is_item = length + 1 == path.len() && mod_file.names.exports.contains_key(part);
                let is_inside = mod_file.names.modules.contains_key(part) && !is_item;
                if is_inside && !within && !opened {
                    let folder = folder.join("::");
                    return Some(format!(
                        "`{}` bypasses the `mod.rs` of `{folder}`",
                        name.path.join("::")
                    ));
                }
                if !is_folder {
                    return None;
                }
            }
            None
        })
    }

    /// Exceptions that nobody uses.
    pub fn unused_exceptions(&self) -> Vec<&'static str> {
        let used = |exception: &&str| {
            let module: Vec<_> =
                format!("crate::{exception}").split("::").map(str::to_owned).collect();
            self.files.values().any(|file| {
                let inside = file.module.starts_with(&module[1..module.len() - 1]);
                !inside && file.names.names.iter().any(|name| name.path.starts_with(&module))
            })
        };
        EXCEPTIONS.into_iter().filter(|exception| !used(exception)).collect()
    }

    /// Clocks, threads, locks, files, sockets, logs and environment variables that the core names.
    /// Its unit tests obey the same rule.
    pub fn impure(&self) -> Vec<Fault> {
        self.faults(|file, name| {
            if !CORE.contains(&file.top()) {
                return None;
            }
            let path = &name.path;
            let last = path.last().map_or("", String::as_str);
            let is_sync = path.len() > 2 && names(path, "std::sync");
            let is_lock = is_sync && !SHARED.contains(&path[2].as_str());
            let impure = is_lock
                || IMPURE.iter().any(|prefix| names(path, prefix))
                || IMPURE_MACROS.contains(&last);
            impure.then(|| format!("the core names `{}`", path.join("::")))
        })
    }

    /// Dependencies that are named outside of the modules that may, and miniserde's reader of JSON.
    pub fn dependencies(&self) -> Vec<Fault> {
        self.faults(|file, name| {
            if names(&name.path, "miniserde::json::from_str") {
                return Some("`miniserde::json::from_str` is not exact; use `value::json`".into());
            }
            let (dependency, modules) =
                DEPENDENCIES.iter().find(|(crate_, _)| *crate_ == name.path[0])?;
            let allowed = modules.iter().any(|module| file.is_in(module));
            (!allowed).then(|| format!("`{dependency}` is named outside of {}", modules.join(", ")))
        })
    }

    /// Files that use each other, in a circle. Each `mod.rs` is left out, because it uses all files of
    /// its folder.
    pub fn circles(&self) -> Vec<Fault> {
        let mut uses: BTreeMap<&[String], BTreeMap<&[String], usize>> = BTreeMap::new();
        for file in
            self.files.values().filter(|file| !file.is_mod_file() && !file.module.is_empty())
        {
            for name in file.names.names.iter().filter(|name| !name.test && !name.export) {
                let Some(used) = self.target(&name.path) else { continue };
                if used.module != file.module && !used.is_mod_file() && !used.module.is_empty() {
                    uses.entry(&file.module).or_default().entry(&used.module).or_insert(name.line);
                }
            }
        }
        let mut faults = Vec::new();
        for (file, used) in &uses {
            for (other, line) in used {
                let mut reached = BTreeSet::new();
                let mut open = vec![*other];
                while let Some(next) = open.pop() {
                    if reached.insert(next) {
                        open.extend(uses.get(next).into_iter().flat_map(BTreeMap::keys));
                    }
                }
                if reached.contains(file) {
                    let (file, other) = (&self.files[*file], &self.files[*other]);
                    faults.push(
                        file.fault(*line, format!("uses {}, which leads back to it", other.path)),
                    );
                }
            }
        }
        faults
    }

    /// Files that do not begin with what they are for.
    pub fn without_purpose(&self) -> Vec<Fault> {
        let without = self.files.values().filter(|file| !file.source.starts_with("//! "));
        without.map(|file| file.fault(1, "does not begin with a `//!` sentence".into())).collect()
    }

    /// Files that are too long.
    pub fn long(&self) -> Vec<Fault> {
        let files = self.files.values().map(|file| (file, file.source.lines().count()));
        files
            .filter(|(_, lines)| *lines > MAX_LINES)
            .map(|(file, lines)| file.fault(MAX_LINES, format!("{lines} lines")))
            .collect()
    }
}

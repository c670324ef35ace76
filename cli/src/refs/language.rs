//! Which language a file is in.

use std::ffi::OsStr;
use std::path::Path;

/// A language in which references are found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Language {
    Rust,
    Python,
    /// And TypeScript, with or without JSX.
    JavaScript,
    Shell,
}

impl Language {
    /// Returns the language of a file by its name; `None` if it is another one or not known.
    pub(super) fn of_name(path: &Path) -> Option<Language> {
        Some(match path.extension()?.to_str()? {
            "rs" => Language::Rust,
            "py" | "pyi" => Language::Python,
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" => Language::JavaScript,
            "sh" | "bash" | "zsh" => Language::Shell,
            _ => return None,
        })
    }

    /// Returns the language of a script by its first line, such as `#!/usr/bin/env python3`.
    pub(super) fn of_script(start: &[u8]) -> Option<Language> {
        let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_whitespace().filter(|word| !word.starts_with('-'));
        let name =
            |path: &str| Path::new(path).file_name().and_then(OsStr::to_str).map(str::to_owned);
        let program = match name(words.next()?)?.as_str() {
            "env" => name(words.next()?)?,
            program => program.to_owned(),
        };
        Some(match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
            "sh" | "bash" | "dash" | "ksh" | "zsh" | "ash" => Language::Shell,
            "python" => Language::Python,
            "node" | "deno" | "bun" => Language::JavaScript,
            _ => return None,
        })
    }

    /// Returns whether a file may be a script: it has no extension.
    pub(super) fn may_be_script(path: &Path) -> bool {
        path.extension().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_first_lines_tell_the_language() {
        for (name, expected) in [
            ("src/main.rs", Some(Language::Rust)),
            ("a.py", Some(Language::Python)),
            ("a.d.ts", Some(Language::JavaScript)),
            ("a.tsx", Some(Language::JavaScript)),
            ("deploy.sh", Some(Language::Shell)),
            ("a.go", None),
            ("deploy", None),
            (".rs", None),
        ] {
            assert_eq!(Language::of_name(Path::new(name)), expected, "{name}");
        }
        for (line, expected) in [
            ("#!/bin/sh\nfoo", Some(Language::Shell)),
            ("#!/usr/bin/env bash", Some(Language::Shell)),
            ("#!/usr/bin/env -S python3 -u\n", Some(Language::Python)),
            ("#! /usr/bin/python3.12\r\n", Some(Language::Python)),
            ("#!/usr/bin/env node", Some(Language::JavaScript)),
            ("#!/usr/bin/perl", None),
            ("#!", None),
            ("", None),
            ("phaseflag get x", None),
        ] {
            assert_eq!(Language::of_script(line.as_bytes()), expected, "{line}");
        }
    }
}

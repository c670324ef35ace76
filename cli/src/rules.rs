//! Reads files of rules with their documents.

use std::path::Path;

use phaseflag::{Ruleset, Value};

use crate::failure::Failure;
use crate::{document, input, output};

/// A ruleset, and the document that it was parsed from.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) ruleset: Ruleset,
    pub(crate) document: Value,
}

/// Reads a file, or standard input if the path is `-`. With an environment, flags of others are left
/// out. Warns if clients cannot use parts of the rules.
pub(crate) fn read(path: &Path, environment: Option<&str>) -> Result<Rules, Failure> {
    let name = format!("`{}`", path.display());
    let bytes = input::read(path, input::MAX_RULES)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Other(format!("failed to read {name}: it is not UTF-8")))?;
    parse(&text, &name, environment)
}

/// Parses the text of rules. `name` is what messages call it.
pub(crate) fn parse(text: &str, name: &str, environment: Option<&str>) -> Result<Rules, Failure> {
    let ruleset = match environment {
        Some(environment) => Ruleset::parse_for(text, environment),
        None => Ruleset::parse(text),
    };
    let failed = |error: String| Failure::Other(format!("failed to read {name}: {error}"));
    let ruleset = ruleset.map_err(|error| failed(error.to_string()))?;
    let document = text.parse().map_err(|error: phaseflag::JsonError| failed(error.to_string()))?;
    if let Some(environment) = environment {
        document::warn_of_environment(&document, environment, name);
    }
    if !ruleset.problems().is_empty() {
        output::warn(format_args!("{name} has problems, which `phaseflag check` reports"));
    }
    Ok(Rules { ruleset, document })
}

//! Reads rules from a bootstrap file or text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::flags::Flags;
use crate::config::Bootstrap;
use crate::error::BootstrapError;
use crate::files;
use crate::ruleset::Ruleset;

impl Bootstrap {
    /// Returns the path of the file, or the name of the setting.
    pub(crate) fn location(&self) -> String {
        match self {
            Bootstrap::File { given, .. } => given.clone(),
            Bootstrap::Text(_) => "bootstrap_text".to_owned(),
        }
    }

    /// Reads the rules. A file may have up to `max_size` bytes.
    pub(crate) fn load(&self, flags: &Flags, max_size: usize) -> Result<Ruleset, BootstrapError> {
        match self {
            Bootstrap::File { path, .. } => parse(flags, &read(path, max_size)?),
            Bootstrap::Text(text) => parse(flags, text.as_bytes()),
        }
    }
}

/// Reads a regular file of up to `max_size` bytes.
pub(super) fn read(path: &Path, max_size: usize) -> Result<Vec<u8>, BootstrapError> {
    let read = || {
        let mut text = Vec::new();
        let size = usize::try_from(files::length(path)?).unwrap_or(max_size);
        let file = File::open(path)?;
        text.reserve_exact(size.min(max_size).saturating_add(1));
        file.take((max_size as u64).saturating_add(1)).read_to_end(&mut text)?;
        if text.len() > max_size {
            let message = format!("the file is larger than {max_size} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Ok(text)
    };
    read().map_err(BootstrapError::io)
}

pub(super) fn parse(flags: &Flags, text: &[u8]) -> Result<Ruleset, BootstrapError> {
    flags.parse(text).map_err(|cause| BootstrapError::Ruleset { cause })
}

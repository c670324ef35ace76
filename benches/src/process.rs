//! Runs commands, and converts errors to exit statuses.

use std::process::{Command, ExitCode};

/// The status of a program that could not measure.
const NOT_MEASURED: u8 = 2;

/// Returns the output of a command, or why it failed.
pub fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("failed to run `{name}`: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{name}` failed: {}", text.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Prints an error, and returns the exit status.
pub fn ended(done: Result<ExitCode, String>) -> ExitCode {
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(NOT_MEASURED)
    })
}

//! Runs a command of the user when flags change, one run at a time.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::changes::{Difference, Subject, What};
use crate::failure::Failure;
use crate::names::Names;
use crate::{output, report};

/// The variables that name the flags of a run, by what happened to them.
const VARIABLES: [(What, &str); 3] = [
    (What::Added, "PHASEFLAG_ADDED"),
    (What::Changed, "PHASEFLAG_CHANGED"),
    (What::Removed, "PHASEFLAG_REMOVED"),
];

/// The most bytes of a variable. Windows allows about 32,000 for all variables.
const MAX_VARIABLE: usize = 8_000;

/// A command, and its current run.
#[derive(Debug)]
pub(crate) struct Exec {
    command: OsString,
    /// Whether standard output holds only JSON, so that the command must not print to it.
    json: bool,
    running: Arc<Running>,
}

/// The current run, which another thread may end.
#[derive(Debug, Default)]
struct Running(Mutex<Run>);

#[derive(Debug, Default)]
struct Run {
    process: Option<Child>,
    /// Whether no other run may begin.
    closed: bool,
}

impl Exec {
    /// Prepares a command. Signals that end this process end a run, too.
    ///
    /// # Errors
    ///
    /// If signals cannot be handled.
    pub(crate) fn new(command: OsString, json: bool) -> Result<Exec, Failure> {
        let running = Arc::new(Running::default());
        #[cfg(unix)]
        {
            let running = running.clone();
            crate::signals::before_the_end(move || running.close())
                .map_err(|error| Failure::Other(format!("failed to handle signals: {error}")))?;
        }
        Ok(Exec { command, json, running })
    }

    /// Returns whether a run has not ended. Reports one that has failed.
    pub(crate) fn is_running(&self) -> bool {
        let mut run = self.running.lock();
        let Some(process) = run.process.as_mut() else { return false };
        match process.try_wait() {
            Ok(None) => return true,
            Ok(Some(status)) if status.success() => {}
            Ok(Some(status)) => {
                output::warn(format_args!("the command of `--exec` failed: {status}"))
            }
            Err(error) => {
                output::warn(format_args!("failed to wait for the command of `--exec`: {error}"));
            }
        }
        run.process = None;
        false
    }

    /// Starts a run. The environment and standard input tell it what differs.
    pub(crate) fn start(&self, differences: &[Difference]) {
        let mut command = shell(&self.command);
        for (what, variable) in VARIABLES {
            command.env(variable, keys(differences, what));
        }
        command.stdin(Stdio::piped());
        if self.json {
            command.stdout(io::stderr());
        }
        let mut run = self.running.lock();
        if run.closed {
            return;
        }
        match command.spawn() {
            Ok(mut child) => {
                if let Some(mut input) = child.stdin.take() {
                    let lines = report::json(differences);
                    // The command may read slowly, or not at all.
                    let _ = thread::Builder::new().spawn(move || input.write_all(lines.as_bytes()));
                }
                run.process = Some(child);
            }
            Err(error) => {
                output::warn(format_args!("failed to run the command of `--exec`: {error}"));
            }
        }
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        self.running.close();
    }
}

impl Running {
    /// Ends the current run, with the processes that it has started, and begins no other.
    fn close(&self) {
        let mut run = self.lock();
        run.closed = true;
        if let Some(process) = &mut run.process {
            // It may have ended by itself.
            let _ = end(process);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Run> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn end(process: &mut Child) -> io::Result<()> {
    crate::signals::end_group(process)
}

#[cfg(not(unix))]
fn end(process: &mut Child) -> io::Result<()> {
    process.kill()
}

/// Returns a command line as a process of its own group, by the shell of the system.
fn shell(line: &OsString) -> Command {
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        // With `/S`, `cmd` removes these quotation marks and none of the line's own.
        let mut quoted = OsString::from("\"");
        quoted.push(line);
        quoted.push("\"");
        let mut command = Command::new("cmd");
        command.args(["/D", "/S", "/C"]).raw_arg(quoted);
        command
    }
    #[cfg(not(windows))]
    {
        let mut command = Command::new("sh");
        command.arg("-c").arg(line);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }
}

/// Returns the keys of the flags to which something happened, one a line, up to the longest variable.
fn keys(differences: &[Difference], wanted: What) -> String {
    let mut keys = String::new();
    for difference in differences {
        let Difference { what, subject: Subject::Flag(key), .. } = difference else { continue };
        if *what != wanted {
            continue;
        }
        // A variable cannot hold a NUL, and a line end would end the key.
        let key = output::escape_line(key.clone());
        if keys.len() + key.len() >= MAX_VARIABLE {
            break;
        }
        if !keys.is_empty() {
            keys.push('\n');
        }
        keys += &key;
    }
    keys
}

/// What has changed since a run began, even if it has changed back.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    subjects: Vec<Subject>,
    known: Names,
}

impl Touched {
    pub(crate) fn add(&mut self, subject: Subject) {
        let next = self.subjects.len();
        if *self.known.entry(format!("{subject:?}")).or_insert(next) == next {
            self.subjects.push(subject);
        }
    }

    /// Adds what is as before, which the run may have seen otherwise.
    pub(crate) fn complete(self, differences: &mut Vec<Difference>) {
        let mut known = Touched::default();
        for difference in &*differences {
            known.add(difference.subject.clone());
        }
        for subject in self.subjects {
            if !known.known.contains_key(&format!("{subject:?}")) {
                let what = What::Changed;
                differences.push(Difference { what, subject, changes: Vec::new() });
            }
        }
    }
}

//! Runs the command as a user does: as a separate process, with its own environment and home.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::env;
use std::fmt::Debug;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{self, Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::time::Duration;

use phaseflag::Value;

pub use exchange::{Response, exchange};
pub use port::Port;
pub use program::Program;

#[cfg(target_os = "linux")]
pub mod browser;
#[cfg(target_os = "linux")]
#[path = "../../../tests/support/container.rs"]
pub mod container;
#[path = "../../../tests/support/exchange.rs"]
mod exchange;
pub mod json_schema;
#[path = "../../../tests/support/port.rs"]
mod port;
#[path = "../../../tests/support/program.rs"]
mod program;
#[cfg(unix)]
pub mod terminal;

/// The longest time that a test waits for something that should happen soon.
pub const SOON: Duration = Duration::from_secs(20);

pub const FLAGS: &str = include_str!("../../../examples/flags.json");

/// The key of the tests.
pub const KEY: &str = "sdk-dev-local";

/// An address that does not respond: port 9 is usually closed, and otherwise discards its input.
pub const NOBODY: &str = "http://127.0.0.1:9/api/v1";

/// The error text of this system for a connection to [`NOBODY`].
pub fn refused() -> String {
    TcpStream::connect("127.0.0.1:9").unwrap_err().to_string()
}

/// The error text of this system for a file that cannot be read.
#[track_caller]
pub fn unreadable(path: impl AsRef<Path>) -> String {
    fs::read(path).unwrap_err().to_string()
}

/// The folder where rules are cached on this platform, in the home of a command.
pub const CACHES: &str = if cfg!(target_vendor = "apple") { "Library/Caches" } else { ".cache" };

/// A folder for one test, which is also the home of the commands that it runs. It is removed when
/// this value is dropped.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    pub fn new(test: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", process::id()));
        // With its drive, if the tests were compiled on another system than Windows.
        let path = path::absolute(path).unwrap();
        // A killed run may have had the same process ID, as in the next container.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder { path }
    }

    /// Returns the path of a file in the folder.
    pub fn file(&self, name: &str) -> String {
        self.path.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file by renaming, so that no program reads half of it, and returns its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        let new = format!("{path}.new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &path).unwrap();
        path
    }

    /// Returns the names of the files in the folder.
    pub fn files(&self) -> Vec<String> {
        let files = fs::read_dir(&self.path).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Returns the command, which runs in this folder.
    pub fn phaseflag(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_phaseflag"));
        command.args(arguments);
        command
    }

    /// Returns another program, which runs in this folder.
    pub fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.path)
            .env_clear()
            .env("HOME", &self.path)
            .env("LOCALAPPDATA", self.path.join(CACHES))
            .env("PATH", env::var_os("PATH").unwrap_or_default());
        if let Some(root) = env::var_os("SystemRoot") {
            command.env("SystemRoot", root);
        }
        command
    }

    /// Runs the command with a file of rules and no service.
    pub fn with_flags(&self, arguments: &[&str]) -> Outcome {
        let flags = self.write("flags.json", FLAGS);
        run(self.phaseflag(arguments).env("PHASEFLAG_BOOTSTRAP", flags))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Files that remain are in the build folder.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The outcome of a command.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub status: i32,
    pub output: String,
    pub errors: String,
}

/// Returns an outcome.
pub fn outcome(status: i32, output: &str, errors: &str) -> Outcome {
    Outcome { status, output: output.to_owned(), errors: errors.to_owned() }
}

/// Returns the text of standard error, without the line that a wait of more than a second adds: a slow
/// machine is no failure.
fn errors(bytes: Vec<u8>) -> String {
    let text = String::from_utf8(bytes).unwrap();
    text.split_inclusive('\n').filter(|line| !is_wait(line)).collect()
}

/// Returns whether a line is one that a wait of more than a second adds.
fn is_wait(line: &str) -> bool {
    let waits = ["phaseflag: waiting for ", "phaseflag: fetching the rules from `"];
    waits.iter().any(|wait| line.starts_with(wait))
}

/// Returns the lines of a program that the test has not taken yet, without those of a wait.
pub fn untaken(program: &mut Program) -> Vec<&str> {
    program.untaken().iter().map(String::as_str).filter(|line| !is_wait(line)).collect()
}

/// Makes attempts until one has the expected outcome, for a time limit of the command that a busy
/// machine may exceed once, but not each time.
#[track_caller]
pub fn once_equal<T: Debug + PartialEq>(expected: T, attempt: impl Fn() -> T) {
    let mut last = attempt();
    for _ in 1..5 {
        if last == expected {
            return;
        }
        last = attempt();
    }
    assert_eq!(last, expected);
}

/// Runs a command and waits for its end.
#[track_caller]
pub fn run(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Outcome {
        status: output.status.code().expect("an end by itself"),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: errors(output.stderr),
    }
}

/// Runs a command with this text as standard input.
#[track_caller]
pub fn run_with_input(command: &mut Command, input: &str) -> Outcome {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Outcome {
        status: output.status.code().expect("an end by itself"),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: errors(output.stderr),
    }
}

/// `phaseflag serve`, running on a free port.
pub struct Service {
    pub program: Program,
    /// The first line of its output with `--json`, else `null`.
    pub first: Value,
    pub base_url: String,
}

impl Service {
    /// Serves a file of the folder.
    pub fn start(folder: &Folder, file: &str) -> Service {
        Service::start_with(folder, &[file, "--port", "0"])
    }

    /// Serves a file of the folder on a port.
    pub fn start_on(port: &Port, folder: &Folder, file: &str) -> Service {
        Service::start_with(folder, &[file, "--port", &port.number().to_string()])
    }

    /// Serves the flags of the examples.
    pub fn with_flags(folder: &Folder) -> Service {
        folder.write("flags.json", FLAGS);
        Service::start(folder, "flags.json")
    }

    pub fn start_with(folder: &Folder, arguments: &[&str]) -> Service {
        let arguments = [&["serve"], arguments].concat();
        let mut program = Program::start(&mut folder.phaseflag(&arguments));
        let line = program.line("serving");
        let first = line.parse::<Value>().unwrap_or_default();
        let base_url = first["url"].as_str().or_else(|| line.strip_prefix("serving "));
        let base_url = base_url.unwrap().to_owned();
        Service { program, first, base_url }
    }

    /// Returns the address of the page.
    pub fn page(&self) -> String {
        self.base_url.strip_suffix("api/v1").unwrap().to_owned()
    }

    /// Returns a command that uses this service.
    pub fn phaseflag(&self, folder: &Folder, arguments: &[&str]) -> Command {
        let mut command = folder.phaseflag(arguments);
        command.env("PHASEFLAG_BASE_URL", &self.base_url).env("PHASEFLAG_API_KEY", KEY);
        command
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let headers = [&[("X-API-Key", KEY)], headers].concat();
        exchange("GET", &format!("{}{path}", self.base_url), &headers, "")
    }

    pub fn post(&self, path: &str, body: &str) -> Response {
        let headers = [("X-API-Key", KEY)];
        exchange("POST", &format!("{}{path}", self.base_url), &headers, body)
    }
}

/// Returns whether the programs that a test starts ignore a signal, as under `nohup`. Only Linux tells.
#[cfg(unix)]
pub fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}

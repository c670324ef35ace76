//! Runs a command in a terminal of a given size.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::{Outcome, SOON};

/// Runs a command whose standard output and error are terminals of this width, and waits for its
/// end. The terminal can show colours, unless the variables say otherwise. The errors are without the
/// line that a wait of more than a second shows and removes: a slow machine is no failure.
#[track_caller]
pub fn run_in_terminal(mut command: Command, columns: u16, variables: &[(&str, &str)]) -> Outcome {
    let ((output, output_screen), (errors, errors_screen)) = (open(columns), open(columns));
    command.env("TERM", "xterm-256color").envs(variables.iter().copied()).stdin(Stdio::null());
    let mut child = command.stdout(output_screen).stderr(errors_screen).spawn().unwrap();
    // The command keeps the terminals open, and their end is the end of what it has written.
    drop(command);
    let (output, errors) = thread::scope(|scope| {
        let errors = scope.spawn(|| read(errors));
        (read(output), errors.join().unwrap())
    });
    let status = child.wait().unwrap().code().expect("an end by itself");
    let errors = errors.split_inclusive('\n').map(last_shown).collect();
    Outcome { status, output, errors }
}

/// Returns what a terminal shows of a line at last, which may have been replaced several times.
fn last_shown(line: &str) -> &str {
    line.rsplit("\r\x1b[K").next().unwrap_or_default()
}

/// A command that runs in a terminal, whose standard error the test reads meanwhile.
pub struct InTerminal {
    child: Child,
    shown: Arc<Mutex<String>>,
    reading: JoinHandle<()>,
}

impl InTerminal {
    /// Starts the command in a terminal of this width and kind, such as `xterm` or `dumb`.
    pub fn start(mut command: Command, columns: u16, kind: &str) -> InTerminal {
        let (mut control, screen) = open(columns);
        command.env("TERM", kind).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(screen).spawn().unwrap();
        drop(command);
        let shown = Arc::new(Mutex::new(String::new()));
        let reading = thread::spawn({
            let shown = shown.clone();
            move || {
                let mut buffer = [0; 4096];
                // On Linux, the end is an error.
                while let Ok(length @ 1..) = control.read(&mut buffer) {
                    *shown.lock().unwrap() += &String::from_utf8_lossy(&buffer[..length]);
                }
            }
        });
        InTerminal { child, shown, reading }
    }

    /// Waits until the terminal has shown a text.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait_until(text, |shown| shown.contains(text));
    }

    /// Waits until a condition holds for all that the terminal has shown.
    #[track_caller]
    pub fn wait_until(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + SOON;
        while !condition(&self.shown.lock().unwrap()) {
            assert!(Instant::now() < deadline, "no `{what}`: {:?}", self.shown.lock().unwrap());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end. Returns the exit status and what the terminal has shown.
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        self.reading.join().unwrap();
        (status.code(), self.shown.lock().unwrap().clone())
    }
}

/// Opens a terminal of this width. Returns its two ends: what reads it, and what a program writes to.
fn open(columns: u16) -> (File, File) {
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let path = ptsname(&control, Vec::new()).unwrap();
    let screen = File::options().read(true).write(true).open(OsStr::from_bytes(path.as_bytes()));
    let screen = screen.unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen, size).unwrap();
    let mut modes = tcgetattr(&screen).unwrap();
    // A line end arrives as it is written, without CR.
    modes.output_modes -= OutputModes::OPOST;
    tcsetattr(&screen, OptionalActions::Now, &modes).unwrap();
    (File::from(control), screen)
}

/// Reads what is written to a terminal, until no program has it open.
fn read(mut control: File) -> String {
    let mut text = Vec::new();
    // On Linux, the end is an error.
    let _ = control.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

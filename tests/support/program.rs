//! A program that runs beside a test, whose output the test reads by lines.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::SOON;

/// A running program. It is killed on drop.
pub struct Program {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// Lines that the test has not taken yet.
    untaken: Vec<String>,
}

impl Program {
    pub fn start(command: &mut Command) -> Program {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let forward = |output: Box<dyn Read + Send>| {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        };
        forward(Box::new(child.stdout.take().unwrap()));
        forward(Box::new(child.stderr.take().unwrap()));
        let input = child.stdin.take().unwrap();
        Program { child, input, lines, untaken: Vec::new() }
    }

    /// Takes the first line of standard output or error that contains this text, and waits for it
    /// if necessary.
    #[track_caller]
    pub fn line(&mut self, part: &str) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let position = self.untaken.iter().position(|line| line.contains(part));
            if let Some(position) = position {
                return self.untaken.remove(position);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.untaken.push(line),
                Err(end) => panic!("no line with `{part}` ({end}): {:#?}", self.untaken),
            }
        }
    }

    /// Writes a line to the standard input of the program.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Returns the lines that the test has not taken yet.
    pub fn untaken(&mut self) -> &[String] {
        self.untaken.extend(self.lines.try_iter());
        &self.untaken
    }

    /// Returns the process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether the program has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the program.
    pub fn end(mut self) -> ExitStatus {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The program may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

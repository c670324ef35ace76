//! How signals end the command, also as the first process of a container.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::support::{FLAGS, Folder, Program, container, is_ignored};

/// Each signal that ends the command, with its number.
const SIGNALS: [(&str, i32); 4] = [("HUP", 1), ("INT", 2), ("QUIT", 3), ("TERM", 15)];

/// The commands that run until a signal, with the line that they print when they run.
const COMMANDS: [(&[&str], &str); 2] = [
    (&["serve", "flags.json", "--port", "0"], "serving "),
    (&["watch", "--bootstrap", "flags.json"], "phaseflag: watching "),
];

/// Begins a request to the service of this line, and opens a stream of its page. Another line has no
/// service.
fn open_connections(line: &str) -> Option<[TcpStream; 2]> {
    let address = line.strip_prefix("serving http://")?.split('/').next()?;
    let mut request = TcpStream::connect(address).unwrap();
    request.write_all(b"POST /api/v1/sdk/events HTTP/1.1\r\nContent-Length: 9\r\n\r\n{").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /_page/changes HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("data: ")));
    Some([request, stream])
}

#[test]
fn signals_end_the_first_process_of_a_container() {
    let Some(options) = container::options() else { return };
    let folder = Folder::new("signals-container");
    folder.write("flags.json", FLAGS);
    for (arguments, running) in COMMANDS {
        for (signal, number) in SIGNALS {
            let mut command = folder.program("unshare");
            command.args(options).arg(env!("CARGO_BIN_EXE_phaseflag")).args(arguments);
            let mut program = Program::start(&mut command);
            let _open = open_connections(&program.line(running));
            container::signal(&program, signal);
            container::signal(&program, signal);
            assert_eq!(program.end().code(), Some(128 + number), "{arguments:?} {signal}");
        }
    }
}

/// A shell that runs the command in a loop ends the loop only if the signal ended the command.
#[test]
fn signals_keep_their_default_action_elsewhere() {
    let folder = Folder::new("signals");
    folder.write("flags.json", FLAGS);
    for (arguments, running) in COMMANDS {
        for (signal, number) in SIGNALS.into_iter().filter(|(_, number)| !is_ignored(*number)) {
            let mut program = Program::start(&mut folder.phaseflag(arguments));
            let _open = open_connections(&program.line(running));
            let id = program.id().to_string();
            assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
            assert_eq!(program.end().signal(), Some(number), "{arguments:?} {signal}");
        }
    }
}

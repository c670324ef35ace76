//! A service on loopback that has one ruleset.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Starts to respond to every request with the ruleset, and returns the address.
pub fn serve(ruleset: String) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client without a response fails visibly.
            let _ = stream.and_then(|stream| respond(stream, &ruleset));
        }
    });
    Ok(url)
}

fn respond(mut stream: TcpStream, ruleset: &str) -> io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&part[..read]),
        }
    }
    let length = ruleset.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(format!("{head}{ruleset}").as_bytes())
}

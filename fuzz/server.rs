//! A service on loopback that sends the response of a target, and records the last request.

#![allow(dead_code, reason = "each body uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A server that runs until the process ends.
pub struct Server {
    address: SocketAddr,
    exchange: Arc<Mutex<Exchange>>,
}

/// The response to every request except for the ruleset, and the last such request.
#[derive(Default)]
struct Exchange {
    status: u16,
    answer: Vec<u8>,
    request: Vec<u8>,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let exchange = Arc::new(Mutex::new(Exchange { status: 200, ..Exchange::default() }));
        let shared = exchange.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Server { address, exchange }
    }

    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Sets the response to later requests.
    pub fn answer(&self, status: u16, answer: &[u8]) {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        (exchange.status, exchange.answer) = (status, answer.to_vec());
    }

    /// Returns the body of the last request.
    pub fn request(&self) -> Vec<u8> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner).request.clone()
    }
}

fn serve(stream: TcpStream, exchange: &Mutex<Exchange>) {
    let _ = stream.set_nodelay(true);
    let Ok(copy) = stream.try_clone() else { return };
    let (mut reader, mut writer) = (BufReader::new(copy), stream);
    while let Some((path, body)) = read(&mut reader) {
        let (status, answer) = if path.ends_with("/ruleset") {
            (200, b"[]".to_vec())
        } else {
            let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
            exchange.request = body;
            (exchange.status, exchange.answer.clone())
        };
        let mut reply =
            format!("HTTP/1.1 {status} S\r\ncontent-length: {}\r\n\r\n", answer.len()).into_bytes();
        reply.extend(answer);
        if writer.write_all(&reply).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}

//! A port that stays with a test while nothing listens on it.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::{SocketAddr, TcpListener, TcpStream};

/// A port of 127.0.0.1. Connections to it are refused until a service of the test listens on it.
///
/// The system gives a free port to the next program that wants any, such as the service of another
/// test. It does not give one with a connection, and a service may listen on it nevertheless.
pub struct Port {
    address: SocketAddr,
    /// The two ends of a connection, which is not used. Windows might refuse to listen on its port.
    _held: Option<[TcpStream; 2]>,
}

impl Port {
    pub fn hold() -> Port {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (server, _) = listener.accept().unwrap();
        Port { address, _held: cfg!(unix).then_some([client, server]) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn number(&self) -> u16 {
        self.address.port()
    }

    /// Returns the base URL of a service on this port.
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }
}

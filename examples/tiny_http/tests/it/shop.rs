//! A running server, which a test uses over loopback.

use std::process::Command;

use crate::exchange::{Response, get};
use crate::monitoring::wait_until_ready;
use crate::program::Program;

pub const FLAGS: &str = include_str!("../../../flags.json");

pub const SERVER: &str = env!("CARGO_BIN_EXE_example-tiny-http");

/// A running server, and its address.
pub struct Shop {
    pub program: Program,
    pub address: String,
}

impl Shop {
    /// Starts a server that has the flags of its service.
    pub fn start(base_url: &str) -> Shop {
        Shop::start_by(&mut Command::new(SERVER), base_url)
    }

    pub fn start_by(command: &mut Command, base_url: &str) -> Shop {
        let shop = Shop::begin(command, base_url);
        wait_until_ready(&shop.address);
        shop
    }

    /// Starts a server whose service cannot be reached.
    pub fn start_without_flags(base_url: &str) -> Shop {
        Shop::begin(&mut Command::new(SERVER), base_url)
    }

    fn begin(command: &mut Command, base_url: &str) -> Shop {
        command.env("PHASEFLAG_BASE_URL", base_url).env("PORT", "0");
        // A proxy of this machine must not interfere.
        let mut program = Program::start(command.env("NO_PROXY", "127.0.0.1"));
        let line = program.line("serving http://");
        let address = line.strip_prefix("serving ").unwrap().to_owned();
        Shop { program, address }
    }

    pub fn get(&self, path: &str) -> Response {
        get(&format!("{}{path}", self.address))
    }
}

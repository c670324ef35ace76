//! nginx, which tests run with configurations of their own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use phaseflag::{ClientBuilder, PhaseFlagClient};
use tempfile::TempDir;

use crate::curl::not_checked;
use crate::program::Program;
use crate::support::{SOON, listener};

/// The addresses in a configuration, which are replaced by free ones.
pub const LISTEN: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:8081"];

/// How often nginx is started if another program takes one of its ports first.
const ATTEMPTS: u32 = 10;

/// A running nginx, and its folder.
pub struct Nginx {
    /// The address for the first of [`LISTEN`].
    pub address: SocketAddr,
    configuration: String,
    /// Ends before its folder is removed.
    program: Program,
    pub folder: TempDir,
}

impl Nginx {
    /// Starts nginx, or returns `None` if it is not installed.
    pub fn start(configuration: &str) -> Option<Nginx> {
        if installed().is_none() {
            not_checked("a configuration for nginx: there is no nginx");
            return None;
        }
        Some(Nginx::run(configuration.to_owned(), TempDir::new().unwrap()))
    }

    /// Kills nginx, and starts it with the same folder.
    pub fn restart(self) -> Nginx {
        let Nginx { configuration, program, folder, .. } = self;
        drop(program);
        Nginx::run(configuration, folder)
    }

    /// Returns settings for a client whose service is nginx.
    pub fn client(&self, key: &str) -> ClientBuilder {
        PhaseFlagClient::builder(format!("http://{}/api/v1", self.address), key)
    }

    fn run(configuration: String, folder: TempDir) -> Nginx {
        let [path, pid] = ["nginx.conf", "nginx.pid"].map(|name| folder.path().join(name));
        for _ in 0..ATTEMPTS {
            // Bound at the same time, so that they differ.
            let free = LISTEN.map(|_| listener());
            let free = free.map(|listener| listener.local_addr().unwrap());
            let text =
                LISTEN.iter().zip(free).fold(configuration.clone(), |text, (listen, free)| {
                    text.replace(listen, &free.to_string())
                });
            fs::write(&path, text).unwrap();
            let _ = fs::remove_file(&pid);
            let mut command = Command::new(installed().unwrap());
            command.arg("-p").arg(folder.path()).arg("-c").arg(&path);
            // One process, so that its end is the end of all.
            command.args(["-g", "daemon off; master_process off;"]);
            let mut program = Program::start(&mut command);
            if listens(&mut program, &pid) {
                return Nginx { address: free[0], configuration, program, folder };
            }
        }
        panic!("other programs take the ports of nginx");
    }
}

/// Returns a configuration with this block, which has all its files in the folder of nginx.
pub fn configuration(server: &str) -> String {
    format!(
        "pid nginx.pid;
        error_log stderr;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path client_body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            server {{ {server} }}
        }}"
    )
}

fn installed() -> Option<&'static str> {
    let runs = |path: &&str| Command::new(path).arg("-v").output().is_ok();
    ["nginx", "/usr/sbin/nginx"].into_iter().find(runs)
}

/// Waits until nginx listens, or returns false if another program has its port.
fn listens(program: &mut Program, pid: &Path) -> bool {
    let deadline = Instant::now() + SOON;
    while !program.untaken().iter().any(|line| line.contains("bind() to")) {
        // nginx writes this file once it listens on all addresses.
        if pid.exists() {
            return true;
        }
        assert!(Instant::now() < deadline, "nginx does not start: {:?}", program.untaken());
        thread::sleep(Duration::from_millis(2));
    }
    false
}

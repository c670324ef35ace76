//! The option `--ca`: which root certificates a command trusts.

use std::io::Write;
use std::process::Command;

use crate::support::{FLAGS, Folder, KEY, NOBODY, Program, outcome, run, unreadable};

const AUTHORITY: &str = include_str!("../../../tests/data/tls/authority.pem");
const STRANGER: &str = include_str!("../../../tests/data/tls/stranger.pem");
const CERTIFICATE: &str = include_str!("../../../tests/data/tls/localhost.pem");
const PRIVATE_KEY: &str = include_str!("../../../tests/data/tls/localhost.key");

/// Starts `openssl` as a server of the rules, and returns its base URL; `None` without `openssl`.
fn serve(folder: &Folder) -> Option<(Program, String)> {
    if Command::new("openssl").arg("version").output().is_err() {
        let _ = writeln!(std::io::stderr(), "NOT CHECKED: `--ca`: there is no openssl");
        return None;
    }
    folder.write("certificate.pem", CERTIFICATE);
    folder.write("key.pem", PRIVATE_KEY);
    std::fs::create_dir_all(folder.path.join("sdk")).unwrap();
    let length = FLAGS.len();
    let response = format!("HTTP/1.0 200 OK\r\ncontent-length: {length}\r\n\r\n{FLAGS}");
    folder.write("sdk/ruleset", &response);
    let mut server = Program::start(folder.program("openssl").args([
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-cert",
        "certificate.pem",
        "-key",
        "key.pem",
        "-HTTP",
    ]));
    let line = server.line("ACCEPT");
    let port = line.rsplit(':').next().unwrap().trim();
    Some((server, format!("https://localhost:{port}")))
}

#[test]
fn every_command_of_the_service_trusts_the_file() {
    let folder = Folder::new("ca");
    folder.write("authority.pem", AUTHORITY);
    folder.write("stranger.pem", STRANGER);
    let Some((_server, url)) = serve(&folder) else {
        return;
    };
    for command in [&["get", "ui-theme"][..], &["list"], &["eval-all"], &["pull"]] {
        let with = |ca: &str, variable: &str| {
            let mut command = folder.phaseflag(command);
            command.args(["--base-url", &url, "--api-key", KEY, "--no-cache"]);
            if !ca.is_empty() {
                command.args(["--ca", ca]);
            }
            run(command.env("SSL_CERT_FILE", variable))
        };
        assert_eq!(with("authority.pem", "").status, 0, "{command:?}");
        assert_eq!(with("", "authority.pem").status, 0, "{command:?}");
        // The option wins.
        assert_eq!(with("authority.pem", "missing.pem").status, 0, "{command:?}");
        // The other commands retry until their timeout.
        if command != ["pull"] {
            continue;
        }
        for (ca, variable) in [("stranger.pem", "authority.pem"), ("", "stranger.pem"), ("", "")] {
            let refused = with(ca, variable);
            assert_eq!(refused.status, 2, "{command:?}");
            assert!(refused.errors.contains("UnknownIssuer"), "{}", refused.errors);
        }
    }
}

#[test]
fn an_unusable_file_is_named() {
    let folder = Folder::new("ca-unusable");
    folder.write("words.pem", "trust me");
    for (file, reason) in [
        ("missing.pem", format!("failed to read `missing.pem`: {}", unreadable("missing.pem"))),
        ("words.pem", "the file `words.pem` of `--ca` contains no certificate in PEM".to_owned()),
    ] {
        for command in [&["get", "ui-theme"][..], &["pull"]] {
            let mut command = folder.phaseflag(command);
            command.args(["--base-url", NOBODY, "--api-key", KEY, "--ca", file]);
            assert_eq!(run(&mut command), outcome(2, "", &format!("phaseflag: {reason}\n")));
        }
    }
}

//! `phaseflag man`: what the programs that read manual pages do with it.

use std::io::ErrorKind;

use crate::support::{Folder, run};
use crate::usage::COMMANDS;

/// Returns the page.
fn page(folder: &Folder) -> String {
    let printed = run(&mut folder.phaseflag(&["man"]));
    assert_eq!((printed.status, printed.errors.as_str()), (0, ""));
    folder.write("phaseflag.1", &printed.output);
    printed.output
}

/// Runs a program on the page; `None` if it is not installed.
fn shown_by(folder: &Folder, program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = folder.program(program);
    command.args(arguments).arg("phaseflag.1").env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
    match command.output() {
        Ok(output) => {
            let shown = [output.stdout, output.stderr].concat();
            Some(String::from_utf8(shown).unwrap())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("NOT CHECKED: `{program}` is not installed");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn it_names_every_command_and_option() {
    let folder = Folder::new("man");
    let page = page(&folder);
    assert!(page.is_ascii() && page.starts_with(".TH PHASEFLAG 1 "), "{page}");
    for command in COMMANDS {
        let heading = format!(".SS \"phaseflag {}", command.replace('-', "\\-"));
        assert!(page.contains(&heading), "{command}");
        let help = run(&mut folder.phaseflag(&[command, "--help"])).output;
        let options = help.split("Options:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        for option in options.lines().filter_map(|line| line.split("--").nth(1)) {
            let option = option.split([' ', ',']).next().unwrap().replace('-', "\\-");
            assert!(page.contains(&format!("\\-\\-{option}")) || option == "help", "{option}");
        }
    }
}

#[test]
fn mandoc_finds_nothing_wrong() {
    let folder = Folder::new("man-lint");
    page(&folder);
    let Some(report) = shown_by(&folder, "mandoc", &["-Tlint"]) else { return };
    // A date would have to be changed with each release.
    let wrong: Vec<_> = report.lines().filter(|line| !line.contains("missing date")).collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn man_shows_it_in_plain_words() {
    let folder = Folder::new("man-shown");
    page(&folder);
    for (program, arguments) in [("man", &["-l"][..]), ("mandoc", &["-Tutf8", "-Owidth=78"])] {
        let Some(shown) = shown_by(&folder, program, arguments) else { continue };
        // `mandoc` prints bold text by overprinting.
        let mut plain = String::new();
        for c in shown.chars() {
            match c {
                '\u{8}' => drop(plain.pop()),
                c => plain.push(c),
            }
        }
        for text in [
            "phaseflag - feature flags of the Phase Flag service",
            "phaseflag get KEY",
            "-u, --user ID",
            "flag `flag_key`, in the format of older services",
            "or all for [\"*\"]",
            "phaseflag pull | jq '.flags[].key'",
            "then …; fi",
            "PHASEFLAG_API_KEY",
        ] {
            assert!(plain.contains(text), "{program}: {text}: {plain}");
        }
    }
}

//! `phaseflag completions`: what each installed shell does with them.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;

use crate::support::{FLAGS, Folder, run};
use crate::usage::COMMANDS;

/// Writes the completions of a shell to a file, and returns its path.
fn completions(folder: &Folder, shell: &str) -> String {
    let printed = run(&mut folder.phaseflag(&["completions", shell]));
    assert_eq!((printed.status, printed.errors.as_str()), (0, ""));
    folder.write(&format!("completions.{shell}"), &printed.output)
}

/// Returns whether a shell accepts its completions; `None` if it is not installed.
fn accepts(folder: &Folder, shell: &str) -> Option<bool> {
    let path = completions(folder, shell);
    let checked = folder.program(shell).args(["-n", &path]).stdin(Stdio::null()).output();
    match checked {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(said, "");
            Some(output.status.success())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn shells_accept_them() {
    for shell in ["bash", "zsh", "fish"] {
        let folder = Folder::new(&format!("completions-{shell}"));
        assert_ne!(accepts(&folder, shell), Some(false), "{shell}");
    }
}

/// Returns what bash offers after these words, the last of which is incomplete.
fn offered(folder: &Folder, words: &[&str]) -> Vec<String> {
    let script = r#"
        source completions.bash
        compopt() { echo files; }
        COMP_WORDS=(phaseflag "$@")
        COMP_CWORD=$#
        _phaseflag
        for reply in "${COMPREPLY[@]}"; do printf '%s\n' "$reply"; done"#;
    let folder_of_binary = Path::new(env!("CARGO_BIN_EXE_phaseflag")).parent().unwrap();
    let path = format!("{}:{}", folder_of_binary.display(), std::env::var("PATH").unwrap());
    let mut bash = folder.program("bash");
    bash.args(["-c", script, "bash"]).args(words).env("PATH", path);
    let offered = run(bash.env("PHASEFLAG_BOOTSTRAP", "flags.json"));
    assert_eq!(offered.errors, "", "{words:?}");
    offered.output.lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_commands_options_and_keys() {
    let folder = Folder::new("completions-offered");
    if accepts(&folder, "bash").is_none() {
        return;
    }
    folder.write("flags.json", FLAGS);
    for (words, expected) in [
        (vec!["ge"], vec!["get", "generate"]),
        (vec!["--v"], vec!["--version"]),
        (vec!["get", "ui"], vec!["ui-theme"]),
        (vec!["get", "--json", "instant"], vec!["instant-search"]),
        (vec!["--bootstrap", "flags.json", "get", "ex"], vec!["express-pay"]),
        // The value of an option is not a command.
        (vec!["--bootstrap", "serve", "get", "ui"], vec!["ui-theme"]),
        (vec!["--api-key", "list", "chec"], vec!["check"]),
        (vec!["--no-cache", "get", "ui"], vec!["ui-theme"]),
        (vec!["get", "--attr"], vec!["--attr", "--attr-text"]),
        (vec!["get", "--user", "u"], vec![]),
        (vec!["get", "--bootstrap", "f"], vec!["files"]),
        (vec!["pull", "-o", "f"], vec!["files"]),
        (vec!["get", "-b", "f"], vec!["files"]),
        (vec!["get", "-u", "u"], vec![]),
        (vec!["-b", "serve", "get", "ui"], vec!["ui-theme"]),
        (vec!["serve", "f"], vec!["files"]),
        (vec!["split", "ui-theme", "--users", "u"], vec!["files"]),
        (vec!["generate", "r"], vec!["rust"]),
        (vec!["diff", "old.json", "n"], vec!["files"]),
        (vec!["generate", "rust", "r"], vec!["files"]),
        (vec!["generate", "rust", "flags.json", "-o", "r"], vec!["files"]),
        (vec!["explain", "ui"], vec!["ui-theme"]),
        (vec!["completions", ""], vec!["bash", "zsh", "fish", "powershell"]),
        (vec!["list", ""], vec![]),
    ] {
        assert_eq!(offered(&folder, &words), expected, "{words:?}");
    }
    assert_eq!(offered(&folder, &["get", ""]).len(), 8);
}

/// Keys come from a service: nothing in them is executed.
#[test]
fn a_key_is_text_to_bash() {
    let folder = Folder::new("completions-hostile");
    if accepts(&folder, "bash").is_none() {
        return;
    }
    folder.write(
        "flags.json",
        r#"[{"key": "$(touch harm)"}, {"key": "`touch harm`"}, {"key": "a b"}]"#,
    );
    assert_eq!(offered(&folder, &["get", ""]), [r"\$\(touch\ harm\)", r"\`touch\ harm\`", r"a\ b"]);
    assert_eq!(folder.files(), ["completions.bash", "flags.json"]);
}

#[test]
fn a_service_that_is_down_is_no_error_of_a_completion() {
    let folder = Folder::new("completions-down");
    if accepts(&folder, "bash").is_some() {
        assert_eq!(offered(&folder, &["get", ""]), [] as [&str; 0]);
    }
}

/// Every option of the help is in the completions.
#[test]
fn every_option_is_completed() {
    let folder = Folder::new("completions-whole");
    for command in COMMANDS {
        let help = run(&mut folder.phaseflag(&[command, "--help"])).output;
        let options = help.split_whitespace().filter(|word| word.starts_with("--"));
        for shell in ["bash", "zsh", "fish", "powershell"] {
            let script = run(&mut folder.phaseflag(&["completions", shell])).output;
            for option in options.clone().map(|option| option.trim_matches(['-', '.', ',', '`'])) {
                let found = script.contains(option) || option == "help";
                assert!(found, "{command} --{option} in {shell}");
            }
        }
    }
}

/// Returns what PowerShell offers at the end of a line; `None` if it is not installed.
fn offered_by_powershell(folder: &Folder, line: &str) -> Option<Vec<String>> {
    completions(folder, "powershell");
    let script = format!(
        "Get-Content completions.powershell | Out-String | Invoke-Expression; \
         (TabExpansion2 -inputScript '{line}' -cursorColumn {}).CompletionMatches.CompletionText",
        line.len()
    );
    let binaries = Path::new(env!("CARGO_BIN_EXE_phaseflag")).parent().unwrap();
    let path = std::env::join_paths(
        [binaries.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var("PATH").unwrap())),
    );
    let mut powershell = folder.program("pwsh");
    powershell.args(["-NoProfile", "-Command", &script]).env("PATH", path.unwrap());
    match powershell.env("PHASEFLAG_BOOTSTRAP", "flags.json").stdin(Stdio::null()).output() {
        Ok(output) => {
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            let offered = String::from_utf8_lossy(&output.stdout).into_owned();
            Some(offered.lines().map(|line| line.trim().to_owned()).collect())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("NOT CHECKED: `pwsh` is not installed");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn powershell_offers_commands_options_and_keys() {
    let folder = Folder::new("completions-powershell-offered");
    folder.write("flags.json", FLAGS);
    for (line, expected) in [
        ("phaseflag ge", vec!["get"]),
        ("phaseflag get ui", vec!["ui-theme"]),
        ("phaseflag -b flags.json get ex", vec!["express-pay"]),
        ("phaseflag get --att", vec!["--attr", "--attr-text"]),
        ("phaseflag completions p", vec!["powershell"]),
        ("phaseflag serve fl", vec!["./flags.json"]),
    ] {
        let Some(offered) = offered_by_powershell(&folder, line) else { return };
        assert_eq!(offered, expected, "{line}");
    }
}

/// Without PowerShell, the script is checked as far as its text allows.
#[test]
fn the_script_for_powershell_names_what_it_offers() {
    let folder = Folder::new("completions-powershell");
    let script = run(&mut folder.phaseflag(&["completions", "powershell"])).output;
    assert_eq!(run(&mut folder.phaseflag(&["completions", "pwsh"])).output, script);
    let commands =
        COMMANDS.iter().map(|command| format!("'{command}'")).collect::<Vec<_>>().join(", ");
    for line in [
        "Register-ArgumentCompleter -Native -CommandName @('phaseflag', 'phaseflag.exe') -ScriptBlock {",
        &format!("    $commands = @({commands})"),
        "        'man' { if ($option) { '--json'; '--color'; '--help' } else {  } }",
        "        'completions' { if ($option) { '--json'; '--color'; '--help' } \
         else { 'bash'; 'zsh'; 'fish'; 'powershell' } }",
    ] {
        assert!(script.lines().any(|own| own == line), "{line}: {script}");
    }
    for (open, close) in [('{', '}'), ('(', ')')] {
        assert_eq!(script.matches(open).count(), script.matches(close).count(), "{open}");
    }
}

#[test]
fn fish_offers_commands_options_and_keys() {
    let folder = Folder::new("completions-fish-offered");
    if accepts(&folder, "fish").is_none() {
        return;
    }
    folder.write("flags.json", FLAGS);
    let binaries = Path::new(env!("CARGO_BIN_EXE_phaseflag")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    for (line, expected) in [
        ("phaseflag che", "check\tReport problems and warnings in a file of rules\n"),
        ("phaseflag get ui", "ui-theme\n"),
        ("phaseflag serve fl", "flags.json\n"),
    ] {
        let script = format!("source completions.fish; complete -C '{line}'");
        let mut fish = folder.program("fish");
        fish.args(["-c", &script]).env("PATH", &path).env("PHASEFLAG_BOOTSTRAP", "flags.json");
        assert_eq!(run(&mut fish).output, expected, "{line}");
    }
}

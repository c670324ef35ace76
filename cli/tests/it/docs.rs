//! The examples of `README.md` and `examples/deploy.sh`, run by a shell.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::support::{FLAGS, Folder, run};

const README: &str = include_str!("../../README.md");

/// Returns a shell with the command in its `PATH`.
pub fn shell(folder: &Folder) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_phaseflag"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), env::var("PATH").unwrap());
    let mut shell = folder.program("sh");
    shell.env("PATH", path);
    shell
}

#[test]
fn the_readme_prints_what_the_command_prints() {
    let folder = Folder::new("docs-readme");
    folder.write("flags.json", FLAGS);
    folder.write("one.json", r#"[{"key": "theme"}]"#);
    let sessions = README.split("```console\n").skip(1);
    let session: String = sessions.map(|session| session.split("```\n").next().unwrap()).collect();
    let examples: Vec<_> = session.trim_start_matches("$ ").split("\n$ ").collect();
    assert!(examples.len() > 20, "{examples:?}");
    for example in examples {
        let example = format!("{}\n", example.trim_end_matches('\n'));
        let (line, output) = example.split_once('\n').unwrap();
        let mut shell = shell(&folder);
        let done = run(shell.args(["-c", line]).env("PHASEFLAG_BOOTSTRAP", "flags.json"));
        assert_eq!((done.output.as_str(), done.errors.as_str()), (output, ""), "{line}");
    }
}

#[test]
fn the_readme_and_the_help_name_the_same_commands() {
    let folder = Folder::new("docs-commands");
    let help = run(&mut folder.phaseflag(&["--help"])).output;
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for command in commands.lines().map(|line| line.split_whitespace().next().unwrap()) {
        let row = format!("\n| `{command}");
        assert!(README.contains(&row), "{command}");
    }
}

#[test]
fn the_readme_and_the_help_name_the_same_paths() {
    let folder = Folder::new("docs-paths");
    let help = run(&mut folder.phaseflag(&["serve", "--help"])).output;
    let words = help.split_whitespace();
    let paths: Vec<_> = words.filter_map(|word| word.strip_prefix("/api/v1")).collect();
    assert!(paths.len() > 4, "{help}");
    for path in paths {
        let path = path.trim_end_matches(',');
        assert!(README.contains(&format!(" {path}`")), "{path}");
    }
    assert!(help.contains("--self-hosted") && README.contains("--self-hosted"));
}

#[test]
fn the_deployment_runs() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy.sh");
    for options in [&[][..], &["--self-hosted"]] {
        let folder = Folder::new("docs-deploy");
        let mut shell = shell(&folder);
        let done = run(shell.arg(&script).args(options).env("TMPDIR", &folder.path));
        assert_eq!((done.status, done.errors.as_str()), (0, ""), "{options:?}");
        assert_eq!(done.output, "deployed: one-page, for 259 of 1000 an instant search\n");
        // The script has removed its files.
        assert_eq!(folder.files(), [""; 0]);
    }
}

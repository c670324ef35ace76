//! Inputs and outputs that are not files: pipes, devices, sockets, folders and mounts.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::thread::{self, JoinHandle};

use crate::support::{
    FLAGS, Folder, KEY, NOBODY, Program, Service, exchange, outcome, refused, run, run_with_input,
};
use crate::watch::without_time;

fn pipe(folder: &Folder, name: &str) {
    assert!(Command::new("mkfifo").arg(folder.file(name)).status().unwrap().success());
}

/// Writes a text into a pipe once it has a reader.
fn write(folder: &Folder, name: &str, text: &str) -> JoinHandle<()> {
    let (path, text) = (folder.file(name), text.to_owned());
    thread::spawn(move || fs::write(path, text).unwrap())
}

#[test]
fn a_pipe_is_an_input_of_every_command() {
    let folder = Folder::new("pipes");
    pipe(&folder, "pipe");
    for (arguments, output) in
        [(&["check", "pipe"][..], ""), (&["get", "ui-theme", "--bootstrap", "pipe"], "light\n")]
    {
        let writing = write(&folder, "pipe", FLAGS);
        assert_eq!(run(&mut folder.phaseflag(arguments)), outcome(0, output, ""));
        writing.join().unwrap();
        for input in ["/dev/stdin", "-"] {
            let words = arguments.iter().map(|word| if *word == "pipe" { input } else { word });
            let piped: Vec<_> = words.collect();
            let printed = run_with_input(&mut folder.phaseflag(&piped), FLAGS);
            assert_eq!(printed, outcome(0, output, ""), "{piped:?}");
        }
    }
    folder.write("flags.json", FLAGS);
    let writing = write(&folder, "pipe", "a\nb\n");
    let arguments = ["split", "ui-theme", "--users", "pipe", "--bootstrap", "flags.json"];
    assert_eq!(run(&mut folder.phaseflag(&arguments)).status, 0);
    writing.join().unwrap();
}

/// As bash passes `<(cat flags.json)`.
#[test]
fn a_process_substitution_is_an_input() {
    let folder = Folder::new("substitution");
    folder.write("flags.json", FLAGS);
    let program = env!("CARGO_BIN_EXE_phaseflag");
    for (script, output) in [
        (format!("{program} check <(cat flags.json)"), ""),
        (format!("{program} get ui-theme --bootstrap <(cat flags.json)"), "light\n"),
        (format!("PHASEFLAG_BOOTSTRAP=<(cat flags.json) {program} get ui-theme"), "light\n"),
    ] {
        let mut bash = folder.program("bash");
        assert_eq!(run(bash.args(["-c", &script])), outcome(0, output, ""), "{script}");
    }
}

#[test]
fn an_invalid_pipe_is_an_error_that_names_it() {
    let folder = Folder::new("pipe-invalid");
    pipe(&folder, "pipe");
    for (text, reason) in [
        ("{", "failed to parse ruleset: a missing key at line 1, column 2"),
        (
            "",
            "failed to parse ruleset: the end of the text where a value was expected at line 1, column 1",
        ),
    ] {
        let writing = write(&folder, "pipe", text);
        let failed = run(&mut folder.phaseflag(&["get", "a", "--bootstrap", "pipe"]));
        let errors = format!("phaseflag: failed to load bootstrap `pipe`: {reason}\n");
        assert_eq!(failed, outcome(2, "", &errors));
        writing.join().unwrap();
    }
}

#[test]
fn a_pipe_without_a_writer_is_waited_for_until_the_timeout() {
    let folder = Folder::new("pipe-silent");
    pipe(&folder, "pipe");
    let get = ["get", "ui-theme", "--bootstrap", "pipe", "--timeout"];
    let reason =
        |limit| format!("failed to load bootstrap `pipe`: its content did not end {limit}");
    let mut alone = Program::start(folder.phaseflag(&get).arg("0.3"));
    let line = format!("phaseflag: {}", reason("within 300ms"));
    assert_eq!(alone.line("failed"), line);
    assert_eq!(alone.end().code(), Some(2));

    // The service has the same time, also on a busy machine.
    let service = Service::with_flags(&folder);
    let mut beside = Program::start(service.phaseflag(&folder, &get).arg("5"));
    let mut down = folder.phaseflag(&get);
    down.args(["5", "--api-key", KEY, "--base-url", NOBODY]);
    let mut down = Program::start(&mut down);
    assert_eq!(beside.line("light"), "light");
    assert_eq!(beside.end().code(), Some(0));
    let service = format!("failed to reach `{NOBODY}/sdk/ruleset`: io: {}", refused());
    let reason = reason("within 5s");
    let line = down.line(&reason);
    assert!(line.contains(&service) && line.ends_with(&format!("; {reason}")), "{line}");
    assert_eq!(down.end().code(), Some(2));
}

#[test]
fn certificates_in_a_pipe_are_waited_for_until_the_timeout() {
    let folder = Folder::new("pipe-ca");
    pipe(&folder, "pipe");
    let service = ["--base-url", NOBODY, "--api-key", KEY, "--timeout", "0.3"];
    let program = |ca: &str| {
        let mut command = folder.phaseflag(&["pull", "--ca", ca]);
        command.args(service);
        command
    };
    let mut alone = Program::start(&mut program("pipe"));
    let reason = "failed to read `pipe`: its content did not end within 300ms";
    assert_eq!(alone.line("failed"), format!("phaseflag: {reason}"));
    assert_eq!(alone.end().code(), Some(2));

    let writer = write(&folder, "pipe", "trust me");
    let reason = "phaseflag: the file `pipe` of `--ca` contains no certificate in PEM\n";
    assert_eq!(run(program("pipe").args(["--timeout", "60"])), outcome(2, "", reason));
    writer.join().unwrap();

    let reason = "phaseflag: failed to read `/dev/zero`: it is larger than 67108864 bytes\n";
    assert_eq!(run(program("/dev/zero").args(["--timeout", "60"])), outcome(2, "", reason));
}

#[test]
fn an_endless_device_is_an_error() {
    let folder = Folder::new("pipe-endless");
    let reason = "failed to read `/dev/zero`: it is larger than 268435456 bytes";
    for arguments in [
        &["check", "/dev/zero"][..],
        &["serve", "/dev/zero", "--port", "0"],
        &["get", "a", "--bootstrap", "/dev/zero"],
    ] {
        let failed = run(&mut folder.phaseflag(arguments));
        assert_eq!(failed, outcome(2, "", &format!("phaseflag: {reason}\n")), "{arguments:?}");
    }
}

#[test]
fn folders_and_sockets_are_errors() {
    let folder = Folder::new("pipe-others");
    fs::create_dir(folder.file("folder")).unwrap();
    UnixListener::bind(folder.path.join("socket")).unwrap();
    for name in ["folder", "socket"] {
        let cause = fs::read(folder.path.join(name)).unwrap_err();
        let read = format!("phaseflag: failed to read `{name}`: {cause}\n");
        for arguments in [&["check", name][..], &["serve", name, "--port", "0"]] {
            assert_eq!(run(&mut folder.phaseflag(arguments)), outcome(2, "", &read));
        }
        let load = format!(
            "phaseflag: failed to load bootstrap `{name}`: it is a {name}, not a regular file\n"
        );
        let get = ["get", "a", "--bootstrap", name];
        assert_eq!(run(&mut folder.phaseflag(&get)), outcome(2, "", &load));
    }
}

#[test]
fn a_served_pipe_is_read_once() {
    let folder = Folder::new("pipe-served");
    pipe(&folder, "pipe");
    let writing = write(&folder, "pipe", FLAGS);
    let service = Service::start(&folder, "pipe");
    writing.join().unwrap();
    for _ in 0..3 {
        assert_eq!(service.get("/sdk/ruleset", &[]).status, 200);
    }
}

#[test]
fn standard_input_is_served() {
    let folder = Folder::new("pipe-standard-input");
    folder.write("flags.json", FLAGS);
    let mut shell = folder.program("sh");
    let script = r#"exec "$0" serve - --port 0 < flags.json"#;
    let mut program = Program::start(shell.args(["-c", script, env!("CARGO_BIN_EXE_phaseflag")]));
    let line = program.line("page ");
    let url = format!("{}_page/flags", line.strip_prefix("page ").unwrap());
    for _ in 0..2 {
        let state = exchange("GET", &url, &[], "").json();
        assert_eq!(state["flags"].as_array().unwrap().len(), 8);
        assert!(state["trouble"].is_null(), "{}", state["trouble"]);
    }
}

#[test]
fn a_pipe_in_place_of_a_served_file_does_not_block() {
    let folder = Folder::new("pipe-replaced");
    let mut service = Service::with_flags(&folder);
    pipe(&folder, "pipe");
    fs::rename(folder.file("pipe"), folder.file("flags.json")).unwrap();
    for _ in 0..3 {
        assert_eq!(service.get("/sdk/ruleset", &[]).status, 200);
    }
    service.program.line("failed to read `flags.json`");
    fs::remove_file(folder.file("flags.json")).unwrap();
    folder.write("flags.json", r#"{"flags": []}"#);
    assert!(service.get("/sdk/ruleset", &[]).body.contains(r#""flags":[]"#));
}

#[test]
fn a_watched_pipe_is_read_once() {
    let folder = Folder::new("pipe-watched");
    pipe(&folder, "pipe");
    let service = Service::with_flags(&folder);
    let writing = write(&folder, "pipe", r#"{"flags": []}"#);
    let arguments = ["watch", "--bootstrap", "pipe", "--interval", "0.1"];
    let mut watch = Program::start(&mut service.phaseflag(&folder, &arguments));
    writing.join().unwrap();
    watch.line("watching 8 flags");
    folder.write("flags.json", &FLAGS.replace("\"inactive\"", "\"active\""));
    assert_eq!(without_time(&watch.line("\t")), "changed\tproduct-recommendations\toff → on");
}

/// Pulls after mounts that only the command sees, and runs `after`; `None` if the system does not
/// permit that.
#[cfg(target_os = "linux")]
fn pull_with_mounts(
    service: &Service,
    folder: &Folder,
    mounts: &str,
    after: &str,
) -> Option<crate::support::Outcome> {
    let permitted = Command::new("unshare").args(["--mount", "true"]).output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        println!("NOT CHECKED: mounts need root and the command `unshare`");
        return None;
    }
    let script = format!(r#"set -e; {mounts}; set +e; "$@"; status=$?; {after}; exit $status"#);
    let mut command = folder.program("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_phaseflag")]);
    command.args(["pull", "-o", "mounts/rules.json"]);
    command.env("PHASEFLAG_BASE_URL", &service.base_url).env("PHASEFLAG_API_KEY", KEY);
    Some(run(&mut command))
}

#[cfg(target_os = "linux")]
#[test]
fn a_mounted_file_and_one_in_a_read_only_folder_are_overwritten() {
    let folder = Folder::new("pull-mounts");
    let service = Service::with_flags(&folder);
    let pulled = run(&mut service.phaseflag(&folder, &["pull"])).output;
    fs::create_dir(folder.file("mounts")).unwrap();
    for mounts in [
        "mount --bind mounts/rules.json mounts/rules.json",
        "mount --bind mounts mounts; mount --bind mounts/rules.json mounts/rules.json; \
         mount -o remount,bind,ro mounts",
    ] {
        for before in ["old", &"longer than the rules ".repeat(1000)] {
            fs::write(folder.file("mounts/rules.json"), before).unwrap();
            let Some(pull) = pull_with_mounts(&service, &folder, mounts, ":") else { return };
            assert_eq!(pull, outcome(0, "", ""), "{mounts}");
            assert_eq!(fs::read_to_string(folder.file("mounts/rules.json")).unwrap(), pulled);
            assert_eq!(fs::read_dir(folder.file("mounts")).unwrap().count(), 1);
        }
    }
}

/// Root may write everywhere.
#[test]
fn a_file_in_a_folder_of_another_user_is_overwritten() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("pull-modes");
    let service = Service::with_flags(&folder);
    let output = folder.file("other/rules.json");
    fs::create_dir(folder.file("other")).unwrap();
    fs::write(&output, "old").unwrap();
    fs::set_permissions(&output, fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(folder.file("other"), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = service.phaseflag(&folder, &["pull", "-o", "other/rules.json"]);
    if fs::write(folder.file("other/probe"), "").is_ok() {
        fs::remove_file(folder.file("other/probe")).unwrap();
        command = folder.program("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.args([env!("CARGO_BIN_EXE_phaseflag"), "pull", "-o", "other/rules.json"]);
        command.env("PHASEFLAG_BASE_URL", &service.base_url).env("PHASEFLAG_API_KEY", KEY);
    }
    let Ok(status) = command.status() else {
        println!("NOT CHECKED: root needs the command `setpriv`");
        return;
    };
    assert!(status.success());
    assert!(fs::read_to_string(output).unwrap().contains("ui-theme"));
    fs::set_permissions(folder.file("other"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// The new rules are larger than the disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_rules_in_a_mounted_file() {
    let folder = Folder::new("pull-full-mount");
    let flags = (0..10_000).map(|number| format!(r#"{{"key": "flag-{number}"}}"#));
    folder.write("many.json", &format!("[{}]", flags.collect::<Vec<_>>().join(",")));
    let service = Service::start(&folder, "many.json");
    fs::create_dir_all(folder.file("disk")).unwrap();
    fs::create_dir_all(folder.file("mounts")).unwrap();
    fs::write(folder.file("mounts/rules.json"), "").unwrap();
    let mounts = "size=$(getconf PAGESIZE); \
        mount -t tmpfs -o size=$((2 * size)) tmpfs disk; \
        echo old > disk/rules.json; head -c $size /dev/zero > disk/rest; \
        mount --bind disk/rules.json mounts/rules.json";
    let after = "cat mounts/rules.json";
    let Some(pull) = pull_with_mounts(&service, &folder, mounts, after) else { return };
    let full =
        "phaseflag: failed to write `mounts/rules.json`: No space left on device (os error 28)\n";
    assert_eq!(pull, outcome(2, "old\n", full));
}

//! `phaseflag pull`: the file is replaced completely or not at all.

use std::fs;

use phaseflag::{Ruleset, Value};

use crate::support::{FLAGS, Folder, KEY, NOBODY, Service, outcome, refused, run};

#[test]
fn writes_the_rules_of_the_service() {
    let folder = Folder::new("pull");
    let service = Service::with_flags(&folder);
    let printed = run(&mut service.phaseflag(&folder, &["pull"]));
    assert_eq!((printed.status, printed.errors.as_str()), (0, ""));
    assert!(printed.output.ends_with("}\n"), "{}", printed.output);
    let rules: Value = printed.output.parse().unwrap();
    assert_eq!(rules["flags"], FLAGS.parse::<Value>().unwrap()["flags"]);
    assert_eq!(run(&mut service.phaseflag(&folder, &["pull", "-o", "-"])), printed);

    for arguments in [["pull", "-o", "new.json"], ["pull", "--output", "new.json"]] {
        assert_eq!(run(&mut service.phaseflag(&folder, &arguments)), outcome(0, "", ""));
        assert_eq!(fs::read_to_string(folder.file("new.json")).unwrap(), printed.output);
    }
    assert_eq!(folder.files(), ["flags.json", "new.json"]);

    // It is a bootstrap file.
    let mut command = folder.phaseflag(&["get", "ui-theme", "--bootstrap", "new.json"]);
    assert_eq!(run(&mut command), outcome(0, "light\n", ""));
}

#[test]
fn a_failure_does_not_change_the_file() {
    let folder = Folder::new("pull-failure");
    folder.write("flags.json", FLAGS);
    let old = folder.write("old.json", "old");
    let service = Service::start_with(&folder, &["flags.json", "--port", "0", "--key", "right"]);
    let denied = run(&mut service.phaseflag(&folder, &["pull", "-o", "old.json"]));
    assert_eq!(
        denied,
        outcome(
            2,
            "",
            &format!(
                "phaseflag: the service refused the API key: \
                 `{}/sdk/ruleset` responded with status 401: the API key is wrong\n",
                service.base_url
            )
        )
    );
    let mut down = folder.phaseflag(&["pull", "-o", "old.json", "--api-key", KEY]);
    down.args(["--base-url", NOBODY]);
    assert_eq!(
        run(&mut down),
        outcome(
            2,
            "",
            &format!("phaseflag: failed to reach `{NOBODY}/sdk/ruleset`: io: {}\n", refused())
        )
    );
    // A server that responds, but has no rules.
    let mut elsewhere = service.phaseflag(&folder, &["pull", "-o", "old.json"]);
    elsewhere.env("PHASEFLAG_BASE_URL", format!("{}/no", service.base_url));
    elsewhere.env("PHASEFLAG_API_KEY", "right");
    assert!(run(&mut elsewhere).errors.ends_with("responded with status 404: Not Found\n"));
    assert_eq!(fs::read_to_string(old).unwrap(), "old");
    assert_eq!(folder.files(), ["flags.json", "old.json"]);
}

#[test]
fn a_path_that_cannot_be_written_is_an_error() {
    let folder = Folder::new("pull-place");
    let service = Service::with_flags(&folder);
    // The error text of this system.
    let unwritable = |path| fs::write(folder.path.join(path), "").unwrap_err().to_string();
    for (path, cause) in [
        ("no/such/folder.json", unwritable("no/such/folder.json")),
        (".", unwritable(".")),
        ("..", unwritable("..")),
        ("flags.json/x", unwritable("flags.json/x")),
        ("", "the path has no file name".to_owned()),
    ] {
        let errors = format!("phaseflag: failed to write `{path}`: {cause}\n");
        let pulled = run(&mut service.phaseflag(&folder, &["pull", "-o", path]));
        assert_eq!(pulled, outcome(2, "", &errors));
    }
    assert_eq!(folder.files(), ["flags.json"]);
}

#[test]
fn the_rules_of_all_environments_are_written() {
    let folder = Folder::new("pull-environment");
    folder.write("rules.json", r#"[{"key": "a", "environment": "staging"}]"#);
    let service = Service::start(&folder, "rules.json");
    let pulled = run(&mut service.phaseflag(&folder, &["pull", "--environment", "production"]));
    assert_eq!(pulled.status, 0, "{}", pulled.errors);
    assert!(pulled.output.contains("staging"), "{}", pulled.output);
}

#[test]
fn without_a_service_there_is_nothing_to_pull() {
    let folder = Folder::new("pull-unset");
    assert_eq!(
        folder.with_flags(&["pull"]),
        outcome(
            2,
            "",
            "phaseflag: no service is configured: set PHASEFLAG_BASE_URL and PHASEFLAG_API_KEY\n"
        )
    );
}

#[cfg(unix)]
#[test]
fn permissions_and_links_stay() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    let folder = Folder::new("pull-permissions");
    let service = Service::with_flags(&folder);
    let pull = |path: &str| {
        let pulled = run(&mut service.phaseflag(&folder, &["pull", "-o", path]));
        assert_eq!(pulled, outcome(0, "", ""));
    };
    let mode = |name: &str| fs::metadata(folder.file(name)).unwrap().mode() & 0o777;

    // A new file has the usual permissions.
    let other = folder.file("other");
    fs::write(&other, "").unwrap();
    pull("new.json");
    assert_eq!(mode("new.json"), mode("other"));

    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("other", folder.file("link")).unwrap();
    pull("link");
    assert!(fs::symlink_metadata(folder.file("link")).unwrap().is_symlink());
    assert_eq!(mode("other"), 0o600);
    let text = fs::read_to_string(&other).unwrap();
    assert_eq!(Ruleset::parse(&text).unwrap().len(), 8);
    // A link to a missing file, through another link in a folder.
    fs::create_dir(folder.file("folder")).unwrap();
    symlink("folder/second", folder.file("first")).unwrap();
    symlink("../made", folder.file("folder/second")).unwrap();
    pull("first");
    for link in ["first", "folder/second"] {
        assert!(fs::symlink_metadata(folder.file(link)).unwrap().is_symlink(), "{link}");
    }
    assert_eq!(fs::read_to_string(folder.file("made")).unwrap(), text);
    pull("/dev/null");
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

/// A program that reads the file while it is replaced repeatedly always finds complete rules.
#[test]
fn nobody_sees_half_a_file() {
    let folder = Folder::new("pull-whole");
    let service = Service::with_flags(&folder);
    let mut pull = service.phaseflag(&folder, &["pull", "-o", "new.json"]);
    assert_eq!(run(&mut pull), outcome(0, "", ""));
    let path = folder.file("new.json");
    let pulls = std::thread::spawn(move || {
        for _ in 0..20 {
            assert_eq!(run(&mut pull), outcome(0, "", ""));
        }
    });
    while !pulls.is_finished() {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(Ruleset::parse(&text).unwrap().len(), 8);
    }
    pulls.join().unwrap();
}

/// A program that shares the file with readers only: Windows then refuses to replace it.
#[cfg(windows)]
#[test]
fn a_file_that_another_program_has_open_is_replaced_when_it_is_closed() {
    use std::os::windows::fs::OpenOptionsExt;

    const FILE_SHARE_READ: u32 = 1;
    let folder = Folder::new("pull-open");
    let service = Service::with_flags(&folder);
    let path = folder.write("old.json", "old");
    let open = || {
        let mut options = fs::OpenOptions::new();
        options.read(true).share_mode(FILE_SHARE_READ).open(&path).unwrap()
    };
    let mut pull = service.phaseflag(&folder, &["pull", "-o", "old.json"]);
    let file = open();
    let refused = run(&mut pull);
    assert_eq!((refused.status, refused.output.as_str()), (2, ""));
    let sentence = "phaseflag: failed to write `old.json`: ";
    assert!(refused.errors.starts_with(sentence), "{}", refused.errors);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(folder.files(), ["flags.json", "old.json"]);
    drop(file);

    let file = open();
    let waiting = std::thread::spawn(move || run(&mut pull));
    // The temporary file is there before the first attempt.
    while folder.files().len() == 2 && !waiting.is_finished() {
        std::thread::yield_now();
    }
    drop(file);
    assert_eq!(waiting.join().unwrap(), outcome(0, "", ""));
    assert_eq!(Ruleset::parse(&fs::read_to_string(&path).unwrap()).unwrap().len(), 8);
}

/// The disk becomes full in the middle of the file, simulated by a limit.
#[cfg(unix)]
#[test]
fn a_write_that_fails_halfway_does_not_change_the_file() {
    let folder = Folder::new("pull-full");
    let service = Service::with_flags(&folder);
    let old = folder.write("old.json", "old");
    let line = format!(
        "trap '' XFSZ; ulimit -f 1; exec {} pull -o old.json",
        env!("CARGO_BIN_EXE_phaseflag")
    );
    let mut shell = folder.program("sh");
    shell.env("PHASEFLAG_BASE_URL", &service.base_url).env("PHASEFLAG_API_KEY", KEY);
    assert_eq!(
        run(shell.args(["-c", &line])),
        outcome(2, "", "phaseflag: failed to write `old.json`: File too large (os error 27)\n")
    );
    assert_eq!(fs::read_to_string(old).unwrap(), "old");
    assert_eq!(folder.files(), ["flags.json", "old.json"]);
}

/// A killed run had the same process ID, as the first process of each container has.
#[cfg(unix)]
#[test]
fn the_temporary_file_of_a_killed_run_does_not_interfere() {
    let folder = Folder::new("pull-killed");
    let service = Service::with_flags(&folder);
    let line = format!(
        "echo left > .new.json.$$.new; echo left > .new.json.$$-1.new; exec {} pull -o new.json",
        env!("CARGO_BIN_EXE_phaseflag")
    );
    let mut shell = folder.program("sh");
    shell.env("PHASEFLAG_BASE_URL", &service.base_url).env("PHASEFLAG_API_KEY", KEY);
    assert_eq!(run(shell.args(["-c", &line])), outcome(0, "", ""));
    let text = fs::read_to_string(folder.file("new.json")).unwrap();
    assert_eq!(Ruleset::parse(&text).unwrap().len(), 8);
}

/// On a terminal, rules keep their lines but cannot control it. `script` simulates a terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_rules_without_control_characters() {
    let folder = Folder::new("pull-terminal");
    folder.write("rules.json", "[{\"key\": \"a\u{9b}\u{202e}\"}]");
    let service = Service::start(&folder, "rules.json");
    let exact = "{\"flags\":[{\"key\":\"a\u{9b}\u{202e}\"}],\"version\":1}\n";
    assert_eq!(run(&mut service.phaseflag(&folder, &["pull"])), outcome(0, exact, ""));
    if folder.program("script").arg("--version").output().is_err() {
        return;
    }
    let line = format!("{} pull", env!("CARGO_BIN_EXE_phaseflag"));
    let mut script = folder.program("script");
    script.env("PHASEFLAG_BASE_URL", &service.base_url).env("PHASEFLAG_API_KEY", KEY);
    let escaped = "{\"flags\":[{\"key\":\"a\\u{9b}\\u{202e}\"}],\"version\":1}\r\n";
    assert_eq!(run(script.args(["-qec", &line, "/dev/null"])), outcome(0, escaped, ""));
}

//! `phaseflag watch`: what changes while it runs.

use crate::support::{FLAGS, Folder, KEY, NOBODY, Program, Service, outcome, refused, run};

fn watch(service: &Service, folder: &Folder) -> Program {
    let mut watch = Program::start(&mut service.phaseflag(folder, &["watch", "--interval", "0.1"]));
    let warning = "phaseflag: `--interval` is 100ms: that makes 600 requests per minute";
    assert_eq!(watch.line("per minute"), warning);
    watch
}

#[test]
fn prints_what_changes() {
    let folder = Folder::new("watch");
    let service = Service::with_flags(&folder);
    let mut watch = watch(&service, &folder);
    // The rules at the start are not a change.
    assert_eq!(watch.line("phaseflag: watching"), "phaseflag: watching 8 flags");
    assert_eq!(watch.untaken(), [] as [&str; 0]);

    folder.write("flags.json", &FLAGS.replace("inactive", "active"));
    assert_eq!(watch.line("\t"), "changed\tproduct-recommendations");

    folder.write("flags.json", &FLAGS.replace("instant-search", "instant-find"));
    assert_eq!(watch.line("\t"), "added\tinstant-find");
    assert_eq!(watch.line("\t"), "changed\tproduct-recommendations");
    assert_eq!(watch.line("\t"), "removed\tinstant-search");
    assert_eq!(watch.untaken(), [] as [&str; 0]);
}

#[test]
fn reports_when_the_service_fails_and_recovers() {
    let folder = Folder::new("watch-gone");
    let service = Service::with_flags(&folder);
    let mut watch = watch(&service, &folder);
    watch.line("phaseflag: watching 8 flags");
    let url = service.base_url.clone();
    drop(service);
    let gone = watch.line("phaseflag: the last rules stay in use: failed to reach");
    assert!(gone.contains(&url), "{gone}");

    let port = url.strip_prefix("http://127.0.0.1:").unwrap().split('/').next().unwrap();
    folder.write("flags.json", &FLAGS.replace("inactive", "active"));
    let _service = Service::start_with(&folder, &["flags.json", "--port", port]);
    assert_eq!(watch.line("again"), "phaseflag: the rules are up to date again");
    assert_eq!(watch.line("\t"), "changed\tproduct-recommendations");
}

#[test]
fn watches_a_file_without_a_service() {
    let folder = Folder::new("watch-file");
    folder.write("flags.json", FLAGS);
    let arguments = ["watch", "--interval", "0.1", "--bootstrap", "flags.json"];
    let mut watch = Program::start(&mut folder.phaseflag(&arguments));
    watch.line("phaseflag: watching 8 flags");
    folder.write("flags.json", &FLAGS.replace("inactive", "active"));
    assert_eq!(watch.line("\t"), "changed\tproduct-recommendations");

    folder.write("flags.json", "[");
    let gone = "the last rules stay in use: failed to load bootstrap `flags.json`: failed to parse";
    watch.line(gone);
    folder.write("flags.json", FLAGS);
    watch.line("phaseflag: the rules are up to date again");
    assert_eq!(watch.line("\t"), "changed\tproduct-recommendations");
}

#[test]
fn reports_a_file_that_cannot_be_used_yet() {
    let folder = Folder::new("watch-no-file");
    let arguments = ["watch", "--interval", "0.1", "--bootstrap", "flags.json"];
    let missing = "No such file or directory (os error 2)";
    for (text, reason) in [(None, missing), (Some("["), "failed to parse ruleset")] {
        if let Some(text) = text {
            folder.write("flags.json", text);
        }
        let mut watch = Program::start(&mut folder.phaseflag(&arguments));
        watch.line("phaseflag: watching 0 flags");
        let sentence = "phaseflag: no rules yet: failed to load bootstrap `flags.json`: ";
        let line = watch.line(sentence);
        let reason = if cfg!(windows) && text.is_none() { "" } else { reason };
        assert!(line.starts_with(&format!("{sentence}{reason}")), "{line}");
        folder.write("flags.json", r#"[{"key": "a"}]"#);
        assert_eq!(watch.line("\t"), "added\ta");
        watch.line("phaseflag: the rules are up to date");
    }
}

/// If the service replaces the rules of a file during the start, that is not a change, either.
#[test]
fn only_what_differs_from_the_start_is_a_change() {
    let folder = Folder::new("watch-both");
    let service = Service::with_flags(&folder);
    folder.write("old.json", r#"[{"key": "old"}, {"key": "ui-theme"}]"#);
    let arguments = ["watch", "--interval", "0.1", "--bootstrap", "old.json"];
    for _ in 0..5 {
        folder.write("flags.json", FLAGS);
        let mut watch = service.phaseflag(&folder, &arguments);
        let mut watch = Program::start(watch.arg("--no-cache"));
        watch.line("per minute");
        watch.line("phaseflag: watching 8 flags");
        folder.write("flags.json", &FLAGS.replace("inactive", "active"));
        assert_eq!(watch.line("\t"), "changed\tproduct-recommendations");
        assert_eq!(watch.untaken(), [] as [&str; 0]);
    }
}

/// If the service responds later, it is a change.
#[test]
fn a_service_that_comes_later_changes_the_rules_of_a_file() {
    let folder = Folder::new("watch-later");
    let service = Service::with_flags(&folder);
    let url = service.base_url.clone();
    drop(service);
    folder.write("old.json", &FLAGS.replace("inactive", "active"));
    let mut watch = folder.phaseflag(&["watch", "--interval", "0.1", "--bootstrap", "old.json"]);
    watch.env("PHASEFLAG_BASE_URL", &url).env("PHASEFLAG_API_KEY", KEY);
    let mut watch = Program::start(&mut watch);
    watch.line("phaseflag: watching 8 flags");
    let port = url.strip_prefix("http://127.0.0.1:").unwrap().split('/').next().unwrap();
    let _service = Service::start_with(&folder, &["flags.json", "--port", port]);
    assert_eq!(watch.line("\t"), "changed\tproduct-recommendations");
}

#[test]
fn without_rules_it_is_an_error() {
    let folder = Folder::new("watch-down");
    // Windows tries a refused connection again for up to two seconds.
    let timeout = if cfg!(windows) { "5" } else { "0.1" };
    let mut command = folder.phaseflag(&["watch", "--timeout", timeout, "--api-key", KEY]);
    command.args(["--base-url", NOBODY]);
    assert_eq!(
        run(&mut command),
        outcome(
            2,
            "",
            &format!("phaseflag: failed to reach `{NOBODY}/sdk/ruleset`: io: {}\n", refused())
        )
    );
}

/// If the reader closes the pipe, the next change ends the command.
#[cfg(unix)]
#[test]
fn ends_if_its_output_is_closed() {
    let folder = Folder::new("watch-pipe");
    let service = Service::with_flags(&folder);
    let mut shell = folder.program("sh");
    shell.env("PHASEFLAG_BASE_URL", &service.base_url).env("PHASEFLAG_API_KEY", KEY);
    let line = format!("{} watch --interval 0.1 | head -n 1", env!("CARGO_BIN_EXE_phaseflag"));
    let mut shell = Program::start(shell.args(["-c", &line]));
    shell.line("phaseflag: watching 8 flags");
    folder.write("flags.json", &FLAGS.replace("inactive", "active"));
    assert_eq!(shell.line("\t"), "changed\tproduct-recommendations");
    folder.write("flags.json", FLAGS);
    assert!(shell.end().success());
}

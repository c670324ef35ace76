//! `phaseflag watch`: what changes while it runs.

#[cfg(unix)]
use std::thread;
#[cfg(unix)]
use std::time::{Duration, Instant};

use phaseflag::Value;

#[cfg(unix)]
use crate::support::SOON;
use crate::support::{
    FLAGS, Folder, KEY, NOBODY, Port, Program, Service, outcome, refused, run, untaken,
};

fn watch(service: &Service, folder: &Folder) -> Program {
    let mut watch = Program::start(&mut service.phaseflag(folder, &["watch", "--interval", "0.1"]));
    let warning = "phaseflag: `--interval` is 100ms: that makes 600 requests per minute";
    assert_eq!(watch.line("per minute"), warning);
    watch
}

/// Takes the next change, without its time.
#[track_caller]
fn change(watch: &mut Program) -> String {
    without_time(&watch.line("\t"))
}

/// Returns a line without the time at its start, which has the format of RFC 3339.
#[track_caller]
pub fn without_time(line: &str) -> String {
    let (time, change) = line.split_once('\t').unwrap();
    let shape = time.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{line}");
    change.to_owned()
}

const SWITCHED_ON: &str = "changed\tproduct-recommendations\toff → on";
const SWITCHED_OFF: &str = "changed\tproduct-recommendations\ton → off";

#[test]
fn prints_what_changes() {
    let folder = Folder::new("watch");
    let service = Service::with_flags(&folder);
    let mut watch = watch(&service, &folder);
    // The rules at the start are not a change.
    assert_eq!(watch.line("phaseflag: watching"), "phaseflag: watching 8 flags");
    assert_eq!(untaken(&mut watch), [""; 0]);

    folder.write("flags.json", &FLAGS.replace("\"inactive\"", "\"active\""));
    assert_eq!(change(&mut watch), SWITCHED_ON);

    folder.write("flags.json", &FLAGS.replace("instant-search", "instant-find"));
    let flag = "boolean, on, 1 rule, default variation `off`";
    assert_eq!(change(&mut watch), format!("added\tinstant-find\t{flag}"));
    assert_eq!(change(&mut watch), SWITCHED_OFF);
    assert_eq!(change(&mut watch), format!("removed\tinstant-search\t{flag}"));
    assert_eq!(untaken(&mut watch), [""; 0]);
}

#[test]
fn reports_when_the_service_fails_and_recovers() {
    let folder = Folder::new("watch-gone");
    folder.write("flags.json", FLAGS);
    let port = Port::hold();
    let service = Service::start_on(&port, &folder, "flags.json");
    let mut watch = watch(&service, &folder);
    watch.line("phaseflag: watching 8 flags");
    drop(service);
    let gone = watch.line("phaseflag: the last rules stay in use: failed to reach");
    assert!(gone.contains(&port.base_url()), "{gone}");

    folder.write("flags.json", &FLAGS.replace("\"inactive\"", "\"active\""));
    let _service = Service::start_on(&port, &folder, "flags.json");
    assert_eq!(watch.line("again"), "phaseflag: the rules are up to date again");
    assert_eq!(change(&mut watch), SWITCHED_ON);
}

#[test]
fn watches_a_file_without_a_service() {
    let folder = Folder::new("watch-file");
    folder.write("flags.json", FLAGS);
    let arguments = ["watch", "--interval", "0.1", "--bootstrap", "flags.json"];
    let mut watch = Program::start(&mut folder.phaseflag(&arguments));
    watch.line("phaseflag: watching 8 flags");
    folder.write("flags.json", &FLAGS.replace("\"inactive\"", "\"active\""));
    assert_eq!(change(&mut watch), SWITCHED_ON);

    folder.write("flags.json", "[");
    let gone = "the last rules stay in use: failed to load bootstrap `flags.json`: failed to parse";
    watch.line(gone);
    folder.write("flags.json", FLAGS);
    watch.line("phaseflag: the rules are up to date again");
    assert_eq!(change(&mut watch), SWITCHED_OFF);
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
        assert_eq!(change(&mut watch), "added\ta\tboolean, on, 0 rules, default variation none");
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
        folder.write("flags.json", &FLAGS.replace("\"inactive\"", "\"active\""));
        assert_eq!(change(&mut watch), SWITCHED_ON);
        assert_eq!(untaken(&mut watch), [""; 0]);
    }
}

/// If the service responds later, it is a change.
#[test]
fn a_service_that_comes_later_changes_the_rules_of_a_file() {
    let folder = Folder::new("watch-later");
    let port = Port::hold();
    folder.write("flags.json", FLAGS);
    folder.write("old.json", &FLAGS.replace("\"inactive\"", "\"active\""));
    let mut watch = folder.phaseflag(&["watch", "--interval", "0.1", "--bootstrap", "old.json"]);
    watch.env("PHASEFLAG_BASE_URL", port.base_url()).env("PHASEFLAG_API_KEY", KEY);
    let mut watch = Program::start(&mut watch);
    watch.line("phaseflag: watching 8 flags");
    let _service = Service::start_on(&port, &folder, "flags.json");
    assert_eq!(change(&mut watch), SWITCHED_OFF);
}

#[test]
fn without_rules_it_is_an_error() {
    let folder = Folder::new("watch-down");
    let mut command = folder.phaseflag(&["watch", "--timeout", "5", "--api-key", KEY]);
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
    folder.write("flags.json", &FLAGS.replace("\"inactive\"", "\"active\""));
    assert_eq!(change(&mut shell), SWITCHED_ON);
    change_until_the_end(&mut shell, &folder, "flags.json");
    assert!(shell.end().success());
}

/// Changes the rules until a program has ended: the reader of its output may close the pipe late.
#[cfg(unix)]
#[track_caller]
fn change_until_the_end(program: &mut Program, folder: &Folder, file: &str) {
    let start = Instant::now();
    for number in 0.. {
        folder.write(file, &format!(r#"[{{"key": "{number}"}}]"#));
        let written = Instant::now();
        while written.elapsed() < Duration::from_millis(300) {
            if program.has_ended() {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        assert!(start.elapsed() < SOON, "it does not end");
    }
}

const FLAG: &str = r#"{"key": "a", "name": "A", "default_variation": "off", "tags": [],
    "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
    "targeting_rules": [{"segment_id": "beta", "percentage_rollout": [
        {"variation": "on", "percentage": 25}, {"variation": "off", "percentage": 75}]}]}"#;
const SEGMENT: &str = r#"{"key": "beta",
    "conditions": [{"attribute": "country", "operator": "is", "value": "CH"}]}"#;

fn rules(flags: &[&str]) -> String {
    format!(r#"{{"flags": [{}], "segments": [{SEGMENT}]}}"#, flags.join(","))
}

/// Starts `watch` for a file with these options.
fn watch_file(folder: &Folder, options: &[&str]) -> Program {
    let arguments = ["watch", "--interval", "0.1", "--bootstrap", "rules.json"];
    let mut watch = Program::start(&mut folder.phaseflag(&[&arguments, options].concat()));
    watch.line("phaseflag: watching ");
    watch
}

/// What only the document has is a change, too, though no evaluation changes.
#[test]
fn each_change_of_a_flag_has_its_line() {
    let folder = Folder::new("watch-lines");
    folder.write("rules.json", &rules(&[FLAG]));
    let mut watch = watch_file(&folder, &[]);
    let changed = FLAG.replace("25", "40").replace(r#""A""#, r#""\u001b""#);
    folder.write("rules.json", &rules(&[&changed]));
    assert_eq!(change(&mut watch), "changed\ta\tname \"A\" → \"\\u001b\"");
    assert_eq!(change(&mut watch), "changed\ta\ttargeting_rules[0]: rollout `on` 25 → 40");
    folder.write("rules.json", &rules(&[&changed]).replace("CH", "DE"));
    let condition = r#"condition country is "CH" → country is "DE""#;
    assert_eq!(change(&mut watch), format!("segment-changed\tbeta\t{condition}"));
    let segment = "targeting_rules[0]: segment `beta` changed";
    assert_eq!(change(&mut watch), format!("changed\ta\t{segment}"));
    folder.write("rules.json", r#"{"flags": [], "segments": []}"#);
    assert_eq!(change(&mut watch), "segment-removed\tbeta\tcountry is \"DE\"");
    let flag = "boolean, on, 1 rule, default variation `off`";
    assert_eq!(change(&mut watch), format!("removed\ta\t{flag}"));
    folder.write("rules.json", &rules(&[r#"{"key": "b", "tags": []}"#]));
    change(&mut watch);
    change(&mut watch);
    folder.write("rules.json", &rules(&[r#"{"key": "b", "tags": ["x"]}"#]));
    assert_eq!(change(&mut watch), "changed\tb\ttags: added x");
}

#[test]
fn the_readme_shows_the_lines_of_these_edits() {
    const STAFF: &str = r#""value": "@shop.example"}"#;
    const WITH_COUNTRY: &str = r#""value": "@shop.example"},
        {"attribute": "country", "operator": "is", "value": "GB"}"#;
    let readme = include_str!("../../README.md");
    let shown =
        readme.split("```text\n").find(|block| block.contains("\tsegment-changed\t")).unwrap();
    let shown: Vec<_> = shown.split("```").next().unwrap().lines().map(without_time).collect();
    let folder = Folder::new("watch-readme");
    folder.write("rules.json", FLAGS);
    let mut watch = watch_file(&folder, &[]);
    let mut text = FLAGS.to_owned();
    let mut lines = Vec::new();
    for (edits, count) in [
        (&[(r#""weight": 25"#, r#""weight": 40"#), (r#""weight": 75"#, r#""weight": 60"#)][..], 1),
        (&[(STAFF, WITH_COUNTRY)], 2),
        (&[(r#""inactive""#, r#""active""#)], 1),
    ] {
        for (old, new) in edits {
            text = text.replace(old, new);
        }
        folder.write("rules.json", &text);
        lines.extend((0..count).map(|_| change(&mut watch)));
    }
    assert_eq!(lines, shown);
}

#[test]
fn json_has_a_line_for_each_flag() {
    let folder = Folder::new("watch-json");
    folder.write("rules.json", &rules(&[FLAG]));
    let mut watch = watch_file(&folder, &["--json"]);
    let changed =
        FLAG.replace("25", "40").replace(r#"ation": "off", "tags"#, r#"ation": "on", "tags"#);
    folder.write("rules.json", &rules(&[&changed]).replace("CH", "DE"));
    let segment: Value = watch.line(r#""segment":"#).parse().unwrap();
    assert_eq!(segment["what"].as_str(), Some("changed"));
    assert_eq!(segment["segment"].as_str(), Some("beta"));
    let flag: Value = watch.line(r#""key":"a""#).parse().unwrap();
    let time = flag["time"].as_str().unwrap();
    without_time(&format!("{time}\t"));
    let fields: Vec<_> = flag["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "default_variation",
            "targeting_rules[0].segment_id",
            "targeting_rules[0].percentage_rollout"
        ]
    );
    assert_eq!(flag["changes"][0]["from"].as_str(), Some("off"));
    assert_eq!(flag["changes"][0]["to"].as_str(), Some("on"));
    assert_eq!(flag["changes"][2]["to"][0]["weight"].as_i64(), Some(40));
    assert_eq!(watch.untaken(), [] as [&str; 0]);
}

#[cfg(unix)]
mod exec {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::process::ExitStatusExt;

    use rustix::process::{Pid, Signal, kill_process, test_kill_process};

    use super::*;
    use crate::support::is_ignored;

    #[track_caller]
    fn wait_until(what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !done() {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn read(folder: &Folder, name: &str) -> String {
        fs::read_to_string(folder.file(name)).unwrap_or_default()
    }

    /// Waits until a process has ended.
    #[track_caller]
    fn wait_for_the_end(id: &str) {
        let pid = Pid::from_raw(id.parse().unwrap()).unwrap();
        // The first process of a container may not take the status of its orphans, which remain then.
        let is_zombie = || {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
        };
        wait_until("the end of the run", || test_kill_process(pid).is_err() || is_zombie());
    }

    fn flag(key: &str, value: &str) -> String {
        let variations = format!(r#"[{{"key": "v", "value": "{value}"}}]"#);
        format!(r#"{{"key": "{key}", "variations": {variations}}}"#)
    }

    fn signal(watch: &Program, signal: Signal) {
        kill_process(Pid::from_raw(watch.id() as i32).unwrap(), signal).unwrap();
    }

    #[test]
    fn a_change_runs_a_command_that_learns_what_changed() {
        let folder = Folder::new("watch-exec");
        folder.write("rules.json", &rules(&[&flag("a", "A"), &flag("b", "B"), &flag("c", "C")]));
        let command = r#"printf '%s;' "$PHASEFLAG_ADDED" "$PHASEFLAG_CHANGED" "$PHASEFLAG_REMOVED" | tr '\n' ,
            echo; cat"#;
        let mut watch = watch_file(&folder, &["--exec", command]);
        let changed = rules(&[&flag("a", "X"), &flag("b", "Y"), &flag("d\\u0000\\n", "D")]);
        folder.write("rules.json", &changed);
        assert_eq!(watch.line(";"), r"d\u{0}\n;a,b;c;");
        let line: Value = watch.line(r#"{"changes":"#).parse().unwrap();
        assert_eq!(line["key"].as_str(), Some("d\0\n"));
        for key in ["a", "b", "c"] {
            watch.line(&format!(r#","key":"{key}","#));
        }
        folder.write("rules.json", &rules(&[&flag("a", "X")]));
        watch.line(";;b,");
    }

    /// The keys are data: no part of the command line, which a shell would run.
    #[test]
    fn a_key_is_no_code_of_the_shell() {
        let folder = Folder::new("watch-exec-code");
        folder.write("rules.json", "[]");
        let keys = [
            "$(touch made)",
            "`touch made`",
            "; touch made;",
            "a && touch made",
            "a | touch made",
            "' ; touch made ; '",
            r#"" ; touch made ; ""#,
            "\ntouch made\n",
            "% & touch made & %",
        ];
        // The second command does not quote them.
        let command = r#"printf '%s\n' "$PHASEFLAG_ADDED" >keys; : $PHASEFLAG_ADDED; echo done"#;
        let mut watch = watch_file(&folder, &["--exec", command]);
        let flags = keys.map(|key| format!(r#"{{"key": {}}}"#, Value::from(key)));
        folder.write("rules.json", &format!("[{}]", flags.join(",")));
        watch.line("done");
        let told = read(&folder, "keys");
        let told: BTreeSet<_> = told.lines().map(str::to_owned).collect();
        assert_eq!(told, BTreeSet::from(keys.map(|key| key.replace('\n', "\\n"))));
        assert!(!fs::exists(folder.file("made")).unwrap());
    }

    /// The variables have an end, and the command need not read its standard input.
    #[test]
    fn many_changes_are_told_on_standard_input() {
        let folder = Folder::new("watch-exec-many");
        let many = |name: &str| {
            let flags = (0..1000).map(|number| flag(&format!("flag-{number:04}"), name));
            format!("[{}]", flags.collect::<Vec<_>>().join(","))
        };
        folder.write("rules.json", &many("A"));
        let command =
            r#"printf %s "$PHASEFLAG_CHANGED" >changed; wc -l | tr -d ' ' >new; mv new count"#;
        let mut watch = watch_file(&folder, &["--exec", command]);
        folder.write("rules.json", &many("B"));
        wait_until("the run", || read(&folder, "count") == "1000\n");
        let changed = read(&folder, "changed");
        assert!((7_900..8_000).contains(&changed.len()), "{}", changed.len());
        assert!(changed.lines().all(|key| key.len() == 9), "{changed}");
        watch.line("flag-0999");
        drop(watch);
        let mut watch = watch_file(&folder, &["--exec", "echo run"]);
        for name in ["C", "D", "E"] {
            folder.write("rules.json", &many(name));
            watch.line("run");
        }
    }

    #[test]
    fn with_json_the_output_of_the_command_is_no_data() {
        let folder = Folder::new("watch-exec-json");
        folder.write("rules.json", "[]");
        let mut shell = folder.program("sh");
        let line = format!(
            "{} watch --json --exec 'echo noise' --interval 0.1 --bootstrap rules.json >data",
            env!("CARGO_BIN_EXE_phaseflag")
        );
        let mut watch = Program::start(shell.args(["-c", &format!("exec {line}")]));
        watch.line("phaseflag: watching 0 flags");
        folder.write("rules.json", r#"[{"key": "a"}]"#);
        watch.line("noise");
        assert!(read(&folder, "data").starts_with("{\"changes\":["), "{}", read(&folder, "data"));
        assert_eq!(read(&folder, "data").lines().count(), 1);
    }

    #[test]
    fn changes_during_a_run_run_it_once_more() {
        let folder = Folder::new("watch-exec-again");
        folder.write("rules.json", &rules(&[&flag("a", "A"), &flag("b", "B")]));
        // Each run notes what changed, and waits until it is told to end.
        let command = r#"echo "$PHASEFLAG_CHANGED" | tr '\n' ' ' >>runs; echo >>runs
            until [ -e go ]; do sleep 0.05; done"#;
        let mut watch = watch_file(&folder, &["--exec", command]);
        folder.write("rules.json", &rules(&[&flag("a", "1"), &flag("b", "B")]));
        change(&mut watch);
        wait_until("the first run", || read(&folder, "runs") == "a \n");
        for (a, b) in [("1", "2"), ("3", "2"), ("1", "2")] {
            folder.write("rules.json", &rules(&[&flag("a", a), &flag("b", b)]));
            change(&mut watch);
        }
        assert_eq!(read(&folder, "runs"), "a \n");
        folder.write("go", "");
        wait_until("the second run", || read(&folder, "runs").lines().count() == 2);
        // The flag `a` is as it was at the first run, which may have seen it otherwise.
        let second = read(&folder, "runs").lines().nth(1).unwrap().to_owned();
        assert_eq!(second, "b a ");
        folder.write("rules.json", &rules(&[&flag("a", "9"), &flag("b", "2")]));
        wait_until("the third run", || read(&folder, "runs").lines().count() == 3);
        assert_eq!(read(&folder, "runs").lines().nth(2), Some("a "));
    }

    #[test]
    fn a_command_that_fails_does_not_end_the_watch() {
        let folder = Folder::new("watch-exec-fails");
        for (number, (command, failure)) in [
            ("exit 3", "phaseflag: the command of `--exec` failed: exit status: 3"),
            ("kill -9 $$", "phaseflag: the command of `--exec` failed: signal: 9 (SIGKILL)"),
            ("no-such-program-here", "phaseflag: the command of `--exec` failed: exit status: 127"),
        ]
        .into_iter()
        .enumerate()
        {
            folder.write("rules.json", &rules(&[&flag("a", "A")]));
            let mut watch = watch_file(&folder, &["--exec", command]);
            for name in ["B", "C"] {
                folder.write("rules.json", &rules(&[&flag("a", &format!("{name}{number}"))]));
                change(&mut watch);
                assert_eq!(watch.line("of `--exec`"), failure);
            }
        }
        // Without a shell, no command can be run.
        folder.write("rules.json", &rules(&[&flag("a", "A")]));
        let arguments = ["watch", "--interval=0.1", "--bootstrap=rules.json", "--exec=true"];
        let mut watch = Program::start(folder.phaseflag(&arguments).env("PATH", ""));
        watch.line("phaseflag: watching");
        folder.write("rules.json", &rules(&[&flag("a", "B")]));
        change(&mut watch);
        watch.line("phaseflag: failed to run the command of `--exec`: No such file or directory");
    }

    /// The signal ends the shell of the run and the programs that it has started.
    #[test]
    fn a_run_ends_with_the_watch() {
        let folder = Folder::new("watch-exec-ends");
        let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
        let ending = signals.into_iter().filter(|signal| !is_ignored(signal.as_raw()));
        for (number, end) in ending.enumerate() {
            folder.write("rules.json", &rules(&[&flag("a", "A")]));
            let name = format!("pids{number}");
            let command = format!("sleep 1000 & echo $! $$ >new; mv new {name}; wait; echo on");
            let mut watch = watch_file(&folder, &["--exec", &command]);
            folder.write("rules.json", &rules(&[&flag("a", &format!("B{number}"))]));
            change(&mut watch);
            wait_until("the run", || !read(&folder, &name).is_empty());
            signal(&watch, end);
            assert_eq!(watch.end().signal(), Some(end.as_raw()));
            read(&folder, &name).split_whitespace().for_each(wait_for_the_end);
        }
    }

    #[test]
    fn a_closed_output_ends_the_run() {
        let folder = Folder::new("watch-exec-pipe");
        folder.write("rules.json", &rules(&[&flag("a", "A")]));
        let mut shell = folder.program("sh");
        let line = format!(
            "{} watch --exec 'sleep 1000 & echo $! >new; mv new pid; wait' \
             --interval 0.1 --bootstrap rules.json | head -n 1",
            env!("CARGO_BIN_EXE_phaseflag")
        );
        let mut shell = Program::start(shell.args(["-c", &line]));
        shell.line("phaseflag: watching 1 flags");
        folder.write("rules.json", &rules(&[&flag("a", "B")]));
        change(&mut shell);
        wait_until("the run", || !read(&folder, "pid").is_empty());
        change_until_the_end(&mut shell, &folder, "rules.json");
        assert!(shell.end().success());
        wait_for_the_end(read(&folder, "pid").trim());
    }

    /// As `nohup` does for SIGHUP, and a shell for SIGINT of its background jobs.
    #[cfg(target_os = "linux")]
    #[test]
    fn ignored_signals_stay_ignored() {
        let folder = Folder::new("watch-exec-ignored");
        folder.write("rules.json", &rules(&[&flag("a", "A")]));
        let mut shell = folder.program("sh");
        let line = format!(
            "trap '' HUP INT; exec {} watch --exec 'echo run' --interval 0.1 --bootstrap rules.json",
            env!("CARGO_BIN_EXE_phaseflag")
        );
        let mut watch = Program::start(shell.args(["-c", &line]));
        watch.line("phaseflag: watching 1 flags");
        signal(&watch, Signal::HUP);
        signal(&watch, Signal::INT);
        folder.write("rules.json", &rules(&[&flag("a", "B")]));
        change(&mut watch);
        watch.line("run");
    }
}

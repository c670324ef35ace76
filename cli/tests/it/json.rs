//! The output of `--json`: every command has it, in the shape that `JSON.md` shows.

use phaseflag::{Object, Value};

use crate::support::{FLAGS, Folder, KEY, Program, Service, outcome, run};

const PAGE: &str = include_str!("../../JSON.md");

/// A file of one flag, which some examples use.
const ONE: &str = r#"[{"key": "theme", "default_variation": "v", "environment": "production",
    "variations": [{"id": "v", "key": "night", "value": "dark"}]}]"#;

fn commands(folder: &Folder) -> Vec<String> {
    let help = run(&mut folder.phaseflag(&["--help"])).output;
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_has_it_and_the_page_shows_it() {
    let folder = Folder::new("json-commands");
    let commands = commands(&folder);
    assert!(commands.len() >= 10, "{commands:?}");
    let headings: Vec<_> = PAGE.lines().filter(|line| line.starts_with("## ")).collect();
    for command in commands {
        let help = run(&mut folder.phaseflag(&[&command, "--help"])).output;
        assert!(help.contains("\n  --json "), "`{command}` has no `--json`");
        let name = format!("`{command}`");
        let described = headings.iter().any(|heading| heading.contains(&name));
        assert!(described, "`JSON.md` lacks {name}");
    }
}

/// The examples of the page: a command line and the values that it prints.
fn examples() -> Vec<(&'static str, Vec<Value>)> {
    let examples = PAGE.split("```sh\n").skip(1).filter_map(|example| {
        let (line, rest) = example.split_once("\n```\n")?;
        let json = rest.strip_prefix("```json\n")?.split("\n```\n").next()?;
        Some((line, values(json)))
    });
    examples.collect()
}

/// Parses values that begin at the start of a line, with others indented.
fn values(text: &str) -> Vec<Value> {
    let mut values: Vec<String> = Vec::new();
    for line in text.lines() {
        match values.last_mut() {
            Some(value) if line.starts_with([' ', ']']) => *value += line,
            _ => values.push(line.to_owned()),
        }
    }
    values.iter().map(|value| value.parse().unwrap_or_else(|_| panic!("{value}"))).collect()
}

fn is_endless(line: &str) -> bool {
    line.starts_with("phaseflag watch") || line.starts_with("phaseflag serve")
}

#[cfg(unix)]
#[test]
fn the_page_prints_what_the_command_prints() {
    let folder = Folder::new("json-page");
    folder.write("flags.json", FLAGS);
    folder.write("one.json", ONE);
    let changed = FLAGS.replace(r#""weight": 25"#, r#""weight": 40"#);
    folder.write("new.json", &changed.replace(r#""weight": 75"#, r#""weight": 60"#));
    folder.write("users.txt", "user-1\nuser-40\nuser-70\n");
    folder.write("shop.py", r#"theme = client.get_string_value("them", "light", context)"#);
    folder.write("served.json", r#"[{"key": "a", "name": "A flag, for the example"}]"#);
    let service = Service::start(&folder, "served.json");
    let examples = examples();
    let (endless, others): (Vec<_>, Vec<_>) =
        examples.into_iter().partition(|(line, _)| is_endless(line));
    assert_eq!((endless.len(), others.len()), (2, 12));
    for (line, expected) in others {
        let mut shell = crate::docs::shell(&folder);
        match line.contains("pull") {
            true => {
                shell.env("PHASEFLAG_BASE_URL", &service.base_url).env("PHASEFLAG_API_KEY", KEY)
            }
            false => shell.env("PHASEFLAG_BOOTSTRAP", "flags.json"),
        };
        let done = run(shell.args(["-c", line]));
        let status = if ["diff", "refs"].iter().any(|name| line.contains(name)) { 1 } else { 0 };
        assert_eq!((done.status, done.errors.as_str()), (status, ""), "{line}");
        assert_eq!(done.output.lines().count(), 1, "{line}");
        assert_eq!([done.output.parse::<Value>().unwrap()], *expected, "{line}");
    }
}

/// Returns a line without what differs from one run to the next.
fn masked(value: &Value) -> Value {
    let members = value.as_object().unwrap().iter().map(|(name, value)| {
        let masked = match name {
            "time" => {
                Value::from(value.as_str().unwrap().replace(|c: char| c.is_ascii_digit(), "0"))
            }
            "duration_ms" => Value::from(value.as_f64().unwrap() >= 0.0),
            "bytes" => Value::from(value.as_u64().unwrap() > 0),
            "url" | "page" => {
                Value::from(value.as_str().unwrap().replace(|c: char| c.is_ascii_digit(), ""))
            }
            _ => value.clone(),
        };
        (name, masked)
    });
    Value::from(members.collect::<Object>())
}

#[test]
fn the_page_shows_the_lines_of_watch_and_serve() {
    let folder = Folder::new("json-lines");
    folder.write("flags.json", FLAGS);
    let mut service = Service::start_with(&folder, &["flags.json", "--port", "0", "--json"]);
    let arguments = ["watch", "--json", "--no-cache", "--bootstrap", "flags.json"];
    let mut watch =
        Program::start(&mut folder.phaseflag(&[&arguments[..], &["--interval", "0.1"]].concat()));
    watch.line("watching 8 flags");
    let shown = |command: &str| {
        let examples = examples().into_iter().filter(|(line, _)| line.starts_with(command));
        examples.flat_map(|(_, values)| values).collect::<Vec<_>>()
    };
    let (watched, served) = (shown("phaseflag watch"), shown("phaseflag serve"));
    let take = |program: &mut Program, expected: &Value| {
        let what = format!(r#""what":{}"#, expected["what"]);
        let line: Value = program.line(&what).parse().unwrap();
        assert_eq!(masked(&line), masked(expected));
    };
    assert_eq!(masked(&service.first), masked(&served[0]));
    service.get("/sdk/ruleset?api_key=secret", &[]);
    take(&mut service.program, &served[1]);
    service.post("/sdk/events", r#"{"events": [{"flag_key": "ui-theme"}]}"#);
    take(&mut service.program, &served[2]);
    let changed = FLAGS.replace(r#""weight": 25"#, r#""weight": 40"#);
    folder.write("flags.json", &changed.replace(r#""weight": 75"#, r#""weight": 60"#));
    take(&mut watch, &watched[0]);
    service.get("/sdk/ruleset", &[]);
    take(&mut service.program, &served[3]);
    take(&mut service.program, &watched[0]);
    assert_eq!((watched.len(), served.len()), (1, 4));
}

#[test]
fn the_manual_page_and_the_schema_are_the_same() {
    let folder = Folder::new("json-man");
    let print = |arguments: &[&str]| run(&mut folder.phaseflag(arguments)).output;
    let page = Object::from([("page", print(&["man"]))]);
    assert_eq!(print(&["man", "--json"]), format!("{}\n", Value::from(page)));
    let schema: Value = print(&["schema"]).parse().unwrap();
    assert_eq!(print(&["schema", "--json"]), format!("{schema}\n"));
}

#[test]
fn completions_are_a_text() {
    let folder = Folder::new("json-completions");
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut folder.phaseflag(&["completions", shell])).output;
        let json = run(&mut folder.phaseflag(&["completions", shell, "--json"]));
        let expected = Object::from([("shell", shell), ("script", script.as_str())]);
        assert_eq!(json, outcome(0, &format!("{}\n", Value::from(expected)), ""), "{shell}");
    }
}

#[test]
fn pull_tells_whether_the_file_has_changed() {
    let folder = Folder::new("json-pull");
    let service = Service::with_flags(&folder);
    let pull = || {
        let done = run(&mut service.phaseflag(&folder, &["pull", "--json", "-o", "out.json"]));
        assert_eq!((done.status, done.errors.as_str()), (0, ""));
        let object: Value = done.output.parse().unwrap();
        let bytes = std::fs::metadata(folder.file("out.json")).unwrap().len();
        assert_eq!(object["bytes"].as_u64(), Some(bytes));
        (object["changed"].as_bool(), object["flags"].as_u64(), object["version"].as_i64())
    };
    assert_eq!(pull(), (Some(true), Some(8), Some(1)));
    assert_eq!(pull(), (Some(false), Some(8), Some(1)));
    folder.write("flags.json", r#"[{"key": "a"}]"#);
    assert_eq!(pull(), (Some(true), Some(1), Some(2)));
    // Without a file, the rules are the output.
    let plain = run(&mut service.phaseflag(&folder, &["pull"]));
    assert_eq!(run(&mut service.phaseflag(&folder, &["pull", "--json"])), plain);
    // A device is written to, and never read.
    #[cfg(unix)]
    {
        let done = run(&mut service.phaseflag(&folder, &["pull", "--json", "-o", "/dev/null"]));
        assert!(done.output.contains(r#""changed":true"#), "{done:?}");
    }
}

/// An error is text on standard error, with the same status.
#[test]
fn errors_are_text() {
    let folder = Folder::new("json-errors");
    folder.write("flags.json", FLAGS);
    folder.write("users.txt", "ada\n");
    for arguments in [
        &["get", "none"][..],
        &["explain", "none"],
        &["split", "none", "--users", "users.txt"],
        &["list", "--bootstrap", "none.json"],
        &["eval-all", "--bootstrap", "none.json"],
        &["serve", "none.json"],
        &["pull"],
        &["completions", "tcsh"],
    ] {
        let run = |more: &[&str]| {
            let arguments = [arguments, more].concat();
            run(folder.phaseflag(&arguments).env("PHASEFLAG_BOOTSTRAP", "flags.json"))
        };
        let (plain, json) = (run(&[]), run(&["--json"]));
        assert_eq!((plain.status, plain.output.as_str()), (2, ""), "{arguments:?}");
        assert_eq!(json, plain, "{arguments:?}");
    }
}

/// Large segments are printed once, however many rules name them.
#[test]
fn an_explanation_has_each_segment_once() {
    let folder = Folder::new("json-segments");
    folder.write(
        "rules.json",
        r#"{"flags": [{"key": "a", "variations": [{"key": "on", "value": true}], "targeting_rules": [
            {"segment_id": "none", "variation": "on"}, {"segment_id": "beta", "variation": "on"},
            {"segment_id": "beta", "variation": "off"}, {"segment_id": "vip"}]}],
            "segments": [{"key": "beta", "conditions": [
                {"attribute": "plan", "operator": "is", "value": "x"}]}, {"key": "vip"}]}"#,
    );
    let explained =
        run(&mut folder.phaseflag(&["explain", "a", "--json", "--bootstrap=rules.json"]));
    let object: Value = explained.output.parse().unwrap();
    let position = |rule: usize| object["rules"][rule]["segment"].as_u64();
    let name = |position: usize| object["segments"][position]["name"].as_str();
    assert_eq!([0, 1, 2, 3].map(position), [Some(0), Some(1), Some(1), Some(2)]);
    assert_eq!([0, 1, 2].map(name), [None, Some("beta"), Some("vip")]);
    assert_eq!(object["segments"].as_array().map(<[Value]>::len), Some(3));
    assert_eq!(object["rules"][3]["serves"].to_string(), r#"{"kind":"nothing"}"#);
}

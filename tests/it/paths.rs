//! The cached paths of the service, so that a short program makes one request.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use phaseflag::{ClientBuilder, Error, EvaluationContext, PhaseFlagClient};

use crate::logger;
use crate::support::{self, NEVER, Reply, Request, Server, builder, ready, started, wait_until};

const RULESET: &str = "/api/v1/sdk/ruleset";
const BOOTSTRAP: &str = "/api/v1/sdk/bootstrap";
const DOCUMENTED: &str = "/api/v1/evaluate";
const OLDER: &str = "/api/v1/sdk/evaluate";

/// Documents of a self-hosted service.
const RULES: &str = include_str!("../data/service/ruleset.json");
const WHOLE: &str = include_str!("../data/service/bootstrap.json");
const NO_PATH: &str = r#"{"error":{"code":404,"message":"Not Found"}}"#;
const RESULT: &str = r#"{"flag_key": "f", "variation_id": "v", "variation_key": "on",
    "value": true, "reason": "default"}"#;

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("phaseflag-paths-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        logger::listen();
        Folder(path)
    }

    /// Returns the file whose name ends with this suffix, or `None`.
    fn file(&self, end: &str) -> Option<PathBuf> {
        let entries = fs::read_dir(&self.0).into_iter().flatten();
        let mut paths = entries.map(|entry| entry.expect("an entry").path());
        paths.find(|path| path.extension().is_some_and(|extension| extension == end))
    }

    fn paths(&self) -> PathBuf {
        self.file("paths").expect("a file of paths")
    }

    /// Returns the warnings that name the folder.
    fn warnings(&self) -> Vec<String> {
        logger::warnings_with(self.0.to_str().expect("a path"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts a self-hosted service.
fn self_hosted(request: &Request) -> Reply {
    match request.path.as_str() {
        RULESET => Reply::json(RULES),
        BOOTSTRAP => Reply::json(WHOLE),
        OLDER => Reply::json(RESULT),
        _ => Reply::status(404).with_body(NO_PATH),
    }
}

/// Starts a service without the paths of a self-hosted one.
fn hosted(request: &Request) -> Reply {
    match request.path.as_str() {
        RULESET => Reply::json(RULES),
        DOCUMENTED => Reply::json(RESULT),
        _ => Reply::status(404).with_body(NO_PATH),
    }
}

/// Settings of a program that makes one request.
fn short(server: &Server, folder: &Folder) -> ClientBuilder {
    builder(server).cache_dir(&folder.0).polling_interval(Duration::ZERO)
}

/// Returns the paths that are requested during the call.
fn requested<T>(server: &Server, act: impl FnOnce() -> T) -> Vec<String> {
    let before = server.requests().len();
    act();
    server.requests().into_iter().skip(before).map(|request| request.path).collect()
}

/// Runs a program that waits for the rules, and returns the paths of its requests.
fn run(server: &Server, folder: &Folder) -> Vec<String> {
    requested(server, || ready(short(server, folder)).stop())
}

/// Runs a program that evaluates a flag without a start, and returns the paths of its requests.
fn ask(server: &Server, folder: &Folder) -> Vec<String> {
    requested(server, || {
        let client = short(server, folder).build().unwrap();
        client.evaluate("f", None).expect("a result");
    })
}

fn is_tester(client: &PhaseFlagClient) -> bool {
    let context = EvaluationContext::new().attribute("plan", "beta").attribute("country", "SE");
    client.get_boolean_value("seg-only", false, &context)
}

#[test]
fn a_short_program_makes_one_request_for_its_rules() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("rules"));
    assert_eq!(run(&server, &folder), [RULESET, BOOTSTRAP]);
    for _ in 0..3 {
        assert_eq!(run(&server, &folder), [BOOTSTRAP]);
    }
    assert_eq!(
        requested(&server, || short(&server, &folder).build().unwrap().fetch_ruleset().unwrap()),
        [BOOTSTRAP]
    );
}

#[test]
fn a_short_program_makes_one_request_for_an_evaluation() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("evaluation"));
    assert_eq!(ask(&server, &folder), [DOCUMENTED, OLDER]);
    for _ in 0..3 {
        assert_eq!(ask(&server, &folder), [OLDER]);
    }
    // Both paths are cached independently.
    assert_eq!(run(&server, &folder), [RULESET, BOOTSTRAP]);
    assert_eq!(ask(&server, &folder), [OLDER]);
    assert_eq!(run(&server, &folder), [BOOTSTRAP]);
}

#[test]
fn cached_rules_have_their_segments() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("segments"));
    run(&server, &folder);
    server.respond(|_| Reply::Hang);
    let client = started(short(&server, &folder));
    assert!(is_tester(&client));
}

#[test]
fn unchanged_rules_are_no_change_after_a_restart() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("restart"));
    run(&server, &folder);
    let stamped = WHOLE.replace("2026-11-28T14:53:29.951633", "2026-11-28T15:00:00");
    assert_ne!(stamped, WHOLE);
    server.respond(move |_| Reply::json(stamped.clone()));
    let client = ready(short(&server, &folder));
    let statistics = client.statistics();
    assert_eq!((statistics.polls, statistics.rulesets_accepted), (1, 0));
}

#[test]
fn rules_without_their_segments_are_not_cached() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("incomplete"));
    server.respond(|request| match request.path.as_str() {
        BOOTSTRAP => Reply::status(503).with("retry-after", "3600"),
        _ => self_hosted(request),
    });
    let client = ready(short(&server, &folder));
    assert!(client.has_rules() && !is_tester(&client));
    client.stop();
    assert_eq!(folder.file("rules"), None);
    server.respond(self_hosted);
    assert_eq!(run(&server, &folder), [RULESET, BOOTSTRAP]);
}

#[test]
fn a_bootstrap_that_does_not_exist_is_cached_for_an_hour() {
    let (server, folder) = (Server::start(hosted), Folder::new("missing"));
    assert_eq!(run(&server, &folder), [RULESET, BOOTSTRAP]);
    for _ in 0..3 {
        assert_eq!(run(&server, &folder), [RULESET]);
    }
    let text = fs::read_to_string(folder.paths()).unwrap();
    let (start, missing) = text.trim_end().rsplit_once(' ').unwrap();
    let an_hour_ago = missing.parse::<u64>().unwrap() - 3600;
    fs::write(folder.paths(), format!("{start} {an_hour_ago}\n")).unwrap();
    assert_eq!(run(&server, &folder), [RULESET, BOOTSTRAP]);
    assert_eq!(run(&server, &folder), [RULESET]);
    // The bootstrap may exist later.
    server.respond(self_hosted);
    fs::write(folder.paths(), format!("{start} {an_hour_ago}\n")).unwrap();
    assert_eq!(run(&server, &folder), [RULESET, BOOTSTRAP]);
    assert_eq!(run(&server, &folder), [BOOTSTRAP]);
}

#[test]
fn paths_that_no_longer_exist_are_replaced() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("healed"));
    run(&server, &folder);
    ask(&server, &folder);
    server.respond(hosted);
    assert_eq!(run(&server, &folder), [BOOTSTRAP, RULESET]);
    assert_eq!(run(&server, &folder), [RULESET]);
    assert_eq!(ask(&server, &folder), [OLDER, DOCUMENTED]);
    assert_eq!(ask(&server, &folder), [DOCUMENTED]);
    // And in the other direction.
    server.respond(self_hosted);
    assert_eq!(ask(&server, &folder), [DOCUMENTED, OLDER]);
    assert_eq!(ask(&server, &folder), [OLDER]);
}

#[test]
fn a_page_instead_of_a_cached_bootstrap_is_no_ruleset() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("page"));
    run(&server, &folder);
    server.respond(|request| match request.path.as_str() {
        BOOTSTRAP => Reply::status(200).with_body("<!doctype html>"),
        _ => self_hosted(request),
    });
    assert_eq!(run(&server, &folder), [BOOTSTRAP, RULESET]);
    assert_eq!(run(&server, &folder), [RULESET]);
}

#[test]
fn two_missing_cached_paths_are_a_failed_request() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("both"));
    ask(&server, &folder);
    server.respond(|_| Reply::status(404).with_body(NO_PATH));
    let client = short(&server, &folder).build().unwrap();
    let error = client.evaluate("f", None).unwrap_err();
    assert!(matches!(error, Error::Request { .. }), "{error:?}");
    // The failure changes nothing.
    server.respond(self_hosted);
    assert_eq!(ask(&server, &folder), [OLDER]);
}

#[test]
fn an_unknown_flag_is_requested_only_on_the_cached_path() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("unknown"));
    ask(&server, &folder);
    server.respond(|_| {
        let body = r#"{"error":{"code":404,"message":"Flag 'f' not found"}}"#;
        Reply::status(404).with_body(body)
    });
    let paths = requested(&server, || {
        let client = short(&server, &folder).build().unwrap();
        let error = client.evaluate("f", None).unwrap_err();
        assert!(matches!(error, Error::FlagNotFound { .. }), "{error:?}");
    });
    assert_eq!(paths, [OLDER]);
}

#[test]
fn usual_paths_need_no_file() {
    let (server, folder) = (Server::start(hosted), Folder::new("usual"));
    ask(&server, &folder);
    let plain = Server::with_ruleset(support::ruleset(1, &["a"]));
    run(&plain, &folder);
    assert_eq!(folder.file("paths"), None);
    // The file is removed when the usual paths work again.
    server.respond(self_hosted);
    ask(&server, &folder);
    assert!(folder.file("paths").is_some());
    server.respond(hosted);
    ask(&server, &folder);
    assert_eq!(folder.file("paths"), None);
    assert!(folder.warnings().is_empty(), "{:?}", folder.warnings());
}

#[test]
fn an_unusable_file_is_ignored() {
    type Damage = fn(&PathBuf);
    let broken: [(&str, Damage); 6] = [
        ("empty", |path| fs::write(path, "").unwrap()),
        ("cut", |path| fs::write(path, "phaseflag paths 1\nrules /sdk/boot").unwrap()),
        ("later", |path| fs::write(path, "phaseflag paths 2\nelse 7\n").unwrap()),
        ("bytes", |path| fs::write(path, [0xff, 0xfe, 0]).unwrap()),
        ("long", |path| fs::write(path, vec![b'\n'; 1 << 20]).unwrap()),
        ("folder", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (name, damage) in broken {
        let (server, folder) = (Server::start(self_hosted), Folder::new(name));
        run(&server, &folder);
        damage(&folder.paths());
        assert_eq!(run(&server, &folder), [RULESET, BOOTSTRAP], "{name}");
        assert!(!folder.warnings().is_empty(), "{name}");
        for warning in folder.warnings() {
            assert!(warning.starts_with("failed to "), "{warning}");
            assert!(warning.contains(" the cached paths `"), "{warning}");
        }
        if name != "folder" {
            assert_eq!(run(&server, &folder), [BOOTSTRAP], "{name}");
        }
    }
}

#[test]
fn a_removed_file_is_ignored() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("removed"));
    run(&server, &folder);
    fs::remove_file(folder.paths()).unwrap();
    assert_eq!(run(&server, &folder), [RULESET, BOOTSTRAP]);
    assert_eq!(run(&server, &folder), [BOOTSTRAP]);
    // Removed rules are fetched on the cached path.
    fs::remove_file(folder.file("rules").unwrap()).unwrap();
    assert_eq!(run(&server, &folder), [BOOTSTRAP]);
    // The same for a service without a bootstrap, with an unchanged ruleset.
    let (server, folder) = (Server::start(hosted), Folder::new("removed-missing"));
    run(&server, &folder);
    fs::remove_file(folder.paths()).unwrap();
    server.respond(self_hosted);
    assert_eq!(run(&server, &folder), [RULESET, BOOTSTRAP]);
}

#[test]
fn a_cleared_folder_is_filled_again() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("cleared"));
    let interval = support::RAPIDLY;
    let client = ready(builder(&server).cache_dir(&folder.0).polling_interval(interval));
    // The client writes both if the rules are missing.
    for file in ["paths", "rules"] {
        fs::remove_file(folder.file(file).unwrap()).unwrap();
    }
    wait_until("both files", || ["rules", "paths"].iter().all(|end| folder.file(end).is_some()));
    client.stop();
    // The last poll of the client may come to the service after its stop.
    let paths = run(&server, &folder);
    assert!(!paths.is_empty() && paths.iter().all(|path| path == BOOTSTRAP), "{paths:?}");
}

#[test]
fn new_rules_keep_the_path_that_another_process_has_found() {
    let server = Server::with_ruleset(r#"{"version": "1", "flags": []}"#);
    let folder = Folder::new("other");
    let client = ready(short(&server, &folder));
    server.respond(self_hosted);
    assert_eq!(ask(&server, &folder), [DOCUMENTED, OLDER]);
    // The path of the rules is another one, too.
    assert!(client.refresh().unwrap());
    server.respond(|request| match request.path.as_str() {
        BOOTSTRAP => Reply::json(WHOLE.replace("beta", "gamma")),
        _ => self_hosted(request),
    });
    assert!(client.refresh().unwrap());
    assert_eq!(ask(&server, &folder), [OLDER]);
    assert_eq!(run(&server, &folder), [BOOTSTRAP]);
}

#[test]
fn each_service_and_key_has_its_own_file() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("apart"));
    run(&server, &folder);
    let other = Server::start(self_hosted);
    assert_eq!(run(&other, &folder), [RULESET, BOOTSTRAP]);
    let key = PhaseFlagClient::builder(server.url(), "sdk-dev-2").cache_dir(&folder.0);
    assert_eq!(
        requested(&server, || ready(key.polling_interval(NEVER)).stop()),
        [RULESET, BOOTSTRAP]
    );
}

#[test]
fn nothing_is_cached_without_a_folder() {
    let server = Server::start(self_hosted);
    for _ in 0..2 {
        let client = || builder(&server).polling_interval(NEVER);
        assert_eq!(requested(&server, || ready(client()).stop()), [RULESET, BOOTSTRAP]);
        let ask = || client().build().unwrap().evaluate("f", None).unwrap();
        assert_eq!(requested(&server, ask), [DOCUMENTED, OLDER]);
    }
}

#[test]
fn the_file_holds_no_key_and_only_its_owner_can_read_it() {
    let (server, folder) = (Server::start(self_hosted), Folder::new("owner"));
    run(&server, &folder);
    let path = folder.paths();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "phaseflag paths 1\nrules /sdk/bootstrap\nevaluate /evaluate\n");
    assert_eq!(folder.file("rules").unwrap().file_stem(), path.file_stem());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_cached_etag_belongs_to_the_ruleset() {
    let numbered = |text: &str| text.replace(r#""version":"2471210985""#, r#""version":7"#);
    let (rules, whole) = (numbered(RULES), numbered(WHOLE));
    assert_ne!(rules, RULES);
    let server = Server::start(move |request| match request.path.as_str() {
        RULESET => Reply::json(rules.clone()).with("etag", r#""rules""#),
        _ => Reply::json(whole.clone()).with("etag", r#""whole""#),
    });
    let folder = Folder::new("etag");
    let conditions = |server: &Server, folder: &Folder| {
        let before = server.requests().len();
        run(server, folder);
        let requests = server.requests().into_iter().skip(before);
        let tags = requests.map(|request| request.header("if-none-match").map(str::to_owned));
        tags.collect::<Vec<_>>()
    };
    assert_eq!(conditions(&server, &folder), [None, None]);
    assert_eq!(conditions(&server, &folder), [None]);
    // Whatever happens to the file of paths.
    fs::remove_file(folder.paths()).unwrap();
    assert_eq!(conditions(&server, &folder), [None, None]);
    let plain = Server::start(|request| match request.header("if-none-match") {
        None => Reply::json(support::ruleset(7, &["a"])).with("etag", r#""rules""#),
        Some(_) => Reply::status(304),
    });
    let tag = || Some(r#""rules""#.to_owned());
    assert_eq!(conditions(&plain, &folder), [None]);
    assert_eq!(conditions(&plain, &folder), [tag()]);
    // The file of paths does not match the rules: the ETag is not sent to another path.
    let text = fs::read_to_string(folder.paths()).unwrap();
    for entry in fs::read_dir(&folder.0).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rules") {
            fs::write(path.with_extension("paths"), &text).unwrap();
        }
    }
    assert_eq!(conditions(&plain, &folder)[0], None);
}

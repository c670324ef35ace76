//! Settings and overrides from environment variables. Each test runs in a process of its own, with
//! the variables that it names.

use std::fs;
use std::path::PathBuf;

use phaseflag::testing::override_scoped;
use phaseflag::{ClientState, EvaluationContext, Object, PhaseFlagClient, Reason, Value};

use crate::alone::is_alone_with;

/// A flag of each type, one with a prerequisite, and one of another environment.
const RULES: &str = r#"{"version": 1, "flags": [
    {"key": "new-checkout-flow", "default_variation": "off",
     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}]},
    {"key": "release.name", "flag_type": "string", "default_variation": "v",
     "variations": [{"key": "v", "value": "1.9"}]},
    {"key": "batch size", "flag_type": "number", "default_variation": "v",
     "variations": [{"key": "v", "value": 500}]},
    {"key": "limits", "flag_type": "json", "default_variation": "v",
     "variations": [{"key": "v", "value": {"max": 1}}]},
    {"key": "gated", "default_variation": "off",
     "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
     "prerequisites": [{"flag_key": "new-checkout-flow", "variation_key": "off"}],
     "targeting_rules": [{"variation": "on"}]},
    {"key": "trial", "environment": "staging", "default_variation": "v",
     "variations": [{"key": "v", "value": true}]}]}"#;

const OVERRIDES: [(&str, &str); 6] = [
    ("PHASEFLAG_FLAG_NEW_CHECKOUT_FLOW", "true"),
    ("PHASEFLAG_FLAG_RELEASE_NAME", "1.10"),
    ("PHASEFLAG_FLAG_BATCH_SIZE", "20"),
    ("PHASEFLAG_FLAG_LIMITS", r#"{"max": 3}"#),
    ("PHASEFLAG_FLAG_TRIAL", "dark"),
    ("PHASEFLAG_FLAG_NEW_CHEKCOUT", "true"),
];

/// Returns whether this process runs only this test, with these variables of the client and no others.
fn runs_with(test: &str, variables: &[(&str, &str)]) -> bool {
    is_alone_with(&format!("from_env::{test}"), |command| {
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.to_string_lossy().starts_with("PHASEFLAG_")) {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
    })
}

/// A folder that is deleted at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("phaseflag-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn started(text: &str) -> PhaseFlagClient {
    let builder = PhaseFlagClient::builder("", "").bootstrap_text(text);
    let client = builder.override_from_env().build().unwrap();
    client.start().unwrap();
    client
}

#[test]
fn variables_override_flags() {
    if !runs_with("variables_override_flags", &OVERRIDES) {
        return;
    }
    let client = started(RULES);
    let context = EvaluationContext::new().user_id("ada");
    assert!(client.get_boolean_value("new-checkout-flow", false, &context));
    assert_eq!(client.get_string_value("release.name", "", None), "1.10");
    assert_eq!(client.get_number_value("batch size", 0.0, None), 20.0);
    let limits = Value::from(Object::from([("max", 3)]));
    assert_eq!(client.get_json_value("limits", Value::Null, None), limits);
    // A flag without rules, by another key of the same variable.
    assert!(client.get_boolean_value("new_chekcout", false, None));
    assert!(client.get_boolean_details("new-checkout-flow", false, None).error().is_none());
    // The override of another type.
    assert_eq!(client.get_string_value("batch size", "default", None), "default");
    let result = client.evaluate("release.name", None).unwrap();
    assert_eq!((result.value(), result.reason()), (&"1.10".into(), Reason::Override));

    let all = |results: Vec<(String, phaseflag::EvaluationResult)>| -> Vec<String> {
        let line = |(key, result): (String, phaseflag::EvaluationResult)| {
            format!("{key} {} {}", result.value(), result.reason())
        };
        results.into_iter().map(line).collect()
    };
    let expected = [
        "batch size 20 override",
        "gated true targeting_match",
        "limits {\"max\":3} override",
        "new-checkout-flow true override",
        "release.name \"1.10\" override",
        "trial \"dark\" override",
    ];
    assert_eq!(all(client.evaluate_all(None).into_iter().collect()), expected);
    let snapshot = client.snapshot();
    assert_eq!(all(snapshot.evaluate_all(None).into_iter().collect()), expected);
    assert_eq!(snapshot.get_string_value("release.name", "", None), "1.10");
    assert!(snapshot.get_boolean_value("new.chekcout", false, None));
    assert!(snapshot.get_boolean_value("gated", false, None));
    assert_eq!(client.unmatched_variables(), ["PHASEFLAG_FLAG_NEW_CHEKCOUT"]);
    let statistics = client.statistics();
    assert_eq!((statistics.defaults_served, statistics.unknown_flags), (1, vec![]));
}

#[test]
fn an_override_of_the_program_wins_over_a_variable() {
    if !runs_with("an_override_of_the_program_wins_over_a_variable", &OVERRIDES) {
        return;
    }
    let client = started(RULES);
    let size = || client.get_number_value("batch size", 0.0, None);
    client.set_override("batch size", 7);
    let snapshot = client.snapshot();
    assert_eq!(size(), 7.0);
    assert_eq!(client.evaluate_all(None)["batch size"].value(), &7.into());
    client.clear_override("batch size");
    assert_eq!(size(), 20.0);
    assert_eq!(snapshot.get_number_value("batch size", 0.0, None), 7.0);
    client.set_override("batch size", 8);
    client.clear_all_overrides();
    assert_eq!(size(), 20.0);
    {
        let _scoped = override_scoped(&client, "batch size", 9);
        assert_eq!(size(), 9.0);
    }
    assert_eq!(size(), 20.0);
    // The end of a scope sets no override, which would have a key.
    drop(override_scoped(&client, "new-chekcout", false));
    assert!(client.get_boolean_value("new-chekcout", false, None));
    assert_eq!(client.evaluate_all(None).len(), 6);
}

#[test]
fn variables_are_only_read_if_asked_for() {
    if !runs_with("variables_are_only_read_if_asked_for", &OVERRIDES) {
        return;
    }
    for builder in [PhaseFlagClient::builder("", ""), PhaseFlagClient::builder_from_env()] {
        let client = builder.bootstrap_text(RULES).build().unwrap();
        client.start().unwrap();
        assert_eq!(client.get_number_value("batch size", 0.0, None), 500.0);
        assert_eq!(client.unmatched_variables(), [""; 0]);
        assert_eq!(client.evaluate_all(None)["trial"].reason(), Reason::Default);
    }
}

#[test]
fn without_rules_a_value_is_json_or_else_a_text() {
    if !runs_with("without_rules_a_value_is_json_or_else_a_text", &OVERRIDES) {
        return;
    }
    // Neither started nor with a service.
    let client = PhaseFlagClient::builder("", "").override_from_env().build().unwrap();
    assert!(client.get_boolean_value("new-checkout-flow", false, None));
    assert_eq!(client.get_number_value("release.name", 0.0, None), 1.1);
    assert_eq!(client.get_string_value("trial", "", None), "dark");
    assert_eq!(client.unmatched_variables(), [""; 0]);
    // The keys are not known.
    assert!(client.evaluate_all(None).is_empty());
    assert_eq!(client.get_variation("gated", None), None);
}

#[test]
fn flags_of_other_environments_do_not_decide_the_type() {
    if !runs_with("flags_of_other_environments_do_not_decide_the_type", &OVERRIDES) {
        return;
    }
    let text =
        RULES.replace(r#""flag_type": "string""#, r#""flag_type": "string", "environment": "qa""#);
    let builder = PhaseFlagClient::builder("", "").bootstrap_text(text);
    let client = builder.environment("production").override_from_env().build().unwrap();
    client.start().unwrap();
    assert_eq!(client.get_number_value("release.name", 0.0, None), 1.1);
    let unmatched = ["NEW_CHEKCOUT", "RELEASE_NAME", "TRIAL"];
    assert_eq!(
        client.unmatched_variables(),
        unmatched.map(|name| format!("PHASEFLAG_FLAG_{name}"))
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_an_error_of_build() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bytes = OsStr::from_bytes(b"a\xff");
    if !is_alone_with("from_env::a_variable_that_is_not_utf_8_is_an_error_of_build", |command| {
        let variables = ["PHASEFLAG_FLAG_A", "PHASEFLAG_ENVIRONMENT", "OTHER"];
        command.envs(variables.map(|name| (name, bytes)));
    }) {
        return;
    }
    let sentence = |builder: phaseflag::ClientBuilder| builder.build().unwrap_err().to_string();
    assert_eq!(
        sentence(PhaseFlagClient::builder("", "").override_from_env()),
        "failed to build client: `override_from_env` cannot use the variable PHASEFLAG_FLAG_A: \
         its value is not UTF-8"
    );
    let error = "failed to build client: `PHASEFLAG_ENVIRONMENT` is not UTF-8";
    assert_eq!(sentence(PhaseFlagClient::builder_from_env()), error);
    assert_eq!(sentence(PhaseFlagClient::builder_from_env().environment("production")), error);
    assert!(PhaseFlagClient::builder("", "").build().is_ok());
}

#[test]
fn a_client_without_a_service_starts_from_its_environment() {
    let folder = Folder::new("variables");
    let path = folder.0.join("flags.json");
    fs::write(&path, RULES).unwrap();
    let path = path.to_str().unwrap();
    let variables = [("PHASEFLAG_BOOTSTRAP", path), ("PHASEFLAG_ENVIRONMENT", "production\n")];
    if !runs_with("a_client_without_a_service_starts_from_its_environment", &variables) {
        return;
    }
    let client = PhaseFlagClient::builder_from_env().build().unwrap();
    client.start().unwrap();
    assert_eq!(client.state(), ClientState::Ready);
    assert_eq!(client.get_string_value("release.name", "", None), "1.9");
    assert_eq!(client.get_variation("trial", None), None);
    // Setters replace what the variables set.
    let builder = PhaseFlagClient::builder_from_env().environment("staging").bootstrap_text("[]");
    let client = builder.build().unwrap();
    client.start().unwrap();
    assert_eq!(client.flags().len(), 0);
}

#[test]
fn without_variables_there_is_no_service() {
    let names = ["BASE_URL", "API_KEY", "BOOTSTRAP", "ENVIRONMENT", "OFFLINE"];
    if !is_alone_with("from_env::without_variables_there_is_no_service", |command| {
        for name in names {
            command.env_remove(format!("PHASEFLAG_{name}"));
        }
    }) {
        return;
    }
    let client = PhaseFlagClient::builder_from_env().override_from_env().build().unwrap();
    client.start().unwrap();
    assert_eq!((client.state(), client.has_rules()), (ClientState::Ready, false));
    assert_eq!(format!("{:?}", PhaseFlagClient::builder_from_env()), {
        format!("{:?}", PhaseFlagClient::builder("", ""))
    });
}

#[cfg(feature = "http")]
mod with_service {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::logger;
    use crate::support::{Reply, SOON, Server, wait_until};

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_client_with_a_service_starts_from_its_environment() {
        let server = Server::with_ruleset(RULES);
        let url = format!(" {} ", server.url());
        let variables = [
            ("PHASEFLAG_BASE_URL", &*url),
            ("PHASEFLAG_API_KEY", "sdk-dev-from-a-file\r\n"),
            ("PHASEFLAG_FLAG_BATCH_SIZE", "20"),
        ];
        if !runs_with(
            "with_service::a_client_with_a_service_starts_from_its_environment",
            &variables,
        ) {
            let requests = server.requests_to("/sdk/ruleset");
            assert_eq!(requests[0].header("x-api-key"), Some("sdk-dev-from-a-file"));
            return;
        }
        let client = PhaseFlagClient::builder_from_env().override_from_env().build().unwrap();
        client.start().unwrap();
        client.wait_until_ready(SOON).unwrap();
        assert_eq!(client.get_number_value("batch size", 0.0, None), 20.0);
        // An override makes no request.
        assert_eq!(client.evaluate("batch-size", None).unwrap().reason(), Reason::Override);
    }

    #[test]
    fn an_error_of_a_setting_names_its_variable() {
        const NAME: &str = "with_service::an_error_of_a_setting_names_its_variable";
        let cases = [
            (
                "ftp://localhost",
                "key",
                "`PHASEFLAG_BASE_URL` must begin with http:// or https://: `ftp://localhost`",
            ),
            ("localhost", "key", "`PHASEFLAG_BASE_URL` is not a URL with a scheme and a host"),
            ("http://localhost", "", "`PHASEFLAG_API_KEY` must not be empty"),
            (
                "http://localhost",
                "a\u{7f}b",
                "`PHASEFLAG_API_KEY` contains characters that are not allowed in a header",
            ),
        ];
        for (number, (url, key, reason)) in cases.iter().enumerate() {
            let number = number.to_string();
            let variables = [
                ("PHASEFLAG_BASE_URL", *url),
                ("PHASEFLAG_API_KEY", *key),
                ("PHASEFLAG_TEST_CASE", &*number),
            ];
            if !runs_with(NAME, &variables) {
                continue;
            }
            if std::env::var("PHASEFLAG_TEST_CASE").as_ref() != Ok(&number) {
                continue;
            }
            let error = PhaseFlagClient::builder_from_env().build().unwrap_err().to_string();
            assert_eq!(error, format!("failed to build client: {reason}"));
            // Other settings keep their names.
            let builder = PhaseFlagClient::builder_from_env().request_timeout(Duration::ZERO);
            let error = builder.build().unwrap_err().to_string();
            assert_eq!(error, "failed to build client: `request_timeout` must not be zero");
        }
    }

    #[test]
    fn offline_mode_comes_from_a_variable() {
        let server = Server::start(|_| Reply::status(503));
        let variables = [
            ("PHASEFLAG_BASE_URL", &*server.url()),
            ("PHASEFLAG_API_KEY", "sdk-dev-1"),
            ("PHASEFLAG_OFFLINE", "1"),
        ];
        if !runs_with("with_service::offline_mode_comes_from_a_variable", &variables) {
            return;
        }
        let client = PhaseFlagClient::builder_from_env().bootstrap_text(RULES).build().unwrap();
        client.start().unwrap();
        assert!(client.is_ready());
    }

    /// Returns the texts of the lines so far about variables, and asserts that they are warnings.
    fn lines() -> Vec<String> {
        let about = logger::lines()
            .iter()
            .filter(|it| it.text.contains("PHASEFLAG"))
            .cloned()
            .collect::<Vec<_>>();
        assert!(about.iter().all(|line| line.level == log::Level::Warn), "{about:?}");
        about.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn likely_mistakes_are_logged_once_when_there_are_rules() {
        let variables = [
            ("PHASEFLAG_FLAG_A_B", "yes"),
            ("PHASEFLAG_FLAG_A_C", "secret-value"),
            ("PHASEFLAG_FLAG_LATER", "true"),
            ("PHASEFLAG_FLAG_NEVER", "true"),
            ("PHASEFLAG_FLAG_NONE", "null"),
            ("PHASEFLAG_FLAG_RELEASE_NAME", "1"),
            ("PHASEFLAG_API_KEY", "sdk-secret"),
        ];
        if !runs_with(
            "with_service::likely_mistakes_are_logged_once_when_there_are_rules",
            &variables,
        ) {
            return;
        }
        logger::listen();
        let flag = |key: &str, value: &str| {
            format!(r#"{{"key": "{key}", "variations": [{{"key": "v", "value": {value}}}]}}"#)
        };
        let document = move |version: u32, more: &[String]| {
            let mut flags = vec![flag("a-b", "true"), flag("a.b", "\"x\""), flag("a_b", "{}")];
            flags.extend_from_slice(more);
            flags.push(
                r#"{"key": "release-name", "flag_type": "string", "default_variation": "v",
                "variations": [{"key": "v", "value": "x"}]}"#
                    .to_owned(),
            );
            flags.push(
                r#"{"key": "a-c", "variations": [{"key": "v", "value": 1},
                {"key": "w", "value": "x"}]}"#
                    .to_owned(),
            );
            format!(r#"{{"version": {version}, "flags": [{}]}}"#, flags.join(","))
        };
        let server = Server::with_ruleset(document(1, &[]));
        let builder = PhaseFlagClient::builder(server.url(), "sdk-dev-1");
        let builder = builder.polling_interval(Duration::from_millis(10)).override_from_env();
        let client = builder.build().unwrap();
        client.start().unwrap();
        client.wait_until_ready(SOON).unwrap();
        wait_until("the lines", || lines().len() >= 5);
        let expected = [
            "the environment variable `PHASEFLAG_FLAG_A_B` overrides several flags: `a-b`, `a.b` \
             and 1 more",
            "the environment variable `PHASEFLAG_FLAG_A_B` holds a string, but the flag `a-b` \
             serves a boolean",
            "the environment variable `PHASEFLAG_FLAG_LATER` matches no flag",
            "the environment variable `PHASEFLAG_FLAG_NEVER` matches no flag",
            "the environment variable `PHASEFLAG_FLAG_NONE` matches no flag",
        ];
        assert_eq!(lines(), expected);
        let own = thread::current().id();
        assert!(
            logger::lines()
                .iter()
                .filter(|line| line.text.contains("PHASEFLAG"))
                .all(|line| line.thread != own)
        );

        // Evaluations log nothing, and other rules only what is new.
        for key in ["a-b", "later", "none", "release-name"] {
            client.get_boolean_value(key, false, None);
        }
        let more = [flag("later", "true"), flag("none", "1")];
        server.respond(move |_| Reply::json(document(2, &more)));
        wait_until("the next rules", || client.statistics().version == Some(2.into()));
        let last = "the environment variable `PHASEFLAG_FLAG_NONE` holds null, but the flag `none` \
                    serves a number";
        wait_until("one more line", || lines().len() >= 6);
        let polls = client.statistics().polls;
        wait_until("a later poll", || client.statistics().polls > polls + 1);
        assert_eq!(lines(), [&expected[..], &[last]].concat());
        assert!(!lines().iter().any(|line| line.contains("secret")));

        let builder = PhaseFlagClient::builder_from_env();
        assert_eq!(
            lines().split_off(6),
            [
                "`PHASEFLAG_API_KEY` is set, but `PHASEFLAG_BASE_URL` is not: the client has no service"
            ]
        );
        drop(builder);
    }

    #[test]
    fn rules_that_may_lack_new_flags_match_no_variable_in_the_log() {
        const NAME: &str =
            "with_service::rules_that_may_lack_new_flags_match_no_variable_in_the_log";
        let variables = [("PHASEFLAG_FLAG_LIMITS", "3"), ("PHASEFLAG_FLAG_TYPO", "true")];
        if !runs_with(NAME, &variables) {
            return;
        }
        logger::listen();
        let expected = ["the environment variable `PHASEFLAG_FLAG_TYPO` matches no flag"];
        let folder = Folder::new("old-variables");
        let old = r#"[{"key": "new-checkout-flow"}]"#;
        for (name, cached) in [("bootstrap", RULES), ("stale", old), ("confirmed", RULES)] {
            let server = Server::with_ruleset(cached);
            let builder =
                || PhaseFlagClient::builder(server.url(), "sdk-dev-1").request_timeout(HOUR);
            let builder = || match name {
                "bootstrap" => builder().bootstrap_text(old),
                _ => builder().cache_dir(&folder.0),
            };
            if name != "bootstrap" {
                builder().build().unwrap().refresh().unwrap();
            }
            for file in fs::read_dir(&folder.0).unwrap() {
                // Older than the polling interval.
                let file = fs::File::options().write(true).open(file.unwrap().path()).unwrap();
                file.set_modified(std::time::SystemTime::now() - HOUR).unwrap();
            }
            let (proceed, may_proceed) = std::sync::mpsc::channel::<()>();
            let may_proceed = std::sync::Mutex::new(may_proceed);
            server.respond(move |_| {
                let _ = may_proceed.lock().unwrap().recv();
                Reply::json(RULES)
            });
            let before = lines().len();
            let client = builder().override_from_env().build().unwrap();
            client.start().unwrap();
            assert!(client.has_rules(), "{name}");
            // Without the response of the service.
            assert_eq!(lines().len(), before, "{name}");
            drop(proceed);
            client.wait_until_ready(SOON).unwrap();
            wait_until("the line", || lines().len() > before);
            let polls = client.statistics().polls;
            client.refresh().unwrap();
            assert!(client.statistics().polls > polls);
            assert_eq!(lines().split_off(before), expected, "{name}");
        }
    }

    #[test]
    fn cached_rules_decide_types_and_matches_at_the_start() {
        const NAME: &str = "with_service::cached_rules_decide_types_and_matches_at_the_start";
        if !runs_with(NAME, &OVERRIDES) {
            return;
        }
        logger::listen();
        let folder = Folder::new("cached-variables");
        let server = Server::with_ruleset(RULES);
        let builder = || {
            let builder = PhaseFlagClient::builder(server.url(), "sdk-dev-1");
            let builder = builder.cache_dir(&folder.0).cache_max_age(HOUR);
            builder.polling_interval(Duration::ZERO).environment("production")
        };
        let client = builder().build().unwrap();
        client.start().unwrap();
        client.wait_until_ready(SOON).unwrap();
        assert!(lines().is_empty());

        let client = builder().override_from_env().build().unwrap();
        client.start().unwrap();
        assert_eq!(server.requests().len(), 1);
        let expected = ["NEW_CHEKCOUT", "TRIAL"].map(|name| {
            format!("the environment variable `PHASEFLAG_FLAG_{name}` matches no flag")
        });
        assert_eq!(lines(), expected);
        assert_eq!(client.get_string_value("release.name", "", None), "1.10");
        assert_eq!(client.snapshot().get_string_value("release.name", "", None), "1.10");
        assert_eq!(client.evaluate_all(None)["release.name"].reason(), Reason::Override);
    }
}

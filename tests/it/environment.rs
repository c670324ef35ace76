//! Flags of several environments in one document.

use phaseflag::{EvaluationContext, PhaseFlagClient, Reason, Ruleset};

use crate::support;

/// Returns a flag of an environment that serves a text to every context.
fn flag(key: &str, environment: Option<&str>, value: &str) -> String {
    let environment =
        environment.map(|name| format!(r#""environment": "{name}", "#)).unwrap_or_default();
    format!(
        r#"{{"key": "{key}", {environment}"default_variation": "v",
            "variations": [{{"key": "v", "value": "{value}"}}]}}"#
    )
}

fn document(version: u64, flags: &[String]) -> String {
    format!(r#"{{"version": {version}, "flags": [{}]}}"#, flags.join(","))
}

/// A flag in each environment, one without, and one key in two environments.
fn several(version: u64) -> String {
    let (production, staging) = (Some("production"), Some("staging"));
    document(
        version,
        &[
            flag("live", production, "live"),
            flag("plain", None, "plain"),
            flag("both", production, "of production"),
            flag("both", staging, "of staging"),
            flag("trial", staging, "trial"),
        ],
    )
}

fn keys(ruleset: &Ruleset) -> Vec<String> {
    ruleset.flags().map(|flag| flag.key().to_owned()).collect()
}

fn problems(ruleset: &Ruleset) -> Vec<String> {
    ruleset.problems().iter().map(|problem| problem.to_string()).collect()
}

fn served(ruleset: &Ruleset, key: &str) -> Option<String> {
    let result = ruleset.evaluate(key, None)?;
    result.value().as_str().map(str::to_owned)
}

fn value(client: &PhaseFlagClient, key: &str) -> String {
    client.get_string_value(key, "absent", None)
}

/// Returns the flags of `several` that a client of an environment sees.
fn seen(client: &PhaseFlagClient) -> [String; 4] {
    ["live", "plain", "both", "trial"].map(|key| value(client, key))
}

const OF_PRODUCTION: [&str; 4] = ["live", "plain", "of production", "absent"];
const OF_STAGING: [&str; 4] = ["absent", "plain", "of staging", "trial"];

#[test]
fn flags_of_other_environments_are_absent() {
    for (environment, expected) in [
        (r#""production""#, true),
        (r#""production", "environment": null"#, true),
        ("null", true),
        (r#""""#, true),
        (r#""prod\u0075ction""#, true),
        (r#""staging", "environment": "production""#, true),
        (r#""staging""#, false),
        (r#""Production""#, false),
        (r#""production ""#, false),
        (r#""prod""#, false),
        (r#""production", "environment": "staging""#, false),
    ] {
        let flag = format!(r#"{{"key": "f", "environment": {environment}}}"#);
        let staging = r#"{"key": "other", "environment": "staging", "variations": 7}"#;
        for text in [
            format!("[{flag}, {staging}]"),
            format!("\u{feff} [{staging}, {flag}]"),
            format!(r#"{{"data": {{"flags": [{staging}, {flag}]}}}}"#),
            format!(r#"{{"data": [{flag}], "segments": []}}"#),
            format!(r#"{{"flags": 7, "flags": [{flag}], "data": {{"flags": [{staging}]}}}}"#),
        ] {
            let ruleset = Ruleset::parse_for(&text, "production").unwrap();
            assert_eq!(ruleset.evaluate("f", None).is_some(), expected, "{text}");
            assert_eq!(problems(&ruleset), Vec::<String>::new(), "{text}");
            assert_eq!(ruleset.len(), usize::from(expected), "{text}");
        }
    }
}

#[test]
fn a_non_string_environment_is_reported_if_an_environment_is_set() {
    for (environment, found) in
        [("7", "a number"), ("true", "a boolean"), ("[]", "a list"), ("{}", "an object")]
    {
        let text = format!(r#"[{{"key": "f", "environment": {environment}}}, {{"key": "g"}}]"#);
        let whole = Ruleset::parse(&text).unwrap();
        assert_eq!((keys(&whole).len(), problems(&whole)), (2, vec![]));
        assert_eq!(whole.flags().next().unwrap().environment(), None);
        let ruleset = Ruleset::parse_for(&text, "production").unwrap();
        assert_eq!(keys(&ruleset), ["g"]);
        assert_eq!(
            problems(&ruleset),
            [format!(
                "flags[0].environment: expected a string, found {found}: the flag is left out"
            )]
        );
    }
}

#[test]
fn a_flag_returns_its_environment() {
    let text = document(1, &["production", "qa"].map(|name| flag(name, Some(name), name)));
    let ruleset = Ruleset::parse(&text).unwrap();
    let flags: Vec<_> = ruleset.flags().collect();
    assert_eq!(flags[0].environment(), Some("production"));
    assert_eq!(flags[1].environment(), Some("qa"));
    let names: Vec<_> = (0..100).map(|n| format!("environment-{}", n % 20)).collect();
    let flags = (0..).zip(&names).map(|(n, name)| flag(&format!("flag-{n}"), Some(name), ""));
    let ruleset = Ruleset::parse(&document(1, &flags.collect::<Vec<_>>())).unwrap();
    let carried = ruleset.flags().map(|flag| flag.environment().unwrap().to_owned());
    assert_eq!(carried.collect::<Vec<_>>(), names);
    let none = Ruleset::parse(r#"[{"key": "a"}, {"key": "b", "environment": ""}]"#).unwrap();
    assert!(none.flags().all(|flag| flag.environment().is_none()));
}

#[test]
fn among_flags_of_one_key_the_one_of_the_environment_wins_in_any_order() {
    let production = flag("f", Some("production"), "production");
    let again = flag("f", Some("production"), "again");
    let staging = flag("f", Some("staging"), "staging");
    let none = flag("f", None, "none");
    let last = "a flag `f` stands before this one: the last one wins";
    let carries = "a flag `f` stands before this one: the one with the environment wins";
    let this = "a flag `f` stands before this one: this one wins, since it has the environment";
    for (flags, environment, value, expected) in [
        (vec![&production, &staging], Some("production"), "production", vec![]),
        (vec![&staging, &production], Some("production"), "production", vec![]),
        (vec![&production, &staging], Some("staging"), "staging", vec![]),
        (vec![&none, &staging, &production], Some("production"), "production", vec![(2, this)]),
        (vec![&production, &staging, &none], Some("production"), "production", vec![(2, carries)]),
        (vec![&production, &staging, &none], Some("development"), "none", vec![]),
        (vec![&production, &again], Some("production"), "again", vec![(1, last)]),
        (
            vec![&none, &production, &none, &again],
            Some("production"),
            "again",
            vec![(1, this), (2, carries), (3, last)],
        ),
        (vec![&none, &none], Some("production"), "none", vec![(1, last)]),
        // Without an environment, the last one wins.
        (vec![&production, &staging], None, "staging", vec![(1, last)]),
        (vec![&staging, &production], None, "production", vec![(1, last)]),
        (vec![&production, &none], None, "none", vec![(1, last)]),
    ] {
        let flags: Vec<_> = flags.into_iter().cloned().collect();
        let text = document(1, &flags);
        let ruleset = match environment {
            Some(environment) => Ruleset::parse_for(&text, environment),
            None => Ruleset::parse(&text),
        };
        let ruleset = ruleset.unwrap();
        assert_eq!(served(&ruleset, "f").as_deref(), Some(value), "{environment:?} {text}");
        assert_eq!(ruleset.len(), 1);
        let expected: Vec<_> =
            expected.iter().map(|(index, message)| format!("flags[{index}]: {message}")).collect();
        assert_eq!(problems(&ruleset), expected, "{environment:?} {text}");
    }
}

#[test]
fn a_prerequisite_on_a_flag_of_another_environment_fails() {
    let text = r#"[
        {"key": "gate", "environment": "staging", "default_variation": "on",
         "variations": [{"key": "on"}]},
        {"key": "f", "default_variation": "off", "variations": [{"key": "off"}, {"key": "on"}],
         "prerequisites": [{"flag_key": "gate", "variation_key": "on"}],
         "targeting_rules": [{"variation": "on"}]}]"#;
    let reason = |ruleset: &Ruleset| ruleset.evaluate("f", None).unwrap().reason();
    assert_eq!(reason(&Ruleset::parse(text).unwrap()), Reason::TargetingMatch);
    assert_eq!(reason(&Ruleset::parse_for(text, "staging").unwrap()), Reason::TargetingMatch);
    let ruleset = Ruleset::parse_for(text, "production").unwrap();
    assert_eq!(reason(&ruleset), Reason::PrerequisiteFailed);
    assert_eq!(
        problems(&ruleset),
        ["flags[1].prerequisites[0].flag_key: there is no flag `gate`: the prerequisite fails"]
    );
}

#[test]
fn prerequisites_of_a_replaced_flag_are_ignored() {
    let gate = flag("gate", None, "gate");
    let generic = r#"{"key": "f", "variations": [{"key": "v", "value": "generic"}], "default_variation": "v",
        "prerequisites": [{"flag_key": "gone", "variation_key": "v"}]}"#;
    let own = r#"{"key": "f", "environment": "production", "default_variation": "v",
        "variations": [{"key": "v", "value": "own"}], "targeting_rules": [{"variation": "v"}],
        "prerequisites": [{"flag_key": "gate", "variation_key": "v"}]}"#;
    for flags in [[generic, own, &gate], [own, generic, &gate]] {
        let text = format!("[{}]", flags.join(","));
        let ruleset = Ruleset::parse_for(&text, "production").unwrap();
        let result = ruleset.evaluate("f", None).unwrap();
        assert_eq!(
            (result.value().as_str(), result.reason()),
            (Some("own"), Reason::TargetingMatch)
        );
        assert_eq!(ruleset.problems().len(), 1, "{:?}", ruleset.problems());
    }
}

#[test]
fn flags_are_left_out_wherever_the_list_is() {
    let flags = [flag("live", Some("production"), "a"), flag("trial", Some("staging"), "b")];
    let list = format!("[7, {}]", flags.join(","));
    for document in [
        "LIST",
        r#"{"flags": LIST}"#,
        r#"{"data": {"flags": LIST}}"#,
        r#"{"data": LIST}"#,
        r#"{"flags": null, "data": {"flags": LIST}}"#,
        r#"{"flags": [1, 2], "flags": LIST}"#,
        r#"{"data": {"flags": [1, 2]}, "data": {"flags": LIST}}"#,
        r#"{"data": {"flags": [1, 2]}, "flags": LIST}"#,
    ] {
        let ruleset = Ruleset::parse_for(document.replace("LIST", &list), "production").unwrap();
        assert_eq!(keys(&ruleset), ["live"], "{document}");
        let expected = "flags[0]: expected an object, found a number: the flag is left out";
        assert_eq!(problems(&ruleset), [expected], "{document}");
    }
}

#[test]
fn an_invalid_document_is_refused() {
    for text in ["", "{", "{}", "7", r#"{"flags": {}}"#, "[{\"key\": \"f\", 7}]", "[1e999]"] {
        let expected = Ruleset::parse(text).unwrap_err();
        assert_eq!(Ruleset::parse_for(text, "production").unwrap_err(), expected, "{text}");
        assert_eq!(Ruleset::check_for(text, "production").unwrap_err(), expected, "{text}");
    }
    let expected = Ruleset::parse_bytes(b"[\xff]").unwrap_err();
    assert_eq!(Ruleset::parse_for(b"[\xff]", "production").unwrap_err(), expected);
    assert_eq!(Ruleset::check_for(b"[\xff]", "production").unwrap_err(), expected);
}

#[test]
fn a_check_sees_what_clients_of_the_environment_see() {
    let text = r#"{"segments": [{"key": "s"}], "flags": [
        {"key": "f", "environment": "staging", "variations": 7},
        {"key": "f", "environment": "production", "enabled": false,
         "targeting_rules": [{"variation": "gone", "segment_id": "t"}]}
    ]}"#;
    let lines = |findings: Vec<phaseflag::Finding>| -> Vec<String> {
        findings.iter().map(|finding| finding.to_string()).collect()
    };
    let of_production = [
        "line 4, column 44: flags[1].targeting_rules[0].variation: \
         there is no variation `gone`: the value served is null",
        "line 4, column 66: flags[1].targeting_rules[0].segment_id: \
         there is no segment `t`: the rule matches nobody; a self-hosted service that evaluates the \
         rule ignores an unknown segment, and serves everyone who meets the rule's conditions",
    ];
    assert_eq!(lines(Ruleset::check_for(text, "production").unwrap()), of_production);
    assert_eq!(
        lines(Ruleset::check_for(text, "staging").unwrap()),
        ["line 2, column 62: flags[0].variations: expected a list, found a number: \
             the flag is left out"]
    );
    assert_eq!(Ruleset::check_for(text, "development").unwrap(), []);
    let all = lines(Ruleset::check(text).unwrap());
    assert!(all[0].contains("no active rule uses the segment `s`"), "{all:?}");
}

#[test]
fn a_bootstrap_is_read_for_the_environment() {
    let path = std::env::temp_dir().join(format!("phaseflag-environment-{}", std::process::id()));
    std::fs::write(&path, several(1)).unwrap();
    let client = || PhaseFlagClient::builder("", "");
    for builder in [client().bootstrap_text(several(1)), client().bootstrap_file(&path)] {
        let of = |name: &str| support::started(builder.clone().environment(name));
        assert_eq!(seen(&of("production")), OF_PRODUCTION);
        assert_eq!(seen(&of("staging")), OF_STAGING);
        assert_eq!(seen(&of("qa")), ["absent", "plain", "absent", "absent"]);
        // The last call wins.
        let client = support::started(builder.clone().environment("qa").environment("staging"));
        assert_eq!(seen(&client), OF_STAGING);
        let all = support::started(builder.clone());
        assert_eq!(seen(&all), ["live", "plain", "of staging", "trial"]);
        assert_eq!(all.flags().len(), 4);
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_watched_file_is_read_for_the_environment() {
    let path = std::env::temp_dir().join(format!("phaseflag-env-watch-{}", std::process::id()));
    std::fs::write(&path, document(1, &[])).unwrap();
    let client = PhaseFlagClient::builder("", "")
        .bootstrap_file(&path)
        .bootstrap_watch(support::RAPIDLY)
        .environment("production");
    let client = support::started(client);
    assert_eq!(value(&client, "live"), "absent");
    std::fs::write(&path, several(2)).unwrap();
    support::wait_until("the new rules", || value(&client, "live") == "live");
    assert_eq!(seen(&client), OF_PRODUCTION);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn every_method_of_a_client_uses_the_environment() {
    let builder = PhaseFlagClient::builder("", "").bootstrap_text(several(1));
    let client = support::started(builder.environment("production"));
    let keys: Vec<_> = client.flags().iter().map(|flag| flag.key().to_owned()).collect();
    assert_eq!(keys, ["live", "plain", "both"]);
    assert!(client.evaluate_all(None).keys().eq(["both", "live", "plain"]));
    let context = EvaluationContext::new();
    assert_eq!(client.get_variation("trial", &context), None);
    assert_eq!(client.snapshot().get_string_value("trial", "absent", None), "absent");
    // An override needs no flag.
    client.set_override("trial", "set");
    assert_eq!(value(&client, "trial"), "set");
}

#[cfg(feature = "http")]
mod with_a_service {
    use std::fs;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::support::{NEVER, RAPIDLY, Reply, Server, builder, ready, started, wait_until};

    #[test]
    fn polls_are_read_for_the_environment_and_fetches_are_not() {
        let server = Server::with_ruleset(several(1));
        let settings = builder(&server).polling_interval(RAPIDLY).environment("production");
        let client = ready(settings);
        assert_eq!(seen(&client), OF_PRODUCTION);
        assert_eq!(client.fetch_ruleset().unwrap(), several(1));

        // Only the environment of a flag changes.
        let listen = |client: &PhaseFlagClient| {
            let changes = Arc::new(Mutex::new(Vec::new()));
            let heard = changes.clone();
            client.on_flags_changed(move |change| {
                let keys = [change.added(), change.changed(), change.removed()];
                heard.lock().unwrap().push(keys.map(<[String]>::to_vec));
            });
            changes
        };
        let of_all = ready(builder(&server).polling_interval(RAPIDLY));
        let (changes, all_changes) = (listen(&client), listen(&of_all));
        let staging = flag("live", Some("staging"), "live");
        let rules = several(2).replace(&flag("live", Some("production"), "live"), &staging);
        server.respond(move |_| Reply::json(rules.clone()));
        wait_until("the change", || !changes.lock().unwrap().is_empty());
        assert_eq!(value(&client, "live"), "absent");
        assert_eq!(*changes.lock().unwrap(), [[vec![], vec![], vec!["live".to_owned()]]]);
        wait_until("the change for all", || !all_changes.lock().unwrap().is_empty());
        assert_eq!(*all_changes.lock().unwrap(), [[vec![], vec!["live".to_owned()], vec![]]]);
    }

    #[test]
    fn a_bootstrap_url_is_read_for_the_environment() {
        let server = Server::start(|request| match request.path.as_str() {
            "/bootstrap.json" => Reply::json(several(1)),
            _ => Reply::status(500),
        });
        let settings = builder(&server).bootstrap_url("/bootstrap.json").environment("staging");
        let client = started(settings);
        wait_until("rules", || client.has_rules());
        assert_eq!(seen(&client), OF_STAGING);
    }

    #[test]
    fn clients_of_different_environments_share_the_cache() {
        let folder = std::env::temp_dir().join(format!("phaseflag-env-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        // Many other flags, so that flags are read one by one.
        let others = (0..100).map(|n| flag(&format!("other-{n}"), None, "other"));
        let others = others.collect::<Vec<_>>().join(",");
        let rules = several(1).replacen('[', &format!("[{others},"), 1);
        let server = Server::with_ruleset(rules);
        let settings = |name: &str| builder(&server).cache_dir(&folder).environment(name);
        ready(settings("production")).stop();
        server.respond(|_| Reply::Hang);
        for (name, expected) in [("staging", OF_STAGING), ("production", OF_PRODUCTION)] {
            let client = ready(settings(name).cache_max_age(NEVER).polling_interval(NEVER));
            assert_eq!(seen(&client), expected, "by parts");
            let whole = client.ruleset().unwrap();
            assert_eq!(whole.len(), 103);
            assert_eq!(seen(&client), expected, "as a whole");
        }
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let is_rules = |path: &std::path::PathBuf| path.extension().unwrap() == "rules";
        assert_eq!(files.filter(is_rules).count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_single_cached_flag_fails_on_a_prerequisite_of_another_environment() {
        let folder =
            std::env::temp_dir().join(format!("phaseflag-env-part-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let others = (0..100).map(|n| flag(&format!("other-{n}"), None, "other"));
        let mut flags: Vec<_> = others.collect();
        flags.push(flag("gate", Some("staging"), "gate"));
        flags.push(
            r#"{"key": "f", "default_variation": "off",
                "variations": [{"key": "off", "value": "off"}, {"key": "on", "value": "on"}],
                "prerequisites": [{"flag_key": "gate", "variation_key": "v"}],
                "targeting_rules": [{"variation": "on"}]}"#
                .to_owned(),
        );
        let server = Server::with_ruleset(document(1, &flags));
        let settings = |name: &str| builder(&server).cache_dir(&folder).environment(name);
        ready(settings("production")).stop();
        server.respond(|_| Reply::Hang);
        for (name, expected) in [("production", "off"), ("staging", "on")] {
            // No poll that locks the cache while the folder is removed.
            let settings = settings(name).cache_max_age(NEVER).polling_interval(Duration::ZERO);
            let client = started(settings);
            assert_eq!(value(&client, "f"), expected, "{name}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}

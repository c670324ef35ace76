//! `phaseflag serve --self-hosted`: the recorded responses of the real service over PostgreSQL.

use phaseflag::{EvaluationContext, EvaluationEvent, PhaseFlagClient, Ruleset, Value};

use crate::support::{FLAGS, Folder, KEY, Response, SOON, Service, exchange};

const EVENTS: &str = include_str!("../../../tests/data/service/events.json");
const OTHERS: &str = include_str!("../../../tests/data/service/others.json");
const RULESET: &str = include_str!("../../../tests/data/service/ruleset.json");
const BOOTSTRAP: &str = include_str!("../../../tests/data/service/bootstrap.json");

const FAILED: &str = r#"{"error":{"code":500,"message":"Internal server error"}}"#;

fn start(folder: &Folder, rules: &str) -> Service {
    folder.write("rules.json", rules);
    Service::start_with(folder, &["rules.json", "--port", "0", "--self-hosted"])
}

fn json(text: &str) -> Value {
    text.parse().unwrap()
}

fn rows(text: &str) -> Vec<Value> {
    json(text).as_array().unwrap().to_vec()
}

/// Returns a body with this event, `count` times.
fn batch(event: &str, count: usize) -> String {
    format!(r#"{{"events": [{}]}}"#, vec![event; count].join(", "))
}

/// Returns the request of a recorded row. Only the beginning of a long one is recorded.
fn request(row: &Value) -> String {
    let recorded = row["request"].as_str().unwrap();
    let Some(beginning) = recorded.strip_suffix('…') else {
        return recorded.to_owned();
    };
    let whole = match row["name"].as_str().unwrap() {
        "metadata big 1 MB" => {
            let text = "y".repeat(1 << 20);
            batch(
                &format!(
                    r#"{{"flag_key": "dark-mode", "user_id": "big", "metadata": {{"x": "{text}"}}}}"#
                ),
                1,
            )
        }
        "501 events" => batch(r#"{"flag_key": "dark-mode"}"#, 501),
        "500 events" => batch(r#"{"flag_key": "dark-mode", "user_id": "500"}"#, 500),
        name => panic!("`{name}` is not known"),
    };
    assert!(whole.starts_with(beginning), "{recorded}");
    whole
}

/// Tracks an event, and asserts that no event was printed before its own.
#[track_caller]
fn nothing_else_is_printed(service: &mut Service) {
    let marker = r#"{"flag_key":"marker"}"#;
    assert_eq!(service.post("/sdk/events", &batch(marker, 1)).status, 202);
    service.program.line(&format!("event {marker}"));
    let printed = service.program.untaken().iter().filter(|line| line.starts_with("event "));
    assert_eq!(printed.count(), 0);
}

#[test]
fn responses_to_events_are_as_recorded() {
    let folder = Folder::new("self-hosted-events");
    let mut service = start(&folder, FLAGS);
    let rows = rows(EVENTS);
    let rows = rows.iter().filter(|row| row["database"].as_str() == Some("postgres"));
    let mut statuses = Vec::new();
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let body = request(row);
        let response = service.post("/sdk/events", &body);
        assert_eq!(Some(u64::from(response.status)), row["status"].as_u64(), "{name}");
        assert_eq!(response.json(), row["answer"], "{name}");
        statuses.push(response.status);
        if response.status == 202 {
            for event in json(&body)["events"].as_array().unwrap() {
                assert_eq!(service.program.line("event "), format!("event {event}"), "{name}");
            }
        }
    }
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!([202, 422, 500].map(count), [10, 5, 9]);
    nothing_else_is_printed(&mut service);
}

#[test]
fn one_event_fails_its_whole_request() {
    let folder = Folder::new("self-hosted-batch");
    let mut service = start(&folder, FLAGS);
    let long = "ü".repeat(256);
    for bad in [
        r#""timestamp": "2026-04-04T15:00:00z""#,
        r#""timestamp": "2026-04-04T15:00-02:00""#,
        r#""timestamp": "2026-02-30T15:00:00""#,
        r#""timestamp": "1775314800""#,
        r#""timestamp": " ""#,
        r#""variation_key": "\u0000""#,
        &format!(r#""variation_key": "{long}""#),
        &format!(r#""user_id": "{long}""#),
        r#""variation_key": "\udc00""#,
        r#""metadata": {"a": ["\ud83d"]}"#,
        r#""metadata": {"\ud83d!": 1}"#,
    ] {
        let body = format!(
            r#"{{"events": [{{"flag_key": "a"}}, {{"flag_key": "b", {bad}}}, {{"flag_key": "c"}}]}}"#
        );
        let response = service.post("/sdk/events", &body);
        assert_eq!((response.status, response.body.as_str()), (500, FAILED), "{bad}");
    }
    nothing_else_is_printed(&mut service);

    let long = "😀".repeat(255);
    for good in [
        r#""timestamp": "2026-04-04T15:00:00""#,
        r#""timestamp": "2024-02-29""#,
        r#""variation_key": null, "user_id": null, "timestamp": null"#,
        r#""variation_key": "", "user_id": """#,
        r#""user_id": "\ud83d\ude00 \\ud83d""#,
        r#""metadata": {}, "unknown": 1"#,
        &format!(r#""variation_key": "{long}", "user_id": "{long}""#),
    ] {
        let body = batch(&format!(r#"{{"flag_key": "a", {good}}}"#), 1);
        let response = service.post("/sdk/events", &body);
        assert_eq!(response.status, 202, "{good}");
        service.program.line("event ");
    }
    nothing_else_is_printed(&mut service);
}

#[test]
fn the_response_to_a_refused_body_names_its_fields() {
    let folder = Folder::new("self-hosted-fields");
    let mut service = start(&folder, FLAGS);
    let no_object = "Input should be a valid dictionary or object to extract fields from";
    let no_list = "Input should be a valid list";
    let no_text = "Input should be a valid string";
    for (body, fields) in [
        ("", vec![("body", "Field required")]),
        ("[]", vec![("body", no_object)]),
        ("null", vec![("body", no_object)]),
        ("{}", vec![("body.events", "Field required")]),
        (r#"{"events": {}}"#, vec![("body.events", no_list)]),
        (r#"{"events": null}"#, vec![("body.events", no_list)]),
        (r#"{"events": [1, {}]}"#, {
            vec![("body.events.0", no_object), ("body.events.1.flag_key", "Field required")]
        }),
        (
            r#"{"events": [{"flag_key": null, "variation_key": 1, "timestamp": 2, "metadata": "a"}]}"#,
            vec![
                ("body.events.0.flag_key", no_text),
                ("body.events.0.variation_key", no_text),
                ("body.events.0.timestamp", no_text),
                ("body.events.0.metadata", "Input should be a valid dictionary"),
            ],
        ),
        ("{\"events\":\n [üx]}", vec![("body.13", "JSON decode error")]),
        // A wrong type is reported before what the database refuses.
        (r#"{"events": [{"flag_key": "\ud800", "user_id": 7}]}"#, {
            vec![("body.events.0.user_id", no_text)]
        }),
    ] {
        let response = service.post("/sdk/events", body);
        assert_eq!(response.status, 422, "{body}");
        let error = response.json()["error"].clone();
        assert_eq!(error["message"].as_str(), Some("Validation error"));
        let details = error["details"].as_array().unwrap();
        let text = |detail: &Value, name: &str| detail[name].as_str().unwrap().to_owned();
        let found: Vec<_> =
            details.iter().map(|detail| (text(detail, "field"), text(detail, "message"))).collect();
        let found: Vec<_> = found.iter().map(|(field, text)| (&field[..], &text[..])).collect();
        assert_eq!(found, fields, "{body}");
    }
    nothing_else_is_printed(&mut service);
}

/// Requests that the service accepts and `serve` does not.
const NOT_SERVED: [&str; 2] = ["POST /api/v1/evaluate/batch", "POST /api/v1/flags/seg-and/explain"];

#[test]
fn responses_to_other_requests_are_as_recorded() {
    let folder = Folder::new("self-hosted-others");
    let off = |key: &str, status: &str| {
        json(&format!(r#"{{"key": "{key}", "status": "{status}", "variations": []}}"#))
    };
    let mut rules = json(BOOTSTRAP).as_object().unwrap().clone();
    let flags = rules.get("flags").unwrap().as_array().unwrap().iter().cloned();
    let flags: Value = flags.chain([off("asleep", "inactive"), off("old", "archived")]).collect();
    rules.insert("flags", flags);
    folder.write("rules.json", &Value::from(rules).to_string());
    let key = "sdk-dev-xxxxxxxxxxxx";
    let service =
        Service::start_with(&folder, &["rules.json", "--port=0", "--self-hosted", "--key", key]);
    let host = service.base_url.strip_suffix("/api/v1").unwrap();
    let mut sent = 0;
    for row in rows(OTHERS) {
        let request = row["request"].as_str().unwrap();
        if NOT_SERVED.contains(&request) {
            continue;
        }
        let (method, path) = request.split_once(' ').unwrap();
        let headers = row["headers_sent"].as_object().unwrap().iter();
        let headers: Vec<_> =
            headers.map(|(name, value)| (name, value.as_str().unwrap())).collect();
        let body = match &row["body_sent"] {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let response = exchange(method, &format!("{host}{path}"), &headers, &body);
        sent += 1;
        assert_eq!(Some(u64::from(response.status)), row["status"].as_u64(), "{row}");
        assert_eq!(response.json(), json(row["body"].as_str().unwrap()), "{row}");
        let recorded = row["headers"].as_object().unwrap();
        for name in ["content-type", "cache-control"] {
            assert_eq!(response.header(name), recorded.get(name).and_then(Value::as_str), "{row}");
        }
        // The recorded service had another limit.
        let limits = recorded.get("x-ratelimit-limit").is_some();
        let left = (120 - sent).to_string();
        let (limit, left) = (limits.then_some("120"), limits.then_some(left.as_str()));
        assert_eq!(response.header("x-ratelimit-limit"), limit, "{row}");
        assert_eq!(response.header("x-ratelimit-remaining"), left, "{row}");
    }
    assert_eq!(sent, 11);
}

#[test]
fn recorded_rules_are_served_as_recorded() {
    let folder = Folder::new("self-hosted-recorded");
    let service = start(&folder, BOOTSTRAP);
    let (recorded, response) = (json(RULESET), service.get("/sdk/ruleset", &[]).json());
    assert_eq!(response["flags"], recorded["flags"]);
    assert_eq!(names(&response), names(&recorded));
    assert_eq!(kinds(&response), kinds(&recorded));

    let response = service.get("/sdk/bootstrap", &[]);
    assert_eq!((response.status, response.header("ETag")), (200, None));
    let (recorded, response) = (json(BOOTSTRAP), response.json());
    assert_eq!(response["flags"], recorded["flags"]);
    assert_eq!(response["segments"], recorded["segments"]);
    assert_eq!(names(&response), names(&recorded));
    assert_eq!(kinds(&response), kinds(&recorded));
}

fn names(document: &Value) -> Vec<String> {
    document.as_object().unwrap().iter().map(|(name, _)| name.to_owned()).collect()
}

/// Returns the members that are text, with `0` for each digit and `f` for each hexadecimal letter.
fn kinds(document: &Value) -> Vec<String> {
    let members = document.as_object().unwrap().iter();
    let texts = members.filter_map(|(name, value)| Some((name, value.as_str()?)));
    let kind = |c: char| match c {
        '0'..='9' => '0',
        'a'..='f' => 'f',
        other => other,
    };
    texts
        .map(|(name, text)| match name {
            // A number, of any length.
            "version" => {
                assert!(text.parse::<u32>().is_ok(), "{text}");
                name.to_owned()
            }
            "signature" => {
                assert!(text.chars().all(|c| matches!(kind(c), '0' | 'f')), "{text}");
                format!("{name} of {}", text.len())
            }
            _ => format!("{name} {}", text.chars().map(kind).collect::<String>()),
        })
        .collect()
}

#[test]
fn every_format_of_rules_is_served_in_one() {
    let by_key = r#"{"data": {"version": 42, "flags": [
        {"key": "checkout", "flag_type": "boolean", "enabled": true, "tags": null,
         "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
         "default_variation": "off", "prerequisites": [{"flag_key": "gate", "variation_key": "on"}],
         "targeting_rules": [
           {"id": "r1", "priority": 1, "variation": "on", "segment_id": "beta", "conditions": [
              {"attribute": "plan", "operator": "one_of", "value": ["pro"]}]},
           {"id": "r2", "priority": 2, "percentage_rollout": [
              {"variation": "on", "percentage": 10}, {"variation": "off", "percentage": 90}]}]},
        {"key": "gate", "enabled": false},
        {"key": "old", "status": "archived"},
        {"no": "flag"}, 7]},
      "segments": [{"key": "beta", "conditions": [
         {"attribute": "plan", "operator": "is", "values": "beta", "more": 1}]}]}"#;
    let folder = Folder::new("self-hosted-forms");
    let service = start(&folder, by_key);
    let expected = r#"[{
        "id": "checkout", "key": "checkout", "name": "checkout", "flag_type": "boolean",
        "status": "active", "default_variation_id": "off", "tags": [],
        "variations": [
          {"id": "on", "key": "on", "name": "on", "value": true, "description": null},
          {"id": "off", "key": "off", "name": "off", "value": false, "description": null}],
        "targeting_rules": [
          {"priority": 1, "variation_id": "on", "segment_id": "beta", "conditions": [
             {"attribute": "plan", "operator": "one_of", "value": ["pro"]}]},
          {"priority": 2, "conditions": [], "percentage_rollout": {"variations": [
             {"variation_id": "on", "weight": 10}, {"variation_id": "off", "weight": 90}]}}]}]"#;
    let ruleset = service.get("/sdk/ruleset", &[]).json();
    assert_eq!(ruleset["flags"], json(expected));
    let bootstrap = service.get("/sdk/bootstrap", &[]).json();
    assert_eq!(bootstrap["flags"], json(expected));
    let segments = r#"[{"id": "beta", "key": "beta", "name": "beta", "conditions": [
        {"attribute": "plan", "operator": "is", "value": "beta"}]}]"#;
    assert_eq!(bootstrap["segments"], json(segments));

    // Empty references count as absent, and malformed parts are sent unchanged.
    let odd = r#"[{"id": "", "key": "a", "default_variation_id": "", "default_variation_key": "v",
        "variations": [{"key": "v", "value": ""}, 7], "targeting_rules": [null,
          {"variation_id": "", "variation": "v", "segment_id": null, "conditions": "none"}]}]"#;
    folder.write("rules.json", odd);
    let flag = service.get("/sdk/ruleset", &[]).json()["flags"][0].clone();
    assert_eq!(flag["id"].as_str(), Some("a"));
    assert_eq!(flag["default_variation_id"].as_str(), Some("v"));
    let variation = r#"{"id": "v", "key": "v", "name": "v", "value": "", "description": null}"#;
    assert_eq!(flag["variations"], json(&format!("[{variation}, 7]")));
    let rule = r#"{"priority": 0, "conditions": "none", "variation_id": "v"}"#;
    assert_eq!(flag["targeting_rules"], json(&format!("[null, {rule}]")));

    for (rules, count) in [("[]", 0), (r#"{"flags": [{"key": "a"}], "segments": null}"#, 1)] {
        folder.write("rules.json", rules);
        let bootstrap = service.get("/sdk/bootstrap", &[]).json();
        assert_eq!(bootstrap["flags"].as_array().map(<[Value]>::len), Some(count), "{rules}");
        assert_eq!(bootstrap["segments"], json("[]"), "{rules}");
    }
}

#[test]
fn the_bootstrap_serves_what_the_file_serves() {
    let folder = Folder::new("self-hosted-same");
    let service = start(&folder, FLAGS);
    let served = Ruleset::parse(&service.get("/sdk/bootstrap", &[]).body).unwrap();
    assert_eq!(served.problems(), []);
    let file = Ruleset::parse(FLAGS).unwrap();
    let staff = EvaluationContext::new().user_id("ada").attribute("email", "ada@shop.example");
    let gone = ["product-recommendations", "express-pay"];
    for context in [&staff, &EvaluationContext::new().attribute("plan", "team")] {
        for flag in file.flags().filter(|flag| !gone.contains(&flag.key())) {
            let (here, there) =
                (file.evaluate(flag.key(), context), served.evaluate(flag.key(), context));
            assert_eq!(here, there, "{}", flag.key());
        }
    }
    assert_eq!(served.len(), 7);
    assert!(served.evaluate(gone[0], None).is_none());
    // Only the service itself knows prerequisites.
    let british = EvaluationContext::new().attribute("country", "GB");
    let pay = served.evaluate("express-pay", &british).unwrap();
    assert_eq!(pay.variation_key(), Some("enabled"));
}

#[test]
fn the_etag_does_not_change_with_a_rule() {
    let folder = Folder::new("self-hosted-etag");
    let service = start(&folder, FLAGS);
    let first = service.get("/sdk/ruleset", &[]);
    assert_eq!(first.status, 200);
    let etag = first.header("ETag").unwrap();
    let ask = || service.get("/sdk/ruleset", &[("If-None-Match", etag)]);
    assert_eq!((ask().status, ask().body.as_str()), (304, ""));

    let changed = FLAGS.replace("\"weight\": 25", "\"weight\": 26");
    let changed = changed.replace("\"value\": \"light\"", "\"value\": \"bright\"");
    folder.write("rules.json", &changed);
    assert_eq!((ask().status, ask().header("ETag")), (304, Some(etag)));
    let changed = service.get("/sdk/ruleset", &[]);
    assert_ne!(changed.json()["flags"], first.json()["flags"]);
    assert_eq!(changed.json()["version"], first.json()["version"]);

    // An added or removed flag changes the ETag.
    folder.write("rules.json", &FLAGS.replace("inactive", "active"));
    let active = ask();
    assert_eq!(active.status, 200);
    assert_ne!(active.header("ETag"), Some(etag));
    assert_ne!(active.json()["version"], first.json()["version"]);

    folder.write("rules.json", FLAGS);
    assert_eq!(ask().status, 304);
    let other = Service::start_with(&folder, &["rules.json", "--port", "0", "--self-hosted"]);
    assert_ne!(other.get("/sdk/ruleset", &[]).header("ETag"), Some(etag));
}

#[test]
fn evaluations_use_prerequisites_and_ids() {
    let folder = Folder::new("self-hosted-evaluate");
    let service = start(&folder, FLAGS);
    let ask = |key: &str, context: &str| {
        let body = format!(r#"{{"flag_key": "{key}", "context": {context}}}"#);
        service.post("/sdk/evaluate", &body)
    };
    let response = ask("instant-search", r#"{"user_id": "bob", "user_key": "ada"}"#);
    assert_eq!(
        (response.status, response.json()),
        (
            200,
            json(
                r#"{"flag_key": "instant-search", "variation_id": "var_91d2f8_on",
                    "variation_key": "on", "value": true, "reason": "percentage_rollout"}"#
            )
        )
    );
    // `user_key` exists only on the documented path.
    let response = ask("instant-search", r#"{"user_key": "bob"}"#).json();
    assert_eq!(response["reason"].as_str(), Some("default"));
    let session = ask("instant-search", r#"{"session_id": "bob"}"#).json();
    assert_eq!(session["reason"].as_str(), Some("percentage_rollout"));
    let british = ask("express-pay", r#"{"attributes": {"country": "GB"}}"#).json();
    assert_eq!(british["reason"].as_str(), Some("prerequisite_failed"));
    assert_eq!(british["variation_id"].as_str(), Some("var_e0457d_disabled"));
    let staff = ask("order-dashboard", r#"{"attributes": {"email": "a@shop.example"}}"#).json();
    assert_eq!(staff["value"].as_bool(), Some(true));

    for context in ["null", "[]", r#"{"session_id": 7}"#, r#"{"attributes": []}"#] {
        assert_eq!(ask("instant-search", context).status, 422, "{context}");
    }
    folder.write(
        "rules.json",
        r#"[{"key": "it's \"off\"", "status": "active", "enabled": false}, {"key": "bare"}]"#,
    );
    let off = service.post("/sdk/evaluate", r#"{"flag_key": "it's \"off\""}"#);
    let message = "Flag 'it's \"off\"' is not active (status=inactive)";
    assert_eq!(off.status, 400);
    assert_eq!(off.json()["error"]["message"].as_str(), Some(message));
    let bare = service.post("/sdk/evaluate", r#"{"flag_key": "bare"}"#).json();
    assert!(bare["variation_id"].is_null() && bare["value"].is_null(), "{bare}");

    // Of two flags with the same key, the last one counts.
    let flag = |id: &str| {
        let variation = format!(r#"{{"id": "{id}", "key": "v", "value": 1}}"#);
        format!(r#"{{"key": "a", "default_variation": "v", "variations": [{variation}]}}"#)
    };
    folder.write("rules.json", &format!("[{}, {}]", flag("first"), flag("last")));
    let last = service.post("/sdk/evaluate", r#"{"flag_key": "a"}"#).json();
    assert_eq!(last["variation_id"].as_str(), Some("last"));
}

#[test]
fn other_methods_and_paths_are_refused() {
    let folder = Folder::new("self-hosted-methods");
    let service = start(&folder, FLAGS);
    for (method, path, allowed) in [
        ("POST", "/sdk/ruleset", "GET"),
        ("HEAD", "/sdk/bootstrap", "GET"),
        ("POST", "/sdk/stream", "GET"),
        ("GET", "/sdk/events", "POST"),
        ("OPTIONS", "/sdk/evaluate", "POST"),
    ] {
        let response = exchange(method, &format!("{}{path}", service.base_url), &[], "");
        assert_eq!(
            (response.status, response.header("Allow")),
            (405, Some(allowed)),
            "{method} {path}"
        );
    }
    for path in ["/evaluate", "/sdk/streams", "/sdk/ruleset/"] {
        let response = service.post(path, r#"{"flags": ["*"], "context": {}}"#);
        let expected = r#"{"error":{"code":404,"message":"Not Found"}}"#;
        assert_eq!((response.status, response.body.as_str()), (404, expected), "{path}");
    }
}

#[test]
fn an_address_has_120_requests_a_minute() {
    let folder = Folder::new("self-hosted-limit");
    let service = start(&folder, FLAGS);
    let send = |number: usize| -> Response {
        match number % 5 {
            0 => service.get("/sdk/ruleset", &[]),
            1 => service.post("/sdk/events", r#"{"events": []}"#),
            2 => service.post("/sdk/evaluate", r#"{"flag_key": "ui-theme"}"#),
            3 => service.get("/nothing", &[]),
            _ => exchange("GET", &format!("{}/sdk/ruleset", service.base_url), &[], ""),
        }
    };
    for number in 0..120 {
        let response = send(number);
        let expected = [200, 202, 200, 404, 401][number % 5];
        assert_eq!(response.status, expected, "{number}");
        assert_eq!(response.header("X-RateLimit-Limit"), Some("120"));
        let left = (119 - number).to_string();
        assert_eq!(response.header("X-RateLimit-Remaining"), Some(left.as_str()));
        assert_eq!(response.header("Retry-After"), None);
    }
    for number in 0..5 {
        let response = send(number);
        assert_eq!(response.status, 429, "{number}");
        assert_eq!(response.json()["error"]["code"].as_u64(), Some(429));
        assert_eq!(response.header("X-RateLimit-Limit"), Some("120"));
        assert_eq!(response.header("X-RateLimit-Remaining"), Some("0"));
        let wait: u64 = response.header("Retry-After").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
}

/// A client of each kind of service: the value for a segment, and the events that arrive.
#[test]
fn a_client_reads_segments_and_delivers_events() {
    for options in [&[][..], &["--self-hosted"]] {
        let folder = Folder::new("self-hosted-client");
        folder.write("rules.json", FLAGS);
        let arguments: Vec<_> =
            ["rules.json", "--port", "0"].iter().chain(options).copied().collect();
        let mut service = Service::start_with(&folder, &arguments);
        let client = PhaseFlagClient::builder(&service.base_url, KEY).build().unwrap();
        client.start().unwrap();
        client.wait_until_ready(SOON).unwrap();
        let with = |email: &str| EvaluationContext::new().attribute("email", email);
        assert!(client.get_boolean_value("order-dashboard", false, &with("a@shop.example")));
        assert!(!client.get_boolean_value("order-dashboard", true, &with("a@elsewhere.example")));

        let users = ["ada", "bob", "cleo"];
        for user in users {
            client.track_event(EvaluationEvent::new("order-dashboard").user_id(user));
        }
        client.flush_events().unwrap();
        for user in users {
            let line = service.program.line("event ");
            let event = json(line.strip_prefix("event ").unwrap());
            assert_eq!(event["user_id"].as_str(), Some(user), "{options:?}");
        }
        assert_eq!(client.statistics().events.delivered, 3);
        client.stop();
        assert_eq!(client.statistics().events.dropped(), 0);
    }
}

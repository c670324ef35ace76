//! `phaseflag generate`: the module compiles, is formatted, and serves what the client serves.
//!
//! The modules of `tests/generated` are a part of this program. To write them again, see
//! `the_modules_are_up_to_date`.

use std::fs;
use std::path::Path;
use std::process::Command;

use phaseflag::{EvaluationContext, Object, PhaseFlagClient, Value};

use crate::generated_examples as examples;
use crate::generated_odd as odd;
use crate::support::{FLAGS, Folder, outcome, run, run_with_input};

const ODD: &str = include_str!("../generated/odd.json");
const SERVICE: &str = include_str!("../../../tests/data/service/bootstrap.json");

fn client(rules: &str) -> PhaseFlagClient {
    let client = PhaseFlagClient::builder("", "").bootstrap_text(rules).build().unwrap();
    client.start().unwrap();
    client
}

/// Returns the module for a document.
fn generated(folder: &Folder, rules: &str) -> String {
    folder.write("rules.json", rules);
    let done = run(&mut folder.phaseflag(&["generate", "rust", "rules.json"]));
    assert_eq!(done.status, 0, "{done:?}");
    done.output
}

/// If this fails, run `phaseflag generate rust RULES -o cli/tests/generated/NAME.rs`.
#[test]
fn the_modules_are_up_to_date() {
    let folder = Folder::new("generate-current");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generated");
    for (rules, name) in [(FLAGS, "examples.rs"), (ODD, "odd.rs")] {
        let module = fs::read_to_string(root.join(name)).unwrap().replace("\r\n", "\n");
        assert_eq!(generated(&folder, rules), module, "{name}");
    }
}

#[test]
fn functions_serve_what_the_client_serves() {
    let client = client(FLAGS);
    let snapshot = client.snapshot();
    let contexts = [
        EvaluationContext::new(),
        EvaluationContext::new().user_id("ada").attribute("plan", "pro").attribute("country", "GB"),
        EvaluationContext::new().user_id("bob").attribute("plan", "team"),
        EvaluationContext::new().attribute("color_scheme", "dark").attribute("app_version", "4.2"),
        EvaluationContext::new()
            .attribute("prefers_contrast", true)
            .attribute("email", "ada@shop.example"),
    ];
    for context in &contexts {
        let boolean = |key| client.get_boolean_value(key, false, context);
        for (served, key) in [
            (examples::product_recommendations(&client, context), "product-recommendations"),
            (examples::new_checkout_flow(&client, context), "new-checkout-flow"),
            (examples::express_pay(&client, context), "express-pay"),
            (examples::instant_search(&snapshot, context), "instant-search"),
            (examples::barcode_scanner(&snapshot, context), "barcode-scanner"),
            (examples::order_dashboard(&snapshot, context), "order-dashboard"),
        ] {
            assert_eq!(served, boolean(key), "{key} {context:?}");
        }
        let theme = examples::ui_theme(&client, context);
        assert_eq!(theme.as_str(), client.get_string_value("ui-theme", "", context));
        let config = examples::checkout_config(&snapshot, context);
        let value = client.get_json_value("checkout-config", Value::Null, context);
        let members =
            [("invoice", Value::from(config.invoice)), ("max_items", config.max_items.into())];
        assert_eq!(Value::from(Object::from(members)), value, "{context:?}");
    }
    // At least two different values were compared.
    assert_eq!(examples::ui_theme(&client, &contexts[3]), examples::UiTheme::Dark);
    assert_eq!(examples::ui_theme(&client, None), examples::UiTheme::Light);
    assert!(examples::express_pay(&client, &contexts[1]));
}

/// Returns a module without its comments, and without what its literals hold.
fn code(module: &str) -> String {
    let mut code = String::new();
    let mut rest = module;
    while let Some(first) = rest.chars().next() {
        let after = rest.trim_start_matches('r').trim_start_matches('#');
        let hashes = rest.len() - after.len();
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("r\"") || rest.starts_with("r#") && after.starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes - 1));
            rest = after[1..].split_once(&end).expect("the end of a raw literal").1;
        } else if rest.starts_with('"') {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let is_end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                is_end
            });
            rest = &rest[end.expect("the end of a literal") + 2..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

#[test]
fn no_text_of_the_rules_is_code() {
    let folder = Folder::new("generate-code");
    let mut flags = Vec::new();
    for text in [
        "\"); INJECTED!(); (\"",
        "\"#; INJECTED; \"##; INJECTED; r#\"",
        "\\\"; INJECTED; \\",
        "\nINJECTED\r\nINJECTED\rINJECTED\u{85}INJECTED\u{2028}INJECTED",
        "*/ INJECTED /*",
        "` INJECTED `\nINJECTED",
        "{INJECTED} {} %s $INJECTED",
        "\u{202e}INJECTED\u{2066}",
    ] {
        let texts = [Value::from(text), Value::from(format!("{text}2"))];
        let object = Value::from(Object::from([(text, text), ("INJECTED\n", text)]));
        let large = Value::from([object.clone(), text.into()]);
        for (kind, values) in [
            ("string", texts.to_vec()),
            ("string", vec![text.repeat(30).into()]),
            ("json", vec![object]),
            ("json", vec![large]),
            ("boolean", vec![true.into()]),
            ("number", vec![7.into()]),
        ] {
            let variations = values.into_iter().enumerate().map(|(number, value)| {
                let key = format!("{text}{number}");
                Value::from(Object::from([("key", Value::from(key)), ("value", value)]))
            });
            flags.push(Value::from(Object::from([
                ("key", Value::from(format!("{text} {}", flags.len()))),
                ("description", Value::from(text)),
                ("name", Value::from(text)),
                ("flag_type", Value::from(kind)),
                ("default_variation", Value::from(format!("{text}0"))),
                ("variations", variations.collect()),
            ])));
        }
    }
    let module = generated(&folder, &Value::from(flags).to_string());
    assert!(module.matches("INJECTED").count() > 100, "{module}");
    let code = code(&module);
    assert!(code.contains("flags.boolean(, ") && !code.contains("INJECTED"), "{code}");
}

/// No rules, another type, and a value that is none of the variations.
#[test]
fn the_default_is_that_of_the_flag() {
    let client = client("[]");
    assert!(!examples::new_checkout_flow(&client, None));
    assert_eq!(examples::ui_theme(&client, None), examples::UiTheme::Light);
    let config = examples::checkout_config(&client, None);
    assert_eq!((config.invoice, config.max_items), (false, 50));

    client.set_override("new-checkout-flow", "true");
    client.set_override("ui-theme", "sepia");
    client.set_override("checkout-config", Object::from([("max_items", 7)]));
    assert!(!examples::new_checkout_flow(&client, None));
    assert_eq!(examples::ui_theme(&client, None), examples::UiTheme::default());
    assert_eq!(examples::checkout_config(&client, None), config);

    client.set_override("ui-theme", "high-contrast");
    assert_eq!(examples::ui_theme(&client, None), examples::UiTheme::HighContrast);
    let more: Value = r#"{"max_items": 7.0, "invoice": true, "more": 1}"#.parse().unwrap();
    client.set_override("checkout-config", more);
    assert_eq!(examples::checkout_config(&client, None).max_items, 7);
}

#[test]
fn unusual_flags_have_the_type_of_their_values() {
    for rules in [ODD, "[]"] {
        let client = client(rules);
        assert_eq!(odd::flag_a_2d_b(&client, None), "3.14".parse::<f64>().unwrap());
        assert!(odd::flag_a_5f_b(&client, None).starts_with("https://example.com/"));
        assert_eq!(odd::r#type(&client, None).as_str(), "ü");
        assert_eq!(odd::string(&client, None), odd::FlagString::V);
        assert_eq!(odd::flag_list(&client, None), Value::from([1, 2]));
        let deep = odd::deep(&client, None);
        assert_eq!((deep.r#type.as_str(), deep.max_items, deep.rate), ("x", 5, 1.0));
        assert_eq!((deep.note, deep.extra), (None, None));
        assert_eq!(deep.value, [vec![Some(1)], vec![None]]);
        assert_eq!((deep.ship.sizes[0].w, deep.ship.sizes[0].h), (1, 2.5));
        assert_eq!(odd::deep_ship(&client, None).by, "sea");
        assert!(!odd::none(&client, None));
        assert!(!odd::empty(&client, None));
        assert_eq!(odd::mixed(&client, None), Value::from("true"));
        assert!(odd::flag_65e5_672c(&client, None));
    }
    let client = client("[]");
    let other: Value = ODD.parse().unwrap();
    let variations = &other["flags"][5]["variations"];
    client.set_override("deep", variations[1]["value"].clone());
    let deep = odd::deep(&client, None);
    assert_eq!((deep.note.as_deref(), deep.extra, deep.rate), (Some("n"), Some(true), 1.5));
    client.set_override("type", "B \"q\"");
    assert_eq!(odd::r#type(&client, None), odd::Type::BC);
}

/// Keys and values of each length, around the widths at which rustfmt breaks a line. It breaks names
/// of more than 80 characters, too.
fn lengths() -> String {
    let flags = (1..80).flat_map(|length| {
        let text = "x".repeat(length);
        let other = "y".repeat(length);
        let wide = "日".repeat(length);
        [
            format!(
                r#"{{"key": "b{text}", "default_variation": "v",
                     "variations": [{{"key": "v", "value": true}}]}}"#
            ),
            format!(
                r#"{{"key": "s{text}", "default_variation": "v", "variations": [
                     {{"key": "v", "value": "{text}"}}, {{"key": "w", "value": "{other}"}}]}}"#
            ),
            format!(
                r#"{{"key": "e{text}", "default_variation": "v", "variations": [
                     {{"key": "v{text}", "value": "日本"}}, {{"key": "w", "value": "\"{other}"}}]}}"#
            ),
            format!(
                r#"{{"key": "j{text}", "default_variation": "v", "variations": [
                     {{"key": "v", "value": {{"m{text}": [[1]], "n": null, "o": [{{"p{text}": 1}}]}}}}]}}"#
            ),
            format!(
                r#"{{"key": "w{length}", "default_variation": "v",
                     "variations": [{{"key": "v", "value": "{wide}"}}]}}"#
            ),
            format!(
                r#"{{"key": "n{text}", "default_variation": "v",
                     "variations": [{{"key": "v", "value": [1.5, "{text}"]}}]}}"#
            ),
        ]
    });
    format!("[{}]", flags.collect::<Vec<_>>().join(","))
}

#[test]
fn the_code_is_formatted_as_rustfmt_formats_it() {
    if Command::new("rustfmt").arg("--version").output().is_err() {
        println!("NOT CHECKED: the format of generated code, since there is no rustfmt");
        return;
    }
    let folder = Folder::new("generate-rustfmt");
    // Not the settings of this repository.
    folder.write("rustfmt.toml", "");
    for rules in [FLAGS, ODD, SERVICE, "[]", &lengths()] {
        let module = generated(&folder, rules);
        folder.write("flags.rs", &module);
        let mut rustfmt = folder.program("rustfmt");
        rustfmt.args(["--check", "--edition", "2024", "flags.rs"]);
        let home = std::env::var_os("RUSTUP_HOME").or_else(|| std::env::var_os("HOME"));
        rustfmt.env("HOME", home.unwrap_or_default());
        for variable in ["RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME"] {
            rustfmt.envs(std::env::var_os(variable).map(|value| (variable, value)));
        }
        let done = run(&mut rustfmt);
        let start: String = done.output.chars().take(2000).collect();
        assert_eq!((done.status, start.as_str(), done.errors.as_str()), (0, "", ""));
    }
}

#[test]
fn a_module_is_checked_and_replaced() {
    let folder = Folder::new("generate-check");
    folder.write("flags.json", FLAGS);
    let arguments = ["generate", "rust", "flags.json", "-o", "flags.rs"];
    let generate = |more: &[&str]| run(&mut folder.phaseflag(&[&arguments, more].concat()));
    let stale = "flags.rs is out of date: run `phaseflag generate rust flags.json -o flags.rs`\n";
    assert_eq!(generate(&["--check"]), outcome(1, stale, ""));
    assert!(!folder.path.join("flags.rs").exists());
    assert_eq!(generate(&[]), outcome(0, "", ""));
    assert_eq!(generate(&["--check"]), outcome(0, "", ""));
    let module = fs::read_to_string(folder.file("flags.rs")).unwrap();
    assert!(module.contains("pub fn ui_theme<'a>("));

    // Git may have changed the line ends.
    folder.write("flags.rs", &module.replace('\n', "\r\n"));
    assert_eq!(generate(&["--check"]), outcome(0, "", ""));
    // A file that is up to date keeps its time, so that nothing is compiled again.
    let written = fs::metadata(folder.file("flags.rs")).unwrap().modified().unwrap();
    assert_eq!(generate(&[]), outcome(0, "", ""));
    assert_eq!(fs::metadata(folder.file("flags.rs")).unwrap().modified().unwrap(), written);

    // A key that is gone has no function.
    folder.write("flags.json", &FLAGS.replace("\"ui-theme\"", "\"theme\""));
    assert_eq!(generate(&["--check"]), outcome(1, stale, ""));
    assert_eq!(generate(&[]), outcome(0, "", ""));
    let module = fs::read_to_string(folder.file("flags.rs")).unwrap();
    assert!(!module.contains("ui_theme") && module.contains("pub fn theme<'a>("));
    assert_eq!(folder.files(), ["flags.json", "flags.rs"]);
}

#[test]
fn data_is_json() {
    let folder = Folder::new("generate-json");
    let rules =
        r#"[{"key": "a-b", "default_variation": "v", "variations": [{"key": "v", "value": 1}]}]"#;
    folder.write("rules.json", rules);
    let mut command = folder.phaseflag(&["generate", "rust", "-", "--json"]);
    let done = run_with_input(&mut command, rules);
    assert_eq!((done.status, done.errors.as_str()), (0, ""));
    let object: Value = done.output.parse().unwrap();
    let code = object["code"].as_str().unwrap();
    assert_eq!(code, generated(&folder, rules));
    assert_eq!(object["flags"].to_string(), r#"[{"function":"a_b","key":"a-b","type":"f64"}]"#);
    assert_eq!((&object["file"], &object["up_to_date"]), (&Value::Null, &Value::Null));

    let arguments = ["generate", "rust", "rules.json", "-o", "flags.rs", "--json"];
    let written = |up_to_date| {
        let flags = r#""flags":[{"function":"a_b","key":"a-b","type":"f64"}]"#;
        format!("{{\"code\":null,\"file\":\"flags.rs\",{flags},\"up_to_date\":{up_to_date}}}\n")
    };
    let check = [&arguments[..], &["--check"]].concat();
    assert_eq!(run(&mut folder.phaseflag(&check)), outcome(1, &written(false), ""));
    assert_eq!(run(&mut folder.phaseflag(&arguments)), outcome(0, &written(false), ""));
    assert_eq!(run(&mut folder.phaseflag(&check)), outcome(0, &written(true), ""));
}

#[test]
fn what_cannot_be_generated_is_an_error() {
    let folder = Folder::new("generate-errors");
    folder.write("flags.json", FLAGS);
    folder.write("bad.json", "{\"flags\": [}");
    folder.write("bytes.json", "[]");
    fs::write(folder.file("bytes.json"), b"[\"\xff\"]").unwrap();
    let twice = r#"[{"key": "a-b"}, {"key": "a_b"}, {"key": "flag-a-2d-b"}]"#;
    folder.write("twice.json", twice);
    folder.write("dropped.json", r#"[{"key": 7}, {"key": "a"}]"#);
    let usage = |text: &str| format!("{text} (see `phaseflag generate --help`)");
    for (arguments, errors) in [
        (vec!["rust"], usage("`generate` needs FILE")),
        (vec!["go", "flags.json"], usage("unknown language `go`: use rust")),
        (vec!["rust", "flags.json", "--check"], usage("`--check` needs `--output FILE`")),
        (vec!["rust", "bytes.json"], "failed to read `bytes.json`: it is not UTF-8".to_owned()),
        (
            vec!["rust", "twice.json"],
            "`a-b` and `flag-a-2d-b` would both be named `flag_a_2d_b`".to_owned(),
        ),
    ] {
        let arguments = [&["generate"], arguments.as_slice()].concat();
        let expected = outcome(2, "", &format!("phaseflag: {errors}\n"));
        assert_eq!(run(&mut folder.phaseflag(&arguments)), expected, "{arguments:?}");
    }
    let bad = run(&mut folder.phaseflag(&["generate", "rust", "bad.json", "-o", "out.rs"]));
    assert_eq!((bad.status, bad.output.as_str()), (2, ""));
    assert!(
        bad.errors.contains("failed to read `bad.json`: ") && bad.errors.contains("column 12"),
        "{bad:?}"
    );
    assert!(!folder.path.join("out.rs").exists());

    // A flag that clients drop has no function, which is said.
    let dropped = run(&mut folder.phaseflag(&["generate", "rust", "dropped.json"]));
    assert_eq!(dropped.status, 0);
    assert_eq!(
        dropped.errors,
        "phaseflag: `dropped.json` has problems, which `phaseflag check` reports\n"
    );
    assert_eq!(dropped.output.matches("pub fn ").count(), 1);
}

#[test]
fn flags_of_other_environments_are_left_out() {
    let folder = Folder::new("generate-environment");
    let rules =
        FLAGS.replacen("\"environment\": \"development\"", "\"environment\": \"production\"", 1);
    folder.write("flags.json", &rules);
    let count = |environment: &str| {
        let arguments = ["generate", "rust", "flags.json", "--environment", environment];
        run(&mut folder.phaseflag(&arguments)).output.matches("pub fn ").count()
    };
    // One function of the enum, too.
    assert_eq!((count("production"), count("development")), (1, 8));
}

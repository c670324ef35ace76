//! The findings of `Ruleset::check` that only the text shows: mistyped fields, values that contradict
//! each other, and conditions that never or always hold.

use phaseflag::{Finding, Ruleset, Severity};

/// Checks a document, and returns severity, marked text, path, message and help.
fn findings(text: &str) -> Vec<String> {
    let findings = Ruleset::check(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let line = |it: &Finding| {
        let help = it.help().map(|help| format!("; {help}")).unwrap_or_default();
        let marked = &text[it.span()];
        format!("{} {marked} {}: {}{help}", it.severity(), it.path(), it.message())
    };
    findings.iter().map(line).collect()
}

/// Returns a flag with these additional members.
fn flag(members: &str) -> String {
    format!(
        r#"{{"key": "f", "default_variation": "off", "variations": [{{"key": "on", "value": true}},
            {{"key": "off", "value": false}}], {members}}}"#
    )
}

/// Returns a flag with one rule, which has these members and serves `on`.
fn rule(members: &str) -> String {
    flag(&format!(r#""targeting_rules": [{{"variation": "on", {members}}}]"#))
}

/// Asserts the findings in one flag, without `flags[0]`.
#[track_caller]
fn assert_flag(flag: &str, expected: &[&str]) {
    let found: Vec<_> = findings(&format!("[{flag}]"));
    let found: Vec<_> = found.iter().map(|it| it.replacen("flags[0]", "", 1)).collect();
    assert_eq!(found, expected, "{flag}");
}

#[test]
fn mistyped_fields_are_reported_at_every_place() {
    let unknown = |name: &str, path: &str, meant: &str| {
        format!(
            "warning \"{name}\" {path}: the field `{name}` is not known and ignored; \
             did you mean `{meant}`?"
        )
    };
    let condition = r#""attribute": "a", "operator": "is", "value": 1"#;
    let in_rule = |members: &str| format!("[{}]", rule(members));
    let in_condition =
        |members: &str| in_rule(&format!(r#""conditions": [{{{condition}, {members}}}]"#));
    let in_segment = |members: &str| {
        format!(
            r#"{{"flags": [{}], "segments": [{{"id": "s", {members}}}]}}"#,
            rule(r#""segment_id": "s""#)
        )
    };
    for (text, name, path, meant) in [
        (r#"{"flags": [], "segmnets": []}"#.to_owned(), "segmnets", "", "segments"),
        (r#"{"data": {"flags": [], "Segments": []}}"#.to_owned(), "Segments", "data", "segments"),
        (format!("[{}]", flag(r#""statuss": "inactive""#)), "statuss", "flags[0]", "status"),
        (format!("[{}]", flag(r#""flagType": "json""#)), "flagType", "flags[0]", "flag_type"),
        (format!("[{}]", flag(r#""rules": []"#)), "rules", "flags[0]", "targeting_rules"),
        (
            format!("[{}]", flag(r#""default-variation-id": "on""#)),
            "default-variation-id",
            "flags[0]",
            "default_variation_id",
        ),
        (
            format!(
                "[{}]",
                flag(r#""enabled": true"#)
                    .replace(r#""off", "value""#, r#""off", "name": 1, "valeu": 0, "value""#)
            ),
            "valeu",
            "flags[0].variations[1]",
            "value",
        ),
        (
            format!(
                r#"[{}, {{"key": "g"}}]"#,
                flag(
                    r#""prerequisites": [
                {"flag_key": "g", "variation_key": "on", "varation_key": "on"}]"#
                )
            ),
            "varation_key",
            "flags[0].prerequisites[0]",
            "variation_key",
        ),
        (in_rule(r#""condition": []"#), "condition", "flags[0].targeting_rules[0]", "conditions"),
        (format!("[{}]", flag(r#""disabled": true"#)), "disabled", "flags[0]", "enabled"),
        (format!("[{}]", flag(r#""Variants": []"#)), "Variants", "flags[0]", "variations"),
        (in_rule(r#""when": []"#), "when", "flags[0].targeting_rules[0]", "conditions"),
        (in_rule(r#""varation": "on""#), "varation", "flags[0].targeting_rules[0]", "variation"),
        (in_rule(r#""segment": "s""#), "segment", "flags[0].targeting_rules[0]", "segment_id"),
        (
            in_rule(r#""conditions": [], "condition": []"#),
            "condition",
            "flags[0].targeting_rules[0]",
            "conditions",
        ),
        (
            in_condition(r#""valuess": [2]"#),
            "valuess",
            "flags[0].targeting_rules[0].conditions[0]",
            "values",
        ),
        (
            in_rule(r#""percentage_rollout": [{"variation": "on", "weight": 100, "wieght": 5}]"#),
            "wieght",
            "flags[0].targeting_rules[0].percentage_rollout[0]",
            "weight",
        ),
        (
            in_rule(
                r#""percentage_rollout": {"variations": [{"variation": "on", "weight": 100,
                "percent": 5, "precentage": 5}]}"#,
            ),
            "precentage",
            "flags[0].targeting_rules[0].percentage_rollout.variations[0]",
            "percentage",
        ),
        (
            in_rule(r#""percentage_rollout": {"variations": [], "varaitions": []}"#),
            "varaitions",
            "flags[0].targeting_rules[0].percentage_rollout",
            "variations",
        ),
        (in_segment(r#""conditons": []"#), "conditons", "segments[0]", "conditions"),
        (
            in_segment(&format!(r#""conditions": [{{{condition}, "atribute": 1}}]"#)),
            "atribute",
            "segments[0].conditions[0]",
            "attribute",
        ),
    ] {
        let found = findings(&text);
        let expected = unknown(name, path, meant);
        assert!(found.contains(&expected), "{expected}\n{found:#?}\n{text}");
    }
}

#[test]
fn other_unknown_fields_are_notes() {
    let text = r#"{"$schema": "flags.schema.json", "_flag": 1, "owner": "shop", "flags": [
        {"key": "f", "enabled": false, "created_at": "2026", "when": 1, "// conditions": 1, "x-status": "on"}]}"#;
    let note = |name: &str, path: &str| {
        format!("note \"{name}\" {path}: the field `{name}` is not known and ignored")
    };
    let expected = [
        note("_flag", ""),
        note("owner", ""),
        note("created_at", "flags[0]"),
        // In a flag, it is no other name of anything.
        note("when", "flags[0]"),
        note("// conditions", "flags[0]"),
        note("x-status", "flags[0]"),
    ];
    assert_eq!(findings(text), expected);
    let finding = &Ruleset::check(text).unwrap()[1];
    assert_eq!((finding.severity(), Severity::Note.as_str()), (Severity::Note, "note"));
    assert_eq!(
        finding.to_string(),
        "line 1, column 46: the field `owner` is not known and ignored"
    );
}

/// A flag without a key is left out, and its mistyped key says why.
#[test]
fn a_flag_that_is_left_out_is_searched_for_mistyped_fields() {
    assert_flag(
        r#"{"kye": "f", "status": "Active"}"#,
        &[
            "problem { .key: expected a string, found nothing: the flag is left out",
            "warning \"kye\" : the field `kye` is not known and ignored; did you mean `key`?",
        ],
    );
    let text = r#"[{"key": "f", "environment": "qa", "statuss": 1},
        {"key": "g", "statsu": 1, "enabled": false}]"#;
    let found = Ruleset::check_for(text, "production").unwrap();
    let paths: Vec<_> = found.iter().map(|it| it.path()).collect();
    assert_eq!(paths, ["flags[1]"]);
}

#[test]
fn fields_that_are_known_are_no_finding() {
    let text = r#"{"version": 1, "environment_id": "e", "fetched_at": "t", "generated_at": "t",
        "signature": "s", "segments": [{"id": "s", "key": "k", "name": "n", "description": "d",
            "conditions": [{"attribute": "a", "operator": "is", "values": "v"}]}],
        "flags": [{"id": "i", "key": "f", "name": "n", "description": "d", "flag_type": "boolean",
            "enabled": true, "status": "active", "environment": "qa", "tags": ["t"],
            "default_variation": "on", "default_variation_id": null, "default_variation_key": null,
            "variations": [{"id": "on", "key": "on", "name": "n", "description": "d", "value": true}],
            "prerequisites": [], "targeting_rules": [{"id": "r", "name": "n", "description": "d",
                "priority": 1, "segment_id": "s", "variation": null, "variation_id": null,
                "conditions": [{"id": 1, "attribute": "a", "operator": "is", "value": 1}],
                "percentage_rollout": {"variations": [
                    {"variation": "on", "variation_id": null, "weight": 100, "percentage": 5}]}}]}]}"#;
    assert_eq!(findings(text), [""; 0]);
}

#[test]
fn a_status_that_is_not_known_is_reported() {
    for (status, severity, meant) in [
        ("Active", "warning", "; did you mean `active`?"),
        ("ACTIVE", "warning", "; did you mean `active`?"),
        (" active", "warning", "; did you mean `active`?"),
        ("actve", "warning", "; did you mean `active`?"),
        ("enabled", "warning", "; did you mean `active`?"),
        ("On", "warning", "; did you mean `active`?"),
        ("inactve", "warning", "; did you mean `inactive`?"),
        ("Archived", "warning", "; did you mean `archived`?"),
        ("retired", "note", ""),
        ("", "warning", "; did you mean `active`?"),
    ] {
        assert_flag(
            &flag(&format!(r#""status": "{status}""#)),
            &[&format!(
                "{severity} \"{status}\" .status: \
                 the status `{status}` is not known: the flag is off{meant}"
            )],
        );
    }
    for status in [r#""active""#, r#""inactive""#, r#""archived""#, r#""draft""#, "null"] {
        assert_flag(&flag(&format!(r#""status": {status}"#)), &[]);
    }
}

#[test]
fn an_environment_of_another_type_is_reported() {
    let text = format!("[{}]", flag(r#""environment": ["qa"]"#));
    assert_eq!(
        findings(&text),
        ["warning [\"qa\"] flags[0].environment: \
          expected a string, found a list: the flag is in all environments"]
    );
    assert_flag(&flag(r#""environment": "qa""#), &[]);
    assert_flag(&flag(r#""environment": null"#), &[]);
    // Clients of an environment leave the flag out.
    let found = Ruleset::check_for(&text, "qa").unwrap();
    let messages: Vec<_> = found.iter().map(|it| (it.severity(), it.message())).collect();
    let message = "expected a string, found a list: the flag is left out";
    assert_eq!(messages, [(Severity::Problem, message)]);
}

#[test]
fn values_that_contradict_the_flag_type_are_reported() {
    let unquoted = "; did you mean the value without quotation marks?";
    for (flag_type, value, found, help) in [
        ("boolean", r#""true""#, Some("a string"), unquoted),
        ("boolean", r#""false""#, Some("a string"), unquoted),
        ("boolean", r#""yes""#, Some("a string"), ""),
        ("boolean", "1", Some("a number"), ""),
        ("boolean", "null", Some("null"), ""),
        ("boolean", "false", None, ""),
        ("string", "7", Some("a number"), ""),
        ("string", "[7]", Some("a list"), ""),
        ("string", r#""""#, None, ""),
        ("number", r#""7.5""#, Some("a string"), unquoted),
        ("number", r#""\"""#, Some("a string"), ""),
        ("number", "{}", Some("an object"), ""),
        ("number", "-1", None, ""),
        ("json", "7", None, ""),
        ("json", "null", None, ""),
        ("json", r#""{""#, None, ""),
        ("json", r#""7""#, None, ""),
    ] {
        let text = format!(
            r#"{{"key": "f", "default_variation": "v", "flag_type": "{flag_type}",
                "variations": [{{"key": "v", "value": {value}}}]}}"#
        );
        let expected = found.map(|found| {
            format!(
                "warning {value} .variations[0].value: the value is {found}, but the flag type is \
                 `{flag_type}`: a getter for that type returns its default{help}"
            )
        });
        assert_flag(&text, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_flag(
        r#"{"key": "f", "default_variation": "v", "flag_type": "number", "variations": [{"key": "v"}]}"#,
        &["warning { .variations[0].value: the value is null, but the flag type is `number`: \
           a getter for that type returns its default"],
    );
}

#[test]
fn variations_of_mixed_types_are_reported() {
    let flag = |members: &str, values: [&str; 3]| {
        let [first, second, third] = values;
        format!(
            r#"{{"key": "f", "default_variation": "a", {members} "variations": [
                {{}}, {{"key": "a", "value": {first}}}, {{"key": "b", "value": {second}}},
                {{"key": "c", "value": {third}}}]}}"#
        )
    };
    for (values, found) in [
        (["true", r#""true""#, "1"], Some((2, "a string", "a boolean"))),
        (["1", "2", "[]"], Some((3, "a list", "a number"))),
        (["true", "null", "true"], Some((2, "null", "a boolean"))),
        (["1", "2.5", "-1e3"], None),
        (["null", "null", "null"], None),
    ] {
        let expected = found.map(|(index, other, first)| {
            format!(
                "warning {} .variations[{index}].value: the value is {other}, but that of \
                 variations[1] is {first}: a typed getter returns its default for one of them",
                values[index - 1]
            )
        });
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_flag(&flag("", values), &expected);
        assert_flag(&flag(r#""flag_type": null,"#, values), &expected);
        assert_flag(&flag(r#""flag_type": "json","#, values), &[]);
    }
    // The value of `null` is the odd one.
    assert_flag(
        &flag("", ["null", "true", "false"]),
        &["warning null .variations[1].value: the value is null, but that of variations[2] is \
           a boolean: a typed getter returns its default for one of them"],
    );
}

#[test]
fn values_within_quotation_marks_are_reported() {
    let unquoted = "; did you mean the value without quotation marks?";
    let json = "the value is a string that holds JSON: a program gets the string";
    let boolean = "the value is a string: a getter of booleans returns its default";
    for (flag_type, first, second, message) in [
        (r#""json""#, r#""{\"a\": 1}""#, "{}", Some(json)),
        (r#""json""#, r#"" [1]""#, "[]", Some(json)),
        ("null", r#""true""#, r#""false""#, Some(boolean)),
        // They may be texts.
        ("null", r#""true""#, r#""perhaps""#, None),
        ("null", r#""1""#, r#""0""#, None),
        (r#""string""#, r#""true""#, r#""false""#, None),
        (r#""string""#, r#""{}""#, r#""[]""#, None),
    ] {
        let flag = format!(
            r#"{{"key": "f", "flag_type": {flag_type}, "default_variation": "a", "variations": [
                {{"key": "a", "value": {first}}}, {{"key": "b", "value": {second}}}]}}"#
        );
        let expected = message
            .map(|message| format!("warning {first} .variations[0].value: {message}{unquoted}"));
        assert_flag(&flag, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn variations_with_the_name_of_an_earlier_one_are_reported() {
    for (variations, expected) in [
        (
            r#"{"key": "on", "value": true}, {"key": "off", "value": false}, {"key": "on", "value": false}"#,
            Some(
                r#"warning "on" .variations[2].key: variations[0] has the key `on`, too: a reference by key finds only that one"#,
            ),
        ),
        (
            r#"{"id": "1", "key": "on", "value": true}, {"id": "1", "key": "off", "value": false}"#,
            Some(
                r#"warning "1" .variations[1].id: variations[0] has the id `1`, too: a reference by id finds only that one"#,
            ),
        ),
        // A reference by id finds the second one.
        (
            r#"{"id": "1", "key": "on", "value": true}, {"id": "2", "key": "on", "value": false}"#,
            Some(
                r#"warning "on" .variations[1].key: variations[0] has the key `on`, too: a reference by key finds only that one"#,
            ),
        ),
        // A variation that is left out is not found.
        (
            r#"{"id": 5, "key": "on", "value": true}, {"key": "on", "value": false}"#,
            Some(
                "problem 5 .variations[0].id: expected a string, found a number: \
                 the variation is left out",
            ),
        ),
        (
            r#"{"key": "on", "value": true}, {"id": 5, "key": "on", "value": false}"#,
            Some(
                "problem 5 .variations[1].id: expected a string, found a number: \
                 the variation is left out",
            ),
        ),
        // An id may be the key of another variation, and keys are compared exactly.
        (
            r#"{"id": "b", "key": "a", "value": true}, {"id": "c", "key": "b", "value": false}"#,
            None,
        ),
        (r#"{"key": "on", "value": true}, {"key": "On", "value": false}"#, None),
        (r#"{"id": "1", "key": "", "value": true}, {"id": "2", "key": "", "value": false}"#, None),
        (
            r#"{"id": null, "key": "a", "value": true}, {"id": null, "key": "b", "value": false}"#,
            None,
        ),
    ] {
        let flag = format!(r#"{{"key": "f", "enabled": false, "variations": [{variations}]}}"#);
        assert_flag(&flag, expected.as_slice());
    }
}

#[test]
fn conditions_that_never_or_always_hold_are_reported() {
    let whenever = "the value is empty: the condition holds whenever the attribute is present";
    let whole = "the value is one text, not a list: it is compared as a whole";
    let read = |value, version| {
        format!("the value {value} is a number, which is read as the version `{version}`")
    };
    let equals =
        |value, text| format!("the value {value} is a number, which equals the text `{text}`");
    let space = |text: &str| {
        let meant = text.trim();
        format!("`{text}` begins or ends with white space, which counts; did you mean `{meant}`?")
    };
    let quoted = |value| format!(r#"if it is a version, write `"{value}"`"#);
    for (operator, value, expected) in [
        ("one_of", "[]", "the list is empty: the condition never holds".to_owned()),
        ("not_one_of", "[]", "the list is empty: the condition always holds".to_owned()),
        ("contains", r#""""#, whenever.to_owned()),
        ("matches_regex", r#""""#, whenever.to_owned()),
        (
            "not_contains",
            r#""""#,
            "the value is empty: the condition holds only if the attribute is missing".to_owned(),
        ),
        ("one_of", r#""US, CA""#, format!(r#"{whole}; did you mean `["US","CA"]`?"#)),
        ("not_one_of", r#""a,b""#, format!(r#"{whole}; did you mean `["a","b"]`?"#)),
        ("is", "1.10", format!("{}; {}", equals("1.10", "1.1"), quoted("1.10"))),
        ("is_not", "2.00", format!("{}; {}", equals("2.00", "2"), quoted("2.00"))),
        ("one_of", "[1, 4.20]", format!("{}; {}", equals("4.20", "4.2"), quoted("4.20"))),
        ("one_of", r#"[4.20, "4.2"]"#, format!("{}; {}", equals("4.20", "4.2"), quoted("4.20"))),
        ("is", r#""pro ""#, space("pro ")),
        ("not_one_of", r#"["team", " pro"]"#, space(" pro")),
        ("one_of", r#"["x", "x ", "y "]"#, space("y ")),
        ("version_gt", "1.10", format!(r#"{}; did you mean `"1.10"`?"#, read("1.10", "1.1"))),
        ("version_lt", "10.20", format!(r#"{}; did you mean `"10.20"`?"#, read("10.20", "10.2"))),
    ] {
        for name in ["value", "values"] {
            let condition =
                format!(r#"{{"attribute": "a", "operator": "{operator}", "{name}": {value}}}"#);
            if operator != "matches_regex" || cfg!(feature = "regex") {
                let path = format!(".targeting_rules[0].conditions[0].{name}");
                let expected = format!("warning {value} {path}: {expected}");
                assert_flag(&rule(&format!(r#""conditions": [{condition}]"#)), &[&expected]);
            }
            let text = format!(
                r#"{{"flags": [{}], "segments": [{{"id": "s", "conditions": [{condition}]}}]}}"#,
                rule(r#""segment_id": "s""#)
            );
            if operator != "matches_regex" || cfg!(feature = "regex") {
                let path = format!("segments[0].conditions[0].{name}");
                assert_eq!(findings(&text), [format!("warning {value} {path}: {expected}")]);
            }
        }
    }
    for (operator, value) in [
        ("one_of", r#"[""]"#),
        ("one_of", r#"["Acme, Inc."]"#),
        ("one_of", r#""US""#),
        ("is", r#""""#),
        ("is", r#""a,b""#),
        // White space alone is meant, and so are both forms in a list.
        ("is", r#"" ""#),
        ("one_of", r#"["", " "]"#),
        ("one_of", r#"["y", "x ", "x", "\ty"]"#),
        ("not_one_of", r#"[1.10, "1.10"]"#),
        ("contains", r#"",""#),
        ("gt", r#""18""#),
        // What programs write, and what is compared as a number or a part.
        ("is", "2.0"),
        ("is", "-10.0"),
        ("is", "10"),
        ("is", "0.5"),
        ("is", "1.0e1"),
        ("gt", "1.10"),
        ("contains", r#"" ""#),
        ("version_gt", "1"),
        ("version_gt", "2.0"),
        ("version_lt", "4.1"),
        ("version_gt", r#""1.10""#),
    ] {
        let condition = format!(
            r#""conditions": [{{"attribute": "a", "operator": "{operator}", "value": {value}}}]"#
        );
        assert_flag(&rule(&condition), &[]);
    }
}

#[test]
fn names_with_white_space_around_them_are_reported() {
    let space = |name: &str, path: &str| {
        let meant = name.trim();
        format!(
            "warning \"{name}\" {path}: `{name}` begins or ends with white space, which counts; \
             did you mean `{meant}`?"
        )
    };
    let condition =
        r#""conditions": [{"attribute": " plan", "operator": "is", "value": "pro team"}]"#;
    assert_flag(
        &rule(condition),
        &[&space(" plan", ".targeting_rules[0].conditions[0].attribute")],
    );
    let named = flag(r#""name": " F ""#).replacen(r#""f""#, r#""f ""#, 1);
    assert_flag(&named, &[&space("f ", ".key")]);
    // No name is suggested for white space alone.
    let message = "` ` begins or ends with white space, which counts";
    assert_flag(
        &rule(&condition.replace(" plan", " ")),
        &[&format!("warning \" \" .targeting_rules[0].conditions[0].attribute: {message}")],
    );
    let blank = flag("").replacen(r#""f""#, r#"" ""#, 1).replace("}], }", "}]}");
    assert_flag(&blank, &[&format!("warning \" \" .key: {message}")]);
}

/// What a condition of an unusable operator or value probably means.
#[test]
fn problems_of_conditions_say_what_was_meant() {
    for (operator, value, message, meant) in [
        ("is", "[1]", "the operator cannot use a list as its value", Some("one_of")),
        ("is_not", "[1]", "the operator cannot use a list as its value", Some("not_one_of")),
        ("contains", "[1]", "the operator cannot use a list as its value", None),
        ("gt", r#""1.10.0""#, "the value `1.10.0` is not a number", Some("version_gt")),
        ("lt", r#""v2""#, "the value `v2` is not a number", Some("version_lt")),
        ("gt", r#""ten""#, "the value `ten` is not a number", None),
        ("equals", "1", "the operator `equals` is not known", Some("is")),
        ("IS", "1", "the operator `IS` is not known", Some("is")),
        ("oneOf", "[1]", "the operator `oneOf` is not known", Some("one_of")),
        ("in", "[1]", "the operator `in` is not known", Some("one_of")),
        ("is_nto", "1", "the operator `is_nto` is not known", Some("is_not")),
        ("within", "1", "the operator `within` is not known", None),
    ] {
        let condition =
            format!(r#"{{"attribute": "a", "operator": "{operator}", "value": {value}}}"#);
        let help = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        let marked = match message.starts_with("the operator `") {
            true => format!("\"{operator}\""),
            false => value.to_owned(),
        };
        let expected = format!(
            "problem {marked} .targeting_rules[0].conditions[0]: \
             {message}: the condition never holds{help}"
        );
        assert_flag(&rule(&format!(r#""conditions": [{condition}]"#)), &[&expected]);
    }
}

#[test]
fn references_to_nothing_say_what_was_meant() {
    let null = "the value served is null";
    let variation = |name: &str, help: &str| {
        format!("there is no variation `{name}`: {null}{}", help.replace("it", "did you mean"))
    };
    for (members, path, name, message) in [
        (
            r#""default_variation_id": "Off", "targeting_rules": []"#,
            ".default_variation_id",
            "Off",
            variation("Off", "; it `off`?"),
        ),
        (
            r#""targeting_rules": [{"variation": "offf"}]"#,
            ".targeting_rules[0].variation",
            "offf",
            variation("offf", "; it `off`?"),
        ),
        (
            r#""targeting_rules": [{"variation_id": "blue"}]"#,
            ".targeting_rules[0].variation_id",
            "blue",
            variation("blue", ""),
        ),
        (
            r#""targeting_rules": [{"percentage_rollout": [{"variation": "of", "weight": 100}]}]"#,
            ".targeting_rules[0].percentage_rollout[0].variation",
            "of",
            variation("of", "; it `off`?"),
        ),
        (
            r#""prerequisites": [{"flag_key": "F", "variation_key": "on"}]"#,
            ".prerequisites[0].flag_key",
            "F",
            "there is no flag `F`: the prerequisite fails; did you mean `f`?".to_owned(),
        ),
    ] {
        assert_flag(&flag(members), &[&format!("problem \"{name}\" {path}: {message}")]);
    }
    // The flags of a document are no variations of a flag without any.
    let found = findings(r#"[{"key": "onn", "default_variation": "on"}]"#);
    let path = "flags[0].default_variation";
    assert_eq!(found, [format!("problem \"on\" {path}: {}", variation("on", ""))]);
    // A name in the help can neither start a line nor control a terminal.
    let findings = Ruleset::check(
        r#"[{"key": "f", "default_variation": "of", "variations": [{"key": "o\n\u001b[ff"}]}]"#,
    );
    assert_eq!(findings.unwrap()[0].help(), Some(r"did you mean `o\n\u{1b}[ff`?"));
}

#[test]
fn a_missing_segment_says_what_a_self_hosted_service_does() {
    let in_segment = |name: &str| rule(&format!(r#""segment_id": "{name}""#));
    let problem = "problem \"gone\" flags[0].targeting_rules[0].segment_id: \
                   there is no segment `gone`: the rule matches nobody; a self-hosted service";
    let unlisted = format!(
        "{problem} lists its segments only in `/sdk/bootstrap`, which clients and \
         `phaseflag pull` fetch"
    );
    let widened = format!(
        "{problem} that evaluates the rule ignores an unknown segment, and serves everyone who \
         meets the rule's conditions"
    );
    let listed = r#""segments": [{"id": "s", "key": "k", "conditions": []}]"#;
    let near = widened.replace("nobody; a", "nobody; did you mean `Gone`? a");
    for (text, expected) in [
        (
            format!(
                r#"{{"flags": [{}, {}], {}}}"#,
                in_segment("gone"),
                in_segment("s").replace(r#""f""#, r#""g""#),
                listed.replace(r#""k""#, r#""Gone""#)
            ),
            vec![&near],
        ),
        (format!("[{}]", in_segment("gone")), vec![&unlisted]),
        (format!(r#"{{"flags": [{}], "segments": []}}"#, in_segment("gone")), vec![&unlisted]),
        (
            format!(
                r#"{{"flags": [{}, {}], {listed}}}"#,
                in_segment("gone"),
                in_segment("s").replace(r#""f""#, r#""g""#)
            ),
            vec![&widened],
        ),
        (format!(r#"{{"flags": [{}], {listed}}}"#, in_segment("s")), vec![]),
        (format!(r#"{{"flags": [{}], {listed}}}"#, in_segment("k")), vec![]),
    ] {
        let found = findings(&text);
        let found: Vec<_> = found.iter().filter(|it| it.contains("segment_id")).collect();
        assert_eq!(found, expected, "{text}");
    }
}

/// The recorded flags have two rollouts whose weights do not sum to 100.
#[test]
fn the_recorded_documents_of_a_service_have_no_false_warnings() {
    for text in [
        include_str!("../data/service/ruleset.json"),
        include_str!("../data/service/bootstrap.json"),
        include_str!("../../examples/flags.json"),
    ] {
        let findings = Ruleset::check(text).unwrap();
        let suspicious = findings.iter().filter(|it| {
            it.severity() != Severity::Problem && !it.message().starts_with("the weights sum to ")
        });
        let lines: Vec<_> = suspicious.map(ToString::to_string).collect();
        assert_eq!(lines, [""; 0]);
    }
}

/// Many findings, and long names, take no long time and no large memory.
#[test]
fn many_mistakes_are_found_in_time() {
    let names: String = (0..12_000).map(|it| format!(r#""condition{it}": 1, "#)).collect();
    let long = "conditions".repeat(12_000);
    let conditions = r#"{"attribute": "a", "operator": "one_of", "value": []},"#.repeat(12_000);
    let text = format!(
        r#"[{{"key": "f", {names} "{long}": 1, "status": "{long}", "enabled": false,
            "targeting_rules": [{{"conditions": [{} {{}}]}}]}}]"#,
        conditions.replace("one_of", &long[..30])
    );
    let findings = Ruleset::check(&text).unwrap();
    let count = |severity| findings.iter().filter(|it| it.severity() == severity).count();
    assert_eq!(count(Severity::Note), 10_001);
    assert!(findings.iter().all(|it| it.message().len() < 500));
    let text =
        format!(r#"[{{"key": "f", "targeting_rules": [{{"conditions": [{conditions} {{}}]}}]}}]"#);
    let findings = Ruleset::check(&text).unwrap();
    let warnings = findings.iter().filter(|it| it.severity() == Severity::Warning);
    let last = warnings.clone().find(|it| it.path() == "flags").unwrap();
    assert_eq!(warnings.count(), 10_001);
    assert!(last.message().ends_with(" more warnings were left out of this list"), "{last}");
}

#[test]
fn findings_have_the_span_of_the_part_and_its_end() {
    let text = "\u{feff}[{\"key\": \"ü😀\", \"enabled\":\n  \"on\", \"statuss\": 1,\n \"variations\": [1,\n {}]}]";
    let found = Ruleset::check(text).unwrap();
    let positions: Vec<_> = found
        .iter()
        .map(|it| {
            let end = (it.end_line(), it.end_column());
            (&text[it.span()], (it.line(), it.column()), end)
        })
        .collect();
    assert_eq!(
        positions,
        [("\"on\"", (2, 3), (2, 7)), ("\"statuss\"", (2, 9), (2, 18))],
        "{found:?}"
    );
    let text = "[\n{\"key\":\n [\n]}]";
    let found = Ruleset::check(text).unwrap();
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(&text[found.span()], "[\n]");
    assert_eq!((found.line(), found.column()), (3, 2));
    assert_eq!((found.end_line(), found.end_column()), (4, 2));
}

//! The words of each change, in both dialects.

use phaseflag::{Ruleset, Value};

use super::{Rules, Subject, between};

/// The differences, without the problems that the parser reports.
fn lines(old: &str, new: &str) -> Vec<String> {
    let lines = all_lines(old, new).into_iter();
    lines.filter(|line| !line.contains(": problem")).collect()
}

fn all_lines(old: &str, new: &str) -> Vec<String> {
    let parse = |text: &str| (Ruleset::parse(text).unwrap(), text.parse::<Value>().unwrap());
    let (old, new) = (parse(old), parse(new));
    let old = Rules { ruleset: &old.0, document: &old.1 };
    let new = Rules { ruleset: &new.0, document: &new.1 };
    let differences = between(old, new);
    let lines = differences.iter().flat_map(|one| {
        let what = match &one.subject {
            Subject::Flag(key) => format!("{} {key}", one.what.as_str()),
            Subject::Segment(name) => format!("{} segment {name}", one.what.as_str()),
        };
        one.changes.iter().map(move |change| format!("{what} @{}: {}", change.field, change.text))
    });
    lines.collect()
}

/// A flag with these members beside its variations.
fn flag(members: &str) -> String {
    format!(
        r#"{{"flags": [{{"key": "f", "variations": [
            {{"id": "1", "key": "on", "value": true}}, {{"id": "2", "key": "off", "value": false}}
        ], {members}}}, {{"key": "g"}}],
        "segments": [{{"id": "s1", "key": "beta"}}, {{"id": "s2", "key": "vip"}}]}}"#
    )
}

/// The flag with these rules.
fn rules(rules: &str) -> String {
    flag(&format!(r#""targeting_rules": [{rules}]"#))
}

#[test]
fn each_field_has_its_words() {
    for (old, new, expected) in [
        (r#""status": "active""#, r#""enabled": false"#, "on: on → off"),
        (r#""name": "f""#, r#""name": "F""#, r#"name: name "f" → "F""#),
        (r#""name": null"#, r#""name": "F""#, r#"name: name "f" → "F""#),
        (r#""flag_type": null"#, r#""flag_type": "string""#, "flag_type: type boolean → string"),
        (
            r#""description": "a""#,
            r#""description": null"#,
            r#"description: description removed: "a""#,
        ),
        (
            r#""environment": null"#,
            r#""environment": "qa""#,
            r#"environment: environment added: "qa""#,
        ),
        (
            r#""tags": ["a", "b"]"#,
            r#""tags": ["b", "c", "d"]"#,
            "tags: tags: added c, d, removed a",
        ),
        (
            r#""default_variation": "off""#,
            r#""default_variation_id": "1""#,
            "default_variation: default variation `off` → `on`",
        ),
        (
            r#""default_variation": "of""#,
            r#""default_variation_key": "on""#,
            "default_variation: default variation `of` (missing) → `on`",
        ),
        (
            r#""prerequisites": []"#,
            r#""prerequisites": [{"flag_key": "g", "variation_key": "on"}]"#,
            "prerequisites[0]: now requires flag `g` to serve `on`",
        ),
        (
            r#""prerequisites": [7]"#,
            r#""prerequisites": null"#,
            "prerequisites[0]: no longer requires 7",
        ),
        (
            r#""targeting_rules": []"#,
            r#""targeting_rules": [{"variation": "on"}]"#,
            "targeting_rules[0]: targeting_rules[0] added: no conditions: serves `on`",
        ),
        (
            r#""targeting_rules": [7]"#,
            r#""targeting_rules": []"#,
            "targeting_rules[0]: targeting_rules[0] removed: 7: serves nothing",
        ),
    ] {
        assert_changes(&flag(old), &flag(new), expected);
    }
}

#[test]
fn each_part_of_a_rule_has_its_words() {
    for (old, new, expected) in [
        (r#""variation": "on""#, r#""variation_id": "2""#, "variation: serves `on` → `off`"),
        (
            r#""percentage_rollout": [{"variation": "on", "percentage": 25},
                                      {"variation": "off", "percentage": 75}]"#,
            r#""percentage_rollout": {"variations": [{"variation_id": "1", "weight": 40},
                                                     {"variation_id": "2", "weight": 60.0}]}"#,
            "percentage_rollout: rollout `on` 25 → 40, `off` 75 → 60",
        ),
        (
            r#""percentage_rollout": [{"variation": "on", "weight": 0.5}, {"variation": "off"}]"#,
            r#""percentage_rollout": [{"variation": "on", "weight": 1.5}, {"variation": "off"}]"#,
            "percentage_rollout: rollout `on` 0.5 → 1.5",
        ),
        (
            r#""percentage_rollout": [{"variation": "on", "weight": 5}]"#,
            r#""percentage_rollout": [{"variation": "off", "weight": 5}]"#,
            "percentage_rollout: rollout `on` 5 → rollout `off` 5",
        ),
        (
            r#""variation": "on""#,
            r#""percentage_rollout": [{"variation": "on", "weight": 1}, {"variation": "x"}]"#,
            "percentage_rollout: serves `on` → rollout `on` 1, `x` (missing) 0",
        ),
        (
            "",
            r#""percentage_rollout": {"variations": [{"weight": "x"}]}"#,
            r#"percentage_rollout: serves nothing → rollout none "x""#,
        ),
        (
            r#""conditions": []"#,
            r#""conditions": [{"attribute": "country", "operator": "is", "value": "CH"}]"#,
            r#"conditions[0]: condition added: country is "CH""#,
        ),
        (
            r#""conditions": [{"attribute": "n", "operator": "gt", "value": 5}]"#,
            r#""conditions": null"#,
            "conditions[0]: condition removed: n gt 5",
        ),
        (
            r#""conditions": [{"attribute": "n", "operator": "gt", "value": 5}]"#,
            r#""conditions": [{"attribute": "n", "operator": "lt", "value": 6.5}]"#,
            "conditions[0]: condition n gt 5 → n lt 6.5",
        ),
        (
            r#""conditions": [{"attribute": "p", "operator": "one_of", "value": ["a", "b"]}]"#,
            r#""conditions": [{"attribute": "p", "operator": "one_of", "values": ["c", "b", 1]}]"#,
            r#"conditions[0]: condition p one_of: added "c", 1, removed "a""#,
        ),
        (
            r#""conditions": [{"attribute": "p", "operator": "one_of"}]"#,
            r#""conditions": [{"attribute": "p", "operator": "one_of", "value": {}}]"#,
            "conditions[0]: condition p one_of null → p one_of {}",
        ),
        (
            r#""segment_id": "s1""#,
            r#""segment_id": "vip""#,
            "segment_id: segment `beta` → segment `vip`",
        ),
        (
            r#""segment_id": "beta""#,
            r#""segment_id": "s9""#,
            "segment_id: segment `beta` → segment `s9` (missing)",
        ),
        (r#""segment_id": """#, r#""segment_id": "s1""#, "segment_id: segment `beta` added"),
    ] {
        let rule = |members: &str| rules(&format!("{{{members}}}"));
        let (field, text) = expected.split_once(": ").unwrap();
        let expected = format!("targeting_rules[0].{field}: targeting_rules[0]: {text}");
        assert_changes(&rule(old), &rule(new), &expected);
    }
}

#[track_caller]
fn assert_changes(old: &str, new: &str, expected: &str) {
    assert_eq!(lines(old, new), [format!("changed f @{expected}")], "{old} {new}");
    assert_eq!(lines(old, old), [""; 0], "{old}");
    assert_eq!(lines(new, old).len(), 1, "{new} {old}");
}

#[test]
fn what_has_no_meaning_is_no_change() {
    for (old, new) in [
        (r#"{"flags": [], "version": 1}"#, r#"{"data": {"flags": [], "version": 2}}"#),
        (
            r#"[{"key": "a", "id": "1"}]"#,
            r#"{"flags": [{"key": "a", "id": "2", "status": "active", "name": "a", "tags": []}]}"#,
        ),
        (r#"[{"key": "a", "enabled": false}]"#, r#"[{"key": "a", "status": "archived"}]"#),
        (r#"[{"key": "a", "x": 1}, {"key": "b"}]"#, r#"[{"key": "b"}, {"key": "a"}]"#),
        (
            r#"[{"key": "a", "variations": [{"key": "x", "value": 1}, {"key": "y"}]}]"#,
            r#"[{"key": "a", "variations": [{"key": "y"}, {"id": "7", "key": "x", "value": 1.0}]}]"#,
        ),
        (
            r#"[{"key": "a", "targeting_rules": [{"conditions": [
                {"attribute": "p", "operator": "one_of", "value": ["x", "y"]},
                {"attribute": "q", "operator": "one_of", "value": "z"}]}]}]"#,
            r#"[{"key": "a", "targeting_rules": [{"conditions": [
                {"attribute": "q", "operator": "one_of", "values": ["z"]},
                {"attribute": "p", "operator": "one_of", "value": ["y", "x", "x"]}]}]}]"#,
        ),
        (
            r#"[{"key": "a", "targeting_rules": [{"priority": 2, "segment_id": "x"}, {}]}]"#,
            r#"[{"key": "a", "targeting_rules": [{"priority": 3}, {"priority": 4, "segment_id": "x"}]}]"#,
        ),
    ] {
        assert_eq!(lines(old, new), [""; 0], "{old} {new}");
        assert_eq!(lines(new, old), [""; 0], "{old} {new}");
    }
}

#[test]
fn rules_are_added_removed_and_moved() {
    let all = |plans: &[&str]| {
        let rule = |plan: &&str| {
            format!(
                r#"{{"variation": "on", "conditions": [
                    {{"attribute": "plan", "operator": "is", "value": "{plan}"}}]}}"#
            )
        };
        rules(&plans.iter().map(rule).collect::<Vec<_>>().join(","))
    };
    for (old, new, expected) in [
        (
            &["a", "b"][..],
            &["z", "a", "b"][..],
            r#"targeting_rules[0] added: plan is "z": serves `on`"#,
        ),
        (&["a", "b", "c"], &["a", "c"], r#"targeting_rules[1] removed: plan is "b": serves `on`"#),
        (&["a", "b", "c"], &["c", "a", "b"], "targeting_rules[0]: place in the order 3 → 1"),
        (&["a", "b"], &["a", "c"], r#"targeting_rules[1]: condition plan is "b" → plan is "c""#),
    ] {
        let lines = lines(&all(old), &all(new));
        let texts: Vec<_> = lines.iter().map(|line| line.split_once(": ").unwrap().1).collect();
        assert_eq!(texts, [expected], "{old:?} {new:?}");
    }
    // A rule with an id keeps its place even if all of it changes.
    let rule =
        |members: &str| rules(&format!(r#"{{"variation": "off"}}, {{"id": "r", {members}}}"#));
    let (old, new) = (
        rule(r#""variation": "on", "segment_id": "s1""#),
        rule(r#""percentage_rollout": [{"variation": "on", "weight": 5}], "segment_id": "s2""#),
    );
    assert_eq!(lines(&old, &new).len(), 2, "{:?}", lines(&old, &new));
}

#[test]
fn a_segment_changes_the_flags_that_use_it() {
    let rules = |segments: &str| {
        format!(
            r#"{{"flags": [{{"key": "f", "targeting_rules": [{{"segment_id": "s"}}]}},
                {{"key": "g", "targeting_rules": [{{}}]}}], "segments": [{segments}]}}"#
        )
    };
    let segment = |value: &str| {
        format!(
            r#"{{"id": "s", "key": "beta", "conditions": [
                {{"attribute": "plan", "operator": "is", "value": "{value}"}}]}}"#
        )
    };
    assert_eq!(
        lines(&rules(&segment("a")), &rules(&segment("b"))),
        [
            r#"changed segment beta @conditions[0]: condition plan is "a" → plan is "b""#,
            "changed f @targeting_rules[0].segment_id: targeting_rules[0]: segment `beta` changed",
        ]
    );
    // Its name does not matter to the flags.
    let named = segment("a").replace(r#""key""#, r#""name": "Beta", "key""#);
    assert_eq!(
        lines(&rules(&segment("a")), &rules(&named)),
        [r#"changed segment beta @name: name "beta" → "Beta""#]
    );
    assert_eq!(
        lines(&rules(&segment("a")), &rules("")),
        [
            r#"removed segment beta @: plan is "a""#,
            "changed f @targeting_rules[0].segment_id: \
             targeting_rules[0]: segment `beta` → segment `s` (missing)",
        ]
    );
}

#[test]
fn flags_are_those_that_clients_see() {
    let old = r#"[{"key": "a"}, {"key": "b", "enabled": false}, {"key": "c", "enabled": 7}]"#;
    let new = r#"[{"key": "b", "targeting_rules": 7}, {"key": "c"}, {"key": "d",
        "default_variation": "x", "variations": [{"key": "x"}], "targeting_rules": [{"variation": "x"}]}]"#;
    assert_eq!(
        lines(old, new),
        [
            "added c @: boolean, on, 0 rules, default variation none",
            "added d @: boolean, on, 1 rule, default variation `x`",
            "removed a @: boolean, on, 0 rules, default variation none",
            "removed b @: boolean, off, 0 rules, default variation none",
        ]
    );
    // The last one of the same key counts.
    let twice = r#"[{"key": "a", "name": "one"}, {"key": "a", "name": "two"}]"#;
    assert_eq!(lines(twice, r#"[{"key": "a", "name": "two"}]"#), [""; 0]);
}

#[test]
fn variations_change_by_name() {
    let flag = |variations: &str| format!(r#"[{{"key": "f", "variations": [{variations}]}}]"#);
    let old = flag(r#"{"key": "a", "value": 1}, {"key": "b", "value": {"x": 1}}, {"id": "i"}"#);
    let new = flag(
        r#"{"id": "i", "description": "D"}, {"key": "c", "value": "v"},
           {"key": "a", "value": 2, "name": "A"}"#,
    );
    assert_eq!(
        lines(&old, &new),
        [
            r#"changed f @variations[0].description: variation `i`: description added: "D""#,
            r#"changed f @variations[1]: variation `c` added: "v""#,
            "changed f @variations[2].value: variation `a`: value 1 → 2",
            r#"changed f @variations[2].name: variation `a`: name "a" → "A""#,
            r#"changed f @variations[1]: variation `b` removed: {"x":1}"#,
        ]
    );
}

#[test]
fn problems_are_new_and_solved() {
    let rule = |weight: &str| {
        format!(r#"{{"percentage_rollout": [{{"variation": "on", "weight": {weight}}}]}}"#)
    };
    let (good, bad) = (rule("5"), rule("-5"));
    let field = "changed f @targeting_rules[0].percentage_rollout";
    let problem = "targeting_rules[0].percentage_rollout[0]: \
                   the weight is negative: the rule matches nobody";
    assert_eq!(
        all_lines(&rules(&good), &rules(&bad)),
        [
            format!("{field}: targeting_rules[0]: rollout `on` 5 → -5"),
            format!("{field}[0]: problem: {problem}"),
        ]
    );
    assert_eq!(
        all_lines(&rules(&bad), &rules(&good)),
        [
            format!("{field}: targeting_rules[0]: rollout `on` -5 → 5"),
            format!("{field}[0]: problem solved: {problem}"),
        ]
    );
    // A problem that moves with its rule is the same.
    let moved = all_lines(&rules(&bad), &rules(&format!(r#"{{"variation": "on"}}, {bad}"#)));
    assert_eq!(moved.len(), 1, "{moved:?}");
    // A segment has problems, too.
    let segments =
        |id: &str| format!(r#"{{"flags": [], "segments": [{{"key": "s", "id": {id}}}]}}"#);
    assert_eq!(
        all_lines(&segments("null"), &segments("7")),
        [
            "changed segment s @id: problem: id: expected a string, found a number: the segment holds nobody"
        ]
    );
}

/// Many rules, conditions and elements take time in proportion to their number.
#[test]
fn large_documents_are_compared() {
    let rule = |number: usize| {
        format!(
            r#"{{"variation": "on", "conditions": [
                {{"attribute": "plan", "operator": "is", "value": {number}}}]}}"#
        )
    };
    let all = |numbers: &mut dyn Iterator<Item = usize>| {
        rules(&numbers.map(rule).collect::<Vec<_>>().join(","))
    };
    let (old, new) = (all(&mut (0..20_000)), all(&mut (1..20_001).rev()));
    // One rule has another condition, and all others but one have another place.
    assert_eq!(lines(&old, &new).len(), 19_999);

    let flags = |value: usize| {
        let flag = |number| {
            format!(
                r#"{{"key": "f{number}", "targeting_rules": [{{"segment_id": "s{number}"}}],
                    "variations": [{{"key": "v", "value": {value}}}]}}"#
            )
        };
        let segment = |number| format!(r#"{{"id": "s{number}"}}"#);
        let all =
            |each: &dyn Fn(usize) -> String| (0..3_000).map(each).collect::<Vec<_>>().join(",");
        format!(r#"{{"flags": [{}], "segments": [{}]}}"#, all(&flag), all(&segment))
    };
    assert_eq!(lines(&flags(1), &flags(2)).len(), 3_000);
}

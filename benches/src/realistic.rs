//! A ruleset as the service sends it, of any number of flags, and the same every time.
//!
//! Needs nothing but the standard library, so that the tests of the client can include it.

use std::fmt::Write;

const AREAS: [&str; 12] = [
    "checkout",
    "search",
    "billing",
    "onboarding",
    "admin",
    "mobile",
    "recommendations",
    "notifications",
    "api",
    "profile",
    "inventory",
    "support-chat",
];

const FEATURES: [&str; 11] = [
    "express",
    "dark-mode",
    "v2",
    "one-click-reorder",
    "rate-limit",
    "new-layout",
    "beta",
    "csv-export",
    "prefetch",
    "guest-access",
    "audit-log",
];

const TARGETS: [(&str, &str); 4] = [
    ("plan", r#"["pro","team","enterprise"]"#),
    ("country", r#"["US","CA","GB"]"#),
    ("device", r#"["ios","android","web"]"#),
    ("language", r#"["en","fr","pt-BR"]"#),
];

const GROUPS: [(&str, &str); 4] =
    [("region", "eu-west-1"), ("role", "administrator"), ("tier", "gold"), ("channel", "nightly")];

/// How many segments the rules share.
const SEGMENTS: usize = 10;

/// Returns the key of a flag, such as `checkout-express-0000`.
pub fn key(flag: usize) -> String {
    let area = AREAS[flag % AREAS.len()];
    let feature = FEATURES[flag % FEATURES.len()];
    format!("{area}-{feature}-{flag:04}")
}

/// Returns the text of a ruleset: about 700 bytes per flag, between 696 and 704 from a
/// hundred flags on.
///
/// Every flag has two variations, a rule that rolls out to one of three targets by halves, and a
/// rule for one value. Every tenth flag serves strings, and the others serve booleans. Of a hundred
/// flags, two have a pattern, three name a segment, and two require another flag.
pub fn ruleset(flags: usize) -> String {
    let mut text = String::with_capacity(flags * 730 + 2_000);
    text.push_str(r#"{"version":"1775314800","flags":["#);
    for flag in 0..flags {
        separate(&mut text, flag);
        write_flag(&mut text, flag).expect("a string takes any text");
    }
    text.push_str(r#"],"segments":["#);
    for segment in 0..SEGMENTS {
        separate(&mut text, segment);
        write_segment(&mut text, segment).expect("a string takes any text");
    }
    text.push_str("]}");
    text
}

fn separate(text: &mut String, index: usize) {
    if index > 0 {
        text.push(',');
    }
}

fn write_flag(text: &mut String, flag: usize) -> std::fmt::Result {
    let (area, feature) = (AREAS[flag % AREAS.len()], FEATURES[flag % FEATURES.len()]);
    let (kind, on, off) = match flag % 10 {
        9 => ("string", r#""redesigned""#, r#""classic""#),
        _ => ("boolean", "true", "false"),
    };
    let (listed, targets) = TARGETS[flag % TARGETS.len()];
    let (attribute, target) = GROUPS[flag / 5 % GROUPS.len()];
    write!(
        text,
        r#"{{"id":"f-{flag}","key":"{key}","name":"{area} {feature}","flag_type":"{kind}","status":"active","environment":"production","default_variation_id":"v-{flag}-b","#,
        key = key(flag),
    )?;
    write!(
        text,
        r#""variations":[{{"id":"v-{flag}-a","key":"on","name":"On","value":{on}}},{{"id":"v-{flag}-b","key":"off","name":"Off","value":{off}}}],"#,
    )?;
    match flag % 100 {
        27 | 67 => {
            let required = key(flag - 7);
            write!(text, r#""prerequisites":[{{"flag_key":"{required}","variation_key":"on"}}],"#)?;
        }
        _ => text.push_str(r#""prerequisites":[],"#),
    }
    write!(
        text,
        r#""targeting_rules":[{{"priority":1,"conditions":[{{"attribute":"{listed}","operator":"one_of","value":{targets}}}],"percentage_rollout":{{"variations":[{{"variation_id":"v-{flag}-a","weight":50}},{{"variation_id":"v-{flag}-b","weight":50}}]}}}},"#,
    )?;
    write!(
        text,
        r#"{{"priority":2,"conditions":[{{"attribute":"{attribute}","operator":"is","value":"{target}"}}"#,
    )?;
    if flag % 50 == 3 {
        write!(
            text,
            r#",{{"attribute":"email","operator":"matches_regex","value":"@{area}\\.example\\.(com|org)$"}}"#,
        )?;
    }
    match flag % 100 {
        7 | 47 | 87 => {
            let segment = flag / 7 % SEGMENTS;
            write!(text, r#"],"segment_id":"seg-{segment}","variation_id":"v-{flag}-a"}}"#)?;
        }
        _ => write!(text, r#"],"variation_id":"v-{flag}-a"}}"#)?,
    }
    write!(text, r#"],"tags":["{area}"]}}"#)
}

fn write_segment(text: &mut String, segment: usize) -> std::fmt::Result {
    let (attribute, target) = GROUPS[segment % GROUPS.len()];
    write!(
        text,
        r#"{{"id":"seg-{segment}","key":"segment-{segment}","conditions":[{{"attribute":"{attribute}","operator":"is","value":"{target}"}},{{"attribute":"account_age","operator":"gt","value":{}}}]}}"#,
        30 * segment,
    )
}

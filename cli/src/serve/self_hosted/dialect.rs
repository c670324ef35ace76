//! Converts rules to the format of the self-hosted service: active flags only, variations by id, no
//! prerequisites.

use phaseflag::{EvaluationContext, Object, Reason, Value};

use crate::serve::document::member;
use crate::serve::flags_file::Rules;

/// A member of an object in the response.
struct Member {
    name: &'static str,
    /// Other names of the member in files, the preferred one first.
    aliases: &'static [&'static str],
    /// The value if the file has none.
    fallback: Fallback,
    /// The members of the objects in it; empty if the value is sent unchanged.
    members: &'static [Member],
}

#[derive(Clone, Copy)]
enum Fallback {
    /// The member is left out.
    Omit,
    Null,
    Zero,
    Boolean,
    List,
}

impl Member {
    const fn new(name: &'static str, fallback: Fallback) -> Member {
        Member { name, aliases: &[], fallback, members: &[] }
    }

    const fn list(name: &'static str, members: &'static [Member]) -> Member {
        Member { members, ..Member::new(name, Fallback::List) }
    }

    const fn aliases(self, aliases: &'static [&'static str]) -> Member {
        Member { aliases, ..self }
    }
}

const ID: Member = Member::new("id", Fallback::Null).aliases(&["key"]);
const KEY: Member = Member::new("key", Fallback::Null).aliases(&["id"]);
const NAME: Member = Member::new("name", Fallback::Null).aliases(&["key", "id"]);
const CONDITIONS: Member = Member::list("conditions", &CONDITION);
const VARIATION_ID: Member = Member::new("variation_id", Fallback::Omit).aliases(&["variation"]);

static FLAG: [Member; 9] = [
    ID,
    KEY,
    NAME,
    Member::new("flag_type", Fallback::Boolean),
    Member::new("environment", Fallback::Omit),
    Member::new("default_variation_id", Fallback::Null)
        .aliases(&["default_variation", "default_variation_key"]),
    Member::list("variations", &VARIATION),
    Member::list("targeting_rules", &RULE),
    Member::new("tags", Fallback::List),
];

static VARIATION: [Member; 5] = [
    ID,
    KEY,
    NAME,
    Member::new("value", Fallback::Null),
    Member::new("description", Fallback::Null),
];

static RULE: [Member; 5] = [
    Member::new("priority", Fallback::Zero),
    CONDITIONS,
    VARIATION_ID,
    Member::new("segment_id", Fallback::Omit),
    Member { members: &ROLLOUT, ..Member::new("percentage_rollout", Fallback::Omit) },
];

static ROLLOUT: [Member; 1] = [Member::list("variations", &ENTRY)];

static ENTRY: [Member; 2] =
    [VARIATION_ID, Member::new("weight", Fallback::Zero).aliases(&["percentage"])];

static CONDITION: [Member; 3] = [
    Member::new("attribute", Fallback::Null),
    Member::new("operator", Fallback::Null),
    Member::new("value", Fallback::Null).aliases(&["values"]),
];

static SEGMENT: [Member; 4] = [ID, KEY, NAME, CONDITIONS];

/// Returns the active flags.
pub(crate) fn flags(rules: &Rules) -> Value {
    let context = EvaluationContext::new();
    let mut flags = Vec::new();
    for flag in all_flags(rules) {
        let key = member(flag, "key").as_str().unwrap_or_default();
        let result = rules.ruleset.evaluate(key, &context);
        if result.is_none_or(|result| result.reason() == Reason::FlagInactive) {
            continue;
        }
        if let Value::Object(mut flag) = convert(flag, &FLAG) {
            flag.insert("status", "active");
            flags.push(Value::Object(flag));
        }
    }
    Value::Array(flags)
}

/// Returns the segments.
pub(crate) fn segments(rules: &Rules) -> Value {
    match rules.document.get("segments") {
        None | Some(Value::Null) => Value::Array(Vec::new()),
        Some(segments) => convert(segments, &SEGMENT),
    }
}

/// Returns the flag with a key, unconverted: the last one, or `null` if there is none.
pub(crate) fn find<'a>(rules: &'a Rules, key: &str) -> &'a Value {
    let mut flags = all_flags(rules).iter().rev();
    flags.find(|flag| member(flag, "key").as_str() == Some(key)).unwrap_or(&Value::Null)
}

/// Returns the status of an inactive flag.
pub(crate) fn inactive_status(flag: &Value) -> &str {
    // `"enabled": false` makes a flag with the status `active` inactive.
    match member(flag, "status").as_str() {
        None | Some("active") => "inactive",
        Some(status) => status,
    }
}

/// Returns the id of the variation with a key, or `null` if there is none.
pub(crate) fn variation_id<'a>(flag: &'a Value, key: Option<&str>) -> &'a Value {
    let variations = member(flag, "variations").as_array().unwrap_or_default();
    let mut found = variations.iter().filter(|variation| {
        let other = find_member(variation, &KEY).as_str();
        other.is_some() && other == key
    });
    found.next().map_or(&Value::Null, |variation| find_member(variation, &ID))
}

/// Converts an object, or the objects of a list. Keeps any other value, which the client reports.
fn convert(value: &Value, members: &'static [Member]) -> Value {
    match value {
        Value::Array(elements) => {
            elements.iter().map(|element| convert(element, members)).collect()
        }
        Value::Object(_) => {
            let mut object = Object::new();
            for member in members {
                let sent = match (find_member(value, member), member.fallback) {
                    (Value::Null, Fallback::Omit) => continue,
                    (Value::Null, Fallback::Null) => Value::Null,
                    (Value::Null, Fallback::Zero) => Value::from(0),
                    (Value::Null, Fallback::Boolean) => Value::from("boolean"),
                    (Value::Null, Fallback::List) => Value::Array(Vec::new()),
                    (found, _) if member.members.is_empty() => found.clone(),
                    // A rollout may be the list of its entries.
                    (found @ Value::Array(_), Fallback::Omit) => {
                        let entries = Object::from([("variations", found.clone())]);
                        convert(&entries.into(), member.members)
                    }
                    (found, _) => convert(found, member.members),
                };
                object.insert(member.name, sent);
            }
            object.into()
        }
        other => other.clone(),
    }
}

/// Returns a member by the first of its names whose value is neither `null` nor empty text.
fn find_member<'a>(object: &'a Value, wanted: &Member) -> &'a Value {
    let own = member(object, wanted.name);
    if !own.is_null() && own.as_str() != Some("") {
        return own;
    }
    for name in wanted.aliases {
        let other = member(object, name);
        if !other.is_null() && other.as_str() != Some("") {
            return other;
        }
    }
    own
}

fn all_flags(rules: &Rules) -> &[Value] {
    rules.document.get("flags").and_then(Value::as_array).unwrap_or_default()
}

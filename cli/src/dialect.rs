//! Rules in the form in which the self-hosted service sends them: variations by id, active flags
//! only, no prerequisites.

use phaseflag::{EvaluationContext, Object, Reason, Value};

use crate::rules::{Rules, member};

/// A member of an object that is sent.
struct Member {
    name: &'static str,
    /// Other names that files have for it, in the order in which they count.
    others: &'static [&'static str],
    /// What is sent if a file has none.
    absent: Absent,
    /// The members of the objects in it, or nothing if it is sent as it is.
    members: &'static [Member],
}

#[derive(Clone, Copy)]
enum Absent {
    Nothing,
    Null,
    Zero,
    Boolean,
    List,
}

impl Member {
    const fn new(name: &'static str, absent: Absent) -> Member {
        Member { name, others: &[], absent, members: &[] }
    }

    const fn list(name: &'static str, members: &'static [Member]) -> Member {
        Member { members, ..Member::new(name, Absent::List) }
    }

    const fn or(self, others: &'static [&'static str]) -> Member {
        Member { others, ..self }
    }
}

const ID: Member = Member::new("id", Absent::Null).or(&["key"]);
const KEY: Member = Member::new("key", Absent::Null).or(&["id"]);
const NAME: Member = Member::new("name", Absent::Null).or(&["key", "id"]);
const CONDITIONS: Member = Member::list("conditions", &CONDITION);
const VARIATION_ID: Member = Member::new("variation_id", Absent::Nothing).or(&["variation"]);

static FLAG: [Member; 9] = [
    ID,
    KEY,
    NAME,
    Member::new("flag_type", Absent::Boolean),
    Member::new("environment", Absent::Nothing),
    Member::new("default_variation_id", Absent::Null)
        .or(&["default_variation", "default_variation_key"]),
    Member::list("variations", &VARIATION),
    Member::list("targeting_rules", &RULE),
    Member::new("tags", Absent::List),
];

static VARIATION: [Member; 5] =
    [ID, KEY, NAME, Member::new("value", Absent::Null), Member::new("description", Absent::Null)];

static RULE: [Member; 5] = [
    Member::new("priority", Absent::Zero),
    CONDITIONS,
    VARIATION_ID,
    Member::new("segment_id", Absent::Nothing),
    Member { members: &ROLLOUT, ..Member::new("percentage_rollout", Absent::Nothing) },
];

static ROLLOUT: [Member; 1] = [Member::list("variations", &ENTRY)];

static ENTRY: [Member; 2] = [VARIATION_ID, Member::new("weight", Absent::Zero).or(&["percentage"])];

static CONDITION: [Member; 3] = [
    Member::new("attribute", Absent::Null),
    Member::new("operator", Absent::Null),
    Member::new("value", Absent::Null).or(&["values"]),
];

static SEGMENT: [Member; 4] = [ID, KEY, NAME, CONDITIONS];

/// Returns the flags that are active.
pub(crate) fn flags(rules: &Rules) -> Value {
    let nobody = EvaluationContext::new();
    let mut flags = Vec::new();
    for flag in listed(rules) {
        let key = member(flag, "key").as_str().unwrap_or_default();
        let result = rules.ruleset.evaluate(key, &nobody);
        if result.is_none_or(|result| result.reason() == Reason::FlagInactive) {
            continue;
        }
        if let Value::Object(mut flag) = translated(flag, &FLAG) {
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
        Some(segments) => translated(segments, &SEGMENT),
    }
}

/// Returns the flag of a key as it stands in the file: the last one, or `null`.
pub(crate) fn find<'a>(rules: &'a Rules, key: &str) -> &'a Value {
    let mut flags = listed(rules).iter().rev();
    flags.find(|flag| member(flag, "key").as_str() == Some(key)).unwrap_or(&Value::Null)
}

/// Returns what makes a flag inactive.
pub(crate) fn inactive_status(flag: &Value) -> &str {
    // A flag with `"enabled": false` may be active otherwise.
    match member(flag, "status").as_str() {
        None | Some("active") => "inactive",
        Some(status) => status,
    }
}

/// Returns the id of a flag's variation, or `null`.
pub(crate) fn variation_id<'a>(flag: &'a Value, key: Option<&str>) -> &'a Value {
    let variations = member(flag, "variations").as_array().unwrap_or_default();
    let mut found = variations.iter().filter(|variation| {
        let other = first(variation, &KEY).as_str();
        other.is_some() && other == key
    });
    found.next().map_or(&Value::Null, |variation| first(variation, &ID))
}

/// Translates an object, or those of a list. Anything else stays, for the client to report.
fn translated(value: &Value, members: &'static [Member]) -> Value {
    match value {
        Value::Array(elements) => {
            elements.iter().map(|element| translated(element, members)).collect()
        }
        Value::Object(_) => {
            let mut object = Object::new();
            for member in members {
                let sent = match (first(value, member), member.absent) {
                    (Value::Null, Absent::Nothing) => continue,
                    (Value::Null, Absent::Null) => Value::Null,
                    (Value::Null, Absent::Zero) => Value::from(0),
                    (Value::Null, Absent::Boolean) => Value::from("boolean"),
                    (Value::Null, Absent::List) => Value::Array(Vec::new()),
                    (found, _) if member.members.is_empty() => found.clone(),
                    // A rollout that is a list of its entries.
                    (found @ Value::Array(_), Absent::Nothing) => {
                        let entries = Object::from([("variations", found.clone())]);
                        translated(&entries.into(), member.members)
                    }
                    (found, _) => translated(found, member.members),
                };
                object.insert(member.name, sent);
            }
            object.into()
        }
        other => other.clone(),
    }
}

/// Returns a member by the first name under which it is neither absent nor an empty reference.
fn first<'a>(object: &'a Value, wanted: &Member) -> &'a Value {
    let own = member(object, wanted.name);
    if !own.is_null() && own.as_str() != Some("") {
        return own;
    }
    for name in wanted.others {
        let other = member(object, name);
        if !other.is_null() && other.as_str() != Some("") {
            return other;
        }
    }
    own
}

fn listed(rules: &Rules) -> &[Value] {
    rules.document.get("flags").and_then(Value::as_array).unwrap_or_default()
}

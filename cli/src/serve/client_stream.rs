//! The event stream for clients: which flags of the file have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use phaseflag::{Object, Value};

use super::document::member;
use super::flags_file::Rules;
use super::http::Response;
use crate::changes::{Subject, What};
use crate::date;

/// The path of the stream.
pub(crate) const PATH: &str = "/api/v1/sdk/stream";

/// What the streams of clients were told.
pub(crate) struct FlagEvents {
    rules: Arc<Rules>,
    /// The number of the last event.
    last_id: u64,
    /// Whether a change of a segment is one of the flags that use it.
    has_segments: bool,
}

impl FlagEvents {
    pub(crate) fn new(rules: &Arc<Rules>, has_segments: bool) -> FlagEvents {
        FlagEvents { rules: rules.clone(), last_id: 0, has_segments }
    }

    /// Returns an event for each flag that has changed since the last call; empty if none has.
    pub(crate) fn next(&mut self, rules: &Arc<Rules>) -> String {
        let before = mem::replace(&mut self.rules, rules.clone());
        let mut changes = changes(flags(&before), flags(rules));
        if self.has_segments {
            add_changes_of_segments(&before, rules, &mut changes);
        }
        let mut events = String::new();
        for (name, flag) in changes {
            self.last_id += 1;
            events += &event(self.last_id, name, flag);
        }
        events
    }
}

/// Adds the flags that differ by their segments alone.
fn add_changes_of_segments<'a>(before: &Rules, now: &'a Rules, changes: &mut Vec<FlagChange<'a>>) {
    if before.document.get("segments") == now.document.get("segments") {
        return;
    }
    let key = |flag| member(flag, "key").as_str().unwrap_or_default();
    let announced: BTreeSet<_> = changes.iter().map(|(_, flag)| key(flag)).collect();
    let flags: BTreeMap<_, _> = flags(now).iter().map(|flag| (key(flag), flag)).collect();
    for difference in now.since(before) {
        if let (What::Changed, Subject::Flag(key)) = (difference.what, &difference.subject)
            && !announced.contains(key.as_str())
        {
            changes.extend(flags.get(key.as_str()).map(|flag| ("flag.updated", *flag)));
        }
    }
}

/// Returns the response that begins a stream.
pub(crate) fn connected(rules: &Rules) -> Response {
    let data = Object::from([
        ("version", Value::from(rules.version.to_string())),
        ("timestamp", Value::from(date::now())),
        ("message", Value::from("Connected")),
    ]);
    let first = format!("event: connected\ndata: {}\n\n", Value::from(data));
    Response::text(200, "text/event-stream", first)
        .with("Cache-Control", "no-cache")
        // nginx would keep events until they fill a buffer.
        .with("X-Accel-Buffering", "no")
}

/// Returns the response if too many streams are open.
pub(crate) fn too_many_streams() -> Response {
    Response::json(503, Object::from([("error", "Too many streams")]))
}

/// The name of an event, and the flag.
type FlagChange<'a> = (&'static str, &'a Value);

fn flags(rules: &Rules) -> &[Value] {
    rules.document.get("flags").and_then(Value::as_array).unwrap_or_default()
}

/// Returns the name of the event for each flag that differs, and the flag.
fn changes<'a>(before: &'a [Value], now: &'a [Value]) -> Vec<FlagChange<'a>> {
    let (before, now) = (by_key(before), by_key(now));
    let mut changes = Vec::new();
    for (key, flag) in &now {
        match before.get(key) {
            None => changes.push(("flag.created", *flag)),
            Some(before) if before == flag => {}
            Some(before) if switch(before) != switch(flag) => changes.push(("flag.toggled", *flag)),
            Some(_) => changes.push(("flag.updated", *flag)),
        }
    }
    let deleted = before.iter().filter(|(key, _)| !now.contains_key(*key));
    changes.extend(deleted.map(|(_, flag)| ("flag.deleted", *flag)));
    changes
}

/// Returns the flags by key and environment; of several with both, the last.
fn by_key(flags: &[Value]) -> BTreeMap<(&str, &str), &Value> {
    let environment = |flag| member(flag, "environment").as_str().unwrap_or_default();
    let name = |flag| Some((member(flag, "key").as_str()?, environment(flag)));
    flags.iter().filter_map(|flag| Some((name(flag)?, flag))).collect()
}

/// Returns what turns a flag on and off.
fn switch(flag: &Value) -> (&Value, &Value) {
    (member(flag, "enabled"), member(flag, "status"))
}

fn event(id: u64, name: &str, flag: &Value) -> String {
    let mut data = Object::from([
        ("flag_key", member(flag, "key").clone()),
        ("event", Value::from(name)),
        ("timestamp", Value::from(date::now())),
    ]);
    for name in ["key", "name", "status", "environment", "flag_type"] {
        data.insert(name, member(flag, name).clone());
    }
    format!("id: {id}\nevent: {name}\ndata: {}\n\n", Value::from(data))
}

use std::collections::HashMap;

use posthog_rs::{FlagCache, FlagValue, LocalEvaluator};
use serde_json::Value;

use crate::Peer;

const PLAIN: &str = r#"{"key": "KEY", "active": true, "filters": {
    "groups": [{"properties": [], "rollout_percentage": 100}]}}"#;
const RULE: &str = r#"{"key": "KEY", "active": true, "filters": {
    "groups": [{
        "properties": [{"key": "plan", "type": "person", "operator": "exact",
            "value": ["pro", "team", "business"]}],
        "rollout_percentage": 50
    }]}}"#;

pub struct PostHog(LocalEvaluator);

/// The user, who belongs to no groups.
pub struct User {
    id: String,
    properties: HashMap<String, Value>,
    groups: HashMap<String, String>,
    group_properties: HashMap<String, HashMap<String, Value>>,
}

impl Peer for PostHog {
    type User = User;
    const NAME: &str = "posthog-rs";

    fn load() -> PostHog {
        let text = format!(r#"{{"flags": [{}]}}"#, crate::flags(PLAIN, RULE));
        let cache = FlagCache::new();
        cache.update(serde_json::from_str(&text).unwrap());
        PostHog(LocalEvaluator::new(cache))
    }

    fn user(id: &str, plan: &str) -> User {
        User {
            id: id.to_owned(),
            properties: HashMap::from([("plan".to_owned(), plan.into())]),
            groups: HashMap::new(),
            group_properties: HashMap::new(),
        }
    }

    fn is_on(&self, flag: &str, user: &User) -> bool {
        let User { id, properties, groups, group_properties } = user;
        let value = self.0.evaluate_flag(flag, id, properties, groups, group_properties);
        match value.unwrap().unwrap() {
            FlagValue::Boolean(on) => on,
            FlagValue::String(variant) => panic!("{flag} serves {variant}"),
        }
    }
}

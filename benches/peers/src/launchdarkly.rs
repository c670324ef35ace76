use std::collections::HashMap;

use launchdarkly_server_sdk_evaluation::{Context, ContextBuilder, Flag, Segment, Store, evaluate};

use crate::Peer;

const PLAIN: &str = r#""KEY": {"key": "KEY", "version": 1, "on": true, "salt": "KEY",
    "targets": [], "rules": [], "prerequisites": [], "clientSide": false,
    "offVariation": 1, "variations": [true, false], "fallthrough": {"variation": 0}}"#;
const RULE: &str = r#""KEY": {"key": "KEY", "version": 1, "on": true, "salt": "KEY",
    "targets": [], "prerequisites": [], "clientSide": false,
    "offVariation": 1, "variations": [true, false], "fallthrough": {"variation": 1},
    "rules": [{"id": "paying", "trackEvents": false,
        "clauses": [{"contextKind": "user", "attribute": "plan", "op": "in",
            "values": ["pro", "team", "business"], "negate": false}],
        "rollout": {"contextKind": "user", "variations": [
            {"variation": 0, "weight": 50000}, {"variation": 1, "weight": 50000}
        ]}}]}"#;

/// The evaluator of the LaunchDarkly SDK, without the client around it.
pub struct LaunchDarkly(HashMap<String, Flag>);

impl Store for LaunchDarkly {
    fn flag(&self, key: &str) -> Option<Flag> {
        self.0.get(key).cloned()
    }

    fn segment(&self, _key: &str) -> Option<Segment> {
        None
    }
}

impl Peer for LaunchDarkly {
    type User = Context;
    const NAME: &str = "launchdarkly-server-sdk-evaluation";

    fn load() -> LaunchDarkly {
        let text = format!("{{{}}}", crate::flags(PLAIN, RULE));
        LaunchDarkly(serde_json::from_str(&text).unwrap())
    }

    fn user(id: &str, plan: &str) -> Context {
        ContextBuilder::new(id).set_string("plan", plan).build().unwrap()
    }

    fn is_on(&self, flag: &str, user: &Context) -> bool {
        evaluate(self, &self.0[flag], user, None).value.unwrap().as_bool().unwrap()
    }
}

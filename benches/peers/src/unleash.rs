use std::collections::HashMap;

use unleash_yggdrasil::{Context, EngineState};

use crate::Peer;

const PLAIN: &str = r#"{"name": "KEY", "enabled": true, "strategies": []}"#;
const RULE: &str = r#"{"name": "KEY", "enabled": true, "strategies": [{
    "name": "flexibleRollout",
    "parameters": {"rollout": "50", "stickiness": "userId", "groupId": "KEY"},
    "constraints": [
        {"contextName": "plan", "operator": "IN", "values": ["pro", "team", "business"]}
    ]}]}"#;

/// The engine of the Unleash SDKs, without the client around it.
pub struct Unleash(EngineState);

impl Peer for Unleash {
    type User = Context;
    const NAME: &str = "unleash-yggdrasil";

    fn load() -> Unleash {
        let text = format!(r#"{{"version": 2, "features": [{}]}}"#, crate::flags(PLAIN, RULE));
        let engine = EngineState::default();
        let warnings = engine.apply_client_features(serde_json::from_str(&text).unwrap());
        assert!(warnings.is_none());
        Unleash(engine)
    }

    fn user(id: &str, plan: &str) -> Context {
        Context {
            user_id: Some(id.to_owned()),
            properties: Some(HashMap::from([("plan".to_owned(), plan.to_owned())])),
            ..Context::default()
        }
    }

    fn is_on(&self, flag: &str, user: &Context) -> bool {
        self.0.is_enabled(flag, user, &None)
    }
}

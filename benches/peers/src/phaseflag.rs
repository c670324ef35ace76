use ::phaseflag::{EvaluationContext, PhaseFlagClient};

use crate::Peer;

const PLAIN: &str = r#"{"key": "KEY", "default_variation": "on",
    "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}]}"#;
const RULE: &str = r#"{"key": "KEY", "default_variation": "off",
    "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}],
    "targeting_rules": [{
        "conditions": [
            {"attribute": "plan", "operator": "one_of", "value": ["pro", "team", "business"]}
        ],
        "percentage_rollout": {"variations": [
            {"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}
        ]}
    }]}"#;

pub struct PhaseFlag(PhaseFlagClient);

impl Peer for PhaseFlag {
    type User = EvaluationContext;
    const NAME: &str = "phaseflag";

    fn load() -> PhaseFlag {
        let text = format!(r#"{{"flags": [{}]}}"#, crate::flags(PLAIN, RULE));
        let client = PhaseFlagClient::without_service().bootstrap_text(text).build().unwrap();
        client.start().unwrap();
        PhaseFlag(client)
    }

    fn user(id: &str, plan: &str) -> EvaluationContext {
        EvaluationContext::new().user_id(id).attribute("plan", plan)
    }

    fn is_on(&self, flag: &str, user: &EvaluationContext) -> bool {
        self.0.get_boolean_value(flag, false, user)
    }
}

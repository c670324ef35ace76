use std::collections::HashMap;

use flagd_evaluation_engine::{FeatureFlag, FlagParser, Operator};
use open_feature::EvaluationContext;

use crate::Peer;

const PLAIN: &str = r#""KEY": {"state": "ENABLED", "defaultVariant": "on",
    "variants": {"on": true, "off": false}}"#;
const RULE: &str = r#""KEY": {"state": "ENABLED", "defaultVariant": "off",
    "variants": {"on": true, "off": false},
    "targeting": {"if": [
        {"in": [{"var": "plan"}, ["pro", "team", "business"]]},
        {"fractional": [["on", 50], ["off", 50]]}
    ]}}"#;

/// The engine of flagd's provider. The provider itself needs a protobuf compiler and reads
/// flags from files. This code does the same around the engine, but does not copy the flag
/// and the user.
pub struct Flagd {
    flags: HashMap<String, FeatureFlag>,
    operator: Operator,
}

impl Peer for Flagd {
    type User = EvaluationContext;
    const NAME: &str = "flagd-evaluation-engine";

    fn load() -> Flagd {
        let text = format!(r#"{{"flags": {{{}}}}}"#, crate::flags(PLAIN, RULE));
        let flags = FlagParser::parse_string(&text).unwrap().flags;
        Flagd { flags, operator: Operator::new() }
    }

    fn user(id: &str, plan: &str) -> EvaluationContext {
        EvaluationContext::default().with_targeting_key(id).with_custom_field("plan", plan)
    }

    fn is_on(&self, flag: &str, user: &EvaluationContext) -> bool {
        let FeatureFlag { state, variants, default_variant, .. } = &self.flags[flag];
        assert_eq!(state, "ENABLED");
        let targeting = self.flags[flag].get_targeting();
        let variant = match targeting.as_str() {
            "{}" => None,
            rules => self.operator.apply(flag, rules, user).unwrap(),
        };
        variants[variant.as_ref().unwrap_or(default_variant)].as_bool().unwrap()
    }
}

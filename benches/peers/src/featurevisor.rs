use ::featurevisor::{
    Context, DatafileInput, FeaturevisorOptions, LogLevel, context, create_featurevisor,
};

use crate::Peer;

const PLAIN: &str = r#""KEY": {"bucketBy": "userId", "traffic": [
    {"key": "everyone", "conditions": "*", "percentage": 100000}]}"#;
const RULE: &str = r#""KEY": {"bucketBy": "userId", "traffic": [
    {"key": "paying", "percentage": 50000, "conditions": [
        {"attribute": "plan", "operator": "in", "value": ["pro", "team", "business"]}
    ]},
    {"key": "everyone", "conditions": "*", "percentage": 0}]}"#;

pub struct Featurevisor(::featurevisor::Featurevisor);

impl Peer for Featurevisor {
    type User = Context;
    const NAME: &str = "featurevisor";

    fn load() -> Featurevisor {
        let text = format!(
            r#"{{"schemaVersion": "4", "revision": "1", "segments": {{}}, "features": {{{}}}}}"#,
            crate::flags(PLAIN, RULE)
        );
        Featurevisor(create_featurevisor(FeaturevisorOptions {
            datafile: Some(DatafileInput::Json(text)),
            log_level: Some(LogLevel::Error),
            ..FeaturevisorOptions::default()
        }))
    }

    fn user(id: &str, plan: &str) -> Context {
        context! { "userId" => id, "plan" => plan }
    }

    fn is_on(&self, flag: &str, user: &Context) -> bool {
        self.0.is_enabled(flag, Some(user))
    }
}

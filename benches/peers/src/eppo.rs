use std::sync::Arc;

use eppo_core::configuration_store::ConfigurationStore;
use eppo_core::eval::{Evaluator, EvaluatorConfig};
use eppo_core::ufc::{UniversalFlagConfig, VariationType};
use eppo_core::{Attributes, Configuration, SdkMetadata, Str};

use crate::Peer;

const PLAIN: &str = r#""KEY": {"key": "KEY", "enabled": true, "variationType": "BOOLEAN",
    "totalShards": 10000,
    "variations": {"on": {"key": "on", "value": true}, "off": {"key": "off", "value": false}},
    "allocations": [{"key": "everyone", "splits": [{"variationKey": "on", "shards": []}]}]}"#;
const RULE: &str = r#""KEY": {"key": "KEY", "enabled": true, "variationType": "BOOLEAN",
    "totalShards": 10000,
    "variations": {"on": {"key": "on", "value": true}, "off": {"key": "off", "value": false}},
    "allocations": [
        {"key": "paying",
            "rules": [{"conditions": [
                {"attribute": "plan", "operator": "ONE_OF", "value": ["pro", "team", "business"]}
            ]}],
            "splits": [
                {"variationKey": "on",
                    "shards": [{"salt": "KEY", "ranges": [{"start": 0, "end": 5000}]}]},
                {"variationKey": "off",
                    "shards": [{"salt": "KEY", "ranges": [{"start": 5000, "end": 10000}]}]}
            ]},
        {"key": "everyone", "splits": [{"variationKey": "off", "shards": []}]}
    ]}"#;

/// The core of the Eppo SDKs, without the client around it.
pub struct Eppo(Evaluator);

impl Peer for Eppo {
    type User = (Str, Arc<Attributes>);
    const NAME: &str = "eppo_core";

    fn load() -> Eppo {
        let text = format!(
            r#"{{"createdAt": "2026-01-01T00:00:00Z", "format": "SERVER",
                "environment": {{"name": "test"}}, "flags": {{{}}}}}"#,
            crate::flags(PLAIN, RULE)
        );
        let sdk_metadata = SdkMetadata { name: "peers", version: "0" };
        let flags = UniversalFlagConfig::from_json(sdk_metadata, text.into_bytes()).unwrap();
        let configuration_store = Arc::new(ConfigurationStore::new());
        configuration_store
            .set_configuration(Arc::new(Configuration::from_server_response(flags, None)));
        Eppo(Evaluator::new(EvaluatorConfig { configuration_store, sdk_metadata }))
    }

    fn user(id: &str, plan: &str) -> (Str, Arc<Attributes>) {
        (id.into(), Arc::new(Attributes::from([("plan".into(), plan.into())])))
    }

    fn is_on(&self, flag: &str, (id, attributes): &(Str, Arc<Attributes>)) -> bool {
        let boolean = Some(VariationType::Boolean);
        let assignment = self.0.get_assignment(flag, id, attributes, boolean);
        assignment.unwrap().unwrap().value.as_boolean().unwrap()
    }
}

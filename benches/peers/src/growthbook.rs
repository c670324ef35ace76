use growthbook_rust::client::{GrowthBookClient, GrowthBookClientBuilder, GrowthBookClientTrait};
use growthbook_rust::model_public::GrowthBookAttribute;

use crate::Peer;

const PLAIN: &str = r#""KEY": {"defaultValue": true}"#;
const RULE: &str = r#""KEY": {"defaultValue": false, "rules": [{
    "condition": {"plan": {"$in": ["pro", "team", "business"]}},
    "force": true, "coverage": 0.5, "hashAttribute": "id"}]}"#;

pub struct GrowthBook(GrowthBookClient);

impl Peer for GrowthBook {
    type User = Vec<GrowthBookAttribute>;
    const NAME: &str = "growthbook-rust";

    fn load() -> GrowthBook {
        let text = format!("{{{}}}", crate::flags(PLAIN, RULE));
        let flags = serde_json::from_str(&text).unwrap();
        let client = GrowthBookClientBuilder::new().features_json(flags).unwrap().build();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        GrowthBook(runtime.block_on(client).unwrap())
    }

    fn user(id: &str, plan: &str) -> Vec<GrowthBookAttribute> {
        GrowthBookAttribute::from(serde_json::json!({"id": id, "plan": plan})).unwrap()
    }

    /// The time includes a copy of the user, because the crate takes it by value.
    fn is_on(&self, flag: &str, user: &Vec<GrowthBookAttribute>) -> bool {
        self.0.is_on(flag, Some(user.clone()))
    }
}

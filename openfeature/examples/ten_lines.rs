use std::env::var;

use open_feature::{EvaluationContext, OpenFeature};
use phaseflag_openfeature::PhaseFlagProvider;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = var("PHASEFLAG_BASE_URL").unwrap_or("http://127.0.0.1:8000/api/v1".to_owned());
    let key = var("PHASEFLAG_API_KEY").unwrap_or("sdk-dev-local".to_owned());
    let phaseflag =
        phaseflag::PhaseFlagClient::builder(url, key).record_evaluations(true).build()?;
    let provider = PhaseFlagProvider::new(phaseflag.clone());
    OpenFeature::singleton_mut().await.set_provider(provider).await;

    let flags = OpenFeature::singleton().await.create_client();
    let ada =
        EvaluationContext::default().with_targeting_key("ada").with_custom_field("plan", "pro");
    let one_page = flags.get_bool_value("new-checkout-flow", Some(&ada), None).await;
    println!("one page: {}", one_page.unwrap_or(false));

    phaseflag.stop(); // delivers queued events: the singleton is never dropped
    Ok(())
}

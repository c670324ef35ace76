//! Sends arbitrary bytes as the response to remote evaluation, with success and error statuses.

use std::sync::LazyLock;

use phaseflag::{EvaluationContext, PhaseFlagClient};

use super::server::Server;

const KEY: &str = "sdk-fuzz-secret";

const STATUSES: [u16; 12] = [200, 200, 200, 200, 201, 400, 401, 403, 404, 404, 422, 500];

static SERVICE: LazyLock<(Server, PhaseFlagClient)> = LazyLock::new(|| {
    let server = Server::start();
    let client = PhaseFlagClient::builder(server.url(), KEY).build().expect("a client");
    (server, client)
});

/// Takes the status from the first byte, and the response from the others.
pub fn run(data: &[u8]) {
    let Some((first, answer)) = data.split_first() else { return };
    let (server, client) = &*SERVICE;
    server.answer(STATUSES[usize::from(*first) % STATUSES.len()], answer);
    let context = EvaluationContext::new().user_id("user-1").attribute("plan", "pro");
    match client.evaluate("checkout", &context) {
        Ok(result) => assert_eq!(result, client.evaluate("checkout", &context).expect("the same")),
        Err(error) => {
            let text = format!("{error} {error:#} {error:?}");
            assert!(!text.contains(KEY), "{text}");
        }
    }
}

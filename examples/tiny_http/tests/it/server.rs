//! Runs the server as a user does: as a separate program, over loopback.

use crate::shop::{FLAGS, Shop};
use crate::support::Server;

#[test]
fn flags_are_evaluated_for_each_request() {
    let service = Server::with_ruleset(FLAGS);
    let shop = Shop::start(&service.url());
    assert_eq!(
        shop.get("/checkout?user=ada&plan=pro").body,
        r#"{"checkout":"one-page","config":{"invoice":false,"max_items":50},"dashboard":false,"theme":"light"}"#
    );
    assert_eq!(
        shop.get("/checkout?user=bob").body,
        r#"{"checkout":"three-steps","config":{"invoice":false,"max_items":50},"dashboard":false,"theme":"light"}"#
    );
    for path in ["/checkout", "/checkout?user=", "/checkout?user=&plan=pro"] {
        assert_eq!(shop.get(path).status, 400, "{path}");
    }
    assert_eq!(shop.get("/no-such-page").status, 404);
    let health = shop.get("/health").json();
    assert_eq!(health["state"].as_str(), Some("ready"));
    assert_eq!(health["flags"].as_i64(), Some(8));
    assert_eq!(health["version"], FLAGS.parse::<phaseflag::Value>().unwrap()["version"]);
    assert_eq!(health["unknown_flags"].to_string(), "[]");
    assert_eq!(health["events_dropped"].as_i64(), Some(0));
    let metrics = shop.get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("\nphaseflag_ready 1\n"), "{}", metrics.body);
}

#[test]
fn defaults_are_served_without_a_service() {
    // Port 9 is usually closed, and otherwise discards its input.
    let mut shop = Shop::start("http://127.0.0.1:9/api/v1");
    shop.program.line("serving defaults for now: the client was not ready within 2s: ");
    assert_eq!(
        shop.get("/checkout?user=ada&plan=pro").body,
        r#"{"checkout":"three-steps","config":null,"dashboard":false,"theme":"light"}"#
    );
}

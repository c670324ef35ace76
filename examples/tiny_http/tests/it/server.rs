//! Runs the server as a user does: as a separate program, over loopback.

use crate::metrics::UNUSED;
use crate::prometheus::{metric_names, promtool};
use crate::shop::{FLAGS, Shop};
use crate::support::{Server, wait_until};

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
    let metrics = shop.get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("\nphaseflag_ready 1\n"), "{}", metrics.body);
    assert_eq!(metric_names(&metrics.body), metric_names(UNUSED));
    promtool(&["check", "metrics"], &metrics.body);
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

#[test]
fn the_probes_say_whether_there_are_flags_and_why_not() {
    // Port 9 is usually closed, and otherwise discards its input.
    let shop = Shop::start("http://127.0.0.1:9/api/v1");
    wait_until("a failure", || !shop.get("/healthz").json()["last_failure"].is_null());
    for (path, status) in [("/healthz", 200), ("/readyz", 503)] {
        let response = shop.get(path);
        assert_eq!(response.status, status, "{path}");
        let report = response.json();
        assert_eq!(report["ready"].as_bool(), Some(false));
        assert_eq!(report["state"].as_str(), Some("not ready"));
        // With its cause.
        let failure = report["last_failure"].as_str().unwrap().to_owned();
        assert!(failure.matches(": ").count() >= 2, "{failure}");
    }

    let service = Server::with_ruleset(FLAGS);
    let shop = Shop::start(&service.url());
    for path in ["/healthz", "/readyz"] {
        let response = shop.get(path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        let report = response.json();
        assert_eq!(report["ready"].as_bool(), Some(true));
        assert_eq!(report["state"].as_str(), Some("ready"));
        assert_eq!(report["flags"].as_i64(), Some(8));
        assert!(report["last_failure"].is_null());
    }
}

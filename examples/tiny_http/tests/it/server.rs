//! Runs the server as a user does: as a separate program, over loopback.

use crate::monitoring::{check_metrics, check_probes_with_flags, check_probes_without_flags};
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
    check_metrics(&shop.address);
}

#[test]
fn defaults_are_served_without_a_service() {
    // Port 9 is usually closed, and otherwise discards its input.
    let mut shop = Shop::start_without_flags("http://127.0.0.1:9/api/v1");
    shop.program.line("serving defaults for now: the client was not ready within 2s: ");
    assert_eq!(
        shop.get("/checkout?user=ada&plan=pro").body,
        r#"{"checkout":"three-steps","config":null,"dashboard":false,"theme":"light"}"#
    );
}

#[test]
fn the_probes_say_whether_there_are_flags_and_why_not() {
    // Port 9 is usually closed, and otherwise discards its input.
    check_probes_without_flags(&Shop::start_without_flags("http://127.0.0.1:9/api/v1").address);

    let service = Server::with_ruleset(FLAGS);
    check_probes_with_flags(&Shop::start(&service.url()).address, 8);
}

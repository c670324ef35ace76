//! What the example servers show to those who monitor them: probes and metrics.

use crate::exchange::get;
use crate::prometheus::{metric_names, promtool};
use crate::support::wait_until;

const METRICS: &str = include_str!("../../examples/monitoring/metrics.txt");

/// Waits until a server has flags: its service may respond after it has begun to serve.
pub fn wait_until_ready(address: &str) {
    wait_until("flags", || get(&format!("{address}/readyz")).status == 200);
}

/// Checks the probes of a server that cannot reach its service and has no flags.
pub fn check_probes_without_flags(address: &str) {
    let report = |path: &str| get(&format!("{address}{path}"));
    wait_until("a failure", || !report("/healthz").json()["last_failure"].is_null());
    for (path, status) in [("/healthz", 200), ("/readyz", 503)] {
        let response = report(path);
        assert_eq!(response.status, status, "{path}");
        let report = response.json();
        assert_eq!(report["ready"].as_bool(), Some(false));
        assert_eq!(report["state"].as_str(), Some("not ready"));
        // With its cause.
        let failure = report["last_failure"].as_str().unwrap().to_owned();
        assert!(failure.matches(": ").count() >= 2, "{failure}");
    }
}

/// Checks the probes of a server that has this number of flags from its service.
pub fn check_probes_with_flags(address: &str, flags: i64) {
    for path in ["/healthz", "/readyz"] {
        let response = get(&format!("{address}{path}"));
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        let report = response.json();
        assert_eq!(report["ready"].as_bool(), Some(true));
        assert_eq!(report["state"].as_str(), Some("ready"));
        assert_eq!(report["flags"].as_i64(), Some(flags));
        assert!(report["last_failure"].is_null());
    }
}

/// Checks the metrics of a server that is ready.
pub fn check_metrics(address: &str) {
    let metrics = get(&format!("{address}/metrics"));
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("\nphaseflag_ready 1\n"), "{}", metrics.body);
    assert_eq!(metric_names(&metrics.body), metric_names(METRICS));
    promtool(&["check", "metrics"], &metrics.body);
}

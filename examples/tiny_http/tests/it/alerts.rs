//! The alerts for Prometheus on the metrics of the servers.

use crate::metrics::UNUSED;
use crate::prometheus::{metric_names, promtool};

const ALERTS: &str = include_str!("../../../monitoring/alerts.yml");
const TESTS: &str = include_str!("../../../monitoring/alerts_test.yml");
const PAGE: &str = include_str!("../../../../src/guide/production.md");

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../monitoring");

/// Returns the rest of each line that begins with this text.
fn values<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(begin)).collect()
}

/// Returns the series that a text names, with their labels.
fn series(text: &str) -> Vec<&str> {
    let part = |(start, _)| {
        let rest: &str = &text[start..];
        let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let name = rest.find(|it| !is_name(it)).unwrap_or(rest.len());
        let labels = match rest[name..].starts_with('{') {
            true => rest[name..].find('}').unwrap() + 1,
            false => 0,
        };
        &rest[..name + labels]
    };
    text.match_indices("phaseflag_").map(part).collect()
}

#[test]
fn alerts_are_on_metrics_of_the_servers() {
    let names = metric_names(UNUSED);
    for text in [ALERTS, TESTS] {
        let series = series(text);
        assert!(series.len() > 10, "{series:?}");
        for series in series {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            assert!(names.contains(name), "{series}");
            // The tests add an instance.
            let labels = labels.replace("instance=\"a\", ", "").replace("instance=\"a\"}", "");
            if !labels.is_empty() {
                assert!(UNUSED.contains(&format!("\n{name}{{{labels} ")), "{series}");
            }
        }
    }
}

#[test]
fn each_alert_tells_what_to_do_and_is_tested_and_documented() {
    let alerts = values(ALERTS, "alert: ");
    assert!(alerts.len() > 5, "{alerts:?}");
    for field in ["expr: ", "severity: ", "summary: ", "description: "] {
        assert_eq!(values(ALERTS, field).len(), alerts.len(), "{field}");
    }
    for alert in alerts {
        assert!(TESTS.contains(&format!("alertname=\"{alert}\"")), "{alert}");
        assert!(PAGE.contains(&format!("\n| `{alert}` | ")), "{alert}");
    }
}

#[test]
fn prometheus_accepts_the_alerts_and_raises_each_of_them() {
    promtool(&["check", "rules", &format!("{FOLDER}/alerts.yml")], "");
    promtool(&["test", "rules", &format!("{FOLDER}/alerts_test.yml")], "");
}

//! Rules in files, which nginx serves as a CDN does.

use std::fs;

use phaseflag::{ClientState, EvaluationEvent, PhaseFlagClient};
use tempfile::TempDir;

use crate::nginx::{Nginx, configuration};
use crate::support::{RAPIDLY, Reply, Server, ready, ruleset, started, wait_until};

/// A folder with a file of rules, and nginx, which serves it.
struct Files {
    nginx: Nginx,
    folder: TempDir,
}

impl Files {
    /// Returns `None` if there is no nginx.
    fn start(path: &str, keys: &[&str]) -> Option<Files> {
        let folder = TempDir::new().unwrap();
        let root = folder.path().display();
        let server = format!("listen 127.0.0.1:8080; root {root}; access_log {root}/log;");
        let nginx = Nginx::start(&configuration(&server))?;
        let files = Files { nginx, folder };
        files.write(path, keys);
        Some(files)
    }

    /// Returns the number of requests.
    fn requests(&self) -> usize {
        fs::read_to_string(self.folder.path().join("log")).unwrap().lines().count()
    }

    /// Replaces a file as `phaseflag pull` does.
    fn write(&self, path: &str, keys: &[&str]) {
        let [path, new] = [path, "new"].map(|path| self.folder.path().join(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&new, ruleset(1, keys)).unwrap();
        fs::rename(new, path).unwrap();
    }
}

#[test]
fn clients_poll_a_file() {
    const PATH: &str = "api/v1/sdk/ruleset";
    let Some(files) = Files::start(PATH, &["before"]) else { return };
    let client = ready(files.nginx.client("none").polling_interval(RAPIDLY));
    assert!(client.get_boolean_value("before", false, None));
    files.write(PATH, &["after the edit"]);
    wait_until("the edit", || client.get_boolean_value("after the edit", false, None));
    // It accepts no events.
    client.track_event(EvaluationEvent::new("before"));
    client.flush_events().unwrap_err();
    fs::remove_file(files.folder.path().join(PATH)).unwrap();
    wait_until("a failure", || client.statistics().last_failure.is_some());
    assert!(client.get_boolean_value("after the edit", false, None));
}

#[test]
fn a_bootstrap_url_makes_a_client_ready_and_is_not_requested_again() {
    const PATH: &str = "bootstrap.json";
    let Some(files) = Files::start(PATH, &["before"]) else { return };
    let service = Server::start(|_| Reply::status(503));
    let builder = || {
        PhaseFlagClient::builder(service.url(), "sdk-dev-1")
            .bootstrap_url(format!("http://{}/{PATH}", files.nginx.address))
            .polling_interval(RAPIDLY)
            .offline_mode(true)
    };
    let client = ready(builder());
    assert!(client.get_boolean_value("before", false, None));
    wait_until("it is stale", || matches!(client.state(), ClientState::Stale { .. }));
    // Without the mode, the rules are served, and the client waits for the service.
    let waiting = started(builder().offline_mode(false));
    wait_until("the rules", || waiting.has_rules());
    assert!(!waiting.is_ready());

    files.write(PATH, &["after the edit"]);
    for client in [&client, &waiting] {
        client.refresh().unwrap_err();
        assert!(client.get_boolean_value("before", false, None));
    }
    assert!(files.requests() <= 2, "{}", files.requests());
    let next = ready(builder());
    assert!(next.get_boolean_value("after the edit", false, None));

    service.respond(|_| Reply::json(ruleset(2, &["service"])));
    for client in [client, waiting, next] {
        client.refresh().unwrap();
        assert!(client.is_ready() && client.get_boolean_value("service", false, None));
    }
}

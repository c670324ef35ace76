//! Rules that are cached between runs.

use std::fs;

use crate::support::{self, CACHES, FLAGS, Folder, KEY, Port, Service, outcome, refused, run};

const LIGHT: &str = "light\n";
const DARK: &str = "dark\n";

fn dark() -> String {
    FLAGS.replace(
        r#""default_variation_id": "var_5b6c03_light""#,
        r#""default_variation_id": "var_5b6c03_dark""#,
    )
}

/// Returns the command that gets a flag.
fn get(service: &Service, folder: &Folder, arguments: &[&str]) -> support::Outcome {
    run(&mut service.phaseflag(folder, &[&["get", "ui-theme"], arguments].concat()))
}

#[test]
fn rules_of_the_last_minute_are_not_requested_again() {
    let folder = Folder::new("cache");
    let service = Service::with_flags(&folder);
    assert_eq!(get(&service, &folder, &[]), outcome(0, LIGHT, ""));
    folder.write("flags.json", &dark());
    assert_eq!(get(&service, &folder, &[]), outcome(0, LIGHT, ""));
    assert_eq!(get(&service, &folder, &["--no-cache"]), outcome(0, DARK, ""));
    assert_eq!(get(&service, &folder, &["--cache-dir", "elsewhere"]), outcome(0, DARK, ""));
    // Neither of these changed the usual cache.
    assert_eq!(get(&service, &folder, &[]), outcome(0, LIGHT, ""));
    assert_eq!(get(&service, &folder, &["--max-age", "0"]), outcome(0, DARK, ""));
    assert_eq!(get(&service, &folder, &[]), outcome(0, DARK, ""));

    let top = CACHES.split('/').next().unwrap();
    assert_eq!(folder.files(), [top, "elsewhere", "flags.json"]);
    for dir in [&format!("{CACHES}/phaseflag"), "elsewhere"] {
        let files: Vec<_> = fs::read_dir(folder.path.join(dir)).unwrap().collect();
        assert_eq!(files.len(), 1);
        let name = files[0].as_ref().unwrap().file_name().into_string().unwrap();
        assert!(!name.contains(KEY), "{name}");
    }
}

#[test]
fn a_service_that_is_down_is_reported_after_a_minute() {
    let folder = Folder::new("cache-down");
    folder.write("flags.json", FLAGS);
    let port = Port::hold();
    let service = Service::start_on(&port, &folder, "flags.json");
    assert_eq!(get(&service, &folder, &[]), outcome(0, LIGHT, ""));
    let base_url = port.base_url();
    drop(service);
    let down = |arguments: &[&str]| {
        let mut command = folder.phaseflag(&["get", "ui-theme", "--timeout", "5"]);
        command.args(arguments).env("PHASEFLAG_BASE_URL", &base_url);
        run(command.env("PHASEFLAG_API_KEY", KEY))
    };
    assert_eq!(down(&[]), outcome(0, LIGHT, ""));
    assert_eq!(
        down(&["--max-age", "0"]),
        outcome(
            0,
            LIGHT,
            &format!(
                "phaseflag: the rules may be stale: failed to reach `{base_url}/sdk/ruleset`: \
                 io: {}\n",
                refused()
            )
        )
    );
    assert_eq!(down(&["--no-cache", "--timeout", "0.1"]).status, 2);
    // Rules are cached only for their service and key.
    assert_eq!(down(&["--api-key", "another", "--timeout", "0.1"]).status, 2);
}

#[test]
fn a_folder_that_cannot_be_used_changes_nothing_else() {
    let folder = Folder::new("cache-unusable");
    let service = Service::with_flags(&folder);
    assert_eq!(get(&service, &folder, &["--cache-dir", "flags.json"]), outcome(0, LIGHT, ""));
    let mut homeless = service.phaseflag(&folder, &["get", "ui-theme"]);
    assert_eq!(run(homeless.env_remove("HOME").env_remove("LOCALAPPDATA")), outcome(0, LIGHT, ""));
}

#[cfg(all(unix, not(target_vendor = "apple")))]
#[test]
fn environment_variables_set_where_rules_are_cached() {
    let folder = Folder::new("cache-where");
    let service = Service::with_flags(&folder);
    let caches = folder.path.join("caches");
    let get = |variables: &[(&str, &str)]| {
        let mut command = service.phaseflag(&folder, &["get", "ui-theme"]);
        command.env_remove("HOME").current_dir(&folder.path);
        command.envs(variables.iter().copied());
        assert_eq!(run(&mut command), outcome(0, LIGHT, ""), "{variables:?}");
    };
    let count = |dir: &str| {
        fs::read_dir(folder.path.join(dir).join("phaseflag")).map_or(0, Iterator::count)
    };
    let home = folder.path.to_str().unwrap();
    get(&[("XDG_CACHE_HOME", caches.to_str().unwrap()), ("HOME", home)]);
    assert_eq!((count("caches"), count(".cache")), (1, 0));
    // A relative path is ignored.
    get(&[("XDG_CACHE_HOME", "relative"), ("HOME", home)]);
    assert_eq!((count("relative"), count(".cache")), (0, 1));
    get(&[]);
    get(&[("HOME", "relative")]);
    assert_eq!(folder.files(), [".cache", "caches", "flags.json"]);
}

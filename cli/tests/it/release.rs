//! The files of a release: `cargo binstall` and `cargo deb` find what `.ci/archive` writes.

use std::process::Command;

use phaseflag::Value;

const ARCHIVE: &str = include_str!("../../../.ci/archive");
const WORKFLOW: &str = include_str!("../../../.github/workflows/release.yml");

/// Returns `[package.metadata]` of the manifest.
fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let metadata: Value = String::from_utf8(output.stdout).unwrap().parse().unwrap();
    let packages = metadata.get("packages").unwrap().as_array().unwrap();
    let name =
        |package: &&Value| package.get("name").and_then(Value::as_str) == Some("phaseflag-cli");
    packages.iter().find(name).unwrap().get("metadata").unwrap().clone()
}

/// Returns a setting for a target, with the words of the shell for version and target.
fn setting(binstall: &Value, target: &str, name: &str) -> String {
    let of_target = binstall.get("overrides").and_then(|all| all.get(target)?.get(name));
    let text = of_target.or_else(|| binstall.get(name)).unwrap().as_str().unwrap();
    text.replace("{ version }", "$version").replace("{ target }", "$target")
}

#[test]
fn binstall_finds_each_archive_of_the_workflow() {
    let metadata = metadata();
    let binstall = metadata.get("binstall").unwrap();
    let name = ARCHIVE.lines().find_map(|line| line.strip_prefix("name=")).unwrap();
    let targets: Vec<_> =
        WORKFLOW.lines().filter_map(|line| line.trim().strip_prefix("- target: ")).collect();
    assert_eq!(targets.len(), 4, "{targets:?}");
    for target in targets {
        let (suffix, format, pack) = match target.contains("-windows-") {
            true => ("zip", "zip", r#"7z a -bso0 "$name.zip" "$name""#),
            false => ("tar.gz", "tgz", r#"tar -czf "$name.tar.gz" "$name""#),
        };
        assert!(ARCHIVE.contains(pack), "{pack}");
        let url = format!("{{ repo }}/releases/download/v$version/{name}.{suffix}");
        assert_eq!(setting(binstall, target, "pkg-url"), url);
        assert_eq!(setting(binstall, target, "pkg-fmt"), format);
        assert_eq!(
            setting(binstall, target, "bin-dir"),
            format!("{name}/{{ bin }}{{ binary-ext }}")
        );
    }
}

#[test]
fn the_debian_package_has_each_document() {
    let metadata = metadata();
    let assets = metadata.get("deb").unwrap().get("assets").unwrap().as_array().unwrap();
    let sources = assets.iter().map(|asset| asset.as_array().unwrap()[0].as_str().unwrap());
    let documents: Vec<_> =
        sources.filter_map(|path| path.strip_prefix("../target/release-documents")).collect();
    assert_eq!(documents.len(), 5, "{documents:?}");
    for document in documents {
        let written = format!("> \"$documents{document}\"");
        assert!(ARCHIVE.contains(&written), "{document}");
    }
}

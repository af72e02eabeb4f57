//! The house: which crate may know which, where heavy dependencies live, which crates stay pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn metadata() -> Metadata {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata runs")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Direct dependencies of every crate of ours; development dependencies only where `development`.
fn dependencies(development: bool) -> BTreeMap<String, BTreeSet<String>> {
    let kinds = |kind| kind == DependencyKind::Normal || (development && kind == DependencyKind::Development);
    let of = |package: &cargo_metadata::Package| {
        let names = package.dependencies.iter().filter(|dependency| kinds(dependency.kind));
        (package.name.to_string(), names.map(|dependency| dependency.name.clone()).collect())
    };
    metadata().packages.iter().map(of).collect()
}

#[test]
fn arrows_between_our_crates() {
    let all = [
        "schemas",
        "domain",
        "event-log",
        "ledger",
        "projections",
        "blob-store",
        "vault",
        "notifier",
        "pipeline",
        "door-s3",
        "door-http",
    ];
    let allowed: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        ("schemas", vec![]),
        ("domain", vec!["schemas"]),
        ("vault", vec!["schemas"]),
        ("ledger", vec!["schemas"]),
        ("event-log", vec!["schemas", "ledger"]),
        ("projections", vec!["schemas", "event-log"]),
        ("notifier", vec!["schemas", "event-log"]),
        ("blob-store", vec!["schemas", "vault"]),
        ("pipeline", vec!["schemas", "domain", "event-log", "ledger", "projections", "blob-store", "vault"]),
        ("door-s3", vec!["schemas", "domain", "pipeline"]),
        ("door-http", vec!["schemas", "domain", "pipeline"]),
        ("command-api", all.to_vec()),
        ("holdfast-tests", vec!["command-api", "schemas"]),
        // The store in its own process, beside a raw file: without HTTP there is no other way to it.
        ("holdfast-benches", vec!["holdfast-tests", "pipeline", "schemas"]),
    ]);
    let ours: BTreeSet<&str> = allowed.keys().copied().collect();
    let found = dependencies(true);
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), ours, "a crate came or went");
    for (name, dependencies) in &found {
        for dependency in dependencies.iter().filter(|dependency| ours.contains(dependency.as_str())) {
            assert!(allowed[name.as_str()].contains(&dependency.as_str()), "{name} must not know {dependency}");
        }
    }
}

#[test]
fn heavy_dependencies_have_named_homes() {
    let homes: &[(&str, &[&str])] = &[
        ("fjall", &["event-log"]),
        ("aws-lc-rs", &["vault"]),
        ("ed25519-dalek", &["ledger"]),
        ("axum", &["door-s3", "door-http", "command-api"]),
        ("async-nats", &["notifier"]),
        ("reqwest", &["notifier", "holdfast-tests"]),
        ("anyhow", &["command-api", "holdfast-tests", "holdfast-benches"]),
    ];
    for (name, dependencies) in dependencies(false) {
        for (heavy, homes) in homes {
            let at_home = homes.contains(&name.as_str());
            assert!(at_home || !dependencies.contains(*heavy), "{heavy} does not live in {name}");
        }
    }
}

#[test]
fn pure_crates_name_no_runtime_socket_file_clock_randomness_or_tracing() {
    let found = dependencies(false);
    for pure in ["schemas", "domain", "ledger"] {
        for banned in ["tokio", "tracing", "getrandom", "rand", "rustix", "fjall", "hyper", "axum", "reqwest"] {
            assert!(!found[pure].contains(banned), "{pure} must stay pure: {banned}");
        }
    }
    for folder in ["schemas/src", "command-api/domain/src", "event-log/ledger/src"] {
        for file in rust_files(&root().join(folder)) {
            let text = std::fs::read_to_string(&file).expect("a source file reads");
            for banned in
                ["std::fs", "std::io", "std::net::Tcp", "std::net::Udp", "std::time", "std::thread", "std::env"]
            {
                assert!(!text.contains(banned), "{} names {banned}", file.display());
            }
        }
    }
}

#[test]
fn the_top_level_stays_as_listed() {
    let listed: BTreeSet<&str> = [
        "schemas",
        "event-log",
        "projections",
        "blob-store",
        "notifier",
        "command-api",
        "tests",
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "LICENSE",
        ".clippy.toml",
        ".rustfmt.toml",
        ".deny.toml",
        ".cargo",
        ".ci",
        ".gitignore",
        "console",
        "sdk",
    ]
    .into();
    // Asked of git, so that build output and a data directory do not count.
    let output = std::process::Command::new("git")
        .args(["-C", &root().display().to_string(), "ls-files"])
        .output()
        .expect("git runs");
    let files = String::from_utf8(output.stdout).expect("paths are text");
    for file in files.lines() {
        let top = file.split('/').next().unwrap_or_default();
        assert!(listed.contains(top), "{top} does not belong on the top level");
    }
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_do() {
    // Spelled in two halves so that this file does not find itself.
    let banned = [concat!("#[ig", "nore"), concat!("to", "do!("), concat!("unimple", "mented!(")];
    for file in rust_files(&root()) {
        let text = std::fs::read_to_string(&file).expect("a source file reads");
        for word in banned {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
    }
}

fn rust_files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder reads") {
        let path = entry.expect("an entry reads").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

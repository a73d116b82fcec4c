//! Imports go down, never sideways: which crate may use which, ours and others', is the table below.
//! How: the dependencies of each `Cargo.toml`, as cargo reads them, are compared with the table; a crate without a row fails.
use crate::metadata::{Dependency, Package, workspace};

struct Row {
    package: &'static str,
    ours: &'static [&'static str],
    others: &'static [&'static str],
}

const LAYER_ONE: &[&str] = &["protocol"];
const LAYER_TWO: &[&str] = &["client", "config", "coordinator", "protocol", "storage", "zookeeper"];

/// Small crates without I/O that any layer may use.
const ANYWHERE: &[&str] = &["bytes", "thiserror", "tracing", "uuid"];

const TABLE: &[Row] = &[
    // Layer 0
    row("protocol", &[], &["crc32c", "flate2", "kafka-protocol", "lz4", "snap", "zstd"]),
    row("config", &[], &["java-properties"]),
    // Layer 1
    row("storage", LAYER_ONE, &["crc32c", "libc", "memmap2", "rustix"]),
    row("coordinator", LAYER_ONE, &[]),
    row("zookeeper", LAYER_ONE, &["base64", "serde", "serde_json", "tokio", "zookeeper-client"]),
    row("client", LAYER_ONE, &["kafka-protocol", "tokio"]),
    // Layer 2
    row("broker", LAYER_TWO, &["anyhow", "rustix", "socket2", "tokio", "tokio-util"]),
    row(
        "tools",
        LAYER_TWO,
        &["anyhow", "base64", "hmac", "jiff", "rdkafka", "regex", "rustix", "serde_json", "sha2", "tokio"],
    ),
    // Layer 3
    row(
        "ottla",
        &["broker", "tools"],
        &["anyhow", "libmimalloc-sys", "mimalloc", "rustix", "tokio", "tracing-subscriber"],
    ),
    row("tests", &[], &["anyhow", "rustix", "serde_json"]),
];

const fn row(package: &'static str, ours: &'static [&'static str], others: &'static [&'static str]) -> Row {
    Row { package, ours, others }
}

fn breaches(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<String> {
    let Some(row) = TABLE.iter().find(|row| row.package == package.name) else {
        return vec![format!("{}: has no row in tests/tidy/layers.rs", package.name)];
    };
    let wrong = |dependency: &&Dependency| !allowed(row, dependency);
    let refused = package.dependencies.iter().filter(wrong);
    refused.map(|dependency| format!("{}: must not depend on {}", row.package, dependency.name)).collect()
}

fn allowed(row: &Row, dependency: &Dependency) -> bool {
    let name = dependency.name.as_str();
    match (dependency.ours, dependency.for_tests) {
        // The suites drive everything; the harness that `ready` is built from stays small.
        (_, true) if row.package == "tests" => true,
        (true, _) => row.ours.contains(&name),
        (false, true) => true,
        (false, false) => row.others.contains(&name) || ANYWHERE.contains(&name),
    }
}

#[test]
fn imports_go_down() {
    crate::none(&breaches(&workspace()));
}

#[test]
fn a_sideways_import_is_found() {
    let dependency = |name: &str, ours| Dependency { name: name.to_owned(), ours, for_tests: false };
    let package =
        |name: &str, dependencies| Package { name: name.to_owned(), dependencies, suites: Vec::new() };
    let packages = [
        package("storage", vec![dependency("protocol", true), dependency("coordinator", true)]),
        package("coordinator", vec![dependency("tokio", false), dependency("thiserror", false)]),
        package("extra", Vec::new()),
    ];
    assert_eq!(
        breaches(&packages),
        [
            "storage: must not depend on coordinator",
            "coordinator: must not depend on tokio",
            "extra: has no row in tests/tidy/layers.rs",
        ]
    );
}

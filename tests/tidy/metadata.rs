//! What cargo knows of the workspace, asked once: packages, their dependencies and targets.
//! How: `cargo metadata` without the network.
use serde_json::Value;
use std::process::Command;
use tests::project;

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// Names of `[[test]]` targets.
    pub(crate) suites: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// In this repository, not from a registry.
    pub(crate) ours: bool,
    /// Needed by tests only.
    pub(crate) for_tests: bool,
}

/// The packages of the workspace.
pub(crate) fn workspace() -> Vec<Package> {
    let answer = ask(&["--no-deps"]);
    list(&answer["packages"]).iter().map(package).collect()
}

/// Name and licence of every package that is compiled in, ours and others'.
pub(crate) fn licences() -> Vec<(String, String)> {
    // Without this, cargo would want the packages of other systems too, which building here never fetches.
    let answer = ask(&["--filter-platform", &host()]);
    let licence = |package: &Value| (text(&package["name"]), text(&package["license"]));
    list(&answer["packages"]).iter().map(licence).collect()
}

/// The system that is built for, as rustc names it.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn ask(more: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--offline"]).args(more).current_dir(project::root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn package(value: &Value) -> Package {
    let is_test = |target: &&Value| list(&target["kind"]).iter().any(|kind| kind == "test");
    let targets = list(&value["targets"]);
    Package {
        name: text(&value["name"]),
        dependencies: list(&value["dependencies"]).iter().map(dependency).collect(),
        suites: targets.iter().filter(is_test).map(|target| text(&target["name"])).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: text(&value["name"]),
        ours: value["source"].is_null(),
        for_tests: value["kind"] == "dev",
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

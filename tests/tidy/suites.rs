//! No test is forgotten: every `[[test]]` target is a step of `cargo ready`, and tests stand where those steps look.
//! How: the targets that cargo knows are compared with the commands of the steps.
use crate::metadata::{Package, workspace};
use tests::ready::steps::{Scope, of};

fn breaches(packages: &[Package], commands: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        for suite in &package.suites {
            if package.name != "tests" {
                found.push(format!("{}: suite `{suite}` belongs into tests/", package.name));
            } else if !commands.contains(&format!("cargo test --package tests --test {suite}").as_str()) {
                found.push(format!("suite `{suite}` is no step in tests/src/ready/steps.rs"));
            }
        }
    }
    found
}

#[test]
fn ready_runs_every_suite() {
    let steps = of(Scope::Whole);
    let commands: Vec<&str> = steps.iter().map(|step| step.command).collect();
    crate::none(&breaches(&workspace(), &commands));
}

#[test]
fn a_forgotten_suite_is_found() {
    let package = |name: &str, suite: &str| Package {
        name: name.to_owned(),
        dependencies: Vec::new(),
        suites: vec![suite.to_owned()],
    };
    let found = breaches(&[package("storage", "crash"), package("tests", "golden")], &["cargo test"]);
    assert_eq!(
        found,
        [
            "storage: suite `crash` belongs into tests/",
            "suite `golden` is no step in tests/src/ready/steps.rs"
        ]
    );
}

//! The steps of `cargo ready` as data: what is run, in which order, and how long it may take on two cores.
//! Tidy compares the suites run here with those of `tests/Cargo.toml`, so that none is forgotten.
use std::time::Duration;

/// How much is asked for; each scope holds the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Seconds: what a commit must pass.
    Quick,
    /// All suites.
    Whole,
    /// The client suites against a real Kafka too, which proves the tests themselves.
    Long,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub name: &'static str,
    pub scope: Scope,
    /// The program and its arguments, with spaces between them.
    pub command: &'static str,
    pub environment: &'static [(&'static str, &'static str)],
    /// What it may take on two cores: the steps that compile from nothing, the others with everything compiled.
    pub budget: Duration,
}

impl Step {
    /// When a step is taken to hang: an empty `target` and a busy machine are no hang.
    pub fn limit(&self) -> Duration {
        self.budget * 2 + COMPILING
    }
}

/// The most that compiling everything takes on two busy cores.
const COMPILING: Duration = Duration::from_secs(20 * 60);

/// The steps of a scope, in the order in which they run: what fails fastest comes first.
pub fn of(scope: Scope) -> Vec<Step> {
    use Scope::{Long, Quick, Whole};
    let steps = [
        step("fmt", Quick, 10, "cargo fmt --all --check"),
        // On a clean clone this one takes minutes, and the budgets of those that follow hold.
        step("compile", Whole, COMPILING.as_secs(), "cargo test --workspace --no-run"),
        step("tidy", Quick, 20, "cargo test --package tests --test tidy"),
        step("golden", Quick, 20, "cargo test --package tests --test golden"),
        step("clippy", Whole, 140, "cargo clippy --workspace --all-targets -- -D warnings"),
        step("unit", Whole, 120, "cargo test --workspace --lib --bins"),
        step("storage", Whole, 90, "cargo test --package tests --test storage"),
        step("rustdoc", Whole, 140, "cargo doc --workspace --no-deps --document-private-items")
            .with(&[("RUSTDOCFLAGS", "-D warnings")]),
        step("release build", Whole, 600, "cargo build --release --package ottla"),
        step("zookeeper", Whole, 90, "cargo test --package tests --test zookeeper"),
        step("differential", Whole, 120, "cargo test --package tests --test differential"),
        step("oracle", Whole, 300, "cargo test --package tests --test oracle"),
        step("cluster", Whole, 600, "cargo test --package tests --test cluster"),
        step("hostile", Whole, 120, "cargo test --package tests --test hostile"),
        step(
            "clients on a real Kafka",
            Long,
            600,
            "cargo test --package tests --test cluster -- java_tools kcat go_clients old_clients kill9 zookeeper_outage",
        )
        .with(&[("OTTLA_TEST_BROKER", "kafka")]),
        step(
            "random lives of a log",
            Long,
            1400,
            "cargo test --package tests --test storage -- crash_lives fuzz",
        )
        .with(&[("OTTLA_STORAGE_SECONDS", "600")]),
        step(
            "a minute without ZooKeeper",
            Long,
            150,
            "cargo test --package tests --test cluster -- zookeeper_is_away",
        )
        .with(&[("OTTLA_TEST_OUTAGE_SECONDS", "60")]),
    ];
    steps.into_iter().filter(|step| step.scope <= scope).collect()
}

fn step(name: &'static str, scope: Scope, seconds: u64, command: &'static str) -> Step {
    Step { name, scope, command, environment: &[], budget: Duration::from_secs(seconds) }
}

impl Step {
    fn with(self, environment: &'static [(&'static str, &'static str)]) -> Step {
        Step { environment, ..self }
    }
}

//! What `cargo ready` says at its end: each step with its time and budget, the number of tests, and what to mend.
//! Called by `ready.rs`.
use super::steps::Step;
use std::fmt::Write as _;
use std::time::Duration;

/// After a failure only steps with a smaller budget are still run.
const CHEAP: Duration = Duration::from_secs(150);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed(Duration),
    Failed(Duration),
    Hung(Duration),
    NotRun(&'static str),
}

/// Tests counted from cargo's `test result:` lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tests {
    pub passed: u64,
    pub failed: u64,
}

impl Tests {
    /// Adds the numbers of a line, if it is one of cargo's results.
    pub fn count(&mut self, line: &str) {
        let Some((_, numbers)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in numbers.split(';') {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                Some(_) | None => {}
            }
        }
    }
}

#[derive(Debug, Default)]
pub struct Report {
    steps: Vec<(Step, Outcome)>,
    pub tests: Tests,
}

impl Report {
    pub fn add(&mut self, step: Step, outcome: Outcome) {
        self.steps.push((step, outcome));
    }

    /// Why a step is not worth running any more, if so.
    pub fn reason_to_skip(&self, step: &Step) -> Option<&'static str> {
        (!self.passed() && step.budget >= CHEAP).then_some("an earlier step failed")
    }

    pub fn passed(&self) -> bool {
        self.steps.iter().all(|(_, outcome)| matches!(outcome, Outcome::Passed(_)))
    }

    pub fn print(&self) {
        eprint!("{}", self.table());
        // On standard output, alone on its line and last: what a reader of the output looks for.
        let Tests { passed, failed } = self.tests;
        let line = format!("{passed} passed, {failed} failed\n");
        // With nobody reading, there is nobody to tell.
        let _ = std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes());
    }

    fn table(&self) -> String {
        let mut text = format!("\n{:<26}{:>8}{:>9}\n", "step", "took", "budget");
        let mut total = Duration::ZERO;
        for (step, outcome) in &self.steps {
            let (took, word) = match outcome {
                Outcome::Passed(took) if *took > step.budget => (*took, "passed, over its budget"),
                Outcome::Passed(took) => (*took, "passed"),
                Outcome::Failed(took) => (*took, "FAILED"),
                Outcome::Hung(took) => (*took, "FAILED: it hung and was ended"),
                Outcome::NotRun(reason) => (Duration::ZERO, *reason),
            };
            total += took;
            let (took, budget) = (took.as_secs_f32(), step.budget.as_secs());
            // Writing to a String does not fail.
            let _ = writeln!(text, "{:<26}{took:>6.1} s{budget:>7} s  {word}", step.name);
        }
        let _ = writeln!(text, "{:<26}{:>6.1} s", "all", total.as_secs_f32());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ready::steps::{Scope, of};

    #[test]
    fn counts_cargos_results() {
        let mut tests = Tests::default();
        tests.count(
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s",
        );
        tests.count("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        tests.count("test something ... ok");
        assert_eq!(tests, Tests { passed: 13, failed: 2 });
    }

    #[test]
    fn after_a_failure_only_cheap_steps_run() {
        let steps = of(Scope::Whole);
        let step = |name| steps.iter().find(|step| step.name == name).unwrap();
        let mut report = Report::default();
        assert_eq!(report.reason_to_skip(step("cluster")), None);
        report.add(step("fmt").clone(), Outcome::Failed(Duration::from_secs(1)));
        assert_eq!(report.reason_to_skip(step("tidy")), None);
        assert!(report.reason_to_skip(step("cluster")).is_some());
        report.add(step("cluster").clone(), Outcome::NotRun("an earlier step failed"));
        assert!(!report.passed());
        let table = report.table();
        assert!(table.contains("fmt                          1.0 s     10 s  FAILED"), "{table}");
        assert!(table.contains("an earlier step failed"), "{table}");
    }
}

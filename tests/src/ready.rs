//! `cargo ready`: every check of the project, by one command, in one order, each with its time and its budget.
//! A step that fails makes the whole fail; cheap steps still run after it, so that one run lists all there is to mend.
//! Called by `bin/ready.rs`. Nothing is skipped in silence: a step that did not run is named with the reason.
pub mod needs;
pub mod report;
pub mod steps;
pub mod tree;

use anyhow::Result;
use report::{Outcome, Report};
use steps::Scope;

/// Runs the steps of a scope; the answer tells whether all of them passed.
pub fn run(scope: Scope) -> Result<bool> {
    if scope != Scope::Quick {
        needs::provide()?;
    }
    let mut report = Report::default();
    for step in steps::of(scope) {
        let outcome = match report.reason_to_skip(&step) {
            Some(reason) => Outcome::NotRun(reason),
            None => tree::run_step(&step, &mut report.tests)?,
        };
        report.add(step, outcome);
    }
    report.print();
    Ok(report.passed())
}

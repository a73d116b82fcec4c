//! The controller in a small world of znodes and brokers: every action is carried out at once and its outcome comes
//! back as the next event, unless a command makes it fail.
//!
//! Commands (`script.rs`): brokers register, die, bounce; topics are made, edited, marked; writes are made to fail.

mod random;
mod script;
mod trace;
mod world;

#[test]
fn controller_scenarios() {
    super::scripts::check_folder("controller", script::play);
}

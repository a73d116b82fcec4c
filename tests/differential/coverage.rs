//! What the cases cover: each version of each API that our broker serves, and each error that is named for an API in `errors.txt`
//! (with a reason for those that one broker cannot have). No error of Kafka is without a case and without a reason.
use crate::compare::answers;
use crate::play::Apis;
use crate::script::{Script, Step};
use crate::tree::Tree;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tests::project;

pub(crate) struct Coverage {
    /// Cases of each version of an API.
    cases: BTreeMap<String, BTreeMap<i16, usize>>,
    errors: BTreeMap<String, BTreeSet<i64>>,
    keys: BTreeMap<i16, String>,
}

impl Coverage {
    pub(crate) fn of(scripts: &[Script], apis: &Apis) -> Result<Coverage> {
        let keys = apis.iter().map(|(name, api)| (api.request.key, name.clone())).collect();
        let mut coverage = Coverage { cases: BTreeMap::new(), errors: BTreeMap::new(), keys };
        let scenarios = scripts.iter().flat_map(|script| &script.scenarios);
        for line in scenarios.flat_map(|scenario| &scenario.lines) {
            if matches!(line.step, Step::Call(_) | Step::Generate { .. }) {
                for (label, answer) in answers(&line.step, &line.recorded)? {
                    coverage.count(&label, &line.step, answer)?;
                }
            }
        }
        Ok(coverage)
    }

    fn count(&mut self, label: &str, step: &Step, answer: Tree) -> Result<()> {
        let mut words = label.split(' ');
        if matches!(step, Step::Generate { .. }) {
            words.next();
        }
        let (api, version) = (words.next().context("an api")?, words.next().context("a version")?);
        let version = version.trim_start_matches('v').parse()?;
        *self.cases.entry(api.to_owned()).or_default().entry(version).or_default() += 1;
        let errors = self.errors.entry(api.to_owned()).or_default();
        answer.map("", &mut |field, tree| {
            if let ("ErrorCode", Tree::Int(code)) = (field, &tree) {
                errors.insert(*code);
            }
            tree
        });
        Ok(())
    }

    /// Fails with all that is served, or named as an error, and has neither case nor reason.
    pub(crate) fn check(&self, served: &[(i16, i16, i16)]) -> Result<()> {
        let named = Named::read(&std::fs::read_to_string(project::path("tests/differential/errors.txt"))?)?;
        let mut missing = named.left_out();
        for (key, min, max) in served {
            let name = self.keys.get(key).with_context(|| format!("no schema of API {key}"))?;
            let cases = self.cases.get(name);
            let none = |version: &i16| cases.is_none_or(|cases| !cases.contains_key(version));
            missing.extend((*min..=*max).filter(none).map(|version| format!("{name} version {version}")));
            let met = self.errors.get(name).cloned().unwrap_or_default();
            let (here, _) = named.0.get(name).with_context(|| format!("{name} is not in errors.txt"))?;
            missing.extend(here.difference(&met).map(|code| format!("{name} with error {code}")));
            let unknown = met.difference(here);
            missing.extend(unknown.map(|code| format!("a line in errors.txt for {name} with error {code}")));
        }
        anyhow::ensure!(missing.is_empty(), "there is no case for, or no: {}", missing.join(", "));
        Ok(())
    }
}

/// What brings an error that is not here, or where else it is met.
const FEATURES: [&str; 6] = ["cluster", "groups", "transactions", "security", "disks", "never"];
/// Kafka 3.9's errors are -1 to this, without one number that was never given.
const LAST: i64 = 127;
const NEVER_GIVEN: i64 = 99;

/// The errors of each API: those that cases meet, and those with a reason why they are not here.
struct Named(BTreeMap<String, (BTreeSet<i64>, BTreeSet<i64>)>);

impl Named {
    fn read(text: &str) -> Result<Named> {
        let mut named = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (api, codes) = line.split_once(':').with_context(|| line.to_owned())?;
            let (here, elsewhere) = codes.split_once(" not here: ").unwrap_or((codes, ""));
            let here = numbers(here)?;
            let mut reasoned = BTreeSet::new();
            for group in elsewhere.split("; ").filter(|group| !group.is_empty()) {
                let (codes, reason) = group.split_once(" (").with_context(|| format!("{api}: `{group}`"))?;
                let feature = reason.strip_suffix(')').and_then(|reason| reason.split_once(": "));
                let known =
                    feature.is_some_and(|(feature, why)| FEATURES.contains(&feature) && !why.is_empty());
                anyhow::ensure!(known, "{api}: `{reason}` names no feature and no reason");
                for code in numbers(codes)? {
                    let once = !here.contains(&code) && reasoned.insert(code);
                    anyhow::ensure!(once, "{api} has error {code} twice");
                }
            }
            anyhow::ensure!(named.insert(api.to_owned(), (here, reasoned)).is_none(), "{api} is there twice");
        }
        Ok(Named(named))
    }

    /// Errors of Kafka that no line has.
    fn left_out(&self) -> Vec<String> {
        let has = |code: &i64| {
            self.0.values().any(|(here, reasoned)| here.contains(code) || reasoned.contains(code))
        };
        let all = (-1..=LAST).filter(|code| *code != NEVER_GIVEN && !has(code));
        all.map(|code| format!("line in errors.txt with error {code}")).collect()
    }
}

fn numbers(text: &str) -> Result<BTreeSet<i64>> {
    text.split_whitespace().map(|word| word.parse().with_context(|| format!("`{word}`"))).collect()
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |cases: &BTreeMap<i16, usize>| cases.values().sum::<usize>();
        let all: usize = self.cases.values().map(of).sum();
        let each = self.cases.iter().map(|(api, cases)| format!("{api} {}", of(cases)));
        write!(f, "{all} cases: {}", each.collect::<Vec<_>>().join(", "))
    }
}

#[test]
fn each_error_has_a_case_or_a_reason() {
    let named = Named::read("A: -1 0 3 not here: 6 7 (cluster: why); 29 (security: why)\n").unwrap();
    assert_eq!(named.0["A"], (BTreeSet::from([-1, 0, 3]), BTreeSet::from([6, 7, 29])));
    assert!(named.left_out().contains(&"line in errors.txt with error 5".to_owned()));
    let bad = [
        "A: 0 not here: 6",
        "A: 0 not here: 6 (later)",
        "A: 0 not here: 6 (soon: why)",
        "A: 6 not here: 6 (disks: why)",
    ];
    assert!(bad.iter().all(|line| Named::read(line).is_err()));
}

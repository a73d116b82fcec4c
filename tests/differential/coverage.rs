//! What the cases cover: each version of each API that our broker serves, and each error that is named for an API in `errors.txt`
//! (`Api: number number …`, with a reason behind ` not here: ` for those that need more than one broker without security).
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

    /// Fails with all that is served, or named as an error, and has no case.
    pub(crate) fn check(&self, served: &[(i16, i16, i16)]) -> Result<()> {
        let mut missing = Vec::new();
        for (key, min, max) in served {
            let cases = self.keys.get(key).and_then(|name| self.cases.get(name));
            let none = |version: &i16| cases.is_none_or(|cases| !cases.contains_key(version));
            missing.extend((*min..=*max).filter(none).map(|version| format!("API {key} version {version}")));
        }
        let text = std::fs::read_to_string(project::path("tests/differential/errors.txt"))?;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (api, codes) = line.split_once(": ").with_context(|| line.to_owned())?;
            for code in codes.split(" not here: ").next().unwrap_or_default().split_whitespace() {
                let code: i64 = code.parse().with_context(|| line.to_owned())?;
                if !self.errors.get(api).is_some_and(|met| met.contains(&code)) {
                    missing.push(format!("{api} with error {code}"));
                }
            }
        }
        anyhow::ensure!(missing.is_empty(), "no case for: {}", missing.join(", "));
        Ok(())
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |cases: &BTreeMap<i16, usize>| cases.values().sum::<usize>();
        let all: usize = self.cases.values().map(of).sum();
        let each = self.cases.iter().map(|(api, cases)| format!("{api} {}", of(cases)));
        write!(f, "{all} cases: {}", each.collect::<Vec<_>>().join(", "))
    }
}

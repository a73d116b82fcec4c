//! What a scenario changes in ZooKeeper: the nodes that are new, gone or different since it began, as lines of text.
//! Left out is what differs without its doing: blocks of producer ids, and how many notifications there were before.
use crate::stage::{SOON, Stage};
use anyhow::Result;
use std::collections::BTreeMap;
use tests::condition::until;
use tests::znode::dump::{Names, dump};

/// How often in a row a look must show the same before it is taken for the last word.
const QUIET_LOOKS: usize = 10;
const NOTIFICATIONS: &str = "/config/changes";

/// Each path with the rest of its line.
pub(crate) struct Znodes(BTreeMap<String, String>);

impl Znodes {
    pub(crate) fn look(stage: &Stage, names: &Names) -> Result<Znodes> {
        let lines = dump(&mut stage.znodes()?, &stage.corner, names)?;
        let parts = lines.iter().filter_map(|line| line.split_once(' '));
        let kept = parts.filter(|(path, _)| !["", "/latest_producer_id_block"].contains(path));
        Ok(Znodes(kept.map(|(path, rest)| (path.to_owned(), rest.to_owned())).collect()))
    }

    /// What has changed since. Changes go on for a while after the answer that tells of them: if `expected` is known, until it is there
    /// or there is no hope; otherwise until nothing moves any more.
    pub(crate) fn changes(&self, stage: &Stage, names: &Names, expected: &[String]) -> Result<Vec<String>> {
        let (mut last, mut same) = (Vec::new(), 0);
        until("nothing changes in ZooKeeper", SOON, || {
            let Ok(now) = Znodes::look(stage, names) else { return Ok(None) };
            let lines = self.lines_to(&now);
            same = if lines == last { same + 1 } else { 0 };
            last = lines;
            let limit = if expected.is_empty() { QUIET_LOOKS } else { QUIET_LOOKS * 5 };
            let over = same >= limit || (!expected.is_empty() && last == expected);
            Ok(over.then(|| last.clone()))
        })
    }

    fn lines_to(&self, now: &Znodes) -> Vec<String> {
        let gone = self.0.keys().filter(|path| !now.0.contains_key(*path)).map(|path| format!("- {path}"));
        let new = |(path, rest): &(&String, &String)| {
            self.0.get(*path) != Some(*rest)
                && *path != NOTIFICATIONS
                && !path.starts_with(&format!("{NOTIFICATIONS}/"))
        };
        let changed = now.0.iter().filter(new).map(|(path, rest)| format!("+ {path} {rest}"));
        let below = |path: &&String| path.starts_with(NOTIFICATIONS) && !self.0.contains_key(*path);
        let told = now.0.keys().filter(below).map(|path| {
            let contents = now.0[path].rsplit(' ').next().unwrap_or_default();
            format!("+ {NOTIFICATIONS} {contents}")
        });
        gone.chain(changed).chain(told).collect()
    }
}

//! Every znode below a path as lines of text, with what differs between two runs of the same work (ids, times, ports) named alike.
//! Two dumps are equal if and only if a program that reads ZooKeeper could not tell them apart.
use super::{Contents, Stat, Tree};
use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// What stands for a value that is different in every run.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: BTreeMap<String, String>,
}

impl Names {
    /// Writes `name` wherever `value` occurs in a node's contents or path.
    pub fn name(&mut self, value: &str, name: &str) -> &mut Names {
        self.names.insert(value.to_owned(), name.to_owned());
        self
    }

    /// A text with the names in it.
    pub fn apply(&self, text: &str) -> String {
        // The longest first: a port may be part of an address.
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        names.into_iter().fold(text.to_owned(), |text, (value, name)| text.replace(value, name))
    }
}

/// One line for each node below `root`, ZooKeeper's own apart: path, kind, versions, access, contents.
pub fn dump(tree: &mut Tree, root: &str, names: &Names) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    walk(tree, root, names, &mut lines)?;
    Ok(lines)
}

fn walk(tree: &mut Tree, path: &str, names: &Names, lines: &mut Vec<String>) -> Result<()> {
    if path == "/zookeeper" {
        return Ok(());
    }
    let (contents, stat) = tree.get(path)?.with_context(|| format!("{path} vanished while it was read"))?;
    let acl = tree.acl(path)?.join(",");
    if path != "/" {
        lines.push(format!("{} {} {acl} {}", names.apply(path), kind(&stat), shown(&contents, names)));
    }
    for child in tree.children(path)? {
        walk(tree, &format!("{}/{child}", path.trim_end_matches('/')), names, lines)?;
    }
    Ok(())
}

fn kind(stat: &Stat) -> String {
    let kind = if stat.ephemeral_owner == 0 { "persistent" } else { "ephemeral" };
    format!("{kind} version={} children={} aclVersion={}", stat.version, stat.children, stat.acl_version)
}

fn shown(contents: &Contents, names: &Names) -> String {
    match contents {
        None => "null".to_owned(),
        Some(bytes) if bytes.is_empty() => "empty".to_owned(),
        Some(bytes) => timeless(&names.apply(&String::from_utf8_lossy(bytes))),
    }
}

/// Milliseconds since 1970 (13 digits, in quotes or not) are another number each time.
fn timeless(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        out.push_str(if digits.len() == 13 { "TIME" } else { &digits });
        digits.clear();
        out.push(letter);
    }
    out.trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_names_are_evened_out() {
        let mut names = Names::default();
        names.name("21601", "PORT").name("127.0.0.1:21601", "ADDRESS");
        let text = r#"{"timestamp":"1700000000000","port":21601,"at":"127.0.0.1:21601","epoch":12}"#;
        let shown = shown(&Some(text.as_bytes().to_vec()), &names);
        assert_eq!(shown, r#"{"timestamp":"TIME","port":PORT,"at":"ADDRESS","epoch":12}"#);
    }

    #[test]
    fn null_is_not_empty() {
        assert_eq!(shown(&None, &Names::default()), "null");
        assert_eq!(shown(&Some(Vec::new()), &Names::default()), "empty");
    }
}

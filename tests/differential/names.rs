//! What differs from run to run gets a name: ids by their topics, numbers that a broker gives out by the order in which they come, the
//! present. Everything else is compared as it is.
use crate::batch;
use crate::message::{Field, ZERO_UUID};
use crate::tree::Tree;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use tests::znode::dump::Names as Texts;

/// Times this near to the present are the present; those of cases lie years back.
const PRESENT_MS: i64 = 600_000;

pub(crate) struct Names {
    pub(crate) texts: Texts,
    /// Ids of topics that there are or were.
    ids: BTreeMap<String, String>,
    latest: BTreeMap<String, String>,
    numbers: BTreeMap<(&'static str, i64), usize>,
    /// The last long list of settings, which is not shown again.
    settings: Tree,
}

/// Fields with numbers that a broker gives out.
const GIVEN_OUT: [&str; 2] = ["ProducerId", "SessionId"];
/// Fields that depend on the disk.
const OF_DISK: [&str; 2] = ["TotalBytes", "UsableBytes"];

impl Names {
    pub(crate) fn new(texts: Texts) -> Names {
        Names {
            texts,
            ids: BTreeMap::new(),
            latest: BTreeMap::new(),
            numbers: BTreeMap::new(),
            settings: Tree::Null,
        }
    }

    /// The present id of a topic.
    pub(crate) fn note_topics(&mut self, topics: Vec<(String, String)>) {
        for (topic, id) in topics {
            if id.is_empty() || self.ids.contains_key(&id) {
                continue;
            }
            let before = self.ids.values().filter(|name| **name == topic).count();
            let times = if before == 0 { String::new() } else { format!(" #{}", before + 1) };
            self.texts.name(&id, &format!("<id of {topic}{times}>"));
            self.ids.insert(id.clone(), topic.clone());
            self.latest.insert(topic, id);
        }
    }

    /// The last id that a topic of this name had.
    pub(crate) fn id_of(&self, topic: &str) -> Option<String> {
        self.latest.get(topic).cloned()
    }

    pub(crate) fn knows(&self, id: &str) -> bool {
        id == ZERO_UUID || self.ids.contains_key(id)
    }

    /// An answer as it is compared: records opened, lists without order sorted, what differs named.
    pub(crate) fn apply(&mut self, answer: Tree, fields: &[Field]) -> Tree {
        let opened = answer.map("", &mut |field, tree| match tree {
            Tree::Bytes(bytes) if field == "Records" => {
                batch::show(&bytes).unwrap_or_else(|error| Tree::Text(format!("unreadable: {error:#}")))
            }
            other => other,
        });
        let plain = opened.map("", &mut |field, tree| self.evened(field, tree));
        let sorted = sorted(plain, fields);
        let numbered = sorted.map("", &mut |field, tree| self.numbered(field, tree));
        self.shortened("", numbered)
    }

    fn shortened(&mut self, field: &str, tree: Tree) -> Tree {
        match tree {
            Tree::List(elements) if field == "Configs" && elements.len() > 10 => {
                let settings = Tree::List(elements);
                if settings == self.settings {
                    return word("<as before>");
                }
                self.settings = settings.clone();
                settings
            }
            Tree::List(elements) => {
                Tree::List(elements.into_iter().map(|element| self.shortened(field, element)).collect())
            }
            Tree::Fields(fields) => {
                let one = |(name, tree): (String, Tree)| {
                    let tree = self.shortened(&name, tree);
                    (name, tree)
                };
                Tree::Fields(fields.into_iter().map(one).collect())
            }
            leaf => leaf,
        }
    }

    fn evened(&self, field: &str, tree: Tree) -> Tree {
        match tree {
            Tree::Int(value) if field == "Port" => {
                Tree::parse(&self.texts.apply(&value.to_string())).unwrap_or(tree)
            }
            Tree::Int(value) if OF_DISK.contains(&field) && value > 0 => word("<bytes>"),
            Tree::Int(value) if field == "ThrottleTimeMs" && value > 0 => word("<throttled>"),
            Tree::Int(value) if is_present(value) => word("<now>"),
            // A book of its own.
            Tree::Text(_) if field == "Documentation" => word("<text>"),
            Tree::Text(text) if text == ZERO_UUID => word("<no id>"),
            Tree::Text(text) => Tree::Text(presents_named(&self.texts.apply(&text))),
            other => other,
        }
    }

    fn numbered(&mut self, field: &str, tree: Tree) -> Tree {
        let given_out = GIVEN_OUT.iter().find(|name| **name == field);
        match (given_out, &tree) {
            (Some(name), Tree::Int(value)) if *value > 0 || (*value == 0 && *name == "ProducerId") => {
                let next = self.numbers.keys().filter(|(other, _)| other == name).count() + 1;
                let number = *self.numbers.entry((name, *value)).or_insert(next);
                word(&format!("<{name} {number}>"))
            }
            _ => tree,
        }
    }
}

fn word(text: &str) -> Tree {
    Tree::Word(text.to_owned())
}

fn is_present(value: i64) -> bool {
    value.saturating_sub(now_ms()).saturating_abs() < PRESENT_MS
}

/// A text with the times in it that are the present named so.
fn presents_named(text: &str) -> String {
    let mut named = text.to_owned();
    for number in text.split(|letter: char| !letter.is_ascii_digit()) {
        if number.parse().is_ok_and(is_present) {
            named = named.replace(number, "<now>");
        }
    }
    named
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// The fields of a message with each list that Kafka fills from a hash map in the order of its text.
fn sorted(tree: Tree, fields: &[Field]) -> Tree {
    let Tree::Fields(found) = tree else { return tree };
    let one = |(name, tree): (String, Tree)| {
        let Some(field) = fields.iter().find(|field| field.name == name) else { return (name, tree) };
        let tree = match tree {
            Tree::List(elements) => {
                let mut elements: Vec<Tree> =
                    elements.into_iter().map(|element| sorted(element, &field.fields)).collect();
                if field.any_order {
                    elements.sort_by_cached_key(ToString::to_string);
                }
                Tree::List(elements)
            }
            other => sorted(other, &field.fields),
        };
        (name, tree)
    };
    Tree::Fields(found.into_iter().map(one).collect())
}

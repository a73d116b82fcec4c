//! Requests made from a good one and a seed: in each some fields have another value, at the edge or beyond what they may have, lists are
//! emptied, doubled or null. The same seed gives the same requests; what is recorded keeps them, so a change here changes no case.
use crate::message::{Field, Kind, Message, ZERO_UUID};
use crate::script::Call;
use crate::tree::Tree;
use anyhow::{Result, bail};

/// Fields that stay small: a broker does at once what they ask for, or waits so long.
const SMALL: [&str; 3] = ["NumPartitions", "Count", "MaxWaitMs"];
/// Fields that stay: a topic on a broker that is not there is never deleted, what happens after
/// the answer is a race, and records have cases of their own.
const FROZEN: [&str; 8] = [
    "BrokerIds",
    "Records",
    "Acks",
    "Path",
    "AllowAutoTopicCreation",
    "ValidateOnly",
    "TimeoutMs",
    "timeoutMs",
];
/// Lists whose elements are not doubled: what becomes of the records is another matter on both sides.
const SINGLE: [&str; 2] = ["TopicData", "PartitionData"];
const NAMES: [&str; 8] = ["", ".", "..", "a b", "ü", "a,b", "a\u{0}", "A"];

/// `count` requests, each as a case has it, at versions among those of `of`.
pub(crate) fn generate(count: usize, seed: u64, of: &Call, schema: &Message) -> Result<Vec<String>> {
    let mut random = Random(seed);
    let mut one = |_| {
        let versions = (of.versions.last - of.versions.first + 1) as u64;
        let version = of.versions.first + random.below(versions) as i16;
        let mut request = complete(&of.request, &schema.fields, version)?;
        for _ in 0..=random.below(2) {
            change(&mut request, &schema.fields, version, &mut random);
        }
        Ok(format!("{} {version} {}", of.api, stripped(request, &schema.fields)))
    };
    (0..count).map(&mut one).collect()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

fn is_there(field: &Field, version: i16) -> bool {
    field.versions.has(version) && field.tag.is_none()
}

/// The request with all its fields, so that each can be changed.
fn complete(tree: &Tree, fields: &[Field], version: i16) -> Result<Tree> {
    let Tree::Fields(given) = tree else { bail!("{tree} is no struct") };
    let there = fields.iter().filter(|field| is_there(field, version));
    let complete_one = |field: &Field| -> Result<(String, Tree)> {
        let found = given.iter().find(|(name, _)| *name == field.name).map(|(_, tree)| tree.clone());
        let value = match found.unwrap_or_else(|| field.default()) {
            Tree::List(elements) if field.kind == Kind::Struct => {
                let elements = elements.iter().map(|element| complete(element, &field.fields, version));
                Tree::List(elements.collect::<Result<_>>()?)
            }
            other => other,
        };
        Ok((field.name.clone(), value))
    };
    Ok(Tree::Fields(there.map(complete_one).collect::<Result<_>>()?))
}

/// Without what it need not say.
fn stripped(tree: Tree, fields: &[Field]) -> Tree {
    let Tree::Fields(found) = tree else { return tree };
    let one = |(name, tree): (String, Tree)| {
        let field = fields.iter().find(|field| field.name == name)?;
        if tree == field.default() {
            return None;
        }
        let tree = match tree {
            Tree::List(elements) if field.kind == Kind::Struct => {
                Tree::List(elements.into_iter().map(|element| stripped(element, &field.fields)).collect())
            }
            other => other,
        };
        Some((name, tree))
    };
    Tree::Fields(found.into_iter().filter_map(one).collect())
}

fn change(tree: &mut Tree, fields: &[Field], version: i16, random: &mut Random) {
    let Tree::Fields(values) = tree else { return };
    let open: Vec<&Field> = fields
        .iter()
        .filter(|field| is_there(field, version) && !FROZEN.contains(&field.name.as_str()))
        .collect();
    if open.is_empty() {
        return;
    }
    let field = random.one_of(&open);
    let Some((_, value)) = values.iter_mut().find(|(name, _)| *name == field.name) else { return };
    match value {
        Tree::List(elements) if !elements.is_empty() && random.below(3) > 0 => {
            let at = random.below(elements.len() as u64) as usize;
            if field.kind == Kind::Struct {
                change(&mut elements[at], &field.fields, version, random);
            } else {
                elements[at] = other_value(field, elements[at].clone(), random);
            }
        }
        Tree::List(elements) => match random.below(3) {
            0 => elements.clear(),
            1 if !SINGLE.contains(&field.name.as_str()) => elements.extend(elements.clone()),
            1 => {}
            _ => *value = Tree::Null,
        },
        _ if field.list => {}
        leaf => *leaf = other_value(field, leaf.clone(), random),
    }
}

fn other_value(field: &Field, value: Tree, random: &mut Random) -> Tree {
    let small = SMALL.contains(&field.name.as_str());
    let int = |min: i64, max: i64, random: &mut Random| {
        let edges = if small { [-2, -1, 0, 1, 2, 3] } else { [min, -2, -1, 0, 1, max] };
        Tree::Int(random.one_of(&edges).clamp(min, max))
    };
    match field.kind {
        Kind::Bool => Tree::Bool(value == Tree::Bool(false)),
        Kind::Int8 => int(i8::MIN.into(), i8::MAX.into(), random),
        Kind::Int16 => int(i16::MIN.into(), i16::MAX.into(), random),
        Kind::Uint16 => int(0, u16::MAX.into(), random),
        Kind::Int32 => int(i32::MIN.into(), i32::MAX.into(), random),
        Kind::Int64 => int(i64::MIN, i64::MAX, random),
        Kind::Float64 => Tree::Float(random.one_of(&[0.0, -1.0, 0.5, 1e308, f64::INFINITY])),
        Kind::Uuid => Tree::Text(random.one_of(&[ZERO_UUID, "AAECAwQFBgcICQoLDA0ODw"]).to_owned()),
        Kind::Text => match random.below(11) {
            0 => Tree::Null,
            1 => Tree::Text("a".repeat(249)),
            2 => Tree::Text("a".repeat(250)),
            _ => Tree::Text(random.one_of(&NAMES).to_owned()),
        },
        Kind::Bytes | Kind::Records | Kind::Struct => value,
    }
}

#[test]
fn a_seed_gives_the_same_requests_again() {
    let apis = crate::message::all().unwrap();
    let call =
        Call::parse(r#"CreateTopics 0-7 {Topics:[{Name:"a",NumPartitions:1,ReplicationFactor:1}]}"#).unwrap();
    let made = |seed| generate(50, seed, &call, &apis["CreateTopics"].request).unwrap();
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
    assert!(made(1).iter().all(|text| Call::parse(text).is_ok()));
}

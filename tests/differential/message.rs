//! The schemas of the messages that cases send and receive: fields with their types, versions, defaults and tags, read from
//! `messages/*.txt`. They are this suite's own: what it judges, it does not use.
//! A line: `Name type versions [null versions] [default value] [tag number versions] [any-order]`, children indented.
//! Source: the message schemas of Apache Kafka 3.9.
use crate::tree::Tree;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::iter::Peekable;
use tests::project;

/// A range of versions, both ends included; `6+` has no end, and an empty one has its end before its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) first: i16,
    pub(crate) last: i16,
}

impl Versions {
    const NONE: Versions = Versions { first: 0, last: -1 };

    pub(crate) fn has(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }

    /// `3`, `3-5`, `3+` or `none`.
    pub(crate) fn parse(text: &str) -> Result<Versions> {
        if text == "none" {
            return Ok(Versions::NONE);
        }
        if let Some(first) = text.strip_suffix('+') {
            return Ok(Versions { first: first.parse()?, last: i16::MAX });
        }
        // A version may be negative.
        let (first, last) = match text[1..].split_once('-') {
            Some((first, last)) => (format!("{}{first}", &text[..1]), last.to_owned()),
            None => (text.to_owned(), text.to_owned()),
        };
        Ok(Versions { first: first.parse()?, last: last.parse()? })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Uuid,
    Text,
    Bytes,
    Records,
    Struct,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) list: bool,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    default: Option<Tree>,
    pub(crate) tag: Option<u32>,
    /// Kafka fills this list from a hash map.
    pub(crate) any_order: bool,
    /// Those of the struct.
    pub(crate) fields: Vec<Field>,
}

impl Field {
    /// What stands in a message that says nothing else.
    pub(crate) fn default(&self) -> Tree {
        if let Some(default) = &self.default {
            return default.clone();
        }
        if self.list {
            return Tree::List(Vec::new());
        }
        match self.kind {
            Kind::Bool => Tree::Bool(false),
            Kind::Int8 | Kind::Int16 | Kind::Uint16 | Kind::Int32 | Kind::Int64 => Tree::Int(0),
            Kind::Float64 => Tree::Float(0.0),
            Kind::Uuid => Tree::Text(ZERO_UUID.to_owned()),
            Kind::Text => Tree::Text(String::new()),
            Kind::Bytes | Kind::Records => Tree::Bytes(Vec::new()),
            Kind::Struct => Tree::Fields(Vec::new()),
        }
    }
}

/// Kafka's text form of the id that means none.
pub(crate) const ZERO_UUID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// A request, or the answer to one.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) key: i16,
    pub(crate) versions: Versions,
    pub(crate) flexible: Versions,
    pub(crate) fields: Vec<Field>,
}

/// An API with both its messages.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) request: Message,
    pub(crate) response: Message,
}

/// Every API that there are cases for, by Kafka's name.
pub(crate) fn all() -> Result<BTreeMap<String, Api>> {
    let mut apis = BTreeMap::new();
    for entry in std::fs::read_dir(project::path("tests/differential/messages"))? {
        let path = entry?.path();
        let (name, api) =
            read(&std::fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
        apis.insert(name, api);
    }
    Ok(apis)
}

fn read(text: &str) -> Result<(String, Api)> {
    let mut lines = text.lines().peekable();
    let (name, request) = message("request", &mut lines)?;
    let (_, response) = message("response", &mut lines)?;
    Ok((name, Api { request, response }))
}

fn message<'a>(
    which: &str,
    lines: &mut Peekable<impl Iterator<Item = &'a str>>,
) -> Result<(String, Message)> {
    let head: Vec<&str> = lines.next().context("a message is missing")?.split(' ').collect();
    let [found, name, key, versions, "flexible", flexible] = head[..] else { bail!("{head:?} is no head") };
    anyhow::ensure!(found == which, "a {found} where the {which} belongs");
    let (versions, flexible) = (Versions::parse(versions)?, Versions::parse(flexible)?);
    Ok((name.to_owned(), Message { key: key.parse()?, versions, flexible, fields: fields(lines, 2)? }))
}

fn fields<'a>(lines: &mut Peekable<impl Iterator<Item = &'a str>>, indent: usize) -> Result<Vec<Field>> {
    let mut found = Vec::new();
    let depth = |line: &&str| line.len() - line.trim_start().len();
    while let Some(line) = lines.next_if(|line| depth(line) == indent) {
        let mut field = field(line.trim()).with_context(|| line.to_owned())?;
        if field.kind == Kind::Struct {
            field.fields = fields(lines, indent + 2)?;
        }
        found.push(field);
    }
    Ok(found)
}

fn field(line: &str) -> Result<Field> {
    let mut words = line.split(' ');
    let (name, kind) = (words.next().context("no name")?, words.next().context("no type")?);
    let (list, kind) = kind.strip_prefix("[]").map_or((false, kind), |kind| (true, kind));
    let versions = Versions::parse(words.next().context("no versions")?)?;
    let mut field = Field {
        name: name.to_owned(),
        kind: kind_of(kind)?,
        list,
        versions,
        nullable: Versions::NONE,
        default: None,
        tag: None,
        any_order: false,
        fields: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("nothing after `{word}`"));
        match word {
            "null" => field.nullable = Versions::parse(value()?)?,
            "default" => field.default = Some(Tree::parse(value()?)?),
            "tag" => field.tag = Some(value()?.parse()?),
            "any-order" => field.any_order = true,
            other => bail!("`{other}` is no property of a field"),
        }
    }
    Ok(field)
}

fn kind_of(name: &str) -> Result<Kind> {
    Ok(match name {
        "bool" => Kind::Bool,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "uint16" => Kind::Uint16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float64" => Kind::Float64,
        "uuid" => Kind::Uuid,
        "string" => Kind::Text,
        "bytes" => Kind::Bytes,
        "records" => Kind::Records,
        "struct" => Kind::Struct,
        other => bail!("`{other}` is no type"),
    })
}

#[test]
fn every_schema_is_read() {
    let apis = all().unwrap();
    assert_eq!(apis["Metadata"].request.key, 3);
    let topics = &apis["Metadata"].response.fields[4];
    assert_eq!((topics.name.as_str(), topics.list, topics.fields.len()), ("Topics", true, 6));
}

#[test]
fn versions_are_read() {
    let read = |text| Versions::parse(text).unwrap();
    assert_eq!((read("-1"), read("3-5")), (Versions { first: -1, last: -1 }, Versions { first: 3, last: 5 }));
    assert!(read("6+").has(9) && !read("none").has(0));
}

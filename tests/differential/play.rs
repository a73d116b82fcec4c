//! A scenario on a stage: its steps one after the other, each with the lines that are recorded or compared for it.
//! Versions whose answers are the same share a line. Nothing here knows whose broker it is.
use crate::exchange::{Exchange, Shape, call};
use crate::generate::generate;
use crate::message::Api;
use crate::names::Names;
use crate::script::{Call, Line, Scenario, Step};
use crate::stage::{SOON, Stage};
use crate::tree::Tree;
use crate::znodes::Znodes;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use tests::condition::until_ok;
use tests::wire::Wire;

pub(crate) type Apis = BTreeMap<String, Api>;

struct Player<'a> {
    stage: &'a Stage,
    apis: &'a Apis,
    names: Names,
    connections: BTreeMap<String, Wire>,
    /// What `let` has kept, for each version that it was answered at.
    kept: BTreeMap<(String, i16), Tree>,
    /// The answers of the last call, as they came.
    last: Vec<(i16, Tree)>,
    before: Znodes,
}

/// Plays a scenario and returns the lines for each of its steps.
pub(crate) fn play(stage: &Stage, apis: &Apis, scenario: &Scenario) -> Result<Vec<Vec<String>>> {
    let mut player = Player {
        stage,
        apis,
        names: Names::new(stage.names.clone()),
        connections: BTreeMap::new(),
        kept: BTreeMap::new(),
        last: Vec::new(),
        before: Znodes::look(stage, &stage.names)?,
    };
    let step = |line: &Line| player.step(line).with_context(|| format!("{:?}", line.step));
    let lines = scenario.lines.iter().map(step).collect::<Result<_>>()?;
    stage.clean(apis)?;
    Ok(lines)
}

impl Player<'_> {
    fn step(&mut self, line: &Line) -> Result<Vec<String>> {
        match &line.step {
            Step::Nothing | Step::Broker(_) => {}
            Step::Topic { name, partitions, configs } => {
                self.stage.make_topic(self.apis, name, *partitions, configs)?;
            }
            Step::Call(call) => return self.call(call),
            Step::Let { name, path } => {
                for (version, answer) in &self.last {
                    let found = answer.at(path).with_context(|| format!("no {path} in {answer}"))?;
                    self.kept.insert((name.clone(), *version), found.clone());
                }
            }
            Step::Until { text, call } => until_ok(text, SOON, || {
                let answer = self.answer(call, call.versions.first)?;
                anyhow::ensure!(answer.to_string().contains(text), "{answer}");
                Ok(())
            })?,
            Step::Generate { count, seed, call } => {
                return self.generated(*count, *seed, call, &line.recorded);
            }
            Step::Znodes => {
                self.names.note_topics(self.stage.topics()?);
                return self.before.changes(self.stage, &self.names.texts, &line.recorded);
            }
        }
        Ok(Vec::new())
    }

    fn call(&mut self, call: &Call) -> Result<Vec<String>> {
        self.last.clear();
        let mut lines: Vec<(i16, i16, String)> = Vec::new();
        for version in call.versions.first..=call.versions.last {
            let answer =
                self.answer(call, version).with_context(|| format!("version {version}"))?.to_string();
            match lines.last_mut() {
                Some((_, last, same)) if *same == answer => *last = version,
                _ => lines.push((version, version, answer)),
            }
        }
        let line = |(first, last, answer): (i16, i16, String)| match first == last {
            true => format!("{first} {answer}"),
            false => format!("{first}-{last} {answer}"),
        };
        Ok(lines.into_iter().map(line).collect())
    }

    /// What is recorded is played again; only where there is nothing yet is anything generated.
    fn generated(&mut self, count: usize, seed: u64, of: &Call, recorded: &[String]) -> Result<Vec<String>> {
        let requests = if recorded.is_empty() {
            let api = self.apis.get(&of.api).with_context(|| format!("no schema of {}", of.api))?;
            generate(count, seed, of, &api.request)?
        } else {
            let request = |line: &String| line.split(" => ").next().unwrap_or_default().to_owned();
            recorded.iter().map(request).collect()
        };
        let one = |text: String| {
            let call = Call::parse(&text)?;
            let answer = self.answer(&call, call.versions.first).with_context(|| text.clone())?;
            Ok(format!("{text} => {answer}"))
        };
        requests.into_iter().map(one).collect()
    }

    /// The answer as it is compared.
    fn answer(&mut self, call: &Call, version: i16) -> Result<Tree> {
        if !self.connections.contains_key(&call.connection) {
            self.connections.insert(call.connection.clone(), self.stage.broker.connect()?);
        }
        let request = self.resolved(call, version)?;
        let wire = self.connections.get_mut(&call.connection).context("a connection")?;
        let answer = match exchange(wire, self.apis, call, version, &request) {
            Ok(Some(answer)) => answer,
            ended => {
                self.connections.remove(&call.connection);
                return Ok(word(if is_late(ended)? { "<no answer>" } else { "<closed>" }));
            }
        };
        self.last.push((version, answer.clone()));
        self.name_ids(&answer)?;
        let fields = self.apis.get(&call.api).map_or(&[][..], |api| &api.response.fields);
        let named = self.names.apply(answer, fields);
        Ok(with_version_named(named, &call.request, version))
    }

    /// The request with every word in it replaced by what it stands for.
    fn resolved(&mut self, call: &Call, version: i16) -> Result<Tree> {
        let mut failed = None;
        if call.request.to_string().contains("$id:") {
            self.names.note_topics(self.stage.topics()?);
        }
        let request = call.request.clone().map("", &mut |_, tree| match &tree {
            Tree::Text(text) => {
                Tree::Text(text.replace("$v", &version.to_string()).replace("$dir", &self.stage.folder))
            }
            Tree::Word(word) => self.meaning(word, version).unwrap_or_else(|| {
                failed = Some(word.clone());
                Tree::Null
            }),
            _ => tree,
        });
        failed.map_or(Ok(request), |word| anyhow::bail!("nothing is named {word}"))
    }

    fn meaning(&self, word: &str, version: i16) -> Option<Tree> {
        let name = word.strip_prefix('$')?;
        if name == "v" {
            return Some(Tree::Int(version.into()));
        }
        if let Some(topic) = name.strip_prefix("id:") {
            return self.names.id_of(topic).map(Tree::Text);
        }
        let at_version = self.kept.get(&(name.to_owned(), version));
        let last = || self.kept.iter().rev().find(|((kept, _), _)| kept == name).map(|(_, value)| value);
        at_version.or_else(last).cloned()
    }

    /// Learns the ids of topics that an answer has for the first time.
    fn name_ids(&mut self, answer: &Tree) -> Result<()> {
        let mut unknown = false;
        answer.clone().map("", &mut |field, tree| {
            unknown |= matches!((field, &tree), ("TopicId", Tree::Text(id)) if !self.names.knows(id));
            tree
        });
        if unknown {
            self.names.note_topics(self.stage.topics()?);
        }
        Ok(())
    }
}

/// The answer as it came, or nothing where the connection has ended.
fn exchange(wire: &mut Wire, apis: &Apis, of: &Call, version: i16, request: &Tree) -> Result<Option<Tree>> {
    if let (Some(key), Tree::Bytes(bytes)) = (of.api.strip_prefix('#'), request) {
        let head = [key.parse::<i16>()?.to_be_bytes(), version.to_be_bytes()].concat();
        return Ok(call(wire, &[&head[..], bytes].concat())?.map(Tree::Bytes));
    }
    let api = apis.get(&of.api).with_context(|| format!("no schema of {}", of.api))?;
    let mut exchange = Exchange { wire, api };
    if of.api == "Produce" && request.field("Acks") == Some(&Tree::Int(0)) {
        return Ok(exchange.silent(version, request)?.then(|| word("<silent>")));
    }
    exchange.shaped(version, request, Shape { client: &of.client, cut: of.cut, added: &of.added })
}

/// Whether the end of an exchange was that nothing came in time.
fn is_late(ended: Result<Option<Tree>>) -> Result<bool> {
    let Err(error) = ended else { return Ok(false) };
    let late =
        error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::WouldBlock);
    if late { Ok(true) } else { Err(error) }
}

/// Texts that the request made of its version are shown as it has them.
fn with_version_named(answer: Tree, request: &Tree, version: i16) -> Tree {
    let mut texts: Vec<(String, String)> = Vec::new();
    request.clone().map("", &mut |_, tree| {
        if let Tree::Text(text) = &tree
            && text.contains("$v")
        {
            texts.push((text.replace("$v", &version.to_string()), text.clone()));
        }
        tree
    });
    answer.map("", &mut |_, tree| match tree {
        Tree::Text(text) => Tree::Text(texts.iter().fold(text, |text, (made, of)| text.replace(made, of))),
        other => other,
    })
}

fn word(text: &str) -> Tree {
    Tree::Word(text.to_owned())
}

//! The case files in `cases/`, one per API: scenarios of steps, each step with what Kafka answered in the indented lines below it.
//! A scenario begins with `## name` on a broker without topics. Steps: `broker key=value …` (its settings), `topic name partitions
//! key=value …`, `Api versions {request}`, `let name = field` (of the answers above), `until text Api version {request}`, `znodes`
//! (what changed), `generate count seed Api versions {request}`.
use crate::message::Versions;
use crate::tree::{Tree, unhex};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use tests::project;

#[derive(Clone, Debug)]
pub(crate) struct Script {
    path: PathBuf,
    pub(crate) name: String,
    /// Lines before the first scenario.
    head: Vec<String>,
    pub(crate) scenarios: Vec<Scenario>,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub(crate) struct Line {
    source: String,
    pub(crate) step: Step,
    /// Without their indentation.
    pub(crate) recorded: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// A comment or an empty line.
    Nothing,
    Broker(Vec<(String, String)>),
    Topic {
        name: String,
        partitions: i64,
        configs: Vec<(String, String)>,
    },
    Call(Call),
    Let {
        name: String,
        path: String,
    },
    Until {
        text: String,
        call: Call,
    },
    Generate {
        count: usize,
        seed: u64,
        call: Call,
    },
    Znodes,
}

/// Requests that differ in their version alone. What stands behind the request: `cut=bytes` leaves its end off, `add=hex` adds to it,
/// `client=text` is its client id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// `@name` is a connection besides the usual one.
    pub(crate) connection: String,
    /// A name, or `#key` for what has no schema: its request is bytes.
    pub(crate) api: String,
    pub(crate) versions: Versions,
    pub(crate) request: Tree,
    pub(crate) cut: usize,
    pub(crate) added: Vec<u8>,
    pub(crate) client: Tree,
}

/// Every case file.
pub(crate) fn all() -> Result<Vec<Script>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(project::path("tests/differential/cases"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Result<Script> {
    let text = std::fs::read_to_string(&path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut script = Script { path, name, head: Vec::new(), scenarios: Vec::new() };
    for (at, line) in text.lines().enumerate() {
        let place = || format!("{}:{}", script.path.display(), at + 1);
        let line = line.to_owned();
        match (line.strip_prefix("## "), line.strip_prefix("  "), script.scenarios.last_mut()) {
            (Some(name), _, _) => {
                script.scenarios.push(Scenario { name: name.to_owned(), lines: Vec::new() });
            }
            (_, Some(recorded), Some(scenario)) => {
                let step = scenario.lines.last_mut().with_context(place)?;
                step.recorded.push(recorded.to_owned());
            }
            (_, None, Some(scenario)) => {
                let step = Step::parse(&line).with_context(place)?;
                scenario.lines.push(Line { source: line, step, recorded: Vec::new() });
            }
            (_, _, None) => script.head.push(line),
        }
    }
    Ok(script)
}

impl Script {
    /// Writes the file with what is recorded now.
    pub(crate) fn write(&self) -> Result<()> {
        let mut lines = self.head.clone();
        for scenario in &self.scenarios {
            lines.push(format!("## {}", scenario.name));
            for line in &scenario.lines {
                lines.push(line.source.clone());
                lines.extend(line.recorded.iter().map(|recorded| format!("  {recorded}")));
            }
        }
        Ok(std::fs::write(&self.path, lines.join("\n") + "\n")?)
    }
}

impl Scenario {
    /// The settings of the broker that it is played on, besides the usual ones.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let broker = self.lines.iter().find_map(|line| match &line.step {
            Step::Broker(settings) => Some(settings.clone()),
            _ => None,
        });
        broker.unwrap_or_default()
    }
}

impl Step {
    fn parse(line: &str) -> Result<Step> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Ok(match word {
            "" | "#" => Step::Nothing,
            "broker" => Step::Broker(pairs(rest)?),
            "topic" => {
                let mut words = rest.splitn(3, ' ');
                let name = words.next().context("no name")?.to_owned();
                let partitions = words.next().context("how many partitions?")?.parse()?;
                Step::Topic { name, partitions, configs: pairs(words.next().unwrap_or_default())? }
            }
            "let" => {
                let (name, path) = rest.split_once(" = ").context("no `=`")?;
                Step::Let { name: name.to_owned(), path: path.to_owned() }
            }
            "until" => {
                let (text, call) = rest.split_once(' ').context("until what?")?;
                Step::Until { text: text.to_owned(), call: Call::parse(call)? }
            }
            "generate" => {
                let words: Vec<&str> = rest.splitn(3, ' ').collect();
                let [count, seed, call] = words[..] else { bail!("how many, which seed, what?") };
                Step::Generate { count: count.parse()?, seed: seed.parse()?, call: Call::parse(call)? }
            }
            "znodes" => Step::Znodes,
            _ => Step::Call(Call::parse(line)?),
        })
    }
}

fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let pair = |word: &str| {
        let (key, value) = word.split_once('=').with_context(|| format!("`{word}` is not key=value"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text.split_whitespace().map(pair).collect()
}

impl Call {
    pub(crate) fn parse(text: &str) -> Result<Call> {
        let (connection, text) = match text.strip_prefix('@') {
            Some(text) => text.split_once(' ').context("no request")?,
            None => ("", text),
        };
        let words: Vec<&str> = text.splitn(3, ' ').collect();
        let [api, versions, rest] = words[..] else { bail!("`{text}` is not `Api versions {{request}}`") };
        let (request, mut rest) = Tree::parse_first(rest)?;
        let mut call = Call {
            connection: connection.to_owned(),
            api: api.to_owned(),
            versions: Versions::parse(versions)?,
            request,
            cut: 0,
            added: Vec::new(),
            client: Tree::Text("case".to_owned()),
        };
        while let Some((key, after)) = rest.trim_start().split_once('=') {
            if key == "client" {
                (call.client, rest) = Tree::parse_first(after)?;
                continue;
            }
            let (value, after) = after.split_once(' ').unwrap_or((after, ""));
            match key {
                "cut" => call.cut = value.parse()?,
                "add" => call.added = unhex(value)?,
                _ => bail!("`{key}` is nothing that can be done to a request"),
            }
            rest = after;
        }
        anyhow::ensure!(rest.trim().is_empty(), "`{rest}` behind the request");
        Ok(call)
    }
}

#[test]
fn steps_are_read() {
    let Step::Call(call) = Step::parse(r#"@b Fetch 7-17 {A:[1]} cut=2 client=null add=00ff"#).unwrap() else {
        unreachable!()
    };
    assert_eq!((call.connection.as_str(), call.api.as_str(), call.versions.last), ("b", "Fetch", 17));
    assert_eq!((call.cut, &call.added[..], &call.client), (2, &[0, 255][..], &Tree::Null));
    let topic = Step::parse("topic a 3 cleanup.policy=compact").unwrap();
    let configs = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    assert_eq!(topic, Step::Topic { name: "a".to_owned(), partitions: 3, configs });
    assert!(Step::parse("Fetch 7 {} twice=1").is_err() && Step::parse("nonsense").is_err());
}

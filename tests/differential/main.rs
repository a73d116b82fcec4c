//! The same requests to a real Kafka 3.9 and to us: every answer is compared field by field, and every znode afterwards.
//! How: what Kafka answered is recorded in `cases/`, so that nothing but a ZooKeeper is needed to compare with it; `UPDATE=1` records anew,
//! `OTTLA_DIFFERENTIAL=part,part` plays only scenarios with one of them in their names, `OTTLA_DIFFERENTIAL_SEED=N` generates other requests and asks
//! both brokers. `differences.txt` has the differences that are meant. See docs/decisions/0019-differential-test.md.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a tree is asked whether it is one thing, and is anything else"
)]

mod batch;
mod compare;
mod coverage;
mod decode;
mod encode;
mod exchange;
mod generate;
mod message;
mod names;
mod play;
mod script;
mod stage;
mod tree;
mod znodes;

use anyhow::{Context, Result};
use compare::Differences;
use coverage::Coverage;
use play::{Apis, play};
use script::{Script, Step};
use stage::Stage;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use tests::broker::Kind;
use tests::zookeeper::Zookeeper;

/// A scenario by the numbers of its script and of itself.
type Place = (usize, usize);
/// What was answered to each step of each scenario.
type Played = BTreeMap<Place, Vec<Vec<String>>>;

/// What came of playing on one kind of broker.
struct Show {
    played: Played,
    served: Vec<(i16, i16, i16)>,
    /// Scenarios that could not be played to their end.
    failures: Vec<String>,
}

#[test]
fn every_answer_is_kafkas() -> Result<()> {
    let apis = message::all()?;
    let part = std::env::var("OTTLA_DIFFERENTIAL").unwrap_or_default();
    let seed = std::env::var("OTTLA_DIFFERENTIAL_SEED").ok();
    let update = std::env::var_os("UPDATE").is_some();
    let mut scripts = script::all()?;
    let places = chosen(&scripts, &part);
    let mut failures = Vec::new();
    if let Some(seed) = &seed {
        sow(&mut scripts, seed_of(seed)?);
    }
    if update || seed.is_some() {
        let show = play_all(Kind::Kafka, &apis, &scripts, &places)?;
        record(&mut scripts, show.played);
        failures = show.failures;
    }
    if update {
        let mut changed: Vec<usize> = places.iter().map(|(script, _)| *script).collect();
        changed.dedup();
        changed.into_iter().try_for_each(|script| scripts[script].write())?;
        return none(&failures, "scenarios that could not be played");
    }
    let show = play_all(Kind::of_this_run(), &apis, &scripts, &places)?;
    failures.extend(show.failures);
    let whole = part.is_empty() && seed.is_none();
    judge(&scripts, &show.played, whole)?;
    none(&failures, "scenarios that could not be played")?;
    let coverage = Coverage::of(&scripts, &apis)?;
    eprintln!("{coverage}");
    if whole { coverage.check(&show.served) } else { Ok(()) }
}

fn none(lines: &[String], what: &str) -> Result<()> {
    anyhow::ensure!(lines.is_empty(), "{} {what}:\n{}", lines.len(), lines.join("\n"));
    Ok(())
}

fn chosen(scripts: &[Script], part: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for (at, script) in scripts.iter().enumerate() {
        let named = |scenario: &script::Scenario| {
            let name = format!("{}/{}", script.name, scenario.name);
            part.split(',').any(|part| name.contains(part))
        };
        let scenarios = script.scenarios.iter().enumerate().filter(|(_, scenario)| named(scenario));
        places.extend(scenarios.map(|(number, _)| (at, number)));
    }
    places
}

/// A number, or any at all for `random`; it is told, so that the run can be had again.
fn seed_of(text: &str) -> Result<u64> {
    let any = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let seed = if text == "random" { any } else { text.parse().context("OTTLA_DIFFERENTIAL_SEED")? };
    eprintln!("OTTLA_DIFFERENTIAL_SEED={seed}");
    Ok(seed)
}

/// Other seeds in all places where requests are generated.
fn sow(scripts: &mut [Script], by: u64) {
    let scenarios = scripts.iter_mut().flat_map(|script| &mut script.scenarios);
    for line in scenarios.flat_map(|scenario| &mut scenario.lines) {
        if let Step::Generate { seed, .. } = &mut line.step {
            *seed = seed.wrapping_add(by.wrapping_mul(1 << 20));
            line.recorded.clear();
        }
    }
}

/// Plays scenarios on as many brokers as they want settings; each broker takes them one after the other.
fn play_all(kind: Kind, apis: &Apis, scripts: &[Script], places: &[Place]) -> Result<Show> {
    let zookeeper = Zookeeper::start()?;
    let mut groups: BTreeMap<Vec<(String, String)>, Vec<Place>> = BTreeMap::new();
    for place in places {
        groups.entry(scripts[place.0].scenarios[place.1].settings()).or_default().push(*place);
    }
    let mut show = Show { played: Played::new(), served: Vec::new(), failures: Vec::new() };
    for (settings, places) in groups {
        let mut stage = None;
        for place in places {
            let on = match stage.take() {
                Some(stage) => stage,
                None => Stage::start(kind, &zookeeper, apis, &settings)?,
            };
            show.served = on.served()?.iter().map(|api| (api.key, api.min, api.max)).collect();
            let (script, scenario) = (&scripts[place.0], &scripts[place.0].scenarios[place.1]);
            match play(&on, apis, scenario) {
                Ok(lines) => {
                    show.played.insert(place, lines);
                    stage = Some(on);
                }
                // What it has left behind nobody knows.
                Err(error) => show.failures.push(format!("{}/{}: {error:#}", script.name, scenario.name)),
            }
        }
    }
    Ok(show)
}

fn record(scripts: &mut [Script], played: Played) {
    for ((script, scenario), steps) in played {
        for (line, recorded) in scripts[script].scenarios[scenario].lines.iter_mut().zip(steps) {
            line.recorded = recorded;
        }
    }
}

fn judge(scripts: &[Script], played: &Played, whole: bool) -> Result<()> {
    let mut meant = Differences::read()?;
    let mut found = Vec::new();
    for (place, steps) in played {
        for (at, lines) in steps.iter().enumerate() {
            found.extend(compare::compare(&scripts[place.0], place.1, at, lines)?);
        }
    }
    found.retain(|difference| !meant.has(difference));
    let list: Vec<String> = found.iter().map(ToString::to_string).collect();
    none(&list, "differences, case | field | Kafka's | ours")?;
    if whole { none(&meant.unused(), "lines of differences.txt without a difference") } else { Ok(()) }
}

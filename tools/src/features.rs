//! `kafka-features.sh`: prints and changes the features of a cluster. In ZooKeeper mode there are none: `describe` prints nothing, and
//! every change fails with the controller's reason.
//!
//! Commands, lines and exit codes are those of Kafka 3.9. Source: FeatureCommand.

mod arguments;

use std::collections::BTreeMap;
use std::io::{self, Write};

use client::{Address, Client, Effect, FeatureUpgrade, Features, Outcome};
use config::version::ProtocolVersion;
use tokio::runtime::Builder;

use self::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::java_properties;

/// The one feature that has names for its levels.
const METADATA_VERSION: &str = "metadata.version";

/// Runs the tool.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let arguments = arguments::read(args)?;
    let settings = java_properties::admin_settings(arguments.command_config.as_deref(), "adminclient-1")?;
    let mut cluster = Client::new(Address::list(&arguments.bootstrap)?, settings);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut out = io::stdout();
    match arguments.command {
        Command::Describe => {
            let features = runtime.block_on(cluster.describe_features())?;
            let features = features.map_err(|refusal| Failure::Sentence(said(&refusal)))?;
            describe(&features, &mut out)?;
        }
        Command::Upgrade | Command::Downgrade | Command::Disable => {
            let levels = levels(&arguments)?;
            let (upgrade, effect) = (upgrade(&arguments), effect(&arguments));
            let outcomes = runtime.block_on(cluster.update_features(&levels, upgrade, effect))?;
            report((arguments.command, effect), &levels, &outcomes, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

fn describe(features: &Features, out: &mut dyn Write) -> Result<(), Failure> {
    let epoch = features.epoch.map_or("-".to_owned(), |epoch| epoch.to_string());
    for (feature, (min, max)) in &features.supported {
        let finalized = features.finalized.get(feature).copied().unwrap_or(0);
        let [min, max, finalized] = [*min, *max, finalized].map(|level| level_name(feature, level));
        writeln!(
            out,
            "Feature: {feature}\tSupportedMinVersion: {min}\tSupportedMaxVersion: {max}\t\
             FinalizedVersionLevel: {finalized}\tEpoch: {epoch}"
        )?;
    }
    Ok(())
}

fn level_name(feature: &str, level: i16) -> String {
    if feature != METADATA_VERSION {
        return level.to_string();
    }
    match ProtocolVersion::of_feature_level(level) {
        Some(version) => version.to_string(),
        None => format!("UNKNOWN {level}"),
    }
}

/// The level that each named feature is to get.
fn levels(arguments: &Arguments) -> Result<BTreeMap<String, i16>, Failure> {
    let mut levels = BTreeMap::new();
    if let Some(metadata) = &arguments.metadata {
        levels.insert(METADATA_VERSION.to_owned(), metadata_level(metadata)?);
    }
    for word in &arguments.features {
        let (feature, level) = match arguments.command {
            Command::Disable => (word.clone(), 0),
            Command::Describe | Command::Upgrade | Command::Downgrade => named_level(word)?,
        };
        check(arguments.command, level)?;
        if levels.insert(feature.clone(), level).is_some() {
            return sentence(format!("Feature {feature} was specified more than once."));
        }
    }
    if levels.is_empty() {
        return sentence(format!("You must specify at least one feature to {}", arguments.command.name()));
    }
    if levels.keys().any(|feature| feature.trim().is_empty()) {
        return sentence("Provided feature can not be empty.".to_owned());
    }
    Ok(levels)
}

fn metadata_level(name: &str) -> Result<i16, Failure> {
    let Some(version) = ProtocolVersion::parse(name) else {
        let known: Vec<_> =
            (ProtocolVersion::METADATA_LEVELS).filter_map(ProtocolVersion::of_feature_level).collect();
        let known: Vec<_> = known.iter().map(ToString::to_string).collect();
        let known = known.join(", ");
        return sentence(format!(
            "Unsupported metadata.version {name}. Supported metadata.version are {known}"
        ));
    };
    match version.feature_level() {
        Some(level) => Ok(level),
        None => sentence("Cannot specify a negative version level.".to_owned()),
    }
}

/// `feature=level`.
fn named_level(word: &str) -> Result<(String, i16), Failure> {
    let unreadable =
        |why: String| Failure::Sentence(format!("Can't parse feature=level string {word}: {why}"));
    let (feature, level) =
        word.split_once('=').ok_or_else(|| unreadable("equals sign not found.".to_owned()))?;
    let (feature, level) = (feature.trim(), level.trim());
    let number = level.parse().map_err(|_| unreadable(format!("unable to parse {level} as a short.")))?;
    Ok((feature.to_owned(), number))
}

/// What Kafka's admin client does not even send.
fn check(command: Command, level: i16) -> Result<(), Failure> {
    match (command, level) {
        (_, ..0) => sentence("Cannot specify a negative version level.".to_owned()),
        (Command::Upgrade, 0) => sentence(
            "The upgradeType flag should be set to SAFE_DOWNGRADE or UNSAFE_DOWNGRADE when the provided \
             maxVersionLevel:0 is < 1."
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

fn sentence<T>(text: String) -> Result<T, Failure> {
    Err(Failure::Sentence(text))
}

fn upgrade(arguments: &Arguments) -> FeatureUpgrade {
    match arguments.command {
        Command::Upgrade | Command::Describe => FeatureUpgrade::Upgrade,
        Command::Downgrade | Command::Disable if arguments.is_unsafe => FeatureUpgrade::UnsafeDowngrade,
        Command::Downgrade | Command::Disable => FeatureUpgrade::SafeDowngrade,
    }
}

fn effect(arguments: &Arguments) -> Effect {
    if arguments.is_dry_run { Effect::CheckedOnly } else { Effect::Done }
}

/// A line per feature, in their order; the failures are counted at the end.
fn report(
    (command, effect): (Command, Effect),
    levels: &BTreeMap<String, i16>,
    outcomes: &BTreeMap<String, Outcome>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (could_not, was) = match effect {
        Effect::CheckedOnly => ("Can not", "can be"),
        Effect::Done => ("Could not", "was"),
    };
    let name = command.name();
    let mut failed = 0;
    for (feature, level) in levels {
        let reason = match outcomes.get(feature) {
            Some(Ok(())) => None,
            Some(Err(refusal)) => Some(said(refusal)),
            None => Some(format!("The controller response did not contain a result for feature {feature}")),
        };
        failed += usize::from(reason.is_some());
        match (reason, command) {
            (Some(reason), Command::Disable) => writeln!(out, "{could_not} disable {feature}. {reason}")?,
            (Some(reason), _) => writeln!(out, "{could_not} {name} {feature} to {level}. {reason}")?,
            (None, Command::Disable) => writeln!(out, "{feature} {was} disabled.")?,
            (None, _) => writeln!(out, "{feature} {was} {name}d to {level}.")?,
        }
    }
    match failed {
        0 => Ok(()),
        _ => sentence(format!("{failed} out of {} operation(s) failed.", levels.len())),
    }
}

fn said(refusal: &client::Refusal) -> String {
    refusal.message.clone().unwrap_or_else(|| refusal.to_string())
}

#[cfg(test)]
mod tests {
    use protocol::ErrorCode;

    use super::*;
    use crate::words::{refusal, words};

    fn levels_of(line: &str) -> Result<BTreeMap<String, i16>, Failure> {
        levels(&arguments::read(&words(&format!("--bootstrap-server a:1 {line}")))?)
    }

    #[test]
    fn levels_are_read() {
        for (line, expected) in [
            ("upgrade --feature a=1 --feature b=2", &[("a", 1), ("b", 2)][..]),
            ("upgrade --metadata 3.9 --feature b=3", &[("b", 3), ("metadata.version", 21)]),
            ("upgrade --metadata 3.0-IV1", &[("metadata.version", 1)]),
            ("downgrade --metadata=4.0-IV0 --unsafe", &[("metadata.version", 22)]),
            ("downgrade --feature a=0", &[("a", 0)]),
            ("disable --feature x --feature y", &[("x", 0), ("y", 0)]),
        ] {
            let found = levels_of(line).unwrap();
            let found: Vec<_> = found.iter().map(|(name, level)| (name.as_str(), *level)).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn faults_are_told_as_kafka_tells_them() {
        for (line, expected) in [
            ("upgrade", "You must specify at least one feature to upgrade"),
            ("disable --unsafe", "You must specify at least one feature to disable"),
            ("upgrade --feature a", "Can't parse feature=level string a: equals sign not found."),
            ("upgrade --feature a=b", "Can't parse feature=level string a=b: unable to parse b as a short."),
            ("upgrade --feature a=-1", "Cannot specify a negative version level."),
            ("upgrade --metadata 2.8", "Cannot specify a negative version level."),
            (
                "upgrade --feature a=0",
                "The upgradeType flag should be set to SAFE_DOWNGRADE or UNSAFE_DOWNGRADE when the provided \
                 maxVersionLevel:0 is < 1.",
            ),
            ("downgrade --feature a=2 --feature a=3", "Feature a was specified more than once."),
            ("upgrade --feature =1", "Provided feature can not be empty."),
            (
                "downgrade --metadata 99",
                "Unsupported metadata.version 99. Supported metadata.version are 3.3-IV0, 3.3-IV1, 3.3-IV2, \
                 3.3-IV3, 3.4-IV0, 3.5-IV0, 3.5-IV1, 3.5-IV2, 3.6-IV0, 3.6-IV1, 3.6-IV2, 3.7-IV0, 3.7-IV1, \
                 3.7-IV2, 3.7-IV3, 3.7-IV4, 3.8-IV0, 3.9-IV0",
            ),
        ] {
            assert_eq!(refusal(levels_of(line)), expected, "{line}");
        }
    }

    #[test]
    fn outcomes_are_lines_and_failures_are_counted() {
        let levels = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        let message = Some("No.".to_owned());
        let refused = client::Refusal { code: ErrorCode::InvalidRequest, message };
        let outcomes = BTreeMap::from([("a".to_owned(), Err(refused)), ("b".to_owned(), Ok(()))]);
        for (command, effect, expected) in [
            (Command::Upgrade, Effect::Done, "Could not upgrade a to 1. No.\nb was upgraded to 2.\n"),
            (
                Command::Downgrade,
                Effect::CheckedOnly,
                "Can not downgrade a to 1. No.\nb can be downgraded to 2.\n",
            ),
            (Command::Disable, Effect::Done, "Could not disable a. No.\nb was disabled.\n"),
        ] {
            let mut out = Vec::new();
            let end = report((command, effect), &levels, &outcomes, &mut out);
            assert_eq!(refusal(end), "1 out of 2 operation(s) failed.");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn supported_features_are_described() {
        let features = Features {
            supported: BTreeMap::from([("f".to_owned(), (0, 2)), (METADATA_VERSION.to_owned(), (1, 99))]),
            finalized: BTreeMap::from([(METADATA_VERSION.to_owned(), 21)]),
            epoch: Some(7),
        };
        let mut out = Vec::new();
        describe(&features, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Feature: f\tSupportedMinVersion: 0\tSupportedMaxVersion: 2\tFinalizedVersionLevel: 0\tEpoch: 7\n\
             Feature: metadata.version\tSupportedMinVersion: 3.0-IV1\tSupportedMaxVersion: UNKNOWN 99\t\
             FinalizedVersionLevel: 3.9-IV0\tEpoch: 7\n"
        );
    }
}

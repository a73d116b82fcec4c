//! Whether a broker's settings may be changed to a map while it runs: Kafka's rules, and then ours, which
//! refuse what this version could not put into effect. What other brokers stored stays as it is.

use std::collections::BTreeSet;

use crate::alter::Refusal;
use crate::broker::names;
use crate::broker::requirements::changes_live;
use crate::broker::table;
use crate::layers::{self, ConfigMap, Layers, Scope};

const NOT_DYNAMIC: &str = "Cannot update these configs dynamically";
const NEEDS_LISTENER: &str =
    "These security configs can be dynamically updated only per-listener using the listener prefix";
const PER_BROKER: &str = "Cannot update these configs at default cluster level, broker id must be specified";

/// Whether the map of one layer may go from `stored` to `wanted`.
pub fn dynamic_broker_change(
    layers: &Layers,
    scope: Scope,
    stored: &ConfigMap,
    wanted: &ConfigMap,
) -> Result<(), Refusal> {
    let changed = wanted.iter().filter(|(name, text)| stored.get(*name) != Some(*text));
    let changed: ConfigMap = changed.map(|(name, text)| (name.clone(), text.clone())).collect();
    let names: BTreeSet<&str> = changed.keys().map(String::as_str).collect();
    none_is(&names, NOT_DYNAMIC, |name| table::setting(name).is_some_and(layers::read_only))?;
    none_is(&names, NEEDS_LISTENER, layers::needs_listener)?;
    check_values(&changed)?;
    if scope == Scope::Cluster {
        none_is(&names, PER_BROKER, layers::per_broker)?;
    }
    none_is(&names, NOT_DYNAMIC, without_effect)?;
    check_together(layers, scope, wanted)
}

fn none_is(names: &BTreeSet<&str>, problem: &str, is: fn(&str) -> bool) -> Result<(), Refusal> {
    let found: Vec<&str> = names.iter().copied().filter(|name| is(name)).collect();
    if found.is_empty() {
        return Ok(());
    }
    // As Scala prints a set.
    let set = if found.len() > 4 || problem == NEEDS_LISTENER { "HashSet" } else { "Set" };
    Err(Refusal::InvalidRequest(format!("{problem}: {set}({})", found.join(", "))))
}

/// Kafka stores names that it does not know, for plugins, and so do we.
fn without_effect(name: &str) -> bool {
    let known = |general: &str| general == name || names::acted_on_for_listener(name);
    names::setting_behind(name).is_some_and(|setting| !known(setting.name) || !changes_live(setting))
}

fn check_values(changed: &ConfigMap) -> Result<(), Refusal> {
    for (name, text) in changed {
        let checked = names::setting_behind(name).map(|setting| setting.parse(text));
        if let Some(Err(error)) = checked {
            return Err(Refusal::InvalidRequest(error.wire_message()));
        }
    }
    Ok(())
}

fn check_together(layers: &Layers, scope: Scope, wanted: &ConfigMap) -> Result<(), Refusal> {
    let mut next = layers.clone();
    next.replace(scope, wanted);
    let next = next.config().map_err(|errors| {
        Refusal::InvalidRequest(errors.0.first().map(|error| error.wire_message()).unwrap_or_default())
    })?;
    match layers.config() {
        Ok(now) => check_threads(now.log.recovery_threads_per_dir, next.log.recovery_threads_per_dir),
        Err(_) => Ok(()),
    }
}

/// A pool changes by at most half or double at once (`DynamicThreadPool`).
fn check_threads(now: u32, next: u32) -> Result<(), Refusal> {
    let limit = if next < now / 2 {
        format!("value should be at least half the current value {now}")
    } else if next > now.saturating_mul(2) {
        format!("value should not be greater than double the current value {now}")
    } else {
        return Ok(());
    };
    Err(Refusal::InvalidRequest(format!(
        "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation \
         failed for num.recovery.threads.per.data.dir={next}, {limit} for configuration Invalid dynamic \
         configuration"
    )))
}

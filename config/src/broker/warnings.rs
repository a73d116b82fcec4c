//! What an operator should know about a configuration that starts: settings without effect and keys that
//! do not exist, each once.

use crate::broker::names;
use crate::define::{HIDDEN, Served, Setting};
use crate::error::Warning;
use crate::layers::ConfigMap;

pub(super) fn warnings(given: &ConfigMap) -> Vec<Warning> {
    given.iter().filter_map(|(key, text)| warning(key, text)).collect()
}

fn warning(key: &str, text: &str) -> Option<Warning> {
    let unknown = || Warning::Unknown { key: key.to_owned(), nearest: names::nearest(key) };
    if names::setting_behind(key).is_none() { Some(unknown()) } else { in_vain(key, text) }
}

/// Whether a setting that Kafka knows has no effect here.
pub(crate) fn in_vain(key: &str, text: &str) -> Option<Warning> {
    let setting = names::setting_behind(key).filter(|setting| !has_effect(setting, key, text))?;
    let value = if setting.sensitive() { HIDDEN } else { text };
    Some(Warning::NotActedOn { key: key.to_owned(), value: value.to_owned() })
}

/// Most settings of a single listener have none yet; a default has its effect anyway.
fn has_effect(setting: &Setting, key: &str, text: &str) -> bool {
    let default = setting.parse(text).ok() == setting.default_value();
    let known = setting.name == key || names::acted_on_for_listener(key);
    known && (setting.served != Served::NotYet || default)
}

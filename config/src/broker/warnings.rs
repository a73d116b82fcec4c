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
    match names::setting_behind(key) {
        None => Some(Warning::Unknown { key: key.to_owned(), nearest: names::nearest(key) }),
        Some(setting) if has_effect(setting, key, text) => None,
        Some(setting) => {
            let value = if setting.sensitive() { HIDDEN } else { text };
            Some(Warning::NotActedOn { key: key.to_owned(), value: value.to_owned() })
        }
    }
}

/// Most settings of a single listener have none yet; a default has its effect anyway.
fn has_effect(setting: &Setting, key: &str, text: &str) -> bool {
    let default = setting.parse(text).ok() == setting.default_value();
    let known = setting.name == key || names::acted_on_for_listener(key);
    known && (setting.served != Served::NotYet || default)
}

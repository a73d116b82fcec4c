//! One pass over everything that is set: each value is parsed and checked, and what is wrong is collected
//! while its default takes the place, so that one start shows all errors. `load` builds the typed
//! configuration from it. Invariant: a name asked for is in the table and of the type asked for.

use std::collections::BTreeMap;

use crate::broker::{names, table};
use crate::define::{HIDDEN, Setting, Value};
use crate::error::{ConfigError, Rule};
use crate::layers::ConfigMap;

/// The values of all settings, given or default, and what was wrong with those given.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    given: &'a ConfigMap,
    values: BTreeMap<&'static str, Option<Value>>,
    pub(crate) errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(given: &'a ConfigMap) -> Reader<'a> {
        let mut reader = Reader { given, values: BTreeMap::new(), errors: Vec::new() };
        for setting in table::settings() {
            let value = reader.read(setting);
            reader.values.insert(setting.name, value);
        }
        reader
    }

    fn read(&mut self, setting: &'static Setting) -> Option<Value> {
        match self.given.get(setting.name).map(|text| setting.parse(text)) {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => {
                self.errors.push(error);
                setting.default_value()
            }
            None => setting.default_value(),
        }
    }

    pub(crate) fn given(&self) -> &'a ConfigMap {
        self.given
    }

    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name).and_then(Option::as_ref)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Boolean(true)))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn double(&self, name: &str) -> f64 {
        match self.value(name) {
            Some(Value::Double(number)) => *number,
            _ => 0.0,
        }
    }

    /// None where the setting is null.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A number that this broker needs to be at least `least`, also where Kafka checks nothing.
    pub(crate) fn at_least(&mut self, name: &str, least: u32) -> u64 {
        let number = self.integer(name).unwrap_or_default();
        if number < i64::from(least) {
            let allowed = format!("Value must be at least {least}");
            self.errors.push(ConfigError::value(name, &number.to_string(), allowed));
        }
        u64::try_from(number).unwrap_or_default().max(least.into())
    }

    /// The same for settings of type int.
    pub(crate) fn int_at_least(&mut self, name: &str, least: u32) -> u32 {
        u32::try_from(self.at_least(name, least)).unwrap_or(u32::MAX)
    }

    /// A condition on several settings, named by the one an operator would change.
    pub(crate) fn require(&mut self, met: bool, name: &str, allowed: &str) {
        if !met {
            self.require_failed(name, allowed);
        }
    }

    pub(crate) fn require_failed(&mut self, name: &str, allowed: &str) {
        self.fail(Rule::Requirement, name, allowed);
    }

    pub(crate) fn refuse(&mut self, name: &str, allowed: &str) {
        self.fail(Rule::Value, name, allowed);
    }

    pub(crate) fn fail(&mut self, rule: Rule, name: &str, allowed: &str) {
        let value = self.shown(name);
        self.errors.push(ConfigError { rule, ..ConfigError::value(name, &value, allowed) });
    }

    fn shown(&self, name: &str) -> String {
        if names::sensitive(name) {
            return HIDDEN.to_owned();
        }
        let given = self.given.get(name).cloned();
        given.or_else(|| self.value(name).map(Value::text)).unwrap_or_else(|| "null".to_owned())
    }
}

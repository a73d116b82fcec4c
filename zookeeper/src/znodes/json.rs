//! Reading and writing the flat JSON objects of znodes, with errors that name the key.
//!
//! Owns the syntax; knows no layout. Written keys keep the order in which they are given, without blanks, as Jackson prints them.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::ZnodeError;

/// An object that is being read, and where it stands.
pub(super) struct Fields<'a> {
    path: &'a str,
    fields: Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn parse(path: &'a str, data: &[u8]) -> Result<Fields<'a>, ZnodeError> {
        if data.is_empty() {
            return Err(problem(path, "it is empty".to_owned()));
        }
        match serde_json::from_slice(data) {
            Ok(Value::Object(fields)) => Ok(Fields { path, fields }),
            Ok(_) => Err(problem(path, "it is no JSON object".to_owned())),
            Err(error) => Err(problem(path, format!("it is no JSON: {error}"))),
        }
    }

    pub(super) fn error(&self, what: impl Into<String>) -> ZnodeError {
        problem(self.path, what.into())
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    fn required(&self, key: &str) -> Result<&Value, ZnodeError> {
        self.get(key).ok_or_else(|| self.error(format!("the key {key} is missing")))
    }

    pub(super) fn int(&self, key: &str) -> Result<i32, ZnodeError> {
        self.required(key).and_then(|value| self.as_int(key, value))
    }

    pub(super) fn string(&self, key: &str) -> Result<&str, ZnodeError> {
        let value = self.required(key)?;
        value.as_str().ok_or_else(|| self.wrong(key, "a string", value))
    }

    pub(super) fn strings(&self, key: &str) -> Result<Vec<&str>, ZnodeError> {
        let value = self.required(key)?;
        let strings = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect());
        strings.ok_or_else(|| self.wrong(key, "a list of strings", value))
    }

    pub(super) fn ints(&self, key: &str) -> Result<Vec<i32>, ZnodeError> {
        self.required(key).and_then(|value| self.as_ints(key, value))
    }

    /// An object, or `None` where the key is absent.
    pub(super) fn object(&self, key: &str) -> Result<Option<&Map<String, Value>>, ZnodeError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(value) => Err(self.wrong(key, "an object", value)),
        }
    }

    pub(super) fn as_int(&self, key: &str, value: &Value) -> Result<i32, ZnodeError> {
        let int = value.as_i64().and_then(|number| i32::try_from(number).ok());
        int.ok_or_else(|| self.wrong(key, "a number", value))
    }

    pub(super) fn as_ints(&self, key: &str, value: &Value) -> Result<Vec<i32>, ZnodeError> {
        let items = value.as_array().ok_or_else(|| self.wrong(key, "a list of numbers", value))?;
        items.iter().map(|item| self.as_int(key, item)).collect()
    }

    pub(super) fn wrong(&self, key: &str, wanted: &str, found: &Value) -> ZnodeError {
        self.error(format!("the key {key} should be {wanted} and is {found}"))
    }
}

fn problem(path: &str, problem: String) -> ZnodeError {
    ZnodeError { path: path.to_owned(), problem }
}

/// An object that is being written, key by key.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Object {
        Object("{".to_owned())
    }

    /// A value that is JSON already: a number, `null`, another object.
    pub(super) fn raw(mut self, key: &str, value: impl std::fmt::Display) -> Object {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&format!("{}:{value}", quoted(key)));
        self
    }

    pub(super) fn string(self, key: &str, value: &str) -> Object {
        self.raw(key, quoted(value))
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from(self.finish())
    }
}

pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// `[a,b]` of what prints as JSON.
pub(super) fn list(items: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(","))
}

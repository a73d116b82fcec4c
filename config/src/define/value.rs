//! The value of a setting once it is read, and how Java writes it.

use crate::define::Type;

/// A value of one of the types. Ints, shorts and longs are told apart by their setting alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    Double(f64),
    /// Strings, classes and passwords.
    Text(String),
    List(Vec<String>),
}

impl Value {
    /// Reads what stands in a file. The error says what is allowed.
    pub(super) fn parse(kind: Type, text: &str) -> Result<Value, String> {
        // Java's trim takes off every control character.
        let text = text.trim_matches(|c: char| c <= ' ');
        let not_a_number = || format!("Not a number of type {kind}");
        match kind {
            Type::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            Type::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            Type::Boolean => Err("Expected value to be either true or false".to_owned()),
            Type::Int => integer(text, i32::MIN.into(), i32::MAX.into()).ok_or_else(not_a_number),
            Type::Short => integer(text, i16::MIN.into(), i16::MAX.into()).ok_or_else(not_a_number),
            Type::Long => integer(text, i64::MIN, i64::MAX).ok_or_else(not_a_number),
            Type::Double => double(text).ok_or_else(not_a_number),
            Type::List if text.is_empty() => Ok(Value::List(Vec::new())),
            Type::List => Ok(Value::List(text.split(',').map(|item| item.trim().to_owned()).collect())),
            Type::String | Type::Class | Type::Password => Ok(Value::Text(text.to_owned())),
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Value::Integer(n) => Some(*n as f64),
            Value::Double(n) => Some(*n),
            Value::Boolean(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// As `ConfigDef.convertToString` writes it; what DescribeConfigs answers.
    pub fn text(&self) -> String {
        match self {
            Value::Boolean(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Double(value) => java_double(*value),
            Value::Text(value) => value.clone(),
            Value::List(items) => items.join(","),
        }
    }

    /// As Java's `toString` writes it, which differs for lists; what error messages have.
    pub(super) fn java(&self) -> String {
        match self {
            Value::List(items) => format!("[{}]", items.join(", ")),
            Value::Boolean(_) | Value::Integer(_) | Value::Double(_) | Value::Text(_) => self.text(),
        }
    }
}

fn integer(text: &str, least: i64, most: i64) -> Option<Value> {
    text.parse().ok().filter(|n| (least..=most).contains(n)).map(Value::Integer)
}

/// Infinities and what is not a number are refused: no setting means them.
fn double(text: &str) -> Option<Value> {
    number(text).filter(|n| n.is_finite()).map(Value::Double)
}

/// `Double.parseDouble`, which allows a trailing d or f.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text).parse().ok()
}

/// `Double.toString`: plain from 0.001 to 10 million, else with an exponent, and always with a fraction.
fn java_double(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{value:?}");
    }
    if value.is_infinite() {
        return format!("{}Infinity", if value < 0.0 { "-" } else { "" });
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Type, text: &str, expected: Result<&str, &str>) {
        let found = Value::parse(kind, text).map(|value| value.text());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{kind} {text:?}");
    }

    #[test]
    fn reads_what_java_reads_and_writes_what_java_writes() {
        check(Type::Boolean, " TRUE ", Ok("true"));
        check(Type::Boolean, "yes", Err("Expected value to be either true or false"));
        check(Type::Long, " +5\t", Ok("5"));
        check(Type::Long, "12x", Err("Not a number of type LONG"));
        check(Type::Int, "2147483648", Err("Not a number of type INT"));
        check(Type::Short, "32768", Err("Not a number of type SHORT"));
        check(Type::Long, "", Err("Not a number of type LONG"));
        check(Type::Double, ".3", Ok("0.3"));
        check(Type::Double, "0.3d", Ok("0.3"));
        check(Type::Double, "1e-3", Ok("0.001"));
        check(Type::Double, "0.0001", Ok("1.0E-4"));
        check(Type::Double, "1.7976931348623157E308", Ok("1.7976931348623157E308"));
        check(Type::Double, "5", Ok("5.0"));
        check(Type::Double, "NaN", Err("Not a number of type DOUBLE"));
        check(Type::List, " compact , delete ", Ok("compact,delete"));
        check(Type::List, "", Ok(""));
        check(Type::List, "delete,", Ok("delete,"));
    }
}

//! What topics may be called, and which names are Kafka's own. Source: Topic of Kafka 3.9.

const NAME_LENGTH_MAX: usize = 249;

/// Topics that Kafka itself writes.
pub fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// Why a string names no topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFlaw {
    #[error("the empty string is not allowed")]
    Empty,
    #[error("'{0}' is not allowed")]
    Reserved(String),
    #[error("the length of '{0}' is longer than the max allowed length {NAME_LENGTH_MAX}")]
    Long(String),
    #[error("'{0}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")]
    Characters(String),
}

/// Length counts UTF-16 units, as Java's strings do.
pub fn check_name(name: &str) -> Result<(), NameFlaw> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() {
        Err(NameFlaw::Empty)
    } else if name == "." || name == ".." {
        Err(NameFlaw::Reserved(name.to_owned()))
    } else if name.encode_utf16().count() > NAME_LENGTH_MAX {
        Err(NameFlaw::Long(name.to_owned()))
    } else if !name.bytes().all(allowed) {
        Err(NameFlaw::Characters(name.to_owned()))
    } else {
        Ok(())
    }
}

/// Metric names take '.' for '_', so two topics must not differ in that alone.
pub fn collide(one: &str, other: &str) -> bool {
    let unified = |name: &str| name.replace('.', "_");
    unified(one) == unified(other)
}

/// Whether a topic of another name can collide with this one.
pub fn can_collide(name: &str) -> bool {
    name.contains(['.', '_'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names() {
        for good in ["a", "A-1_b.c", "...", "__consumer_offsets", &"x".repeat(249)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn flaws_are_told_in_kafkas_words() {
        let text = |name: &str| check_name(name).unwrap_err().to_string();
        assert_eq!(text(""), "the empty string is not allowed");
        assert_eq!(text("."), "'.' is not allowed");
        assert_eq!(text(".."), "'..' is not allowed");
        let characters =
            "'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
        assert_eq!(text("a b"), characters);
        let long = "x".repeat(250);
        let length = format!("the length of '{long}' is longer than the max allowed length 249");
        assert_eq!(text(&long), length);
        assert_eq!(check_name("ä"), Err(NameFlaw::Characters("ä".to_owned())));
        assert_eq!(check_name("a/b"), Err(NameFlaw::Characters("a/b".to_owned())));
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert!(collide("a.b_c", "a_b.c"));
        assert!(!collide("a-b", "a.b"));
    }
}

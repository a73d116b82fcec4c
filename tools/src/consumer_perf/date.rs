//! Local time in a pattern of Java's: --date-format.
//!
//! The letters people use for dates and times; others are refused by name. Source: java.text.SimpleDateFormat.

use std::time::SystemTime;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A pattern taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DateFormat {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A pattern letter and how often it stands there.
    Field(char, usize),
}

const LETTERS: &str = "yMdEHhmsSaZ";

impl DateFormat {
    /// Text may stand in single quotes; two of them are one.
    pub(super) fn new(pattern: &str) -> Result<DateFormat, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut quoted = false;
        let mut rest = pattern.chars().peekable();
        while let Some(letter) = rest.next() {
            match (letter, parts.last_mut()) {
                ('\'', _) if rest.next_if_eq(&'\'').is_some() => push_text(&mut parts, '\''),
                ('\'', _) => quoted = !quoted,
                (_, Some(Part::Field(last, count))) if !quoted && *last == letter => *count += 1,
                _ if !quoted && LETTERS.contains(letter) => parts.push(Part::Field(letter, 1)),
                _ if !quoted && letter.is_ascii_alphabetic() => {
                    return Err(format!("Illegal pattern character '{letter}'"));
                }
                _ => push_text(&mut parts, letter),
            }
        }
        if quoted { Err("Unterminated quote".to_owned()) } else { Ok(DateFormat { parts }) }
    }

    pub(super) fn print(&self, time: SystemTime) -> String {
        let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        self.print_zoned(&timestamp.to_zoned(TimeZone::system()))
    }

    fn print_zoned(&self, time: &Zoned) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Field(letter, count) => field(*letter, *count, time),
        };
        self.parts.iter().map(part).collect()
    }
}

fn push_text(parts: &mut Vec<Part>, letter: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(letter),
        Some(Part::Field(..)) | None => parts.push(Part::Text(letter.to_string())),
    }
}

fn field(letter: char, count: usize, time: &Zoned) -> String {
    let number = |number: i64| format!("{number:0count$}");
    match letter {
        'y' if count == 2 => format!("{:02}", time.year() % 100),
        'y' => number(time.year().into()),
        'M' if count >= 4 => time.strftime("%B").to_string(),
        'M' if count == 3 => time.strftime("%b").to_string(),
        'M' => number(time.month().into()),
        'd' => number(time.day().into()),
        'E' if count >= 4 => time.strftime("%A").to_string(),
        'E' => time.strftime("%a").to_string(),
        'H' => number(time.hour().into()),
        'h' => number(i64::from((time.hour() + 11) % 12 + 1)),
        'm' => number(time.minute().into()),
        's' => number(time.second().into()),
        'S' => number(time.millisecond().into()),
        'a' => time.strftime("%p").to_string(),
        // `new` lets no other letter pass.
        _ => time.strftime("%z").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(pattern: &str) -> String {
        let time = Timestamp::from_millisecond(1_795_269_208_744).unwrap().to_zoned(TimeZone::UTC);
        DateFormat::new(pattern).unwrap().print_zoned(&time)
    }

    #[test]
    fn prints_patterns_as_java_does() {
        assert_eq!(print("yyyy-MM-dd HH:mm:ss:SSS"), "2026-11-21 13:53:28:744");
        assert_eq!(print("EEE d MMM yy, h 'o''clock' a Z"), "Sat 21 Nov 26, 1 o'clock PM +0000");
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(DateFormat::new("HH:qq").unwrap_err(), "Illegal pattern character 'q'");
        assert_eq!(DateFormat::new("'a").unwrap_err(), "Unterminated quote");
    }
}

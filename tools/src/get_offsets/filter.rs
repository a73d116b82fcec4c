//! Which partitions are meant: by topic and number, or by a list of patterns.
//!
//! Pure. Source: GetOffsetShell, TopicPartitionFilter, PartitionFilter.

use std::ops::Range;

use protocol::TopicPartition;

use crate::failure::Failure;
use crate::options::Options;
use crate::topic_filter::{BadPattern, TopicFilter};

/// A partition is meant if any rule takes it.
#[derive(Debug)]
pub(super) struct Filter {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    topics: TopicFilter,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    /// These; all if there is none.
    Set(Vec<i32>),
    Range(Range<i32>),
}

impl Filter {
    /// From --topic-partitions, or from --topic and --partitions.
    pub(super) fn read(options: &Options) -> Result<Filter, Failure> {
        let Some(patterns) = options.text("topic-partitions")? else {
            let topics = TopicFilter::new(options.text("topic")?.unwrap_or(".*"))?;
            let numbers = Numbers::Set(numbers(options.text("partitions")?.unwrap_or_default())?);
            return Ok(Filter { rules: vec![Rule { topics, numbers }] });
        };
        if options.has("topic") || options.has("partitions") {
            let both = "--topic-partitions cannot be used with --topic or --partitions";
            return Err(Failure::Sentence(both.to_owned()));
        }
        let rules = split(patterns).into_iter().map(Rule::read).collect::<Result<_, _>>()?;
        Ok(Filter { rules })
    }

    pub(super) fn takes(&self, partition: &TopicPartition) -> bool {
        self.rules.iter().any(|rule| {
            let is_meant = match &rule.numbers {
                Numbers::Set(set) => set.is_empty() || set.contains(&partition.partition),
                Numbers::Range(range) => range.contains(&partition.partition),
            };
            is_meant && rule.topics.takes(&partition.topic)
        })
    }
}

impl Rule {
    /// `TOPIC`, `TOPIC:NUMBER`, `TOPIC:FROM-TO`, with any part left out; TO itself is not meant.
    fn read(spec: &str) -> Result<Rule, Failure> {
        let (topic, rest) = spec.split_once(':').unwrap_or((spec, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let numbers = match rest.split_once('-') {
            None if rest.is_empty() => Numbers::Range(0..i32::MAX),
            None if is_digits(rest) => Numbers::Set(vec![number(rest)?]),
            Some((from, to)) if is_digits(from) && is_digits(to) => {
                let or = |text: &str, otherwise| if text.is_empty() { Ok(otherwise) } else { number(text) };
                Numbers::Range(or(from, 0)?..or(to, i32::MAX)?)
            }
            None | Some(_) => {
                // Kafka's tool tells of an exception inside another one.
                let class = "org.apache.kafka.tools.TerseException";
                return Err(Failure::Sentence(format!("{class}: Invalid rule specification: {spec}")));
            }
        };
        let topics = TopicFilter::new(if topic.is_empty() { ".*" } else { topic })?;
        Ok(Rule { topics, numbers })
    }
}

fn numbers(list: &str) -> Result<Vec<i32>, Failure> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let bad = |_| {
        Failure::Sentence(format!(
            "--partitions expects a comma separated list of numeric partition ids, but received: {list}"
        ))
    };
    split(list).into_iter().map(|word| word.parse().map_err(bad)).collect()
}

fn number(digits: &str) -> Result<i32, Failure> {
    digits.parse().map_err(|_| Failure::Sentence(format!("For input string: \"{digits}\"")))
}

/// As `String.split` does it: empty words at the end are none, but for a list without a comma.
fn split(list: &str) -> Vec<&str> {
    let mut words: Vec<&str> = list.split(',').collect();
    while list.contains(',') && words.last().is_some_and(|word| word.is_empty()) {
        words.pop();
    }
    words
}

impl From<BadPattern> for Failure {
    fn from(error: BadPattern) -> Failure {
        Failure::Sentence(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Grammar, with};
    use crate::words::{refusal, words};

    fn filter(line: &str) -> Result<Filter, String> {
        static GRAMMAR: Grammar = Grammar {
            specs: &[with("topic", "", ""), with("partitions", "", ""), with("topic-partitions", "", "")],
        };
        match Filter::read(&GRAMMAR.parse(&words(line)).unwrap()) {
            Ok(filter) => Ok(filter),
            refused => Err(refusal(refused)),
        }
    }

    /// Of `a-0`, `a-1`, `b-0`, `b-1`, `b-2` those that are meant.
    fn check(words: &str, expected: &str) {
        let filter = filter(words).unwrap();
        let all = [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)];
        let all = all.map(|(topic, index)| TopicPartition::new(topic, index));
        let meant: Vec<String> =
            all.iter().filter(|partition| filter.takes(partition)).map(TopicPartition::to_string).collect();
        assert_eq!(meant.join(" "), expected, "{words}");
    }

    #[test]
    fn topics_and_numbers() {
        check("", "a-0 a-1 b-0 b-1 b-2");
        check("--topic a", "a-0 a-1");
        check("--topic a,b --partitions 1,2,", "a-1 b-1 b-2");
        check("--partitions 7", "");
        check("--topic-partitions a", "a-0 a-1");
        check("--topic-partitions b:1", "b-1");
        check("--topic-partitions b:1-", "b-1 b-2");
        check("--topic-partitions b:-1", "b-0");
        check("--topic-partitions b:0-2,a:1,", "a-1 b-0 b-1");
        check("--topic-partitions :0", "a-0 b-0");
        check("--topic-partitions .*:-", "a-0 a-1 b-0 b-1 b-2");
        check("--topic-partitions b:", "b-0 b-1 b-2");
        check("--topic-partitions ,", "");
        check("--topic-partitions ,a", "a-0 a-1 b-0 b-1 b-2");
        check("--partitions ,", "a-0 a-1 b-0 b-1 b-2");
    }

    /// Recorded from Kafka 3.9.1.
    #[test]
    fn words_faults_as_kafka_does() {
        let ids = "--partitions expects a comma separated list of numeric partition ids, but received:";
        let rule = "org.apache.kafka.tools.TerseException: Invalid rule specification:";
        for (words, expected) in [
            ("--partitions x", format!("{ids} x")),
            ("--partitions 1,,0", format!("{ids} 1,,0")),
            ("--topic-partitions a:x", format!("{rule} a:x")),
            ("--topic-partitions a:1:2", format!("{rule} a:1:2")),
            ("--topic-partitions a:99999999999", "For input string: \"99999999999\"".to_owned()),
            ("--topic-partitions (", "( is an invalid regex.".to_owned()),
            (
                "--topic-partitions a --topic a",
                "--topic-partitions cannot be used with --topic or --partitions".to_owned(),
            ),
        ] {
            assert_eq!(filter(words).unwrap_err(), expected, "{words}");
        }
    }
}

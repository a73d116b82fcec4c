//! The command line of the tool, whose grammar is argparse4j's: prefixes of names, and one option with many values.
//!
//! Kafka's layout of usage and errors, our sentences. Source: ProducerPerformance.argParser of 3.9.

use std::io::Write;
use std::str::FromStr;

use config::properties::Properties;

use crate::failure::Failure;
use crate::java_properties::merged;

const USAGE: &str = "\
usage: producer-performance [-h] --topic TOPIC --num-records NUM-RECORDS
                            [--payload-delimiter PAYLOAD-DELIMITER]
                            --throughput THROUGHPUT
                            [--producer-props PROP-NAME=PROP-VALUE [PROP-NAME=PROP-VALUE ...]]
                            [--producer.config CONFIG-FILE]
                            [--print-metrics]
                            (--record-size RECORD-SIZE |
                            --payload-file PAYLOAD-FILE |
                            --payload-monotonic)
";

const HELP: &str = "
Measures how fast records can be produced.

  -h, --help             show this help
  --topic TOPIC          where the records go
  --num-records N        how many records
  --throughput R         at most about so many records a second; -1 for as many as possible
  --producer-props P=V   properties of the producer, such as bootstrap.servers, acks, linger.ms
  --producer.config F    a file of such properties; --producer-props wins over it
  --print-metrics        print the client's metrics at the end
  --record-size B        records of so many random letters
  --payload-file F       records chosen at random from this file
  --payload-delimiter D  what stands between them there (default: \\n)
  --payload-monotonic    records 0, 1, 2, …
";

/// Names that take a value, those that take several, and those that take none.
const VALUED: [&str; 9] = [
    "--topic",
    "--num-records",
    "--payload-delimiter",
    "--throughput",
    "--producer.config",
    "--record-size",
    "--payload-file",
    "--transactional-id",
    "--transaction-duration-ms",
];
const LISTED: &str = "--producer-props";
const FLAGS: [&str; 3] = ["--print-metrics", "--payload-monotonic", "--help"];

/// What the records hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// Random letters.
    Random {
        size: usize,
    },
    File {
        path: String,
        delimiter: String,
    },
    /// The record's number.
    Monotonic,
}

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) topic: String,
    pub(super) num_records: u64,
    /// Records a second; negative for no limit.
    pub(super) throughput: f64,
    pub(super) payload: Payload,
    pub(super) producer: Properties,
    pub(super) prints_metrics: bool,
}

impl Arguments {
    pub(super) fn read(args: &[String]) -> Result<Arguments, Failure> {
        if args.is_empty() {
            print_help()?;
            return Err(Failure::Done);
        }
        let given = Given::split(args)?;
        if given.flag("--help") {
            print_help()?;
            return Err(Failure::Told);
        }
        let payload = given.payload()?;
        let arguments = Arguments {
            topic: given.required("--topic")?.to_owned(),
            num_records: given.number("--num-records")?,
            throughput: given.number("--throughput")?,
            payload,
            producer: given.producer()?,
            prints_metrics: given.flag("--print-metrics"),
        };
        arguments.check(&given)
    }

    fn check(self, given: &Given<'_>) -> Result<Arguments, Failure> {
        let transactional = given.optional::<i64>("--transaction-duration-ms")?.is_some_and(|ms| ms > 0);
        if transactional {
            return Err(usage("--transaction-duration-ms: this version has no transactions"));
        }
        if self.num_records == 0 {
            return Err(usage("argument --num-records: there must be at least one"));
        }
        if self.throughput == 0.0 {
            return Err(usage("argument --throughput: 0 would never send the second record"));
        }
        Ok(self)
    }
}

/// Arguments by name.
struct Given<'a> {
    values: Vec<(&'static str, &'a str)>,
    flags: Vec<&'static str>,
}

impl<'a> Given<'a> {
    fn split(args: &'a [String]) -> Result<Given<'a>, Failure> {
        let mut given = Given { values: Vec::new(), flags: Vec::new() };
        let mut rest = args.iter().map(String::as_str).peekable();
        while let Some(word) = rest.next() {
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) if word.starts_with("--") => (name, Some(value)),
                Some(_) | None => (word, None),
            };
            let name = full_name(name)?;
            if FLAGS.contains(&name) {
                given.flags.push(name);
                continue;
            }
            let missing = || usage(format!("argument {name}: expected one argument"));
            let value = attached.or_else(|| rest.next_if(|next| !is_name(next))).ok_or_else(missing)?;
            given.values.push((name, value));
            while let Some(more) = rest.next_if(|next| name == LISTED && !is_name(next)) {
                given.values.push((name, more));
            }
        }
        Ok(given)
    }

    fn flag(&self, name: &str) -> bool {
        self.flags.contains(&name)
    }

    /// The value given last.
    fn value(&self, name: &str) -> Option<&'a str> {
        self.values.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    fn required(&self, name: &str) -> Result<&'a str, Failure> {
        self.value(name).ok_or_else(|| usage(format!("argument {name} is required")))
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<T, Failure> {
        parse(name, self.required(name)?)
    }

    fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        self.value(name).map(|value| parse(name, value)).transpose()
    }

    fn payload(&self) -> Result<Payload, Failure> {
        let size = self.optional("--record-size")?;
        let file = self.value("--payload-file");
        match (size, file, self.flag("--payload-monotonic")) {
            (Some(size), None, false) => Ok(Payload::Random { size }),
            (None, Some(path), false) => {
                let delimiter = self.value("--payload-delimiter").unwrap_or("\\n");
                let delimiter = if delimiter == "\\n" { "\n" } else { delimiter };
                Ok(Payload::File { path: path.to_owned(), delimiter: delimiter.to_owned() })
            }
            (None, None, true) => Ok(Payload::Monotonic),
            (None, None, false) => Err(usage(
                "one of the arguments --record-size --payload-file --payload-monotonic is required",
            )),
            _ => Err(usage("only one of --record-size, --payload-file and --payload-monotonic can be given")),
        }
    }

    fn producer(&self) -> Result<Properties, Failure> {
        let listed = self.values.iter().filter(|(name, _)| *name == LISTED);
        let pairs: Vec<String> = listed.map(|(_, pair)| (*pair).to_owned()).collect();
        let file = self.value("--producer.config");
        if pairs.is_empty() && file.is_none() {
            return Err(usage("Either --producer-props or --producer.config must be specified."));
        }
        let is_pair = |pair: &&String| pair.split_once('=').is_none_or(|(_, value)| value.is_empty());
        if let Some(pair) = pairs.iter().find(is_pair) {
            return Err(Failure::Sentence(format!("Invalid property: {pair}")));
        }
        let mut properties = merged(file, &pairs)?;
        if properties.get("client.id").is_none() {
            properties.set("client.id", "perf-producer-client");
        }
        Ok(properties)
    }
}

/// A name may be cut short as long as it is clear which is meant.
fn full_name(given: &str) -> Result<&'static str, Failure> {
    if given == "-h" {
        return Ok("--help");
    }
    let names = || VALUED.iter().chain(&FLAGS).chain(&[LISTED]);
    if let Some(exact) = names().find(|name| **name == given) {
        return Ok(exact);
    }
    let meant: Vec<&&str> = names().filter(|name| given.len() > 2 && name.starts_with(given)).collect();
    match meant[..] {
        [name] => Ok(name),
        [] => Err(usage(format!("unrecognized arguments: '{given}'"))),
        _ => Err(usage(format!("ambiguous option: {given} could match several"))),
    }
}

/// -1 is a value.
fn is_name(word: &str) -> bool {
    word.starts_with('-') && word.parse::<f64>().is_err()
}

fn parse<T: FromStr>(name: &str, value: &str) -> Result<T, Failure> {
    value.parse().map_err(|_| usage(format!("argument {name}: could not convert '{value}' to a number")))
}

fn usage(problem: impl Into<String>) -> Failure {
    Failure::Sentence(format!("{USAGE}producer-performance: error: {}", problem.into()))
}

fn print_help() -> std::io::Result<()> {
    write!(std::io::stdout(), "{USAGE}{HELP}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::words;

    fn read(line: &str) -> Result<Arguments, Failure> {
        Arguments::read(&words(line))
    }

    #[test]
    fn reads_what_kafka_reads() {
        let arguments = read(
            "--topic t --num-r 10 --record-size=5 --throughput -1 \
             --producer-props bootstrap.servers=a:1 acks=1 --print-metrics",
        )
        .unwrap();
        assert_eq!((arguments.num_records, arguments.throughput), (10, -1.0));
        assert_eq!(arguments.payload, Payload::Random { size: 5 });
        assert!(arguments.prints_metrics);
        let property = |name| arguments.producer.get(name);
        assert_eq!(property("acks"), Some("1"));
        assert_eq!(property("bootstrap.servers"), Some("a:1"));
        assert_eq!(property("client.id"), Some("perf-producer-client"));
        let file = read(
            "--topic t --num-records 1 --throughput 1.5 --payload-file f --payload-delimiter , --producer-props a=b",
        );
        let expected = Payload::File { path: "f".to_owned(), delimiter: ",".to_owned() };
        assert_eq!(file.unwrap().payload, expected);
    }

    #[test]
    fn names_the_fault_below_the_usage() {
        let fault = |words: &str| match read(words) {
            Err(Failure::Sentence(text)) => text.rsplit('\n').next().unwrap_or_default().to_owned(),
            other => panic!("{words}: {other:?}"),
        };
        let rest = "--num-records 1 --throughput 1 --producer-props a=b";
        let error = |text: &str| format!("producer-performance: error: {text}");
        assert_eq!(fault(&format!("--record-size 1 {rest}")), error("argument --topic is required"));
        assert_eq!(
            fault(&format!("--topic t {rest}")),
            error("one of the arguments --record-size --payload-file --payload-monotonic is required")
        );
        assert_eq!(
            fault(&format!("--topic t --record-size 1 {rest} --nope")),
            error("unrecognized arguments: '--nope'")
        );
        assert_eq!(
            fault("--topic t --record-size 1 --num-records 1 --throughput 1"),
            error("Either --producer-props or --producer.config must be specified.")
        );
        assert_eq!(fault(&format!("--topic t --record-size 1 {rest} foo")), "Invalid property: foo");
        assert_eq!(
            fault("--topic t --num-records x --record-size 1 --throughput 1 --producer-props a=b"),
            error("argument --num-records: could not convert 'x' to a number")
        );
    }
}

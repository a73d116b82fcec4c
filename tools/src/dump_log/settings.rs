//! The command line of the tool.
//!
//! Source: DumpLogSegments.DumpLogSegmentsOptions of Kafka 3.9.

use super::decoder::{Decoder, Plain};
use super::indexes::Check;
use super::log::{Depth, RecordMetadata, Wanted};
use super::names;
use crate::failure::Failure;
use crate::options::{Grammar, Options, Spec, flag, with, with_optional};

static SPECS: &[Spec] = &[
    with("files", "file1, file2, ...", "REQUIRED: the files to print, with commas between them."),
    flag("print-data-log", "Print keys and values of records too; any decoder option implies it."),
    flag("deep-iteration", "Print records, not only batches; --print-data-log implies it."),
    with("max-bytes", "size", "How far to read each .log file (default: to its end)."),
    flag("skip-record-metadata", "Begin a record's line with its key, without offset, time and sizes."),
    flag("index-sanity-check", "Check an index as a broker does when it starts, and nothing else."),
    flag("verify-index-only", "Compare an index with its log without printing it."),
    with("max-message-size", "size", "The largest batch an index may point to (default 5242880)."),
    flag("offsets-decoder", "Print records as those of __consumer_offsets."),
    flag("transaction-log-decoder", "Print records as those of __transaction_state."),
    flag("cluster-metadata-decoder", "Refused: a cluster in ZooKeeper mode has no KRaft log."),
    flag("remote-log-metadata-decoder", "Refused: this version keeps no segments elsewhere."),
    with_optional(
        "key-decoder-class",
        "class",
        "Print keys by StringDecoder, LongDecoder or IntegerDecoder.",
    ),
    with_optional("value-decoder-class", "class", "Print values by one of these."),
];

static GRAMMAR: Grammar = Grammar { specs: SPECS };

const ABOUT: &str = "This tool prints what is in the files of a log, to see what is wrong with them.";

/// The largest batch that Kafka expects an index to point to.
const MESSAGE_BYTES_MAX: i32 = 5 << 20;

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Settings {
    /// As Java spells them.
    pub(super) files: Vec<String>,
    pub(super) log: Wanted,
    pub(super) check: Check,
    pub(super) message_bytes_max: u64,
    /// What is said of outdated decoders before each file that they are used for.
    pub(super) notices: Vec<String>,
}

impl Settings {
    pub(super) fn read(args: &[String]) -> Result<Settings, Failure> {
        let options = GRAMMAR.read(args, ABOUT)?;
        let files = GRAMMAR.required(&options, "files")?;
        let mut files: Vec<_> = files.split(',').map(names::normal).collect();
        while files.len() > 1 && files.last().is_some_and(String::is_empty) {
            files.pop();
        }
        let mut notices = Vec::new();
        let decoder = decoder(&options, &mut notices)?;
        Ok(Settings {
            files,
            log: Wanted {
                depth: depth(&options, decoder),
                metadata: if options.has("skip-record-metadata") {
                    RecordMetadata::Skipped
                } else {
                    RecordMetadata::Shown
                },
                bytes_max: Some(size(&options, "max-bytes", i32::MAX)?).filter(|max| *max < i32::MAX as u64),
            },
            check: check(&options),
            message_bytes_max: size(&options, "max-message-size", MESSAGE_BYTES_MAX)?,
            notices,
        })
    }
}

fn size(options: &Options, name: &str, default: i32) -> Result<u64, Failure> {
    let size = options.number::<i32>(name)?.unwrap_or(default);
    u64::try_from(size).map_err(|_| Failure::Sentence(format!("Invalid size: {size} of option {name}")))
}

fn check(options: &Options) -> Check {
    if options.has("index-sanity-check") {
        Check::Sanity
    } else if options.has("verify-index-only") {
        Check::Verify
    } else {
        Check::Print
    }
}

fn depth(options: &Options, decoder: Decoder) -> Depth {
    const PRINTING: [&str; 5] = [
        "print-data-log",
        "offsets-decoder",
        "transaction-log-decoder",
        "value-decoder-class",
        "key-decoder-class",
    ];
    if PRINTING.iter().any(|name| options.has(name)) {
        Depth::Contents(decoder)
    } else if options.has("deep-iteration") {
        Depth::Records
    } else {
        Depth::Batches
    }
}

/// The decoder, of which Kafka's order of preference is kept.
fn decoder(options: &Options, notices: &mut Vec<String>) -> Result<Decoder, Failure> {
    if options.has("offsets-decoder") {
        return Ok(Decoder::Offsets);
    }
    if options.has("transaction-log-decoder") {
        return Ok(Decoder::Transactions);
    }
    for (name, reason) in [
        ("cluster-metadata-decoder", "a cluster in ZooKeeper mode has no KRaft log"),
        ("remote-log-metadata-decoder", "this version keeps no segments elsewhere than on a broker's disks"),
    ] {
        if options.has(name) {
            return Err(Failure::Sentence(format!("--{name} is of no use here: {reason}.")));
        }
    }
    let value = plain(options, "value-decoder-class", notices)?;
    Ok(Decoder::Plain { key: plain(options, "key-decoder-class", notices)?, value })
}

/// The package of Kafka's decoders, and the one they were in before.
const PACKAGE: &str = "org.apache.kafka.tools.api.";
const OLD_PACKAGE: &str = "kafka.serializer.";

fn plain(options: &Options, name: &'static str, notices: &mut Vec<String>) -> Result<Plain, Failure> {
    let class = options.text(name)?.unwrap_or("org.apache.kafka.tools.api.StringDecoder");
    let unknown = || {
        Failure::Sentence(format!(
            "{class} is a Java class that cannot be loaded here: --{name} takes {PACKAGE}StringDecoder, \
             {PACKAGE}LongDecoder or {PACKAGE}IntegerDecoder."
        ))
    };
    let old = class.strip_prefix(OLD_PACKAGE);
    let decoder = match old.or_else(|| class.strip_prefix(PACKAGE)) {
        Some("StringDecoder") => Plain::Text,
        Some("LongDecoder") => Plain::Long,
        Some("IntegerDecoder") => Plain::Integer,
        _ => return Err(unknown()),
    };
    if let Some(simple) = old {
        notices.push(format!("{class} is deprecated. Please use {PACKAGE}{simple} instead"));
    }
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{refusal, words};

    fn read(line: &str) -> Result<Settings, Failure> {
        Settings::read(&words(line))
    }

    fn refused(line: &str) -> String {
        refusal(read(line))
    }

    #[test]
    fn reads_its_options() {
        let settings = read("--files a//b.log,c.index,").unwrap();
        assert_eq!(settings.files, ["a/b.log", "c.index"]);
        assert_eq!((settings.log.depth, settings.log.bytes_max), (Depth::Batches, None));
        assert_eq!((settings.check, settings.message_bytes_max), (Check::Print, 5_242_880));
        let settings = read("--files a --deep-iteration --max-bytes 9 --verify-index-only").unwrap();
        assert_eq!((settings.log.depth, settings.log.bytes_max), (Depth::Records, Some(9)));
        assert_eq!(settings.check, Check::Verify);
        assert_eq!(read("--files a --index-sanity-check --verify-index-only").unwrap().check, Check::Sanity);
        assert_eq!(read("--files a --max-bytes 2147483647").unwrap().log.bytes_max, None);
    }

    #[test]
    fn a_decoder_implies_that_contents_are_printed() {
        let depth = |words: &str| read(&format!("--files a {words}")).unwrap().log.depth;
        let text = Decoder::Plain { key: Plain::Text, value: Plain::Text };
        assert_eq!(depth("--print-data-log"), Depth::Contents(text));
        assert_eq!(depth("--value-decoder-class"), Depth::Contents(text));
        assert_eq!(depth("--transaction-log-decoder --offsets-decoder"), Depth::Contents(Decoder::Offsets));
        let settings =
            read("--files a --key-decoder-class kafka.serializer.LongDecoder --value-decoder-class kafka.serializer.StringDecoder")
                .unwrap();
        let long = Decoder::Plain { key: Plain::Long, value: Plain::Text };
        assert_eq!(settings.log.depth, Depth::Contents(long));
        assert_eq!(
            settings.notices,
            [
                "kafka.serializer.StringDecoder is deprecated. Please use org.apache.kafka.tools.api.StringDecoder instead",
                "kafka.serializer.LongDecoder is deprecated. Please use org.apache.kafka.tools.api.LongDecoder instead",
            ]
        );
    }

    #[test]
    fn words_faults_as_kafka_does() {
        assert_eq!(refused("--deep-iteration"), "Missing required argument \"[files]\"");
        assert_eq!(
            refused("--share-group-state-decoder"),
            "share-group-state-decoder is not a recognized option"
        );
        assert_eq!(refused("--files a --max-bytes x"), "Cannot parse argument 'x' of option max-bytes");
        let twice = "Found multiple arguments for option files, but you asked for only one";
        assert_eq!(refused("--files a --files b"), twice);
    }

    #[test]
    fn refuses_what_it_cannot_do_and_says_why() {
        assert!(refused("--files a --cluster-metadata-decoder").contains("ZooKeeper mode"));
        assert!(refused("--files a --remote-log-metadata-decoder").contains("disks"));
        let default = "org.apache.kafka.tools.api.DefaultDecoder";
        assert!(refused(&format!("--files a --value-decoder-class {default}")).contains("StringDecoder"));
        assert!(refused("--files a --key-decoder-class my.Decoder").starts_with("my.Decoder is"));
        assert!(refused("--files a --max-bytes -1").contains("-1"));
    }
}

//! A message set of format v0 or v1 that a client sent, as one batch of format v2: nothing older is ever written.
//!
//! Checks come in Kafka's order. Their answers have a code only: the versions of Produce that carry old formats have no place
//! for texts. Sources: UnifiedLog.analyzeAndValidateRecords, LogValidator and RecordsUtil of Kafka 3.9.

use super::{Entry, Item, ItemError, Items, LegacyError, Message, Messages, item_size, verify_crc};
use crate::batch::{
    Attributes, BatchHeader, BatchWriter, Codec, Keys, MAGIC, MAGIC_AT, ProduceRules, Produced,
    ProducedError, RecordsReason, RefusedRecords, Window, verify_crc as verify_batch_crc,
};
use crate::ids::{Millis, Offset};
use crate::record::Record;

/// Where an entry has its attributes.
const ATTRIBUTES_AT: usize = 17;

/// The messages of `set`, which begins with an entry, in a batch that keeps to the rules of its topic.
pub(crate) fn to_batch(set: &[u8], rules: &ProduceRules, now: Millis) -> Result<Produced, ProducedError> {
    let source = checked(set, rules.max_message_bytes)?;
    let writer = BatchWriter::new(rules.stored_as.target(source), rules.max_message_bytes)?;
    let mut conversion = Conversion { rules, window: rules.window(now), writer };
    for item in Items::new(set) {
        match item.map_err(told)? {
            Item::Entry(entry) => conversion.take_in(&entry, set[MAGIC_AT])?,
            Item::Batch(_) => return Err(mixed(set[MAGIC_AT], MAGIC as u8)),
        }
    }
    conversion.writer.finish()
}

/// What is checked before the messages are looked at; the codec of the set is the last one in it.
fn checked(set: &[u8], max: usize) -> Result<Codec, ProducedError> {
    let (mut rest, mut source, mut entries) = (set, Codec::None, 0);
    while let Some((item, after)) = item_size(rest)?.and_then(|size| rest.split_at_checked(size)) {
        match check_item(item, max)? {
            Codec::None => {}
            codec @ (Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd) => source = codec,
        }
        entries += 1;
        rest = after;
    }
    if entries > 1 && source != Codec::None { Err(ProducedError::SeveralBatches) } else { Ok(source) }
}

fn check_item(item: &[u8], max: usize) -> Result<Codec, ProducedError> {
    let batch = if item[MAGIC_AT] == MAGIC as u8 { Some(BatchHeader::parse(item)?) } else { None };
    if let Some(header) = batch.filter(|header| header.base_offset != Offset::ZERO) {
        return Err(ProducedError::BaseOffset(header.base_offset));
    }
    if item.len() > max {
        return Err(ProducedError::TooLarge { size: item.len(), max });
    }
    let attributes = match batch {
        Some(header) => {
            verify_batch_crc(item)?;
            header.attributes
        }
        None => {
            verify_crc(item)?;
            Attributes(i16::from(item[ATTRIBUTES_AT]))
        }
    };
    attributes.codec().map_err(ProducedError::UnknownCodec)
}

fn told(error: ItemError) -> ProducedError {
    match error {
        ItemError::Entry(error) => error.into(),
        ItemError::Batch(error) => error.into(),
    }
}

fn mixed(first: u8, other: u8) -> ProducedError {
    LegacyError::MixedFormats { inner: other as i8, wrapper: first as i8 }.into()
}

/// A batch in the making.
struct Conversion<'a> {
    rules: &'a ProduceRules,
    window: Window,
    writer: BatchWriter,
}

impl Conversion<'_> {
    /// Takes in the messages of an entry, or none of them.
    fn take_in(&mut self, entry: &Entry<'_>, first_magic: u8) -> Result<(), ProducedError> {
        if entry.format as u8 != first_magic {
            return Err(mixed(first_magic, entry.format as u8));
        }
        let compressed = entry.attributes.codec() != Ok(Codec::None);
        let messages = Messages::of(entry, self.rules.held_max())?;
        let mut refused: Option<RecordsReason> = None;
        for message in &messages {
            if compressed {
                message.entry.verify_crc()?;
            }
            match self.fault(entry, &message) {
                Some(RecordsReason::Record) => refused = refused.or(Some(RecordsReason::Record)),
                Some(RecordsReason::Timestamp) => refused = Some(RecordsReason::Timestamp),
                None => {}
            }
        }
        if let Some(reason) = refused {
            return Err(ProducedError::Records(RefusedRecords { reason, records: Vec::new(), count: 1 }));
        }
        messages.iter().try_for_each(|message| self.push(&message))
    }

    fn fault(&self, entry: &Entry<'_>, message: &Message<'_>) -> Option<RecordsReason> {
        if self.rules.keys == Keys::Required && message.key.is_none() {
            return Some(RecordsReason::Record);
        }
        self.window.fault(message.timestamp, entry.timestamp_type()).map(|_| RecordsReason::Timestamp)
    }

    fn push(&mut self, message: &Message<'_>) -> Result<(), ProducedError> {
        self.writer.push(message.timestamp, &Record::plain(message.key, message.value))
    }
}

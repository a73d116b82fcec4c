//! The primitive types in the records that coordinators keep: what they have learnt, as bytes in a log.
//!
//! A version is flexible when its lengths are compact and tagged fields may follow; tags are read over, and none is
//! written. Every length is checked against the bytes that are left. Source: KIP-482, Kafka's message generator.

use protocol::bytes::Bytes;
use protocol::record::put_unsigned;

/// Why a key or value cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("{0} is cut short")]
    CutShort(&'static str),
    #[error("{0} is null")]
    Null(&'static str),
    #[error("{0} has {1} entries, more than there are bytes")]
    Count(&'static str, usize),
    #[error("{what} has version {version}, which is unknown")]
    Version { what: &'static str, version: i16 },
    #[error("transaction state {0} is unknown")]
    State(i8),
}

/// How lengths are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Fixed,
    Flexible,
}

impl Form {
    /// The form of `version` where `flexible` is the first flexible one.
    pub(crate) fn of(version: i16, flexible: i16) -> Form {
        if version >= flexible { Form::Flexible } else { Form::Fixed }
    }
}

/// Reads fields off the front of a key or value; each is named for the error.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    pub(crate) form: Form,
}

type Field<T> = Result<T, RecordError>;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, form: Form::Fixed }
    }

    fn take(&mut self, name: &'static str, size: usize) -> Field<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(size).ok_or(RecordError::CutShort(name))?;
        self.rest = rest;
        Ok(front)
    }

    fn number<const N: usize>(&mut self, name: &'static str) -> Field<[u8; N]> {
        let (number, rest) = self.rest.split_first_chunk().ok_or(RecordError::CutShort(name))?;
        self.rest = rest;
        Ok(*number)
    }

    pub(crate) fn i8(&mut self, name: &'static str) -> Field<i8> {
        self.number(name).map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self, name: &'static str) -> Field<i16> {
        self.number(name).map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self, name: &'static str) -> Field<i32> {
        self.number(name).map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self, name: &'static str) -> Field<i64> {
        self.number(name).map(i64::from_be_bytes)
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Field<String> {
        self.nullable_text(name)?.ok_or(RecordError::Null(name))
    }

    pub(crate) fn nullable_text(&mut self, name: &'static str) -> Field<Option<String>> {
        let length = match self.form {
            Form::Fixed => i64::from(self.i16(name)?),
            Form::Flexible => self.compact(name)?,
        };
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(self.take(name, length)?).into_owned()))
    }

    pub(crate) fn bytes(&mut self, name: &'static str) -> Field<Bytes> {
        let length = self.length(name)?.ok_or(RecordError::Null(name))?;
        self.take(name, length).map(Bytes::copy_from_slice)
    }

    /// The entries of an array, each read by `entry`; none for null.
    pub(crate) fn nullable_array<T>(
        &mut self,
        name: &'static str,
        mut entry: impl FnMut(&mut Reader<'a>) -> Field<T>,
    ) -> Field<Option<Vec<T>>> {
        let Some(count) = self.length(name)? else { return Ok(None) };
        if count > self.rest.len() {
            return Err(RecordError::Count(name, count));
        }
        (0..count).map(|_| entry(self)).collect::<Field<_>>().map(Some)
    }

    pub(crate) fn array<T>(
        &mut self,
        name: &'static str,
        entry: impl FnMut(&mut Reader<'a>) -> Field<T>,
    ) -> Field<Vec<T>> {
        self.nullable_array(name, entry)?.ok_or(RecordError::Null(name))
    }

    /// Reads over the tagged fields that end a struct of a flexible version.
    pub(crate) fn tags(&mut self) -> Field<()> {
        const NAME: &str = "a tagged field";
        if self.form == Form::Fixed {
            return Ok(());
        }
        for _ in 0..self.unsigned(NAME)? {
            self.unsigned(NAME)?;
            let size = self.unsigned(NAME)?;
            self.take(NAME, size as usize)?;
        }
        Ok(())
    }

    fn length(&mut self, name: &'static str) -> Field<Option<usize>> {
        let length = match self.form {
            Form::Fixed => i64::from(self.i32(name)?),
            Form::Flexible => self.compact(name)?,
        };
        Ok(usize::try_from(length).ok())
    }

    fn compact(&mut self, name: &'static str) -> Field<i64> {
        Ok(i64::from(self.unsigned(name)?) - 1)
    }

    fn unsigned(&mut self, name: &'static str) -> Field<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.number(name)?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RecordError::CutShort(name))
    }
}

/// Writes the fields of a key or value.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
    form: Form,
}

impl Writer {
    /// Begins with the version, as every key and value does.
    pub(crate) fn new(version: i16, form: Form) -> Writer {
        Writer { out: version.to_be_bytes().to_vec(), form }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.out.extend(value.to_be_bytes());
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.out.extend(value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.out.extend(value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.out.extend(value.to_be_bytes());
    }

    /// Texts are group ids, member ids and the like, which requests bound to 32767 bytes; a longer one is cut off.
    pub(crate) fn text(&mut self, value: &str) {
        self.nullable_text(Some(value));
    }

    pub(crate) fn nullable_text(&mut self, value: Option<&str>) {
        let value = value.map(bounded);
        match self.form {
            Form::Fixed => self.i16(value.map_or(-1, |text| text.len() as i16)),
            Form::Flexible => self.compact(value.map(str::len)),
        }
        self.out.extend(value.unwrap_or_default().as_bytes());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.length(Some(value.len()));
        self.out.extend(value);
    }

    pub(crate) fn nullable_array<T>(
        &mut self,
        entries: Option<&[T]>,
        mut entry: impl FnMut(&mut Writer, &T),
    ) {
        self.length(entries.map(<[T]>::len));
        for item in entries.unwrap_or_default() {
            entry(self, item);
        }
    }

    pub(crate) fn array<T>(&mut self, entries: &[T], entry: impl FnMut(&mut Writer, &T)) {
        self.nullable_array(Some(entries), entry);
    }

    /// Ends a struct: a flexible version says how many tagged fields follow.
    pub(crate) fn tags(&mut self) {
        if self.form == Form::Flexible {
            self.out.push(0);
        }
    }

    fn length(&mut self, length: Option<usize>) {
        match self.form {
            Form::Fixed => self.i32(length.map_or(-1, |length| length as i32)),
            Form::Flexible => self.compact(length),
        }
    }

    fn compact(&mut self, length: Option<usize>) {
        put_unsigned(&mut self.out, length.map_or(0, |length| length as u64 + 1));
    }
}

/// As much of a text as a length of two bytes can tell, in whole characters.
fn bounded(text: &str) -> &str {
    let mut end = text.len().min(i16::MAX as usize);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_survive_their_bytes() {
        for form in [Form::Fixed, Form::Flexible] {
            let mut writer = Writer::new(7, form);
            writer.nullable_text(None);
            writer.text("größe");
            writer.bytes(&[1; 300]);
            writer.nullable_array::<i32>(None, |_, _| {});
            writer.array(&[1, 2, 3], |writer, number| writer.i32(*number));
            writer.tags();
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.i16("version"), Ok(7));
            reader.form = form;
            assert_eq!(reader.nullable_text("a"), Ok(None));
            assert_eq!(reader.text("b").as_deref(), Ok("größe"));
            assert_eq!(reader.bytes("c").map(|bytes| bytes.len()), Ok(300));
            assert_eq!(reader.nullable_array("d", |reader| reader.i32("d")), Ok(None));
            assert_eq!(reader.array("e", |reader| reader.i32("e")), Ok(vec![1, 2, 3]));
            assert_eq!(reader.tags(), Ok(()));
            assert!(reader.rest.is_empty());
        }
    }

    #[test]
    fn lengths_are_checked_against_what_is_there() {
        let fixed = |bytes: &'static [u8]| Reader::new(bytes);
        assert_eq!(fixed(&[0, 5, 1]).text("name"), Err(RecordError::CutShort("name")));
        assert_eq!(fixed(&[0xff, 0xff]).text("name"), Err(RecordError::Null("name")));
        let huge = fixed(&[0x7f, 0xff, 0xff, 0xff, 0]).array("list", |reader| reader.i8("list"));
        assert_eq!(huge, Err(RecordError::Count("list", i32::MAX as usize)));
        let mut flexible = Reader { rest: &[0xff; 6], form: Form::Flexible };
        assert_eq!(flexible.text("name"), Err(RecordError::CutShort("name")));
        let mut tagged = Reader { rest: &[1, 0, 9, 0], form: Form::Flexible };
        assert_eq!(tagged.tags(), Err(RecordError::CutShort("a tagged field")));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        let mut writer = Writer::new(0, Form::Fixed);
        writer.text(&"ü".repeat(20_000));
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes[2..]);
        assert_eq!(reader.text("long").map(|text| text.len()), Ok(32_766));
    }
}

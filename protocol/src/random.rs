//! Seeded random input for the tests of this crate: the same seed gives the same bytes (SplitMix64).

use crate::shape::{Field, Kind, Shape};

mod lean;
mod legacy;
mod records;

pub(crate) use lean::{Swelling, lean};
pub(crate) use legacy::{LegacySample, wrapper};
pub(crate) use records::{push, samples};

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    pub(crate) fn bytes(&mut self, size: usize) -> Vec<u8> {
        (0..size).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn text(&mut self) -> String {
        let size = self.below(12);
        let mut text: String = (0..size).map(|_| char::from(b'a' + self.below(26) as u8)).collect();
        if self.one_in(4) {
            text.push('ö');
        }
        text
    }

    /// The bytes of a message that `shape` allows, and that an encoder would write in just this way: what is
    /// tagged does not have its default value.
    pub(crate) fn message(&mut self, shape: &Shape, version: i16) -> Vec<u8> {
        self.write(shape, version, &mut None)
    }

    /// Such a message, but one of its lengths and counts, by its number from 0 on, is the largest there is. None
    /// if it has not so many.
    pub(crate) fn lie(&mut self, shape: &Shape, version: i16, number: usize) -> Option<Vec<u8>> {
        let mut lie = Some(number);
        let message = self.write(shape, version, &mut lie);
        lie.is_none().then_some(message)
    }

    fn write(&mut self, shape: &Shape, version: i16, lie: &mut Option<usize>) -> Vec<u8> {
        let flexible = version >= shape.flexible_since;
        let mut writer = Writer { random: self, lie, version, flexible, out: Vec::new() };
        writer.group(shape.fields);
        writer.out
    }
}

struct Writer<'a> {
    random: &'a mut Random,
    /// How many lengths to write before the wrong one; none once that is written.
    lie: &'a mut Option<usize>,
    version: i16,
    flexible: bool,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn group(&mut self, fields: &[Field]) {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.exists(version)) {
            if field.may_be_null(version) && self.random.one_in(4) {
                self.length(&field.kind, None);
            } else {
                self.value(&field.kind, 0);
            }
        }
        if self.flexible {
            self.tags(fields);
        }
    }

    fn value(&mut self, kind: &Kind, least: usize) {
        match kind {
            Kind::Bool => self.out.push(if least > 0 { 1 } else { self.random.below(2) as u8 }),
            Kind::Int8 => self.number(1),
            Kind::Int16 => self.number(2),
            Kind::Int32 => self.number(4),
            Kind::Int64 | Kind::Float64 => self.number(8),
            Kind::Uuid => self.number(16),
            Kind::Group(fields) => self.group(fields),
            Kind::String => {
                let text = if least > 0 { "ö".to_owned() } else { self.random.text() };
                self.length(kind, Some(text.len()));
                self.out.extend(text.as_bytes());
            }
            Kind::Bytes => {
                let size = self.random.below(40);
                self.length(kind, Some(size));
                let bytes = self.random.bytes(size);
                self.out.extend(bytes);
            }
            Kind::Array(element) => {
                let count = self.random.below(4).max(least);
                self.length(kind, Some(count));
                (0..count).for_each(|_| self.value(element, 0));
            }
        }
    }

    /// A number that is neither 0 nor -1, the two defaults there are.
    fn number(&mut self, size: usize) {
        let mut bytes = self.random.bytes(size);
        bytes[0] = 1 + self.random.below(0x7f) as u8;
        self.out.extend(bytes);
    }

    fn length(&mut self, kind: &Kind, length: Option<usize>) {
        let lies = self.lies();
        let length = length.map_or(-1, |length| length as i64);
        match (self.flexible, kind) {
            (true, _) => self.varint(if lies { u32::MAX } else { (length + 1) as u32 }),
            (false, Kind::String) => {
                self.out.extend(if lies { i16::MAX } else { length as i16 }.to_be_bytes())
            }
            (false, _) => self.out.extend(if lies { i32::MAX } else { length as i32 }.to_be_bytes()),
        }
    }

    fn tags(&mut self, fields: &[Field]) {
        let mut tagged: Vec<_> = fields.iter().filter(|field| field.tag.is_some()).collect();
        tagged.sort_by_key(|field| field.tag);
        let first_unknown = tagged.last().and_then(|field| field.tag).map_or(0, |tag| tag + 1);
        tagged.retain(|field| field.exists(self.version) && !self.random.one_in(3));
        // Low numbers first, so that a tag which kafka-protocol knows and the table does not is noticed.
        let unknown = if self.random.one_in(2) { self.random.below(4) as u32 } else { 0 };
        self.announced(tagged.len() as u32 + unknown);
        for field in tagged {
            self.tag(field.tag.unwrap(), |writer| writer.value(&field.kind, 1));
        }
        for tag in first_unknown..first_unknown + unknown {
            self.tag(tag, |writer| {
                let size = writer.random.below(30);
                let bytes = writer.random.bytes(size);
                writer.out.extend(bytes);
            });
        }
    }

    fn tag(&mut self, tag: u32, write: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.out);
        write(self);
        let content = std::mem::replace(&mut self.out, before);
        self.varint(tag);
        self.announced(content.len() as u32);
        self.out.extend(content);
    }

    /// How many tagged fields there are, or how large one is.
    fn announced(&mut self, number: u32) {
        let lies = self.lies();
        self.varint(if lies { u32::MAX } else { number });
    }

    /// Whether this is the length or count to be wrong about.
    fn lies(&mut self) -> bool {
        let lies = *self.lie == Some(0);
        *self.lie = self.lie.and_then(|left| left.checked_sub(1));
        lies
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}

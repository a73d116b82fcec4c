//! The messages that cost the most memory for their size: one array swollen with elements that say nothing.

use crate::record::put_unsigned;
use crate::shape::{Field, Kind, Shape};

/// A tag that no message knows.
const UNKNOWN: u64 = 100;

/// Which message of this kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Swelling {
    /// The array's place among those of the message, each with its parents before it.
    pub(crate) array: usize,
    pub(crate) elements: usize,
    /// Empty tagged fields that nobody knows, in each element.
    pub(crate) tags: u64,
}

/// None if the message has no such array.
pub(crate) fn lean(shape: &Shape, version: i16, swelling: Swelling) -> Option<Vec<u8>> {
    let flexible = version >= shape.flexible_since;
    let mut writer =
        Writer { version, flexible, swelling, ahead: swelling.array, state: State::Before, out: Vec::new() };
    writer.group(shape.fields, 0);
    (writer.state == State::After).then_some(writer.out)
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Before,
    Within,
    After,
}

struct Writer {
    version: i16,
    flexible: bool,
    swelling: Swelling,
    /// Arrays before the one that swells.
    ahead: usize,
    state: State,
    out: Vec<u8>,
}

impl Writer {
    fn group(&mut self, fields: &[Field], tags: u64) {
        let version = self.version;
        for field in fields.iter().filter(|field| field.tag.is_none() && field.exists(version)) {
            self.value(&field.kind);
        }
        if self.flexible {
            put_unsigned(&mut self.out, tags);
            (0..tags).for_each(|tag| {
                put_unsigned(&mut self.out, UNKNOWN + tag);
                self.out.push(0);
            });
        }
    }

    fn value(&mut self, kind: &Kind) {
        match kind {
            Kind::Bool | Kind::Int8 => self.out.push(0),
            Kind::Int16 => self.out.extend([0; 2]),
            Kind::Int32 => self.out.extend([0; 4]),
            Kind::Int64 | Kind::Float64 => self.out.extend([0; 8]),
            Kind::Uuid => self.out.extend([0; 16]),
            Kind::Group(fields) => {
                self.group(fields, if self.state == State::Within { self.swelling.tags } else { 0 })
            }
            Kind::String if !self.flexible => self.out.extend([0; 2]),
            Kind::String | Kind::Bytes => self.length(0),
            Kind::Array(element) => self.array(element),
        }
    }

    fn array(&mut self, element: &Kind) {
        match (self.state, self.ahead) {
            (State::Before, 0) => {
                self.state = State::Within;
                self.length(self.swelling.elements);
                (0..self.swelling.elements).for_each(|_| self.value(element));
                self.state = State::After;
            }
            (State::Before, _) => {
                self.ahead -= 1;
                self.length(1);
                self.value(element);
            }
            (State::Within | State::After, _) => self.length(0),
        }
    }

    fn length(&mut self, length: usize) {
        if self.flexible {
            put_unsigned(&mut self.out, length as u64 + 1);
        } else {
            self.out.extend((length as i32).to_be_bytes());
        }
    }
}

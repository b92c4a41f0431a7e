//! The header: magic, version, length, and a Python dictionary of three entries.

use super::error::NpyError;
use crate::shape::{MAX_RANK, Shape};
use std::io::Read;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// NumPy pads the header so that the data starts at a multiple of this.
const ALIGN: usize = 64;
/// Headers of the supported types are a few hundred bytes; anything longer is hostile or a record type.
const MAX_HEADER: usize = 1 << 16;

/// The type, shape and order of the data that follows.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub descr: String,
    pub shape: Shape,
    /// Whether the first axis varies fastest.
    pub fortran_order: bool,
}

impl Header {
    /// Whether the bytes of an element begin with the highest.
    pub fn is_big_endian(&self) -> bool {
        self.descr.starts_with('>')
    }

    /// The type of the elements with their bytes in the other order, where these are big-endian.
    pub fn little_endian(&self) -> String {
        self.descr.replacen('>', "<", 1)
    }
}

/// Reads and checks everything up to the first byte of data.
pub(super) fn read(reader: &mut impl Read) -> Result<Header, NpyError> {
    let mut fixed = [0u8; 8];
    reader.read_exact(&mut fixed)?;
    if &fixed[..6] != MAGIC {
        return Err(NpyError::Magic);
    }
    let len = match (fixed[6], fixed[7]) {
        (1, 0) => {
            let mut len = [0u8; 2];
            reader.read_exact(&mut len)?;
            usize::from(u16::from_le_bytes(len))
        }
        (2 | 3, 0) => {
            let mut len = [0u8; 4];
            reader.read_exact(&mut len)?;
            u32::from_le_bytes(len) as usize
        }
        (major, minor) => return Err(NpyError::Version { major, minor }),
    };
    if len > MAX_HEADER {
        return Err(malformed(format!("it claims to be {len} bytes long")));
    }
    let mut text = vec![0u8; len];
    reader.read_exact(&mut text)?;
    let text = std::str::from_utf8(&text).map_err(|_| malformed("it is not UTF-8"))?;
    parse(text)
}

/// The bytes up to the first byte of data, version 1.0.
pub(super) fn encode(descr: &str, shape: &[usize]) -> Vec<u8> {
    let mut axes = String::new();
    for d in shape {
        axes.push_str(&format!("{d}, "));
    }
    // NumPy writes "(3,)" for one axis and "(3, 4)" for more.
    let axes = if shape.len() == 1 { axes.trim_end() } else { axes.trim_end_matches(", ") };
    let mut dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    let prefix = MAGIC.len() + 4;
    let total = (prefix + dict.len() + 1).next_multiple_of(ALIGN);
    dict.extend(std::iter::repeat_n(' ', total - prefix - dict.len() - 1));
    dict.push('\n');
    let len = u16::try_from(dict.len()).expect("eight axes of 20 digits stay far below 64 KiB");
    [&MAGIC[..], &[1, 0], &len.to_le_bytes(), dict.as_bytes()].concat()
}

fn malformed(reason: impl Into<String>) -> NpyError {
    NpyError::Header { reason: reason.into() }
}

/// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order.
fn parse(text: &str) -> Result<Header, NpyError> {
    let mut p = Parser { rest: text };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    p.expect('{')?;
    while !p.eat('}') {
        let key = p.string()?;
        p.expect(':')?;
        let repeated = match key {
            "descr" => descr.replace(p.descr()?).is_some(),
            "fortran_order" => fortran.replace(p.boolean()?).is_some(),
            "shape" => shape.replace(p.tuple()?).is_some(),
            other => return Err(malformed(format!("unknown key {other:?}"))),
        };
        if repeated {
            return Err(malformed(format!("key {key:?} appears twice")));
        }
        if !p.eat(',') {
            p.expect('}')?;
            break;
        }
    }
    if !p.rest.trim().is_empty() {
        return Err(malformed("there is text after the dictionary"));
    }
    let missing = |key: &str| malformed(format!("key {key:?} is missing"));
    let descr = descr.ok_or_else(|| missing("descr"))?;
    let fortran_order = fortran.ok_or_else(|| missing("fortran_order"))?;
    let shape: Shape = shape.ok_or_else(|| missing("shape"))?;
    if descr.ends_with('O') {
        return Err(NpyError::Pickled);
    }
    Ok(Header { descr, shape, fortran_order })
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, c: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<(), NpyError> {
        if self.eat(c) { Ok(()) } else { Err(malformed(format!("expected '{c}' before {:?}", self.peek()))) }
    }

    /// The next characters, at most a message's worth.
    fn peek(&self) -> String {
        self.rest.chars().take(20).collect()
    }

    fn string(&mut self) -> Result<&'a str, NpyError> {
        self.skip_space();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let Some(quote) = quote else {
            return Err(malformed(format!("expected a string before {:?}", self.peek())));
        };
        let body = &self.rest[1..];
        let Some(end) = body.find(quote) else { return Err(malformed("a string is not closed")) };
        self.rest = &body[end + 1..];
        Ok(&body[..end])
    }

    fn descr(&mut self) -> Result<String, NpyError> {
        self.skip_space();
        if self.rest.starts_with('[') {
            return Err(NpyError::Dtype { descr: format!("record {}", self.peek()) });
        }
        Ok(self.string()?.to_owned())
    }

    fn boolean(&mut self) -> Result<bool, NpyError> {
        self.skip_space();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(malformed(format!("expected True or False before {:?}", self.peek())))
    }

    fn tuple(&mut self) -> Result<Shape, NpyError> {
        self.expect('(')?;
        let mut dims = Vec::new();
        while !self.eat(')') {
            if dims.len() == MAX_RANK {
                return Err(malformed(format!("more than {MAX_RANK} axes")));
            }
            dims.push(self.integer()?);
            if !self.eat(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(Shape::new(&dims))
    }

    fn integer(&mut self) -> Result<usize, NpyError> {
        self.skip_space();
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let value = digits.parse().map_err(|_| {
            malformed(format!("an axis is not a length this machine can hold: {:?}", self.peek()))
        })?;
        self.rest = rest;
        Ok(value)
    }
}

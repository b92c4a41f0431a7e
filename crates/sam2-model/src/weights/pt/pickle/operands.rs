//! The operands of opcodes: numbers, texts and bytes, in binary or, in protocol 0, as lines.

use super::{Machine, Node, limit};
use crate::weights::fault::Fault;

impl<'a> Machine<'a> {
    /// Runs an opcode that makes an object of its operand alone.
    pub(super) fn operand(&mut self, opcode: u8) -> Result<(), Fault> {
        match opcode {
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))
            }
            b'K' => {
                let [value] = self.array()?;
                self.push(Node::Int(value.into()))
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Node::Int(value.into()))
            }
            // LONG1, LONG4
            0x8a => {
                let [len] = self.array()?;
                self.long(len.into())
            }
            0x8b => {
                let len = self.length_4()?;
                self.long(len)
            }
            // INT, LONG, FLOAT as lines. `01` and `00` are booleans.
            b'I' | b'L' => {
                let line = self.line()?;
                match line.strip_suffix('L').unwrap_or(line).parse() {
                    Ok(value) if !matches!(line, "00" | "01") => self.push(Node::Int(value)),
                    _ => self.other(),
                }
            }
            b'F' => {
                self.line()?;
                self.other()
            }
            b'G' => {
                self.array::<8>()?;
                self.other()
            }
            // BINUNICODE, BINSTRING; SHORT_BINUNICODE, SHORT_BINSTRING; BINUNICODE8
            b'X' | b'T' => {
                let len = self.length_4()?;
                self.text(len)
            }
            0x8c | b'U' => {
                let [len] = self.array()?;
                self.text(len.into())
            }
            0x8d => {
                let len = self.length_8()?;
                self.text(len)
            }
            // UNICODE and STRING as lines, the latter in quotation marks.
            b'V' => {
                let line = self.line()?;
                self.push(Node::Text(line))
            }
            b'S' => {
                let line = self.line()?.trim_end();
                let inner = ['\'', '"'].iter().find_map(|&q| line.strip_prefix(q)?.strip_suffix(q));
                match inner.filter(|inner| !inner.contains('\\')) {
                    Some(inner) => self.push(Node::Text(inner)),
                    None => self.other(),
                }
            }
            // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
            b'B' => {
                let len = self.length_4()?;
                self.take(len)?;
                self.other()
            }
            b'C' => {
                let [len] = self.array()?;
                self.take(len.into())?;
                self.other()
            }
            0x8e | 0x96 => {
                let len = self.length_8()?;
                self.take(len)?;
                self.other()
            }
            // FRAME: that many bytes follow.
            0x95 => {
                let len = self.length_8()?;
                if len > self.bytes.len() - self.at { Err(self.cut()) } else { Ok(()) }
            }
            // Names of storages as lines.
            b'P' => Err(limit(
                "is of protocol 0, in which torch.load does not find its storages either; save it again \
                 with protocol 2"
                    .to_owned(),
            )),
            // Buffers outside of the pickle.
            0x97 | 0x98 => {
                Err(limit(format!("has the opcode 0x{opcode:02x}, which torch.save never writes")))
            }
            other => Err(format!("has the unknown opcode 0x{other:02x}").into()),
        }
    }

    /// The number of a memo entry.
    pub(super) fn memo_id(&mut self, opcode: u8) -> Result<u32, Fault> {
        match opcode {
            b'q' | b'h' => {
                let [id] = self.array()?;
                Ok(id.into())
            }
            b'r' | b'j' => Ok(u32::from_le_bytes(self.array()?)),
            _ => self.line()?.parse().map_err(|_| "names a memo entry that is not a number".into()),
        }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let Some(taken) = self.bytes[self.at..].get(..len) else { return Err(self.cut()) };
        self.at += len;
        Ok(taken)
    }

    fn cut(&mut self) -> Fault {
        self.is_cut = true;
        "is cut short".into()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        Ok(self.take(N)?.try_into().expect("take returns what it was asked for"))
    }

    /// The text up to the end of the line, without it.
    pub(super) fn line(&mut self) -> Result<&'a str, Fault> {
        let rest = &self.bytes[self.at..];
        let Some(len) = rest.iter().position(|&b| b == b'\n') else { return Err(self.cut()) };
        let line = std::str::from_utf8(self.take(len)?).map_err(|_| "holds a line that is not UTF-8")?;
        self.at += 1;
        Ok(line)
    }

    fn length_4(&mut self) -> Result<usize, Fault> {
        // Negative in the signed reading of some opcodes: then longer than any pickle.
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn length_8(&mut self) -> Result<usize, Fault> {
        Ok(usize::try_from(u64::from_le_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    /// Text that is not UTF-8 (byte strings of Python 2, lone surrogates) is no name of a tensor.
    fn text(&mut self, len: usize) -> Result<(), Fault> {
        match std::str::from_utf8(self.take(len)?) {
            Ok(text) => self.push(Node::Text(text)),
            Err(_) => self.other(),
        }
    }

    fn long(&mut self, len: usize) -> Result<(), Fault> {
        let bytes = self.take(len)?;
        if bytes.len() > 8 {
            return self.other();
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Node::Int(i64::from_le_bytes(wide)))
    }
}

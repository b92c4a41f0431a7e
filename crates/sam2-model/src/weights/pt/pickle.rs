//! Reader of the pickles that `torch.save` writes. It builds a description of the objects and executes
//! nothing: opcodes and globals outside a short list are errors; calls are recorded, not made.

use std::collections::HashMap;

use crate::weights::text::quoted;

/// Maximum size of a pickle in bytes. The largest published checkpoint's has 130 kB.
const MAX_LEN: usize = 16 << 20;
/// Maximum number of objects; bounds the memory to about 100 MB.
const MAX_NODES: usize = 1 << 20;
/// Maximum depth of the stack, and number of open marks.
const MAX_STACK: usize = 1 << 16;

/// Globals that a checkpoint may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Size,
    /// `_rebuild_tensor`, `_rebuild_tensor_v2`, `_rebuild_tensor_v3`, by version 1 to 3.
    Tensor(u8),
    Parameter,
    /// A storage class or a dtype, by the name and size of its elements.
    Storage(&'static str, u8),
    DType(&'static str, u8),
}

const STORAGES: [(&str, &str, u8); 10] = [
    ("FloatStorage", "F32", 4),
    ("DoubleStorage", "F64", 8),
    ("HalfStorage", "F16", 2),
    ("BFloat16Storage", "BF16", 2),
    ("LongStorage", "I64", 8),
    ("IntStorage", "I32", 4),
    ("ShortStorage", "I16", 2),
    ("CharStorage", "I8", 1),
    ("ByteStorage", "U8", 1),
    ("BoolStorage", "BOOL", 1),
];
const DTYPES: [(&str, &str, u8); 13] = [
    ("float32", "F32", 4),
    ("float64", "F64", 8),
    ("float16", "F16", 2),
    ("bfloat16", "BF16", 2),
    ("int64", "I64", 8),
    ("int32", "I32", 4),
    ("int16", "I16", 2),
    ("int8", "I8", 1),
    ("uint8", "U8", 1),
    ("uint16", "U16", 2),
    ("uint32", "U32", 4),
    ("uint64", "U64", 8),
    ("bool", "BOOL", 1),
];

impl Global {
    fn named(module: &str, name: &str) -> Option<Self> {
        let find = |table: &[(&str, &'static str, u8)]| {
            table.iter().find(|row| row.0 == name).map(|&(_, element, size)| (element, size))
        };
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor") => Self::Tensor(1),
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor(2),
            ("torch._utils", "_rebuild_tensor_v3") => Self::Tensor(3),
            ("torch._utils", "_rebuild_parameter") => Self::Parameter,
            ("torch.storage", "UntypedStorage") => Self::Storage("bytes", 1),
            ("torch", _) => match find(&STORAGES) {
                Some((element, size)) => Self::Storage(element, size),
                None => find(&DTYPES).map(|(element, size)| Self::DType(element, size))?,
            },
            _ => return None,
        })
    }
}

/// Index of an object.
pub(super) type Id = u32;

/// An object. Lists and dicts may be shared and may contain themselves, so traversals must bound their steps.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// The tuple that names a storage.
    Persistent(Id),
    /// A function and the tuple of its arguments.
    Call(Global, Id),
    /// None, booleans, floats, sets, integers of more than 64 bits: not part of a state dict.
    Other,
}

/// All objects of a pickle.
pub(super) struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Reads one pickle that fills `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.len() > MAX_LEN {
            return Err(format!("its pickle has {} bytes, more than any checkpoint's", bytes.len()));
        }
        let mut machine = Machine {
            bytes,
            at: 0,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        match machine.run() {
            Ok(root) => Ok(Self { nodes: machine.nodes, root }),
            Err(reason) => Err(format!("its pickle {reason} (before byte {})", machine.at)),
        }
    }

    /// The outermost object.
    pub fn root(&self) -> &Node<'a> {
        self.node(self.root)
    }

    /// An object.
    pub fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    /// A map, because the writer chooses the ids.
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let [opcode] = self.array()?;
            match opcode {
                0x80 => {
                    let [version] = self.array()?;
                    if version != 2 || self.at != 2 {
                        return Err(format!("has protocol {version}, torch.save writes 2"));
                    }
                }
                b'.' => {
                    let root = self.pop()?;
                    return if self.stack.is_empty() && self.marks.is_empty() && self.at == self.bytes.len() {
                        Ok(root)
                    } else {
                        Err("does not end where its object ends".to_owned())
                    };
                }
                b'(' => {
                    if self.marks.len() >= MAX_STACK {
                        return Err("is nested too deeply".to_owned());
                    }
                    self.marks.push(self.stack.len());
                }
                b'}' => self.push(Node::Dict(Vec::new()))?,
                b']' => self.push(Node::List(Vec::new()))?,
                b')' => self.push(Node::Tuple(Vec::new()))?,
                b't' => {
                    let items = self.pop_mark()?;
                    self.push(Node::Tuple(items))?;
                }
                0x85..=0x87 => {
                    let items = self.pop_many(usize::from(opcode - 0x84))?;
                    self.push(Node::Tuple(items))?;
                }
                // NONE, NEWTRUE, NEWFALSE, EMPTY_SET
                b'N' | 0x88 | 0x89 | 0x8f => self.push(Node::Other)?,
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Node::Int(value.into()))?;
                }
                b'K' => {
                    let [value] = self.array()?;
                    self.push(Node::Int(value.into()))?;
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Node::Int(value.into()))?;
                }
                0x8a => self.long()?,
                b'G' => {
                    self.array::<8>()?;
                    self.push(Node::Other)?;
                }
                b'X' => {
                    let len = u32::from_le_bytes(self.array()?);
                    self.text(len as usize)?;
                }
                b'U' => {
                    let [len] = self.array()?;
                    self.text(len.into())?;
                }
                b'q' => {
                    let [id] = self.array()?;
                    self.put(id.into())?;
                }
                b'r' => {
                    let id = u32::from_le_bytes(self.array()?);
                    self.put(id)?;
                }
                b'h' => {
                    let [id] = self.array()?;
                    self.get(id.into())?;
                }
                b'j' => {
                    let id = u32::from_le_bytes(self.array()?);
                    self.get(id)?;
                }
                b'c' => self.global()?,
                // REDUCE, NEWOBJ
                b'R' | 0x81 => self.call()?,
                b'b' => {
                    // The attributes of an OrderedDict, such as `_metadata`.
                    self.pop()?;
                    self.target(|node| matches!(node, Node::Dict(_)).then_some(()))?;
                }
                b'a' => {
                    let items = self.pop_many(1)?;
                    self.append(items)?;
                }
                b'e' => {
                    let items = self.pop_mark()?;
                    self.append(items)?;
                }
                b's' => {
                    let items = self.pop_many(2)?;
                    self.set(&items)?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.set(&items)?;
                }
                b'Q' => {
                    let name = self.pop()?;
                    self.push(Node::Persistent(name))?;
                }
                other => return Err(format!("has the opcode 0x{other:02x}, which no checkpoint needs")),
            }
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or("is cut short")?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.take(N)?.try_into().expect("take returns what it was asked for"))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&b| b == b'\n').ok_or("is cut short")?;
        let line = std::str::from_utf8(self.take(len)?).map_err(|_| "holds text that is not UTF-8")?;
        self.at += 1;
        Ok(line)
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), String> {
        if self.nodes.len() >= MAX_NODES {
            return Err(format!("has more than {MAX_NODES} objects"));
        }
        self.nodes.push(node);
        self.push_id((self.nodes.len() - 1) as Id)
    }

    fn push_id(&mut self, id: Id) -> Result<(), String> {
        if self.stack.len() >= MAX_STACK {
            return Err("is nested too deeply".to_owned());
        }
        self.stack.push(id);
        Ok(())
    }

    /// Objects above the last mark only.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let at = self.stack.len().checked_sub(count).filter(|&at| at >= floor);
        Ok(self.stack.split_off(at.ok_or("takes more from its stack than there is")?))
    }

    fn pop(&mut self) -> Result<Id, String> {
        Ok(self.pop_many(1)?[0])
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        // Opcodes never pop below a mark, so the stack is at least this long.
        let at = self.marks.pop().ok_or("closes what it never opened")?;
        Ok(self.stack.split_off(at))
    }

    fn text(&mut self, len: usize) -> Result<(), String> {
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| "holds text that is not UTF-8")?;
        self.push(Node::Text(text))
    }

    fn long(&mut self) -> Result<(), String> {
        let [len] = self.array()?;
        let bytes = self.take(len.into())?;
        if bytes.len() > 8 {
            return self.push(Node::Other);
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Node::Int(i64::from_le_bytes(wide)))
    }

    fn put(&mut self, id: u32) -> Result<(), String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = *self.stack[floor..].last().ok_or("takes more from its stack than there is")?;
        if self.memo.len() >= MAX_NODES {
            return Err(format!("has more than {MAX_NODES} memo entries"));
        }
        self.memo.insert(id, top);
        Ok(())
    }

    fn get(&mut self, id: u32) -> Result<(), String> {
        let node =
            *self.memo.get(&id).ok_or_else(|| format!("reads memo entry {id}, which it never wrote"))?;
        self.push_id(node)
    }

    fn global(&mut self) -> Result<(), String> {
        let (module, name) = (self.line()?, self.line()?);
        let global = Global::named(module, name).ok_or_else(|| {
            format!("asks for {}, which is not part of a checkpoint", quoted(&format!("{module}.{name}")))
        })?;
        self.push(Node::Global(global))
    }

    fn call(&mut self) -> Result<(), String> {
        let [function, arguments] = self.pop_many(2)?[..] else { return Err("is damaged".to_owned()) };
        let (Node::Global(global), Node::Tuple(items)) =
            (&self.nodes[function as usize], &self.nodes[arguments as usize])
        else {
            return Err("calls what is not a function".to_owned());
        };
        match (*global, items.len()) {
            (Global::OrderedDict, 0) => self.push(Node::Dict(Vec::new())),
            (Global::Size, 1) => {
                let id = items[0];
                self.push_id(id)
            }
            (global @ (Global::Tensor(_) | Global::Parameter), _) => self.push(Node::Call(global, arguments)),
            (other, _) => Err(format!("calls {other:?} in a way that no checkpoint does")),
        }
    }

    /// The content of the object on top of the stack, as selected by `part`.
    fn target<R>(&mut self, part: impl FnOnce(&mut Node<'a>) -> Option<R>) -> Result<R, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = *self.stack[floor..].last().ok_or("takes more from its stack than there is")?;
        part(&mut self.nodes[top as usize]).ok_or_else(|| "adds to what is not a container".to_owned())
    }

    fn append(&mut self, mut items: Vec<Id>) -> Result<(), String> {
        self.target(|node| match node {
            Node::List(list) => {
                list.append(&mut items);
                Some(())
            }
            _ => None,
        })
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let (pairs, rest) = items.as_chunks();
        if !rest.is_empty() {
            return Err("has a key without a value".to_owned());
        }
        self.target(|node| match node {
            Node::Dict(dict) => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Some(())
            }
            _ => None,
        })
    }
}

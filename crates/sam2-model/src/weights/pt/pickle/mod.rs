//! Reader of the pickles that `torch.save` writes, protocols 0 to 5.
//!
//! It builds a description of the objects and executes nothing. Calls of the few functions of [`Global`] are
//! recorded; what any other function or class would make becomes an opaque [`Node::Object`], whose contents
//! are skipped. So objects of a training script beside the weights do no harm, and where a weight is needed
//! an object is no weight.

mod globals;
mod operands;

use std::collections::HashMap;

use crate::weights::fault::Fault;
pub(super) use globals::Global;

/// Maximum size of a pickle in bytes. The largest published checkpoint's has 130 kB; training scripts put
/// lists and arrays beside it.
pub(super) const MAX_LEN: usize = 64 << 20;
/// Maximum number of objects and of memo entries; bounds the memory to about 200 MB.
const MAX_NODES: usize = 1 << 21;
/// Maximum depth of the stack, and number of open marks.
const MAX_STACK: usize = 1 << 20;
const MAX_MARKS: usize = 1 << 16;
/// Newest protocol.
const PROTOCOL: u8 = 5;

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
    /// What a foreign function or class makes; the function, if it has a name.
    Object(Option<Global>),
    /// None, booleans, floats, bytes, sets, integers of more than 64 bits: not part of a state dict.
    Other,
}

/// All objects of a pickle.
pub(super) struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    root: Id,
    /// Module and name of the foreign functions.
    names: Vec<(&'a str, &'a str)>,
}

/// A pickle that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub fault: Fault,
    /// Whether it may be whole with more bytes.
    pub is_cut: bool,
}

impl<'a> Pickle<'a> {
    /// Reads one pickle that fills `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (pickle, len) = Self::parse_first(bytes).map_err(|e| e.fault)?;
        if len != bytes.len() {
            return Err("its pickle does not end where its object ends".into());
        }
        Ok(pickle)
    }

    /// Reads the pickle at the beginning of `bytes`; also returns its length.
    pub fn parse_first(bytes: &'a [u8]) -> Result<(Self, usize), Unreadable> {
        let mut machine = Machine { bytes, ..Machine::default() };
        match machine.run() {
            Ok(root) => Ok((Self { nodes: machine.nodes, root, names: machine.names }, machine.at)),
            Err(fault) => {
                let told = |reason: String| format!("its pickle {reason} (before byte {})", machine.at);
                let fault = match fault {
                    Fault::Damaged(reason) => Fault::Damaged(told(reason)),
                    Fault::Foreign(reason) => Fault::Foreign(told(reason)),
                    other => other,
                };
                Err(Unreadable { fault, is_cut: machine.is_cut })
            }
        }
    }

    /// The outermost object.
    pub fn root(&self) -> Id {
        self.root
    }

    /// An object.
    pub fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    /// All objects.
    pub fn nodes(&self) -> impl Iterator<Item = &Node<'a>> {
        self.nodes.iter()
    }

    /// What an object is, for messages.
    pub fn kind(&self, id: Id) -> String {
        match self.node(id) {
            Node::Int(_) => "a number".to_owned(),
            Node::Text(_) => "text".to_owned(),
            Node::Tuple(_) | Node::List(_) => "a list".to_owned(),
            Node::Dict(_) => "a dict".to_owned(),
            Node::Global(global) => format!("the function or class {}", self.name(*global)),
            Node::Persistent(_) => "a storage".to_owned(),
            Node::Call(..) => "a tensor".to_owned(),
            Node::Object(Some(global)) => format!("an object of {}", self.name(*global)),
            Node::Object(None) => "an object".to_owned(),
            Node::Other => "no tensor".to_owned(),
        }
    }

    fn name(&self, global: Global) -> String {
        let Global::Foreign(index) = global else { return format!("{global:?}") };
        let (module, name) = self.names[index as usize];
        let shown: String = format!("{module}.{name}").chars().take(100).collect();
        shown.escape_debug().to_string()
    }
}

/// A pickle that is whole, but beyond what is read.
fn limit(reason: String) -> Fault {
    Fault::Foreign(reason)
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node<'a>>,
    names: Vec<(&'a str, &'a str)>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    /// A map, because the writer chooses the ids.
    memo: HashMap<u32, Id>,
    /// The one node of all that is [`Node::Other`].
    other: Option<Id>,
    /// Whether it stopped because the bytes ended.
    is_cut: bool,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, Fault> {
        loop {
            let [opcode] = self.array()?;
            match opcode {
                // PROTO
                0x80 => {
                    let [version] = self.array()?;
                    if version > PROTOCOL || self.at != 2 {
                        return Err(limit(format!("has protocol {version}; 0 to {PROTOCOL} are read")));
                    }
                }
                b'.' => {
                    let root = self.pop()?;
                    return if self.stack.is_empty() && self.marks.is_empty() {
                        Ok(root)
                    } else {
                        Err("does not end where its object ends".into())
                    };
                }
                b'(' => self.mark()?,
                // POP, POP_MARK, DUP
                b'0' if self.stack.len() == self.floor() => drop(self.pop_mark()?),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.pop_mark()?),
                b'2' => {
                    let top = self.top()?;
                    self.push_id(top)?;
                }
                b'}' => self.push(Node::Dict(Vec::new()))?,
                b']' => self.push(Node::List(Vec::new()))?,
                b')' => self.push(Node::Tuple(Vec::new()))?,
                b't' => {
                    let items = self.pop_mark()?;
                    self.push(Node::Tuple(items))?;
                }
                b'l' => {
                    let items = self.pop_mark()?;
                    self.push(Node::List(items))?;
                }
                b'd' => {
                    let items = self.pop_mark()?;
                    self.push(Node::Dict(Vec::new()))?;
                    self.set(&items)?;
                }
                0x85..=0x87 => {
                    let items = self.pop_many(usize::from(opcode - 0x84))?;
                    self.push(Node::Tuple(items))?;
                }
                // NONE, NEWTRUE, NEWFALSE, EMPTY_SET
                b'N' | 0x88 | 0x89 | 0x8f => self.other()?,
                // FROZENSET
                0x91 => {
                    self.pop_mark()?;
                    self.other()?;
                }
                b'q' | b'r' | b'p' | 0x94 => self.put(opcode)?,
                b'h' | b'j' | b'g' => self.get(opcode)?,
                b'c' => self.global()?,
                // STACK_GLOBAL
                0x93 => self.stack_global()?,
                // EXT1, EXT2, EXT4: a class by its number in a registry of the writer's.
                0x82..=0x84 => {
                    self.take(1 << (opcode - 0x82))?;
                    self.push(Node::Object(None))?;
                }
                // REDUCE, NEWOBJ
                b'R' | 0x81 => {
                    let arguments = self.pop()?;
                    let function = self.pop()?;
                    self.call(function, arguments)?;
                }
                // NEWOBJ_EX
                0x92 => {
                    self.pop_many(2)?;
                    let class = self.pop()?;
                    self.object(class)?;
                }
                // INST, OBJ
                b'i' => {
                    let (module, name) = (self.line()?, self.line()?);
                    let items = self.pop_mark()?;
                    self.named(module, name)?;
                    self.call_with(items)?;
                }
                b'o' => {
                    let mut items = self.pop_mark()?;
                    if items.is_empty() {
                        return Err("makes an object of no class".into());
                    }
                    self.push_id(items.remove(0))?;
                    self.call_with(items)?;
                }
                b'b' => self.build()?,
                b'a' => {
                    let items = self.pop_many(1)?;
                    self.append(items)?;
                }
                b'e' | 0x90 => {
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
                other => self.operand(other)?,
            }
        }
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), Fault> {
        if self.nodes.len() >= MAX_NODES {
            return Err(limit(format!("has more than {MAX_NODES} objects")));
        }
        self.nodes.push(node);
        self.push_id((self.nodes.len() - 1) as Id)
    }

    fn push_id(&mut self, id: Id) -> Result<(), Fault> {
        if self.stack.len() >= MAX_STACK {
            return Err(limit("is nested too deeply".to_owned()));
        }
        self.stack.push(id);
        Ok(())
    }

    fn other(&mut self) -> Result<(), Fault> {
        if let Some(id) = self.other {
            return self.push_id(id);
        }
        self.push(Node::Other)?;
        self.other = self.stack.last().copied();
        Ok(())
    }

    fn mark(&mut self) -> Result<(), Fault> {
        if self.marks.len() >= MAX_MARKS {
            return Err(limit("is nested too deeply".to_owned()));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Height of the stack at the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    /// Objects above the last mark only.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, Fault> {
        let at = self.stack.len().checked_sub(count).filter(|&at| at >= self.floor());
        Ok(self.stack.split_off(at.ok_or("takes more from its stack than there is")?))
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn top(&self) -> Result<Id, Fault> {
        let top = self.stack[self.floor()..].last().copied();
        Ok(top.ok_or("takes more from its stack than there is")?)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Fault> {
        // Opcodes never pop below a mark, so the stack is at least this long.
        let at = self.marks.pop().ok_or("closes what it never opened")?;
        Ok(self.stack.split_off(at))
    }

    fn put(&mut self, opcode: u8) -> Result<(), Fault> {
        let id = match opcode {
            // MEMOIZE
            0x94 => self.memo.len() as u32,
            _ => self.memo_id(opcode)?,
        };
        let top = self.top()?;
        if self.memo.len() >= MAX_NODES {
            return Err(limit(format!("has more than {MAX_NODES} memo entries")));
        }
        self.memo.insert(id, top);
        Ok(())
    }

    fn get(&mut self, opcode: u8) -> Result<(), Fault> {
        let id = self.memo_id(opcode)?;
        let node =
            *self.memo.get(&id).ok_or_else(|| format!("reads memo entry {id}, which it never wrote"))?;
        self.push_id(node)
    }

    fn global(&mut self) -> Result<(), Fault> {
        let (module, name) = (self.line()?, self.line()?);
        self.named(module, name)
    }

    fn stack_global(&mut self) -> Result<(), Fault> {
        let items = self.pop_many(2)?;
        match (&self.nodes[items[0] as usize], &self.nodes[items[1] as usize]) {
            (&Node::Text(module), &Node::Text(name)) => self.named(module, name),
            _ => Err("names a function or class by what is not text".into()),
        }
    }

    fn named(&mut self, module: &'a str, name: &'a str) -> Result<(), Fault> {
        let global = Global::named(module, name).unwrap_or_else(|| {
            self.names.push((module, name));
            Global::Foreign((self.names.len() - 1) as u32)
        });
        self.push(Node::Global(global))
    }

    /// Calls what is on top of the stack.
    fn call_with(&mut self, items: Vec<Id>) -> Result<(), Fault> {
        self.push(Node::Tuple(items))?;
        let arguments = self.pop()?;
        let function = self.pop()?;
        self.call(function, arguments)
    }

    fn call(&mut self, function: Id, arguments: Id) -> Result<(), Fault> {
        let Node::Global(global) = self.nodes[function as usize] else { return self.object(function) };
        let Node::Tuple(items) = &self.nodes[arguments as usize] else { return self.object(function) };
        match (global, &items[..]) {
            (Global::Dict, [pairs]) if matches!(self.nodes[*pairs as usize], Node::List(_)) => {
                let pairs = self.pairs(*pairs);
                self.push(Node::Dict(pairs?))
            }
            // The argument of a `defaultdict` makes its absent values.
            (Global::Dict, [] | [_]) => self.push(Node::Dict(Vec::new())),
            (Global::Size, &[id]) => self.push_id(id),
            (Global::Tensor(_) | Global::Parameter, _) => self.push(Node::Call(global, arguments)),
            (Global::FromType, &[inner, _, arguments, _]) => match self.nodes[inner as usize] {
                Node::Global(Global::Tensor(_) | Global::Parameter) => self.call(inner, arguments),
                _ => self.object(inner),
            },
            _ => self.object(function),
        }
    }

    /// The list of pairs with which Python 2 makes an `OrderedDict`.
    fn pairs(&self, list: Id) -> Result<Vec<(Id, Id)>, Fault> {
        let Node::List(items) = &self.nodes[list as usize] else { return Ok(Vec::new()) };
        let pair = |&item: &Id| match &self.nodes[item as usize] {
            Node::List(pair) | Node::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err("makes a dict of what are no pairs".into()),
        };
        items.iter().map(pair).collect()
    }

    fn object(&mut self, class: Id) -> Result<(), Fault> {
        let class = match self.nodes[class as usize] {
            Node::Global(global) => Some(global),
            _ => None,
        };
        self.push(Node::Object(class))
    }

    /// State of the object below: attributes of an `OrderedDict` such as `_metadata`, or anything of a
    /// foreign object. A tensor that is changed after it was made is none that is read.
    fn build(&mut self) -> Result<(), Fault> {
        self.pop()?;
        let top = self.top()?;
        if let Node::Call(global, _) = self.nodes[top as usize] {
            self.nodes[top as usize] = Node::Object(Some(global));
        }
        Ok(())
    }

    /// The container on top of the stack.
    fn target(&mut self) -> Result<&mut Node<'a>, Fault> {
        let top = self.top()?;
        Ok(&mut self.nodes[top as usize])
    }

    fn append(&mut self, mut items: Vec<Id>) -> Result<(), Fault> {
        match self.target()? {
            Node::List(list) => list.append(&mut items),
            Node::Object(_) | Node::Other => {}
            _ => return Err("adds to what is not a container".into()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), Fault> {
        let (pairs, rest) = items.as_chunks();
        if !rest.is_empty() {
            return Err("has a key without a value".into());
        }
        match self.target()? {
            Node::Dict(dict) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Node::Object(_) => {}
            _ => return Err("adds to what is not a container".into()),
        }
        Ok(())
    }
}
